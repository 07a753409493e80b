"""The family qwen3 on every backend, in Qwen3-0.6B's shape."""

import numpy as np
import numpy.typing as npt
import pytest

from sevenb.backend.native import NativeBackend, available_isas
from sevenb.backend.protocol import Backend, Batch
from sevenb.backend.reference import ReferenceBackend
from sevenb.model.checkpoint import Checkpoint
from sevenb.model.decoder import Decoder
from sevenb.model.rope import RopeProfile
from tests.model.qwen3_models import QWEN3_06B

Floats = npt.NDArray[np.float32]
TOKENS = np.random.default_rng(8).integers(0, 512, 48).astype(np.int32)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return Checkpoint.open(QWEN3_06B.write(tmp_path_factory.mktemp("qwen3") / "qwen3.gguf"))


@pytest.fixture(scope="module")
def exact(checkpoint: Checkpoint) -> Floats:
    return states(checkpoint, ReferenceBackend(), "f32", [48])


def states(checkpoint: Checkpoint, backend: Backend, dtype: str, chunks: list[int]) -> Floats:
    """The final hidden states of all tokens, computed in chunks of some lengths: [48, 1024]."""
    decoder = Decoder(checkpoint, backend)
    cache = backend.allocate_kv(decoder.kv_layout(16, dtype), 4)
    found, start = [], 0
    for length in chunks:
        positions = np.arange(start, start + length, dtype=np.int32)
        cos, sin = RopeProfile(checkpoint.config.rope).angles(positions)
        batch = Batch(
            token_ids=TOKENS[positions],
            positions=positions,
            query_starts=np.array([0, length], np.int32),
            context_lengths=np.array([start + length], np.int32),
            block_tables=np.array([[2, 0, 3]], np.int32),
            logit_rows=np.array([], np.int32),
            rope_cos=cos,
            rope_sin=sin,
        )
        found.append(decoder.forward_with_states(batch, cache, range(length))[1])
        start += length
    return np.concatenate(found)


def cosines(ours: Floats, theirs: Floats) -> Floats:
    lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    result: Floats = (ours * theirs).sum(axis=1) / lengths
    return result


@pytest.mark.parametrize("dtype", ["f32", "f16", "k16v8", "int8"])
def test_native_vectors_are_those_of_the_reference(checkpoint: Checkpoint, exact: Floats, dtype: str) -> None:
    native = states(checkpoint, NativeBackend(threads=2), dtype, [48])
    assert cosines(native, exact).min() > (0.9995 if dtype.startswith("f") else 0.998)
    np.testing.assert_allclose(np.linalg.norm(native, axis=1), np.linalg.norm(exact, axis=1), rtol=0.01)


@pytest.mark.parametrize("dtype", ["f16", "k16v8"])
def test_instruction_sets_threads_and_chunks_change_no_bit(checkpoint: Checkpoint, dtype: str) -> None:
    first, *others = [
        states(checkpoint, NativeBackend(threads=threads, isa=isa), dtype, chunks)
        for threads, isa, chunks in [(2, "auto", [48]), (1, "auto", [1, 16, 17, 14])]
        + [(2, isa, [20, 28]) for isa in available_isas()]
    ]
    for other in others:
        np.testing.assert_array_equal(first, other)
