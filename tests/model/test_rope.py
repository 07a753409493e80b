"""Rotary angles against the formulas of the papers, worked one pair at a time."""

import math
from dataclasses import replace

import numpy as np
import pytest

from sevenb.errors import UnsupportedModel
from sevenb.model.config import ModelConfig, RopeConfig
from sevenb.model.rope import RopeProfile, RopeProfiles, attention_magnitude, inverse_frequencies, rope_contexts

QWEN = ModelConfig(
    architecture="qwen2", name="Qwen2.5", vocab_size=8, hidden_size=896, intermediate_size=8, layers=1, heads=14,
    kv_heads=2, head_dim=64, norm_eps=1e-6, context_length=32768, rope=RopeConfig(base=1e6, dim=64, interleaved=False),
)  # fmt: skip


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


# -- per request ---------------------------------------------------------------------------------------


def test_a_qwen_model_reaches_four_times_its_context() -> None:
    assert rope_contexts(QWEN) == {"": 32768, "yarn2": 65536, "yarn4": 131072}


def test_nothing_is_stretched_beyond_what_is_known_to_work() -> None:
    assert rope_contexts(replace(QWEN, context_length=65536)) == {"": 65536, "yarn2": 131072}
    assert rope_contexts(replace(QWEN, context_length=131072)) == {"": 131072}
    assert rope_contexts(replace(QWEN, architecture="llama")) == {"": 32768}


@pytest.mark.parametrize(
    "own", [{"scaling": "yarn", "factor": 4.0}, {"scaling": "linear"}, {"frequency_factors": (1.0,) * 32}]
)
def test_a_model_that_brings_its_own_scaling_keeps_it(own: dict[str, object]) -> None:
    model = replace(QWEN, rope=replace(QWEN.rope, **own))  # type: ignore[arg-type]
    assert rope_contexts(model) == {"": 32768}


@pytest.mark.parametrize(
    ("prompt_tokens", "max_tokens", "profile"),
    [
        (10, 100, ""),
        (32_000, 768, ""),
        (32_000, 769, "yarn2"),
        (10, 40_000, "yarn2"),
        (28_672, None, ""),  # 4,096 tokens are left for the answer
        (28_673, None, "yarn2"),
        (65_000, 536, "yarn2"),
        (65_000, 537, "yarn4"),
        (65_000, None, "yarn4"),
        (130_000, None, "yarn4"),
        (130_000, 50_000, "yarn4"),  # the answer will be cut
    ],
)
def test_a_request_gets_the_shortest_context_that_holds_prompt_and_answer(
    prompt_tokens: int, max_tokens: int | None, profile: str
) -> None:
    assert RopeProfiles(QWEN, 131_072).choose(prompt_tokens, max_tokens) == profile


def test_requests_stay_within_what_the_engine_takes() -> None:
    own = RopeProfiles(QWEN)
    assert own.contexts == {"": 32768}
    assert own.choose(32_700, None) == ""
    between = RopeProfiles(QWEN, 40_000)
    assert between.contexts == {"": 32768, "yarn2": 40_000}
    assert between.choose(39_000, None) == "yarn2"
    assert RopeProfiles(QWEN, 1000).contexts == {"": 1000}


def test_short_requests_have_the_very_angles_of_a_model_that_is_never_stretched() -> None:
    positions = np.array([0, 1, 777, 32767], np.int32)
    plain, beside = RopeProfile(QWEN.rope), RopeProfiles(QWEN, 131_072)
    beside.angles(positions, "yarn4")
    for expected, actual in zip(plain.angles(positions), beside.angles(positions), strict=True):
        np.testing.assert_array_equal(expected, actual)


@pytest.mark.parametrize("factor", [2, 4])
@pytest.mark.parametrize(("dim", "original"), [(64, 32768), (128, 32768)])
def test_stretched_angles_are_those_of_the_transformers_library(factor: int, dim: int, original: int) -> None:
    """Its `_compute_yarn_parameters`, one pair at a time, with the defaults that Qwen's documented setting implies."""

    def pair_of(turns: float) -> float:
        return dim * math.log(original / (turns * 2 * math.pi)) / (2 * math.log(1e6))

    low, high = math.floor(pair_of(32)), math.ceil(pair_of(1))
    magnitude = 0.1 * math.log(factor) + 1.0
    positions = np.array([1, 1000, factor * original - 1], np.int32)
    model = replace(QWEN, head_dim=dim, rope=replace(QWEN.rope, dim=dim))
    cos, sin = RopeProfiles(model, 131_072).angles(positions, f"yarn{factor}")
    for row, position in enumerate(positions.tolist()):
        for pair in range(dim // 2):
            frequency = 1e6 ** -(2 * pair / dim)
            keeps = 1 - min(max((pair - low) / (high - low), 0.0), 1.0)
            angle = position * (frequency / factor * (1 - keeps) + frequency * keeps)
            assert cos[row, pair] == pytest.approx(math.cos(angle) * magnitude, abs=1e-6)
            assert sin[row, pair] == pytest.approx(math.sin(angle) * magnitude, abs=1e-6)
