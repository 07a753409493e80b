"""The KV pool takes what is free, within reason, and says how much context that is."""

from typing import Any

import pytest

from sevenb.backend.native import NativeBackend
from sevenb.backend.reference import ReferenceBackend
from sevenb.engine.engine_config import EngineConfig
from sevenb.engine.kv_sizing import KVSizing, kv_dtype, size_kv_pool
from sevenb.engine.room import Room
from sevenb.errors import InvalidRequest, OutOfMemory

BLOCK_BYTES = 32 * 12288  # of the 0.5B: 12 KiB a token
GB = 10**9


def size(free_bytes: int, *, weight_bytes: int = 0, **config: Any) -> KVSizing:
    return size_kv_pool(
        EngineConfig(model="model", **config),
        context_length=32768,
        longest_context=131072,
        block_bytes=BLOCK_BYTES,
        weight_bytes=weight_bytes,
        room=Room(free_bytes, config.get("memory_utilization", 0.5)),
    )


def test_a_roomy_machine_gives_the_whole_context_and_no_more_memory_than_is_of_use() -> None:
    sizing = size(64 * GB)
    assert sizing.max_model_len == 32768
    assert sizing.tokens == 65536
    assert sizing.bytes == 2048 * BLOCK_BYTES


def test_a_small_machine_gives_the_context_that_fits() -> None:
    sizing = size(GB // 5, memory_utilization=0.5)
    assert sizing.bytes <= GB // 10
    assert sizing.tokens == sizing.max_model_len == GB // 10 // BLOCK_BYTES * 32


def test_memory_named_in_bytes_is_used_whole() -> None:
    sizing = size(64 * GB, kv_cache_memory=3 * GB)
    assert sizing.blocks == 3 * GB // BLOCK_BYTES


def test_the_pool_is_never_larger_than_all_sequences_can_fill() -> None:
    sizing = size(64 * GB, max_model_len=100, max_num_seqs=3, max_num_batched_tokens=8)
    assert sizing.max_model_len == 100
    assert sizing.blocks == 3 * 4 - 2  # 300 tokens
    assert size(64 * GB, kv_cache_memory=GB, max_model_len=100, max_num_seqs=3).blocks == 10


@pytest.mark.parametrize("context", [33, 1000, 32768])
def test_a_sequence_as_long_as_the_context_always_fits(context: int) -> None:
    sizing = size(GB, max_model_len=context, max_num_seqs=1)
    assert sizing.blocks >= -(-context // 32)


def test_a_context_that_does_not_fit_is_refused_with_numbers_and_advice() -> None:
    with pytest.raises(OutOfMemory, match=r"32768 tokens takes 403 MB .* 100 MB .* max_model_len to \d+"):
        size(GB // 5, max_model_len=32768)


def test_the_weights_come_first() -> None:
    assert size(GB, weight_bytes=GB * 4 // 5, memory_utilization=0.5).bytes <= GB // 10
    with pytest.raises(OutOfMemory, match=r"32768 tokens takes 403 MB .* 100 MB of the 200 MB that the weights leave"):
        size(GB, weight_bytes=GB * 4 // 5, max_model_len=32768)
    with pytest.raises(OutOfMemory, match=r"weights take 5\.0 GB of memory but 1\.0 GB are free"):
        size(GB, weight_bytes=5 * GB)


def test_memory_that_is_not_there_is_refused_even_where_it_is_asked_for_by_name() -> None:
    with pytest.raises(OutOfMemory, match=r"kv_cache_memory is 3\.0 GB but the weights leave 2\.0 GB"):
        size(4 * GB, weight_bytes=2 * GB, kv_cache_memory=3 * GB)


def test_the_type_of_keys_and_values_is_chosen_unless_it_is_asked_for() -> None:
    native = NativeBackend(threads=1)
    assert kv_dtype(EngineConfig(model="model"), native) == "k16v8"
    assert kv_dtype(EngineConfig(model="model"), ReferenceBackend()) == "f32"
    assert kv_dtype(EngineConfig(model="model", kv_cache_dtype="int8"), native) == "int8"
    with pytest.raises(InvalidRequest, match=r"no KV cache of fp8 on native .* choose f16, f32, int8, k16v8\."):
        kv_dtype(EngineConfig(model="model", kv_cache_dtype="fp8"), native)


def test_no_room_at_all_is_refused_with_numbers() -> None:
    with pytest.raises(OutOfMemory, match=r"256 tokens takes 3 MB of memory but 0 MB of the 1 MB that"):
        size(10**6)


def test_a_stretched_context_is_given_only_where_it_is_asked_for() -> None:
    sizing = size(64 * GB, max_model_len=131072)
    assert sizing.max_model_len == 131072
    assert sizing.tokens >= 131072
    assert size(64 * GB).max_model_len == 32768


def test_a_context_beyond_what_the_model_can_have_is_refused() -> None:
    with pytest.raises(
        InvalidRequest, match=r"200000 .* 32768 tokens and reaches 131072 by YaRN; choose at most 131072"
    ):
        size(64 * GB, max_model_len=200000)
    with pytest.raises(InvalidRequest, match=r"64 .* 32 tokens; choose at most 32\."):
        size_kv_pool(
            EngineConfig(model="model", max_model_len=64),
            context_length=32,
            longest_context=32,
            block_bytes=BLOCK_BYTES,
            weight_bytes=0,
            room=Room(GB, 0.5),
        )


@pytest.mark.parametrize(
    "setting",
    [
        {"max_num_seqs": 0},
        {"max_num_batched_tokens": 8},
        {"memory_utilization": 1.5},
        {"max_model_len": -1},
        {"block_size": 0},
        {"seed": -1},
        {"swap_space": -1},
        {"prefix_cache_disk": -1},
        {"num_speculative_tokens": 0},
        {"kv_cache_dtype": "int4"},
    ],
)
def test_settings_out_of_range_are_refused_by_name(setting: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        EngineConfig(model="model", **setting)
    assert refusal.value.parameter == next(iter(setting))
