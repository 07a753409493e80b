"""What the divergence meter makes of distributions whose divergence is known."""

import numpy as np
import pytest

from benchmarks.divergence import DivergenceMeter


def test_equal_logits_up_to_a_constant_do_not_diverge() -> None:
    logits = np.random.default_rng(0).normal(0, 5, (100, 1000)).astype(np.float32)
    meter = DivergenceMeter()
    meter.add(list(range(100)), logits, logits + np.float32(3))
    fidelity = meter.fidelity()
    assert abs(fidelity.mean_kl) < 1e-6
    assert abs(fidelity.perplexity_change) < 1e-6
    assert fidelity.top1_agreement == 1.0
    assert fidelity.tokens == 100


def test_measures_are_those_of_the_definitions() -> None:
    reference = np.array([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8], [0.6, 0.2, 0.2], [0.4, 0.3, 0.3]])
    engine = np.array([[0.2, 0.6, 0.2], [0.1, 0.2, 0.7], [0.6, 0.2, 0.2], [0.5, 0.3, 0.2]])
    texts = [([0, 2], slice(0, 2)), ([1, 0], slice(2, 4))]  # two texts of two tokens
    meter = DivergenceMeter()
    for tokens, rows in texts:
        meter.add(tokens, np.log(reference[rows]).astype(np.float32), np.log(engine[rows]).astype(np.float32))
    fidelity = meter.fidelity()
    kl = (reference * np.log(reference / engine)).sum(axis=-1)
    assert fidelity.mean_kl == pytest.approx(kl.mean(), rel=1e-5)
    assert fidelity.mean_kl_in_context == pytest.approx(kl[[1, 3]].mean(), rel=1e-5)
    assert fidelity.kl_999 == pytest.approx(kl.max(), rel=1e-2)
    assert fidelity.reference_perplexity == pytest.approx((0.2 * 0.6) ** -0.5, rel=1e-6)
    assert fidelity.perplexity == pytest.approx((0.2 * 0.6) ** -0.5, rel=1e-6)
    assert fidelity.top1_agreement == 0.75


def test_a_long_text_is_the_sum_of_its_rows() -> None:
    rng = np.random.default_rng(1)
    tokens = rng.integers(0, 50, 300).tolist()
    reference = rng.normal(0, 2, (300, 50)).astype(np.float32)
    engine = reference + rng.normal(0, 0.1, reference.shape).astype(np.float32)
    meter = DivergenceMeter()
    meter.add(tokens, reference, engine)
    log_p = np.log(np.exp(engine.astype(np.float64)) / np.exp(engine.astype(np.float64)).sum(axis=-1, keepdims=True))
    expected = np.exp(-log_p[np.arange(299), tokens[1:]].mean())
    assert meter.fidelity().perplexity == pytest.approx(expected, rel=1e-5)
