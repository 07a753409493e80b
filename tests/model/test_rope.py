"""Rotary angles against the formulas of the papers, worked one pair at a time."""

import math

import numpy as np
import pytest

from sevenb.errors import UnsupportedModel
from sevenb.model.config import RopeConfig
from sevenb.model.rope import RopeProfile, attention_magnitude, inverse_frequencies


def test_plain_angles_are_position_times_inverse_frequency() -> None:
    cos, sin = RopeProfile(RopeConfig(base=10_000.0, dim=8, interleaved=False)).angles(np.array([0, 3, 5000], np.int32))
    for row, position in enumerate([0, 3, 5000]):
        for pair in range(4):
            angle = position * 10_000.0 ** (-2 * pair / 8)
            assert cos[row, pair] == pytest.approx(math.cos(angle), abs=1e-6)
            assert sin[row, pair] == pytest.approx(math.sin(angle), abs=1e-6)


def test_angles_do_not_depend_on_the_order_in_which_positions_are_asked() -> None:
    config = RopeConfig(base=1e6, dim=64, interleaved=False)
    ascending, descending = RopeProfile(config), RopeProfile(config)
    near, far = np.array([7], np.int32), np.array([40_000], np.int32)
    first = [ascending.angles(near), ascending.angles(far)]
    second = [descending.angles(far), descending.angles(near)][::-1]
    for (cos_a, sin_a), (cos_b, sin_b) in zip(first, second, strict=True):
        np.testing.assert_array_equal(cos_a, cos_b)
        np.testing.assert_array_equal(sin_a, sin_b)


def test_linear_scaling_stretches_every_pair() -> None:
    plain = inverse_frequencies(RopeConfig(base=1e4, dim=16, interleaved=True))
    stretched = inverse_frequencies(RopeConfig(base=1e4, dim=16, interleaved=True, scaling="linear", factor=4.0))
    np.testing.assert_allclose(stretched, plain / 4)


def test_llama3_scaling_keeps_short_waves_and_stretches_long_ones() -> None:
    config = RopeConfig(
        base=500_000.0, dim=128, interleaved=True, scaling="llama3", factor=8.0, original_context=8192,
        low_frequency_factor=1.0, high_frequency_factor=4.0,
    )  # fmt: skip
    plain = inverse_frequencies(RopeConfig(base=500_000.0, dim=128, interleaved=True))
    for before, after in zip(plain, inverse_frequencies(config), strict=True):
        wavelength = 2 * math.pi / before
        if wavelength < 8192 / 4:
            assert after == pytest.approx(before)
        elif wavelength > 8192 / 1:
            assert after == pytest.approx(before / 8)
        else:
            assert before / 8 < after < before


def test_frequency_factors_of_the_file_divide_the_frequencies() -> None:
    factors = tuple(1.0 + i for i in range(8))
    plain = inverse_frequencies(RopeConfig(base=1e4, dim=16, interleaved=True))
    scaled = inverse_frequencies(RopeConfig(base=1e4, dim=16, interleaved=True, frequency_factors=factors))
    np.testing.assert_allclose(scaled, plain / np.array(factors))


def test_yarn_leaves_fast_pairs_alone_and_interpolates_slow_ones() -> None:
    # Qwen2.5's own long-context setting: factor 4 over 32,768 positions.
    config = RopeConfig(base=1e6, dim=128, interleaved=False, scaling="yarn", factor=4.0, original_context=32768)
    plain = inverse_frequencies(RopeConfig(base=1e6, dim=128, interleaved=False))
    scaled = inverse_frequencies(config)
    turns = 32768 * plain / (2 * math.pi)
    fast, slow = turns > 40, turns < 0.7
    assert fast.sum() > 10
    assert slow.sum() > 10
    np.testing.assert_allclose(scaled[fast], plain[fast])
    np.testing.assert_allclose(scaled[slow], plain[slow] / 4)
    assert np.all(np.diff(scaled) < 0)


def test_yarn_raises_the_attention_temperature() -> None:
    config = RopeConfig(base=1e6, dim=64, interleaved=False, scaling="yarn", factor=4.0, original_context=32768)
    assert attention_magnitude(config) == pytest.approx(0.1 * math.log(4) + 1)
    cos, sin = RopeProfile(config).angles(np.array([11], np.int32))
    np.testing.assert_allclose(np.hypot(cos, sin), 0.1 * math.log(4) + 1, rtol=1e-6)


def test_unknown_scaling_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedModel, match="longrope"):
        inverse_frequencies(RopeConfig(base=1e4, dim=16, interleaved=True, scaling="longrope"))
