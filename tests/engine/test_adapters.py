"""Requests that name LoRA adapters, beside each other and beside those that name none."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sevenb import LLM, SamplingParams
from sevenb.errors import InvalidRequest
from sevenb.model.checkpoint import Checkpoint
from tests.model.random_adapter import RandomAdapter
from tests.model.tiny_gguf import TinyModel

STEM = "You are a careful engineer who answers in few words and shows the code that matters. " * 4
PROMPTS = [STEM + "What is a heap?", "def quicksort(items):", STEM + "What is a heap?", STEM + "Why?", "The", "The"]
ADAPTERS = ["", "one", "one", "two", "two", ""]
Texts = list[list[int]]


def params(seed: int) -> SamplingParams:
    return SamplingParams(temperature=0.8 if seed % 2 else 0, seed=seed, max_tokens=24, ignore_eos=True)


PARAMS = [params(seed) for seed in range(len(PROMPTS))]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return TinyModel(context=2048).write(tmp_path_factory.mktemp("models") / "tiny.gguf")


@pytest.fixture(scope="module")
def modules(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Two adapters; the second one changes attention only."""
    folder = tmp_path_factory.mktemp("adapters")
    base = Checkpoint.open(tiny)
    one = RandomAdapter.of(base, seed=1).write_gguf(folder / "one.gguf")
    two = RandomAdapter.of(base, seed=2, parts=("attn_q", "attn_v")).write_peft(folder / "two")
    return {"one": str(one), "two": str(two)}


@pytest.fixture
def llm(tiny: Path, modules: dict[str, str]) -> Iterator[LLM]:
    with LLM(tiny, threads=2, lora_modules=modules) as llm:
        yield llm


@pytest.fixture(scope="module")
def expected(tiny: Path, modules: dict[str, str]) -> Texts:
    """Each answer alone, computed anew."""
    with LLM(tiny, threads=1, lora_modules=modules, enable_prefix_caching=False, speculation=False) as llm:
        return [
            llm.generate(prompt, wanted, adapter=adapter)[0].outputs[0].token_ids
            for prompt, wanted, adapter in zip(PROMPTS, PARAMS, ADAPTERS, strict=True)
        ]


def together(llm: LLM) -> Texts:
    return [completion.outputs[0].token_ids for completion in llm.generate(PROMPTS, PARAMS, adapter=ADAPTERS)]


def test_a_mixed_batch_gives_each_the_text_it_has_alone(llm: LLM, expected: Texts) -> None:
    assert together(llm) == expected
    assert together(llm) == expected  # once more from the prefix cache
    assert expected[0] != expected[2]
    assert expected[4] != expected[5]


@pytest.mark.parametrize("options", [{"max_num_batched_tokens": 9, "max_num_seqs": 8}, {"cpu_isa": "portable"}])
def test_chunks_and_instruction_sets_change_nothing(
    tiny: Path, modules: dict[str, str], expected: Texts, options: dict[str, Any]
) -> None:
    with LLM(tiny, threads=2, lora_modules=modules, **options) as llm:
        assert together(llm) == expected


def test_the_base_model_is_what_it_is_without_adapters(tiny: Path, expected: Texts) -> None:
    with LLM(tiny, threads=2) as llm:
        assert llm.generate(PROMPTS[0], PARAMS[0])[0].outputs[0].token_ids == expected[0]


def test_a_prompt_is_found_again_only_under_the_same_adapter(llm: LLM, expected: Texts) -> None:
    def cached(adapter: str) -> int:
        before = llm.stats().cached_tokens
        llm.generate(PROMPTS[0], PARAMS[0], adapter=adapter)
        return llm.stats().cached_tokens - before

    assert [cached(""), cached("one"), cached("two")] == [0, 0, 0]
    assert min(cached(""), cached("one"), cached("two")) > 300


def test_speculation_gives_the_text_of_none(tiny: Path, modules: dict[str, str]) -> None:
    wanted = SamplingParams(temperature=0, max_tokens=120, ignore_eos=True)
    with LLM(tiny, threads=2, lora_modules=modules, speculation=False) as llm:
        plain = [llm.generate("The", wanted, adapter=name)[0].outputs[0].token_ids for name in ("one", "two")]
    with LLM(tiny, threads=2, lora_modules=modules, speculative_model=str(tiny)) as llm:
        guessed = [llm.generate("The", wanted, adapter=name)[0].outputs[0].token_ids for name in ("one", "two")]
        assert llm.stats().drafted_tokens > 0
    assert guessed == plain


def test_several_answers_to_one_prompt_wear_the_same_adapter(llm: LLM) -> None:
    wanted = SamplingParams(n=3, temperature=0, max_tokens=12, ignore_eos=True)
    (completion,) = llm.generate("def f(", wanted, adapter="two")
    (single,) = llm.generate("def f(", SamplingParams(temperature=0, max_tokens=12, ignore_eos=True), adapter="two")
    assert [output.token_ids for output in completion.outputs] == [single.outputs[0].token_ids] * 3


def test_streams_and_chats_take_adapters(llm: LLM) -> None:
    wanted = SamplingParams(temperature=0, max_tokens=12, ignore_eos=True)
    streamed = llm.stream("def f(", wanted, adapter="one")
    text = "".join(streamed)
    assert text == llm.generate("def f(", wanted, adapter="one")[0].outputs[0].text
    messages = [{"role": "user", "content": "Hi"}]
    chats = [llm.chat(messages, wanted, adapter=name)[0].outputs[0].token_ids for name in ("", "one", "two")]
    assert len({tuple(tokens) for tokens in chats}) == 3
    streamed_chat = llm.stream_chat(messages, wanted, adapter="two")
    assert "".join(streamed_chat) == llm.chat(messages, wanted, adapter="two")[0].outputs[0].text


def test_an_adapter_that_was_not_loaded_is_refused(llm: LLM) -> None:
    with pytest.raises(InvalidRequest, match="no adapter 'three' for this model; it has one, two"):
        llm.generate("The", adapter="three")
    with pytest.raises(InvalidRequest, match="3 prompts but 2 adapters"):
        llm.generate(["a", "b", "c"], adapter=["one", "two"])


def test_memory_of_adapters_is_counted(tiny: Path, modules: dict[str, str], llm: LLM) -> None:
    with LLM(tiny, threads=1) as without:
        assert llm.info.weight_bytes > without.info.weight_bytes + 100_000
    assert llm.info.adapters == ["one", "two"]


def test_a_name_that_comes_to_mean_another_adapter_finds_nothing_on_disk(
    tiny: Path, modules: dict[str, str], expected: Texts, tmp_path: Path
) -> None:
    def ask(path: str) -> tuple[list[int], int]:
        with LLM(tiny, lora_modules={"tuned": path}, prefix_cache_dir=str(tmp_path)) as llm:
            (completion,) = llm.generate(PROMPTS[2], PARAMS[2], adapter="tuned")
            return completion.outputs[0].token_ids, llm.stats().cached_tokens

    assert ask(modules["one"]) == (expected[2], 0)
    assert ask(modules["two"])[1] == 0
    answer, cached = ask(modules["one"])
    assert answer == expected[2]
    assert cached > 300
