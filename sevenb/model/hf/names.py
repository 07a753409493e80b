"""What a tensor of a Hugging Face folder is called in GGUF files, whose names we use everywhere."""

import re

_LAYER = re.compile(r"layers\.(?P<layer>\d{1,4})\.(?P<part>.+)")
LAYER_MATRICES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_LAYER_PARTS = {
    **LAYER_MATRICES,
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
_PARTS = {"embed_tokens": "token_embd", "norm": "output_norm", "lm_head": "output"}
HEAD = "lm_head"
_HUB_LAYER_PARTS = {ours: theirs for theirs, ours in _LAYER_PARTS.items()}
_HUB_PARTS = {ours: theirs for theirs, ours in _PARTS.items()}


def canonical_module(module: str) -> str | None:
    """``model.layers.3.mlp.up_proj`` is ``blk.3.ffn_up``; None for what no decoder of ours has.

    Models for vectors are saved without what computes logits, and without ``model.`` in front.
    """
    bare = module.removeprefix("model.")
    layer = _LAYER.fullmatch(bare)
    if layer is None:
        return _PARTS.get(bare)
    part = _LAYER_PARTS.get(layer["part"])
    return None if part is None else f"blk.{int(layer['layer'])}.{part}"


def is_computed(name: str) -> bool:
    """Whether a tensor holds what every program computes for itself: old checkpoints saved the rotation's angles."""
    return name.endswith(("rotary_emb.inv_freq", "rotary_emb.cos_cached", "rotary_emb.sin_cached", ".masked_bias"))


def hub_name(name: str) -> str:
    """The other way: ``blk.3.ffn_up.weight`` is ``model.layers.3.mlp.up_proj.weight``."""
    module, _, kind = name.rpartition(".")
    if module.startswith("blk."):
        _, layer, part = module.split(".")
        return f"model.layers.{layer}.{_HUB_LAYER_PARTS[part]}.{kind}"
    hub = _HUB_PARTS.get(module, module)
    return f"{hub}.{kind}" if hub == HEAD else f"model.{hub}.{kind}"
