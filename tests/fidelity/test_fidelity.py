"""The native backend against the float32 reference on the real 0.5B file: 128 tokens of each benchmark text.

Bounds come from llama.cpp (llama-cpp-python 0.3.36), measured on these 512 tokens by `benchmarks.fidelity`: mean KL
1.2e-3, the same top token after 98.6 % (98.4 % with flash attention), perplexity 0.3 % off. `python -m benchmarks
fidelity` compares over the whole text; docs/performance.md has its figures.
"""

from pathlib import Path

import pytest

from benchmarks.divergence import DivergenceMeter, Fidelity
from benchmarks.logits import TextModel
from benchmarks.texts import tokenized_texts
from sevenb.backend.native import NativeBackend
from sevenb.backend.reference import ReferenceBackend
from sevenb.model.checkpoint import Checkpoint

pytestmark = pytest.mark.slow

LENGTH = 128


@pytest.fixture(scope="module")
def fidelity(coder_05b: Path) -> Fidelity:
    meter = DivergenceMeter()
    with Checkpoint.open(coder_05b) as checkpoint:
        reference = TextModel(checkpoint, ReferenceBackend(), LENGTH)
        native = TextModel(checkpoint, NativeBackend(), LENGTH)
        for text in tokenized_texts(checkpoint):
            tokens = text[:LENGTH]
            meter.add(tokens, reference.logits(tokens), native.logits(tokens))
    return meter.fidelity()


def test_mean_kl_is_at_most_half_of_llama_cpps(fidelity: Fidelity) -> None:
    assert 0 < fidelity.mean_kl <= 0.6e-3


def test_perplexity_is_the_references(fidelity: Fidelity) -> None:
    assert abs(fidelity.perplexity_change) <= 0.005


def test_greedy_choice_agrees_at_least_as_often_as_llama_cpps(fidelity: Fidelity) -> None:
    assert fidelity.top1_agreement >= 0.986
