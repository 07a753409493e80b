"""All layers in one call are, bit for bit, the ops of each layer one by one."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from sevenb.backend.native import NativeBackend, _kernels, available_isas
from sevenb.backend.protocol import Batch
from sevenb.backend.quant_types import QuantType
from sevenb.model.checkpoint import Checkpoint
from sevenb.model.decoder import Decoder
from sevenb.model.rope import RopeProfile
from tests.backend.native.random_weights import random_tensor
from tests.model.tiny_gguf import TinyModel

MODELS = {
    "qwen2": (TinyModel(layers=3, quant_type=QuantType.Q4_K), {}),
    "qwen3": (TinyModel("qwen3", QuantType.Q6_K, head_dim=128, tied=True), {}),
    "llama with a sliding window": (
        TinyModel("llama", QuantType.Q8_0, kv_heads=1),
        {"llama.attention.sliding_window": 9},
    ),
    "plain numbers": (TinyModel(quant_type=QuantType.F16), {}),
}


def batch(checkpoint: Checkpoint, lengths: list[int], cached: list[int]) -> Batch:
    """The next ``lengths`` tokens of sequences of which ``cached`` are stored, eight blocks of 16 each."""
    rng = np.random.default_rng(sum(cached))
    positions = np.concatenate(
        [np.arange(done, done + length, dtype=np.int32) for length, done in zip(lengths, cached, strict=True)]
    )
    cos, sin = RopeProfile(checkpoint.config.rope).angles(positions)
    return Batch(
        token_ids=rng.integers(0, 288, len(positions)).astype(np.int32),
        positions=positions,
        query_starts=np.cumsum([0, *lengths], dtype=np.int32),
        context_lengths=np.array(lengths, np.int32) + np.array(cached, np.int32),
        block_tables=np.arange(8 * len(lengths), dtype=np.int32).reshape(len(lengths), 8),
        logit_rows=np.arange(len(positions), dtype=np.int32),
        rope_cos=cos,
        rope_sin=sin,
    )


def answers(checkpoint: Checkpoint, backend: NativeBackend, *, bound: bool) -> list[npt.NDArray[np.float32]]:
    """Logits of a prompt beside another, of its end beside one token, and of two tokens alone."""
    decoder = Decoder(checkpoint, backend)
    assert decoder._bound_layers is not None
    if not bound:
        decoder._bound_layers = None
    cache = backend.allocate_kv(decoder.kv_layout(block_size=16, dtype="k16v8"), 16)
    steps = [([40, 33], [0, 0]), ([21, 1], [40, 33]), ([1, 1], [61, 34])]
    return [backend.to_host(decoder.forward(batch(checkpoint, *step), cache)) for step in steps]


@pytest.mark.parametrize("isa", available_isas())
@pytest.mark.parametrize("name", MODELS)
def test_they_are_the_ops_one_by_one(tmp_path: Path, name: str, isa: str) -> None:
    model, extra = MODELS[name]
    with Checkpoint.open(model.write(tmp_path / "tiny.gguf", **extra)) as checkpoint:
        backend = NativeBackend(threads=2, isa=isa)
        together = answers(checkpoint, backend, bound=True)
        for one, other in zip(together, answers(checkpoint, backend, bound=False), strict=True):
            np.testing.assert_array_equal(one, other)


def layer(backend: NativeBackend, **changes: object) -> list[object]:
    """The arguments of `Layers.append` for two heads of 32 and one KV head, some of them changed."""

    def matrix(rows: int, columns: int) -> object:
        return backend.pack(random_tensor(QuantType.Q8_0, rows, columns, np.random.default_rng(0)))

    arguments = {
        "attention_norm": np.ones(64, np.float32),
        "query": matrix(64, 64),
        "key": matrix(32, 64),
        "value": matrix(32, 64),
        **dict.fromkeys(("query_bias", "key_bias", "value_bias", "key_balance", "query_norm", "key_norm")),
        "output": matrix(64, 64),
        "mlp_norm": np.ones(64, np.float32),
        "gate": matrix(96, 64),
        "up": matrix(96, 64),
        "down": matrix(64, 96),
    }
    return list((arguments | changes).values())


def test_weights_of_another_shape_are_refused_by_name() -> None:
    backend = NativeBackend(threads=1)
    layers = _kernels.Layers(2, 1, 32, False, 0, 32**-0.5, 1e-6)
    wrong = backend.pack(random_tensor(QuantType.Q8_0, 64, 64, np.random.default_rng(0)))
    for name in ("key", "value", "up", "down"):
        with pytest.raises(ValueError, match=f"{name} has the wrong shape"):
            layers.append(*layer(backend, **{name: wrong}))
    for name in ("attention_norm", "key_bias", "query_norm", "mlp_norm"):
        with pytest.raises(ValueError, match=f"{name} has the wrong shape"):
            layers.append(*layer(backend, **{name: np.ones(63, np.float32)}))
    with pytest.raises(ValueError, match="not a multiple of the KV heads"):
        _kernels.Layers(3, 2, 32, False, 0, 1.0, 1e-6)


def test_layers_keep_what_they_are_made_of(tmp_path: Path) -> None:
    """Matrices and vectors that nobody else holds live as long as the layers do."""
    with Checkpoint.open(TinyModel(quant_type=QuantType.Q4_0).write(tmp_path / "tiny.gguf")) as checkpoint:
        backend = NativeBackend(threads=2)
        expected = answers(checkpoint, backend, bound=True)
        decoder = Decoder(checkpoint, backend)
        decoder.layers.clear()
        cache = backend.allocate_kv(decoder.kv_layout(block_size=16, dtype="k16v8"), 16)
        first = backend.to_host(decoder.forward(batch(checkpoint, [40, 33], [0, 0]), cache))
        np.testing.assert_array_equal(first, expected[0])
