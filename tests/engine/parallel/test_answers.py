"""An engine whose model several ranks share answers as one that has it alone: over gloo, on the processor."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sevenb import LLM, SamplingParams
from sevenb.errors import DeviceUnavailable
from sevenb.model.checkpoint import Checkpoint
from tests.engine.parallel.shared import open_llm, other_ranks, texts
from tests.model.random_adapter import RandomAdapter
from tests.model.tiny_gguf import TinyModel
from tests.torch_or_skip import torch  # noqa: F401

BLOCK_BYTES = 16 * 2 * 2 * 2 * 32 * 4  # of a rank's part: positions, layers, K and V, KV heads, head_dim, float32


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return TinyModel(heads=8, kv_heads=4, head_dim=32).write(tmp_path_factory.mktemp("models") / "tiny.gguf")


@pytest.fixture(scope="module")
def adapter(tiny: Path) -> Path:
    with Checkpoint.open(tiny) as base:
        return RandomAdapter.of(base).write_gguf(tiny.with_name("adapter.gguf"))


@pytest.fixture(scope="module")
def alone(tiny: Path, adapter: Path) -> Iterator[LLM]:
    with open_llm(tiny, 1, lora_modules={"random": str(adapter)}) as llm:
        yield llm


@pytest.fixture(scope="module")
def two_ranks(tiny: Path, adapter: Path) -> Iterator[LLM]:
    """With a small pool and memory behind it, so that prefixes soon leave the pool; a draft model writes ahead."""
    pool = {"block_size": 16, "max_model_len": 64, "kv_cache_memory": 6 * 3 * BLOCK_BYTES}  # the draft has whole blocks
    options = pool | {"speculation": True, "speculative_model": str(tiny), "swap_space": 2**24}
    with open_llm(tiny, 2, lora_modules={"random": str(adapter)}, **options) as llm:
        yield llm
    assert not other_ranks()


@pytest.mark.parametrize("ranks", [2, 3])
def test_real_weights_give_the_same_text(ranks: int, smollm2: Path) -> None:
    """Of three KV heads three ranks have one each; two divide them unevenly."""
    with open_llm(smollm2, ranks) as shared:
        assert len(other_ranks()) == ranks - 1
        assert texts(shared, 6) == ["\n    if n == 0", " Paris.\n\nThe answer"]
        assert shared.info.device.startswith(f"{ranks} ranks of torch (")
    assert not other_ranks()


def test_the_default_model_gives_the_same_text(coder_05b: Path) -> None:
    with open_llm(coder_05b, 2) as shared:
        assert texts(shared, 3) == ["\n    if", " Paris. Paris"]  # as one rank does


def test_adapters_are_shared_too(two_ranks: LLM, alone: LLM) -> None:
    adapted = texts(two_ranks, 6, adapter="random")
    assert adapted == texts(alone, 6, adapter="random")
    assert adapted != texts(two_ranks, 6)


def test_drafts_change_nothing(two_ranks: LLM, alone: LLM) -> None:
    drafted = two_ranks.stats().drafted_tokens
    assert texts(two_ranks, 12) == texts(alone, 12)
    assert two_ranks.stats().drafted_tokens > drafted


def test_blocks_that_leave_the_pool_come_back_to_every_rank(two_ranks: LLM, alone: LLM) -> None:
    prompts = [[7 * seed + place for place in range(40)] for seed in range(4)]
    params = SamplingParams(temperature=0, max_tokens=4, ignore_eos=True)
    expected = [completion.outputs[0].token_ids for completion in alone.generate(prompts, params)]
    for _ in range(2):
        for prompt, tokens in zip(prompts, expected, strict=True):
            assert two_ranks.generate(prompt, params)[0].outputs[0].token_ids == tokens
    stats = two_ranks.stats()
    assert stats.kv_blocks_spilled > 0
    assert stats.kv_blocks_restored > 0


def test_parallel_samples_copy_blocks_on_every_rank(two_ranks: LLM, alone: LLM) -> None:
    params = SamplingParams(n=3, temperature=1.0, seed=5, max_tokens=8, ignore_eos=True)
    both = [llm.generate("the the the the the", params)[0].outputs for llm in (two_ranks, alone)]
    assert [output.token_ids for output in both[0]] == [output.token_ids for output in both[1]]


def test_a_second_shared_model_in_one_process_is_refused(two_ranks: LLM, tiny: Path) -> None:
    with pytest.raises(DeviceUnavailable, match="already shares a model with other ranks; close that one"):
        open_llm(tiny, 2)
    assert len(other_ranks()) == 1
    assert texts(two_ranks, 2)
