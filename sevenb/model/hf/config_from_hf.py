"""From a folder's ``config.json`` and tensors to a `ModelConfig` that is known to fit the weights.

Keys as transformers' configuration classes have them (``Qwen2Config``, ``Qwen3Config``, ``LlamaConfig``,
``MistralConfig``). Hostile numbers are refused here, so that whoever allocates by the config never meets one.
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NoReturn

from sevenb.backend.quant_types import QuantType, RawTensor
from sevenb.model.config import ModelConfig
from sevenb.model.config_from_gguf import trained_context
from sevenb.model.decoder_tensors import check_tensors
from sevenb.model.gguf_header import quoted
from sevenb.model.hf import sidecars
from sevenb.model.hf.fields import MAX_CONTEXT, Fields
from sevenb.model.hf.names import hub_name
from sevenb.model.hf.rope_from_hf import context_length, rope_config

_ARCHITECTURES = {"qwen2": "qwen2", "qwen3": "qwen3", "llama": "llama", "mistral": "llama"}
# Heads that write text, and the bare model, of which some are saved that were made for vectors.
_HEADS = ("ForCausalLM", "LMHeadModel", "Model")
# Keys that change what a decoder computes, in ways ours does not know; what they are when they change nothing.
_FOREIGN_KEYS: Mapping[str, tuple[object, ...]] = {
    "attn_logit_softcapping": (None,),
    "final_logit_softcapping": (None,),
    "is_causal": (None, True),
    "is_decoder": (None, True, False),
    "is_encoder_decoder": (None, False),
    "logit_scale": (None, 1, 1.0),
    "embedding_multiplier": (None, 1, 1.0),
    "residual_multiplier": (None, 1, 1.0),
    "num_experts": (None, 0),
    "num_local_experts": (None, 0),
    "query_pre_attn_scalar": (None,),
}


def architecture_of(config: Mapping[str, Any], source: str) -> str:
    """``qwen2``, ``qwen3`` or ``llama``; raises `UnsupportedModel` for relatives that compute differently."""
    kind = config.get("model_type")
    heads = config.get("architectures")
    if isinstance(heads, list) and heads and isinstance(heads[0], str) and not heads[0].endswith(_HEADS):
        sidecars.unsupported(source, f"is a {quoted(heads[0])}")
    if not isinstance(kind, str):
        sidecars.corrupt(source, "its config.json has no model_type")
    if kind not in _ARCHITECTURES:
        sidecars.unsupported(source, f"is a model of the kind {quoted(kind)}")
    for key, harmless in _FOREIGN_KEYS.items():
        if config.get(key) not in harmless:
            sidecars.unsupported(source, f"sets {key} to {sidecars.shown(config[key])}")
    return _ARCHITECTURES[kind]


def config_from_hf(
    config: Mapping[str, Any], tensors: Mapping[str, RawTensor], label: str | None, *, name: str, source: str
) -> ModelConfig:
    """What decoder the folder describes; ``label`` says how it is quantised, ``source`` names it in errors.

    Every tensor the decoder will ask for is known to be there and to have its shape. Raises `CorruptModelFile` for
    what contradicts itself and `UnsupportedModel` for what is sound but needs another decoder.
    """
    architecture = architecture_of(config, source)
    fields = Fields(config, source)
    if (activation := fields.text("hidden_act", default="silu")) not in ("silu", "swish"):
        fields.unsupported(f"has the activation {quoted(activation)}")
    heads = fields.integer("num_attention_heads")
    kv_heads = fields.integer("num_key_value_heads", default=heads)
    if heads % kv_heads:
        fields.corrupt(f"it has {heads} attention heads, no multiple of its {kv_heads} KV heads")
    hidden_size = fields.integer("hidden_size")
    if not fields.has("head_dim") and hidden_size % heads:
        fields.corrupt(f"its hidden_size {hidden_size} is no multiple of its {heads} heads")
    head_dim = fields.integer("head_dim", default=128 if architecture == "qwen3" else hidden_size // heads)
    rope = rope_config(fields, head_dim)
    model = ModelConfig(
        architecture=architecture,
        name=name,
        vocab_size=fields.integer("vocab_size"),
        hidden_size=hidden_size,
        intermediate_size=fields.integer("intermediate_size"),
        layers=fields.integer("num_hidden_layers", high=max(1, len(tensors))),
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        norm_eps=fields.number("rms_norm_eps", low=0.0, high=1.0, default=1e-6),
        context_length=trained_context(architecture, context_length(fields, rope), rope),
        rope=rope,
        sliding_window=_sliding_window(fields),
        parameters=sum(math.prod(tensor.shape) for tensor in tensors.values()),
    )
    _check(model, config, tensors, source)
    return replace(model, quantization=label or _number_type(tensors))


def _sliding_window(fields: Fields) -> int | None:
    """How far tokens look back, where all layers agree on it."""
    window = fields.integer("sliding_window", low=0, high=MAX_CONTEXT, default=0) or None
    layers = fields.integer("num_hidden_layers")
    if window is None or fields.flag("use_sliding_window", default=fields.get("model_type") == "mistral") is False:
        return None
    kinds = fields.get("layer_types")
    if isinstance(kinds, list):
        slides = [kind == "sliding_attention" for kind in kinds[:layers]]
    elif fields.has("use_sliding_window"):
        first = fields.integer("max_window_layers", low=0, default=28)
        slides = [layer >= first for layer in range(layers)]
    else:
        slides = [True]
    if any(slides) and not all(slides):
        fields.unsupported("has a sliding window in some of its layers")
    return window if any(slides) else None


def _check(model: ModelConfig, config: Mapping[str, Any], tensors: Mapping[str, RawTensor], source: str) -> None:
    def corrupt(reason: str) -> NoReturn:
        sidecars.corrupt(source, reason)

    def unsupported(reason: str) -> NoReturn:
        sidecars.unsupported(source, reason)

    check_tensors(model, tensors, corrupt=corrupt, unsupported=unsupported, named=lambda name: quoted(hub_name(name)))
    if "output.weight" not in tensors and config.get("tie_word_embeddings", True) is not True:
        corrupt(f"it lacks the tensor {quoted(hub_name('output.weight'))}")
    for tensor in tensors.values():
        if len(tensor.shape) == 2 and tensor.columns % tensor.quant_type.block_size:
            unsupported(f"has {quoted(hub_name(tensor.name))} with {tensor.columns} columns, no multiple of a block")


def _number_type(tensors: Mapping[str, RawTensor]) -> str:
    sizes: Counter[QuantType] = Counter()
    for tensor in tensors.values():
        sizes[tensor.quant_type] += tensor.nbytes
    return max(sizes, key=lambda quant_type: sizes[quant_type]).name
