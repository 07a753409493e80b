"""How a Hugging Face model rotates, as transformers' ``modeling_rope_utils`` reads it from ``config.json``.

Releases before 5 have ``rope_theta`` and, for stretched models, ``rope_scaling``; later ones have both in
``rope_parameters``.
"""

import math
from dataclasses import replace

from sevenb.model.config import RopeConfig
from sevenb.model.gguf_header import quoted
from sevenb.model.hf.fields import MAX_CONTEXT, Fields


def rope_config(fields: Fields, head_dim: int) -> RopeConfig:
    """Raises `UnsupportedModel` for a method of stretching that `RopeConfig` does not know."""
    scaling = fields.part("rope_parameters") or fields.part("rope_scaling")
    bases = scaling if scaling is not None and scaling.has("rope_theta") else fields
    share = fields.number("partial_rotary_factor", low=0.0, high=1.0, default=1.0)
    dim = int(head_dim * share)
    if dim % 2 or not dim:
        fields.corrupt(f"it rotates {dim} dimensions of a head, an odd number or none")
    rope = RopeConfig(base=bases.number("rope_theta", low=1.0, high=1e12, default=10000.0), dim=dim, interleaved=False)
    if scaling is None:
        return rope
    kind = scaling.text("rope_type", default=scaling.text("type", default="default"))
    if kind == "default":
        return rope
    if kind not in ("linear", "yarn", "llama3"):
        fields.unsupported(f"stretches RoPE by the method {quoted(kind)}")
    rope = replace(rope, scaling=kind, factor=scaling.number("factor", low=0.0, high=1e6))
    match kind:
        case "linear":
            return rope
        case "llama3":
            return _llama3(rope, scaling)
        case _:
            return _yarn(rope, scaling, fields)


def context_length(fields: Fields, rope: RopeConfig) -> int:
    """Tokens that the model was made for. YaRN's and linear stretching multiply what stands there, as in vLLM."""
    stated = fields.integer("max_position_embeddings", high=MAX_CONTEXT)
    match rope.scaling:
        case "yarn":
            return min(MAX_CONTEXT, max(1, int(rope.original_context * rope.factor)))
        case "linear":
            return min(MAX_CONTEXT, max(1, int(stated * rope.factor)))
        case _:
            return stated


def _llama3(rope: RopeConfig, scaling: Fields) -> RopeConfig:
    low = scaling.number("low_freq_factor", low=0.0, high=1e6)
    high = scaling.number("high_freq_factor", low=0.0, high=1e6)
    if high <= low:
        scaling.corrupt(f"its rope_scaling has a high_freq_factor of {high:g}, not above its low_freq_factor")
    return replace(
        rope,
        original_context=scaling.integer("original_max_position_embeddings", high=MAX_CONTEXT),
        low_frequency_factor=low,
        high_frequency_factor=high,
    )


def _yarn(rope: RopeConfig, scaling: Fields, fields: Fields) -> RopeConfig:
    if not scaling.flag("truncate", default=True):
        scaling.unsupported("stretches RoPE by YaRN without rounding its bounds")
    stated = fields.integer("max_position_embeddings", high=MAX_CONTEXT)
    attention = scaling.number("attention_factor", low=0.0, high=1e3) if scaling.has("attention_factor") else None
    if attention is None and scaling.has("mscale") and scaling.has("mscale_all_dim"):
        numerator, denominator = (
            _magnitude(rope.factor, scaling.number(key, low=0.0, high=1e3)) for key in ("mscale", "mscale_all_dim")
        )
        attention = numerator / denominator
    return replace(
        rope,
        original_context=scaling.integer("original_max_position_embeddings", high=MAX_CONTEXT, default=stated),
        attention_factor=attention,
        beta_fast=scaling.number("beta_fast", low=0.0, high=1e6, default=32.0),
        beta_slow=scaling.number("beta_slow", low=0.0, high=1e6, default=1.0),
    )


def _magnitude(factor: float, scale: float) -> float:
    return 0.1 * scale * math.log(factor) + 1.0 if factor > 1.0 else 1.0
