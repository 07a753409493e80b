"""The decoder against the architecture written out one token at a time, in float64 and without any cache."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from sevenb.backend.protocol import Batch
from sevenb.backend.quant_types import QuantType
from sevenb.backend.reference import ReferenceBackend
from sevenb.backend.reference.dequantize import dequantize
from sevenb.model.checkpoint import Checkpoint
from sevenb.model.decoder import Decoder
from sevenb.model.rope import RopeProfile
from tests.model.tiny_gguf import TinyModel

Array = npt.NDArray[np.float64]
PROMPT = np.random.default_rng(5).integers(0, 288, 40).astype(np.int32)


@pytest.mark.parametrize(
    ("model", "extra"),
    [
        (TinyModel(quant_type=QuantType.F32), {}),
        (TinyModel(quant_type=QuantType.F32, tied=True, kv_heads=4), {}),
        (TinyModel("qwen3", QuantType.F32, head_dim=128), {}),
        (TinyModel("llama", QuantType.F32, kv_heads=1), {}),
        (TinyModel("llama", QuantType.Q4_K), {"llama.attention.sliding_window": 9}),
        (
            TinyModel("llama", QuantType.F32),
            {
                "llama.rope.scaling.type": "yarn",
                "llama.rope.scaling.factor": 4.0,
                "llama.rope.scaling.original_context_length": 128,
            },
        ),
    ],
    ids=["qwen2", "qwen2 tied", "qwen3", "llama", "sliding window", "yarn"],
)
def test_logits_are_those_of_the_architecture(model: TinyModel, extra: dict[str, object], tmp_path: Path) -> None:
    checkpoint = Checkpoint.open(model.write(tmp_path / "tiny.gguf", **extra))
    expected = _forward(checkpoint, PROMPT)
    np.testing.assert_allclose(_decode(checkpoint, PROMPT), expected, atol=2e-4 * np.abs(expected).max())


def test_progress_ends_at_the_whole_file(tmp_path: Path) -> None:
    checkpoint = Checkpoint.open(TinyModel().write(tmp_path / "tiny.gguf"))
    seen: list[tuple[int, int]] = []
    Decoder(checkpoint, ReferenceBackend(), progress=lambda done, total: seen.append((done, total)))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1] == (checkpoint.total_bytes, checkpoint.total_bytes)


def test_only_the_wanted_rows_have_logits(tmp_path: Path) -> None:
    checkpoint = Checkpoint.open(TinyModel(quant_type=QuantType.F32).write(tmp_path / "tiny.gguf"))
    everything = _decode(checkpoint, PROMPT)
    some = _decode(checkpoint, PROMPT, rows=[39, 3, 3])
    np.testing.assert_allclose(some, everything[[39, 3, 3]], atol=1e-4)


def test_hidden_states_are_what_the_head_sees(tmp_path: Path) -> None:
    checkpoint = Checkpoint.open(TinyModel("qwen3", QuantType.F32, tied=True).write(tmp_path / "tiny.gguf"))
    backend = ReferenceBackend()
    decoder = Decoder(checkpoint, backend)
    cache = backend.allocate_kv(decoder.kv_layout(block_size=16), 4)
    logits, states = decoder.forward_with_states(_batch(checkpoint, PROMPT), cache, [39, 3])
    assert states.shape == (2, 256)
    np.testing.assert_allclose(states @ decoder.head.T, logits[[39, 3]], atol=1e-4)


def _decode(checkpoint: Checkpoint, tokens: npt.NDArray[np.int32], rows: list[int] | None = None) -> Array:
    """Logits by `Decoder` on the reference backend, the prompt in one step."""
    backend = ReferenceBackend()
    decoder = Decoder(checkpoint, backend)
    cache = backend.allocate_kv(decoder.kv_layout(block_size=16), 4)
    batch = _batch(checkpoint, tokens)
    if rows is not None:
        batch = replace(batch, logit_rows=np.array(rows, np.int32))
    return backend.to_host(decoder.forward(batch, cache)).astype(np.float64)


def _batch(checkpoint: Checkpoint, tokens: npt.NDArray[np.int32]) -> Batch:
    """A prompt in one step, the logits of all its tokens wanted."""
    positions = np.arange(len(tokens), dtype=np.int32)
    cos, sin = RopeProfile(checkpoint.config.rope).angles(positions)
    return Batch(
        token_ids=tokens,
        positions=positions,
        query_starts=np.array([0, len(tokens)], np.int32),
        context_lengths=np.array([len(tokens)], np.int32),
        block_tables=np.array([[2, 0, 3]], np.int32),
        logit_rows=positions,
        rope_cos=cos,
        rope_sin=sin,
    )


def _forward(checkpoint: Checkpoint, tokens: npt.NDArray[np.int32]) -> Array:
    """Logits [T, V] straight from the papers: every head of every token in a loop of its own."""
    config = checkpoint.config
    weights = {name: dequantize(tensor).astype(np.float64) for name, tensor in checkpoint.tensors.items()}
    cos, sin = (a.astype(np.float64) for a in RopeProfile(config.rope).angles(np.arange(len(tokens), dtype=np.int32)))

    def norm(x: Array, weight: Array) -> Array:
        return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + config.norm_eps) * weight

    def turn(head: Array, position: int) -> Array:
        pairs = head.reshape(-1, 2) if config.rope.interleaved else head.reshape(2, -1).T
        turned = (pairs[:, 0] + 1j * pairs[:, 1]) * (cos[position] + 1j * sin[position])
        both = np.stack([turned.real, turned.imag], axis=1)
        return both.reshape(-1) if config.rope.interleaved else both.T.reshape(-1)

    hidden = weights["token_embd.weight"][tokens]
    for layer in range(config.layers):
        block = {n.split(".", 2)[2]: w for n, w in weights.items() if n.startswith(f"blk.{layer}.")}
        normed = norm(hidden, block["attn_norm.weight"])
        heads = {}
        for kind in "qkv":
            flat = normed @ block[f"attn_{kind}.weight"].T + block.get(f"attn_{kind}.bias", 0.0)
            heads[kind] = flat.reshape(len(tokens), -1, config.head_dim)
            if (weight := block.get(f"attn_{kind}_norm.weight")) is not None:
                heads[kind] = norm(heads[kind], weight)
        attended = np.zeros_like(heads["q"])
        for t in range(len(tokens)):
            first = 0 if config.sliding_window is None else max(0, t + 1 - config.sliding_window)
            for h in range(config.heads):
                kv = h * config.kv_heads // config.heads
                query = turn(heads["q"][t, h], t)
                keys = np.stack([turn(heads["k"][s, kv], s) for s in range(first, t + 1)])
                scores = np.exp(keys @ query / np.sqrt(config.head_dim))
                attended[t, h] = scores @ heads["v"][first : t + 1, kv] / scores.sum()
        hidden = hidden + attended.reshape(len(tokens), -1) @ block["attn_output.weight"].T
        normed = norm(hidden, block["ffn_norm.weight"])
        gate = normed @ block["ffn_gate.weight"].T
        hidden = (
            hidden + (gate / (1 + np.exp(-gate)) * (normed @ block["ffn_up.weight"].T)) @ block["ffn_down.weight"].T
        )
    return norm(hidden, weights["output_norm.weight"]) @ weights.get("output.weight", weights["token_embd.weight"]).T
