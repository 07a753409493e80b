"""AWQ, GPTQ and BF16 folders made of a real model give on torch the logits of their dequantised weights."""

from pathlib import Path

import numpy as np
import pytest

from sevenb.backend.protocol import Backend
from sevenb.backend.reference import ReferenceBackend
from sevenb.model.checkpoint import Checkpoint
from sevenb.model.decoder import Decoder
from sevenb.model.rope import RopeProfile
from tests.backend.tiny_model import Chunk, make_batch
from tests.model.hf.folders import make_folder
from tests.torch_or_skip import torch  # noqa: F401  without it there is nothing to test

from sevenb.backend.torch import TorchBackend  # isort: skip

TOKENS = [1, 504, 3575, 282, 4649, 314, 7042, 30, 198, 198]


def logprobs(folder: Path, backend: Backend) -> np.ndarray:
    with Checkpoint.open(folder) as checkpoint:
        decoder = Decoder(checkpoint, backend)
    cache = backend.allocate_kv(decoder.kv_layout(32, "f32"), 1)
    batch = make_batch([Chunk(TOKENS, 0, [0])], RopeProfile(decoder.config.rope))
    logits = backend.to_host(decoder.forward(batch, cache)).astype(np.float64)
    return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)


@pytest.mark.parametrize("kind", ["bf16", "awq", "gptq", "gptq-asym", "gptq-actorder", "gptq-int8"])
def test_a_folder_has_the_logits_of_its_weights(smollm2: Path, tmp_path: Path, kind: str) -> None:
    folder = make_folder(tmp_path / kind, smollm2, kind, layers=1)
    expected = logprobs(folder, ReferenceBackend())
    actual = logprobs(folder, TorchBackend("cpu"))
    assert (np.exp(expected) * (expected - actual)).sum(axis=1).max() < 1e-8
