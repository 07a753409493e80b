"""Folders made of real models, in plain numbers and quantised: what is read, and what is computed with it."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.divergence import DivergenceMeter
from benchmarks.logits import TextModel
from benchmarks.texts import tokenized_texts
from sevenb.backend.native import NativeBackend
from sevenb.backend.reference import ReferenceBackend
from sevenb.backend.reference.dequantize import dequantize
from sevenb.model.checkpoint import Checkpoint
from tests.model.hf.folders import FolderMaker

pytestmark = pytest.mark.slow

LENGTH = 32
CODER_LAYERS, SMOLLM_LAYERS = 3, 6
# By how much the native kernels may differ: plain numbers meet float32 activations, all others rounded ones.
CODER = {"bf16": 1e-6, "awq": 2e-3, "gptq-actorder": 2e-3}
SMOLLM = {"f16": 1e-6, "gptq": 2e-3, "gptq-int8": 2e-3}


@pytest.fixture(scope="module", params=[*CODER, *SMOLLM])
def made(
    request: pytest.FixtureRequest, coder_05b: Path, smollm2: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, FolderMaker, Path]:
    """A kind, what makes its folder, and the folder, in two shards."""
    kind = request.param
    source, layers = (coder_05b, CODER_LAYERS) if kind in CODER else (smollm2, SMOLLM_LAYERS)
    maker = FolderMaker(source, kind, layers)
    return kind, maker, maker.write(tmp_path_factory.mktemp(kind), shards=2)


def test_every_tensor_holds_exactly_the_numbers_that_were_meant(made: tuple[str, FolderMaker, Path]) -> None:
    _, maker, folder = made
    with Checkpoint.open(folder) as checkpoint:
        names = set(checkpoint.tensors)
        for name, values in maker.weights(layers=range(1)):
            np.testing.assert_array_equal(dequantize(checkpoint.tensors[name]), values, err_msg=name)
            names.remove(name)
        assert all(name.startswith("blk.") for name in names)


def test_the_native_kernels_agree_with_the_reference(made: tuple[str, FolderMaker, Path]) -> None:
    kind, _, folder = made
    meter = DivergenceMeter()
    with Checkpoint.open(folder) as checkpoint:
        native = TextModel(checkpoint, NativeBackend(threads=2), LENGTH, "f32")
        reference = TextModel(checkpoint, ReferenceBackend(), LENGTH, "f32")
        for text in tokenized_texts(checkpoint)[:1]:
            tokens = text[:LENGTH]
            meter.add(tokens, reference.logits(tokens), native.logits(tokens))
    assert meter.fidelity().mean_kl < (CODER | SMOLLM)[kind]
