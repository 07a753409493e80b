"""Plans agree with what is known: sizes of real files and models, published speeds, and what a device can hold."""

import pytest

from sevenb.errors import InvalidRequest
from sevenb.lab.plan.alternatives import alternatives
from sevenb.lab.plan.devices import DEVICES, MIB, USUAL_DEVICES, find_device, measured_bandwidth, this_machine
from sevenb.lab.plan.models import PlannedModel, find_model
from sevenb.lab.plan.plan import plan
from sevenb.lab.plan.quantization import QUANTIZATIONS, quantization_of, weights_of
from sevenb.lab.plan.table import catalog_models, plans
from sevenb.model.catalog import CATALOG, CatalogEntry

GIB = 2**30
QWEN_7B = find_model("qwen2.5:7b")


# -- anchors -----------------------------------------------------------------------------------------


def test_qwen_7b_in_16_bits_is_15_gigabytes_and_a_token_takes_56_kib() -> None:
    made = plan(QWEN_7B, find_device("h100"), "fp16", 32768)
    assert made.weights == pytest.approx(15.2e9, rel=0.005)
    assert made.kv_per_token == 56 * 1024
    assert made.kv == 1.75 * GIB
    assert plan(QWEN_7B, find_device("h100"), "fp16", 131072).kv == 7 * GIB


@pytest.mark.parametrize(
    "entry", [entry for entry in CATALOG.entries if entry.name != "yi1.5:6b"], ids=lambda e: e.name
)
def test_the_weights_of_a_published_file_are_its_size_less_the_header(entry: CatalogEntry) -> None:
    """The header holds the vocabulary: some megabytes, the same for all files of a family."""
    rest = entry.download_bytes - weights_of(entry.shape, entry.quantization).stored
    assert 0.5e6 < rest < 8e6


def test_awq_and_gptq_take_half_a_byte_and_a_scale_for_128_weights() -> None:
    awq, gptq, plain = (weights_of(QWEN_7B.shape, name) for name in ("AWQ", "GPTQ", "fp16"))
    assert awq.stored == pytest.approx(5.57e9, rel=0.005)  # Qwen/Qwen2.5-7B-Instruct-AWQ, its two files together
    assert awq.stored < gptq.stored < 1.001 * awq.stored
    assert plain.read == plain.stored - 152_064 * 3584 * 2  # all but the embedding, of which a token takes a row


@pytest.mark.parametrize(
    ("quantization", "context", "rate"),
    [
        *[("bf16", context, rate) for context, rate in ((6144, 80.7), (14336, 77.7), (30720, 70.3))],
        *[("GPTQ", context, rate) for context, rate in ((6144, 142.0), (14336, 129.4), (30720, 108.3))],
        *[("AWQ", context, rate) for context, rate in ((6144, 137.6), (14336, 124.9), (30720, 104.7))],
    ],
)
def test_published_speeds_of_an_a100_lie_below_the_ceiling(quantization: str, context: int, rate: float) -> None:
    ceiling = plan(QWEN_7B, find_device("a100-80gb"), quantization, context).decode_rate
    assert 0.2 * ceiling < rate < ceiling


@pytest.mark.parametrize(
    ("context", "ttft", "rate"), [(4096, 0.82, 43.2), (8192, 1.1, 39.5), (16384, 1.8, 36.1), (32768, 3.2, 31.7)]
)
def test_measured_times_of_four_cards_lie_above_the_floor(context: int, ttft: float, rate: float) -> None:
    made = plan(QWEN_7B, find_device("4x4090d"), "fp16", context)
    assert made.prefill_rate is not None
    assert context / made.prefill_rate < ttft
    assert rate < made.decode_rate


# -- the arithmetic ----------------------------------------------------------------------------------


def test_each_conversation_has_a_context_of_its_own_and_reads_it() -> None:
    one, four = (plan(QWEN_7B, find_device("4090"), "Q4_K_M", 8192, count) for count in (1, 4))
    assert four.kv == 4 * one.kv
    assert four.decode_rate < one.decode_rate < four.throughput


def test_beams_share_all_but_their_answers() -> None:
    alone, beams = (plan(QWEN_7B, find_device("4090"), "AWQ", 8192, beam=beam, answer=512) for beam in (1, 4))
    assert beams.kv - alone.kv == 3 * 512 * alone.kv_per_token


def test_cards_divide_weights_and_heads_and_those_beyond_the_heads_hold_copies() -> None:
    one, four, eight = (plan(QWEN_7B, find_device(name), "fp16", 32768) for name in ("4090", "4x4090", "8x4090"))
    assert four.weights == pytest.approx(one.weights / 4, abs=1)
    assert four.kv == one.kv / 4
    assert eight.kv == four.kv


@pytest.mark.parametrize("name", ["rtx-3060-12gb", "cpu-16gb", "mac-16gb"])
@pytest.mark.parametrize("concurrency", [1, 8])
def test_the_longest_context_fits_and_a_block_more_does_not(name: str, concurrency: int) -> None:
    device = find_device(name)
    longest = plan(QWEN_7B, device, "Q8_0", 1024, concurrency, kv_dtype="f16").longest_context
    assert longest % 32 == 0
    assert plan(QWEN_7B, device, "Q8_0", longest, concurrency, kv_dtype="f16").fits
    assert not plan(QWEN_7B, device, "Q8_0", longest + 32, concurrency, kv_dtype="f16").fits


def test_where_not_even_the_weights_fit_no_context_does() -> None:
    made = plan(QWEN_7B, find_device("rtx-3060-12gb"), "fp16", 1024)
    assert (made.fits, made.longest_context) == (False, 0)


def test_smaller_keys_and_values_leave_room_for_more_of_them() -> None:
    made = [plan(QWEN_7B, find_device("3060"), "Q8_0", 1024, kv_dtype=kind) for kind in ("f16", "k16v8", "int8")]
    assert made[0].longest_context < made[1].longest_context < made[2].longest_context
    assert made[1].kv_per_token == pytest.approx(0.75 * made[0].kv_per_token, rel=0.05)


def test_the_lines_add_up() -> None:
    made = plan(QWEN_7B, find_device("cpu-32gb"), context=16384, concurrency=2)
    values = {line.name: line.value for line in made.lines}
    parts = ("weights", "KV cache", "activations", "process")
    assert sum(values[part] for part in parts) == values["needed"] == made.needed
    assert values["decode, at most"] == made.decode_rate


def test_every_combination_of_the_catalog_can_be_planned() -> None:
    devices = [find_device(name) for name in USUAL_DEVICES]
    made = list(plans(catalog_models(), devices, QUANTIZATIONS, (8192, 131072), (1, 16)))
    assert {row.device for row in made} == {device.name for device in devices}
    for row in made:
        assert row.needed == row.weights + row.kv + row.activations + row.process
        assert row.fits == (row.longest_context >= row.context)


# -- what would fit ----------------------------------------------------------------------------------


def test_what_is_offered_instead_fits_and_changes_one_thing() -> None:
    device = find_device("rtx-3060-12gb")
    refused = plan(QWEN_7B, device, "fp16", 32768, 2)
    offered = alternatives(QWEN_7B, device, refused)
    assert all(other.plan.fits for other in offered)
    changes = [other.change for other in offered]
    assert "weights in Q6_K" in changes
    assert any("qwen2.5" in change for change in changes)


def test_where_the_context_is_too_long_one_that_fits_is_offered() -> None:
    device = find_device("rtx-3060-12gb")
    refused = plan(QWEN_7B, device, "Q4_K_M", 131072, 4)
    changes = [other.change for other in alternatives(QWEN_7B, device, refused)]
    assert f"{refused.longest_context:,} tokens of context" in changes


# -- devices and names -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "meant"),
    [("4090", "rtx-4090"), ("RTX 3060", "rtx-3060-12gb"), ("h100", "h100-80gb"), ("4×4090", "4xrtx-4090")],
)
def test_devices_are_found_by_their_usual_names(written: str, meant: str) -> None:
    assert find_device(written).name == meant


@pytest.mark.parametrize("name", ["gtx-1080", "", "0x4090", "99x4090", "2xcpu-16gb", "x4090"])
def test_unknown_devices_are_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(InvalidRequest, match=r"did you mean|choose"):
        find_device(name)


def test_a_card_has_as_much_memory_as_its_driver_says() -> None:
    assert DEVICES["rtx-4090"].memory == 24564 * MIB
    assert DEVICES["rtx-4090"].usable < DEVICES["rtx-4090"].memory


def test_this_machine_has_memory_and_a_bandwidth_that_was_measured() -> None:
    here = this_machine()
    assert 0 < here.usable < here.memory
    assert 1e8 < here.bandwidth < 5e12
    assert "measured" in here.source
    assert measured_bandwidth(1) > 0


@pytest.mark.parametrize(
    ("written", "meant"), [("f16", "fp16"), ("q4_k_m", "Q4_K_M"), ("GPTQ-Int4", "GPTQ"), ("awq", "AWQ")]
)
def test_quantizations_are_known_by_their_usual_names(written: str, meant: str) -> None:
    assert quantization_of(written) == meant


@pytest.mark.parametrize(
    "changes", [{"context": 131_073}, {"context": 0}, {"concurrency": 0}, {"beam": 5000}, {"quantization": "Q9"}]
)
def test_what_no_engine_could_be_told_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest):
        plan(QWEN_7B, find_device("4090"), **changes)  # type: ignore[arg-type]


def test_a_model_is_planned_as_its_file_is_unless_told_otherwise() -> None:
    assert isinstance(QWEN_7B, PlannedModel)
    assert plan(QWEN_7B, find_device("4090")).quantization == "Q4_K_M"
