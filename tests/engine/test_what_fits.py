"""A model that does not fit is refused with what would: fewer bits, a smaller model, smaller keys and values."""

from dataclasses import replace
from typing import Any

import pytest

from sevenb.engine.engine_config import EngineConfig
from sevenb.engine.kv_sizing import size_kv_pool
from sevenb.engine.room import Room
from sevenb.engine.what_fits import WhatFits
from sevenb.errors import OutOfMemory
from sevenb.model.catalog import CATALOG
from sevenb.model.shape import ModelShape

GB = 10**9
BLOCK = 32 * 57344  # of the 7B: 56 KiB a token in 16 bits


def seven_b() -> ModelShape:
    entry = CATALOG.find("qwen2.5:7b")
    assert entry is not None
    return entry.shape


def refusal(room: Room, *, name: str = "Qwen2.5-7B-Instruct", weights: int = 15 * GB, **options: Any) -> str:
    """What somebody hears whose 7B in 16 bits does not fit."""
    shape = options.pop("shape", seven_b())
    with pytest.raises(OutOfMemory) as refused:
        size_kv_pool(
            EngineConfig(model="model", **options),
            context_length=32768,
            longest_context=131072,
            block_bytes=BLOCK,
            weight_bytes=weights,
            room=room,
            what_fits=WhatFits(name, shape, weights, {"int8": BLOCK // 2, "k16v8": BLOCK * 3 // 4}),
        )
    return str(refused.value)


def test_a_model_in_16_bits_that_is_too_large_is_answered_with_its_file_of_4_bits() -> None:
    sentence = refusal(Room(8 * GB, 1.0, card=9 * GB))
    assert "weights take 15.0 GB of memory but 8.0 GB of the card's 9.0 GB may be used; " in sentence
    assert sentence.endswith("close other programs or choose qwen2.5:7b (Q4_K_M, 4.7 GB), which fits.")


def test_of_files_alike_the_one_named_alike_is_offered() -> None:
    assert "choose qwen2.5-coder:7b (" in refusal(Room(8 * GB, 1.0), name="Qwen2.5-Coder-7B-Instruct")


def test_a_model_that_the_catalog_lacks_is_offered_in_4_bits() -> None:
    sentence = refusal(Room(8 * GB, 1.0), shape=replace(seven_b(), layers=29))
    assert "choose the same model in 4 bits (AWQ, GPTQ or Q4_K_M, about 4.5 GB), which would fit." in sentence


def test_where_even_4_bits_are_too_many_the_largest_model_that_fits_is_offered() -> None:
    assert refusal(Room(4 * GB, 0.5)).endswith("choose qwen2.5:3b (Q4_K_M, 2.1 GB), which fits.")


def test_where_nothing_fits_nothing_is_promised() -> None:
    assert refusal(Room(10**6, 0.5)).endswith("close other programs or choose a smaller model.")


def test_a_context_that_does_not_fit_is_answered_with_one_that_does_and_with_smaller_keys_and_values() -> None:
    sentence = refusal(Room(16 * GB, 1.0, card=16 * GB), weights=10 * GB, max_model_len=131072)
    assert "A context of 131072 tokens takes 7.5 GB of memory but 6.0 GB of the 6.0 GB that" in sentence
    assert "lower max_model_len to 104608, choose --kv-cache-dtype k16v8, raise gpu-memory-utilization" in sentence
