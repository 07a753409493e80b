"""The Python class: prompts in, completions out, and nothing left behind."""

import gc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sevenb import LLM, SamplingParams
from sevenb.errors import ContextOverflow, EngineNotReady, InvalidRequest, OutOfMemory
from tests.hub import Hub, serve
from tests.model.tiny_gguf import TinyModel

GREEDY = SamplingParams(temperature=0, max_tokens=12)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return TinyModel().write(tmp_path_factory.mktemp("models") / "tiny.gguf")


@pytest.fixture(scope="module")
def llm(model: Path) -> Iterator[LLM]:
    with LLM(model, threads=1) as llm:
        yield llm
        stats = llm.stats()
        assert (stats.running, stats.waiting, stats.kv_blocks_used) == (0, 0, 0)


def test_completions_come_in_the_order_of_the_prompts(llm: LLM) -> None:
    prompts = ["def fib(n):", "the", "你好", "x" * 100]
    completions = llm.generate(prompts, GREEDY)
    assert [completion.prompt for completion in completions] == prompts
    for completion in completions:
        (output,) = completion.outputs
        assert completion.prompt is not None
        assert completion.prompt_token_ids == llm.tokenizer.encode(completion.prompt)
        assert output.finish_reason in ("length", "stop")
        assert len(output.token_ids) <= 12
        assert completion.timings is not None
        assert completion.timings.completion_tokens == len(output.token_ids)
        alone = llm.generate(completion.prompt, GREEDY)[0]
        assert alone.outputs == completion.outputs


def test_prompts_may_be_token_ids(llm: LLM) -> None:
    text = llm.generate("the the", GREEDY)[0]
    ids = llm.generate(llm.tokenizer.encode("the the"), GREEDY)[0]
    assert ids.outputs == text.outputs
    assert ids.prompt is None
    assert len(llm.generate([[1, 2], "the", [3]], GREEDY)) == 3


def test_prompts_may_come_from_numpy_or_a_generator(llm: LLM) -> None:
    listed = [completion.outputs for completion in llm.generate([[1, 2], [3, 4]], GREEDY)]
    for prompts in (np.array([[1, 2], [3, 4]]), ([first, first + 1] for first in (1, 3))):
        assert [completion.outputs for completion in llm.generate(prompts, GREEDY)] == listed
    one: Any = np.array([1, 2])
    assert llm.generate(one, GREEDY)[0].outputs == listed[0]


@pytest.mark.parametrize("prompts", [None, 5, b"text", {"prompt": "text"}, [None], [1.5], [[1.5]], [["text"]]])
def test_what_is_no_prompt_is_refused(llm: LLM, prompts: Any) -> None:
    with pytest.raises(InvalidRequest, match=r"prompt.* send"):
        llm.generate(prompts, GREEDY)


@pytest.mark.parametrize("messages", [[[]], {"role": "user", "content": "hello"}, "hello", [["hello"]]])
def test_what_is_no_conversation_is_refused(llm: LLM, messages: Any) -> None:
    with pytest.raises(InvalidRequest, match="message"):
        llm.chat(messages, GREEDY)


@pytest.mark.parametrize("params", [5, {"max_tokens": 5}, [None]])
def test_what_is_no_sampling_params_is_refused(llm: LLM, params: Any) -> None:
    with pytest.raises(InvalidRequest, match="SamplingParams"):
        llm.generate(["the"], params)


def test_special_tokens_in_a_text_prompt_count_as_such(llm: LLM) -> None:
    completion = llm.generate("<|im_start|>user", GREEDY)[0]
    assert completion.prompt_token_ids[0] == llm.tokenizer.special_tokens["<|im_start|>"]


def test_special_tokens_typed_into_a_chat_do_not(llm: LLM) -> None:
    completion = llm.chat([{"role": "user", "content": "<|im_end|>"}], GREEDY)[0]
    ends = [token_id for token_id in completion.prompt_token_ids if token_id in llm.tokenizer.end_ids]
    assert len(ends) == 1  # the template's own


def test_each_prompt_may_have_its_own_parameters(llm: LLM) -> None:
    params = [SamplingParams(temperature=0, max_tokens=count, ignore_eos=True) for count in (1, 5, 9)]
    completions = llm.generate(["a", "b", "c"], params)
    assert [len(completion.outputs[0].token_ids) for completion in completions] == [1, 5, 9]
    with pytest.raises(InvalidRequest, match="3 prompts but 2 SamplingParams"):
        llm.generate(["a", "b", "c"], params[:2])


def test_several_conversations_are_answered_side_by_side(llm: LLM) -> None:
    conversations = [[{"role": "user", "content": text}] for text in ("one", "two")]
    both = llm.chat(conversations, GREEDY)
    assert [completion.outputs for completion in both] == [
        llm.chat(conversation, GREEDY)[0].outputs for conversation in conversations
    ]


def test_a_stop_string_ends_the_answer_and_frees_its_blocks(llm: LLM) -> None:
    params = SamplingParams(temperature=0, max_tokens=200, ignore_eos=True)
    text = llm.generate("the", params)[0].outputs[0].text
    stop = text[5:7]
    output = llm.generate("the", SamplingParams(temperature=0, max_tokens=200, ignore_eos=True, stop=(stop,)))[
        0
    ].outputs[0]
    assert output.text == text[: text.index(stop)]
    assert (output.finish_reason, output.stop_reason) == ("stop", stop)
    assert llm.stats().kv_blocks_used == 0


def test_seeds_repeat_and_answers_differ(llm: LLM) -> None:
    params = SamplingParams(n=3, seed=5, max_tokens=12, ignore_eos=True)
    first, second = llm.generate("the", params)[0], llm.generate("the", params)[0]
    assert first.outputs == second.outputs
    assert len({tuple(output.token_ids) for output in first.outputs}) == 3


def test_logprobs_belong_to_tokens(llm: LLM) -> None:
    params = SamplingParams(temperature=0, max_tokens=6, logprobs=2, prompt_logprobs=1)
    completion = llm.generate("the cat", params)[0]
    output = completion.outputs[0]
    assert output.logprobs is not None
    assert [record.token_id for record in output.logprobs] == output.token_ids
    assert all(record.top[0].token_id == record.token_id and len(record.top) == 2 for record in output.logprobs)
    assert completion.prompt_logprobs is not None
    assert [record and record.token_id for record in completion.prompt_logprobs] == [
        None,
        *completion.prompt_token_ids[1:],
    ]


def test_a_stream_tells_the_same_as_generate(llm: LLM) -> None:
    stream = llm.stream("the", GREEDY)
    text = "".join(stream)
    whole = llm.generate("the", GREEDY)[0]
    assert text == whole.outputs[0].text
    assert stream.completion.outputs == whole.outputs
    assert stream.completion.timings is not None


def test_leaving_a_stream_early_ends_the_answer(llm: LLM) -> None:
    params = SamplingParams(temperature=0, max_tokens=400, ignore_eos=True)
    stream = llm.stream_chat([{"role": "user", "content": "hello"}], params)
    for _ in stream:
        break
    assert llm.stats().kv_blocks_used == 0
    assert "".join(stream) == ""
    before = llm.stats().generated_tokens
    assert len(llm.generate("the", GREEDY)[0].outputs[0].token_ids) == llm.stats().generated_tokens - before


def test_a_stream_that_nobody_reads_ends_with_its_last_reference(llm: LLM) -> None:
    stream = llm.stream("the", SamplingParams(temperature=0, max_tokens=400, ignore_eos=True))
    assert llm.stats().waiting + llm.stats().running == 1
    del stream
    gc.collect()
    stats = llm.stats()
    assert (stats.waiting, stats.running, stats.kv_blocks_used) == (0, 0, 0)


def test_streams_that_overlap_keep_what_is_theirs(llm: LLM) -> None:
    first, second = (llm.generate(prompt, GREEDY)[0].outputs[0].text for prompt in ("the", "def"))
    streams = iter(llm.stream("the", GREEDY)), iter(llm.stream("def", GREEDY))
    texts = ["", ""]
    for _ in range(15):
        for index, stream in enumerate(streams):
            texts[index] += next(stream, "")
        assert llm.generate("the", GREEDY)[0].outputs[0].text == first
    assert texts == [first, second]


def test_threads_share_the_engine(llm: LLM) -> None:
    prompts = [f"{number} is" for number in range(8)]
    alone = [llm.generate(prompt, GREEDY)[0].outputs for prompt in prompts]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda prompt: llm.generate(prompt, GREEDY)[0].outputs, prompts))
    assert together == alone


def test_a_refused_prompt_takes_back_those_before_it(llm: LLM) -> None:
    with pytest.raises(ContextOverflow):
        llm.generate(["fine", "x" * 1000], GREEDY)
    assert (llm.stats().running, llm.stats().waiting) == (0, 0)


def test_the_engine_tells_what_it_is(llm: LLM) -> None:
    assert llm.info.model_name == "tiny"
    assert llm.info.max_model_len == 512
    assert "native" in llm.info.device
    assert llm.info.kv_tokens >= 512


def test_a_download_is_shown(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SEVENB_HOME", str(tmp_path))
    with serve(Hub({"tiny-q8_0.gguf": model.read_bytes()})) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        LLM("org/model", threads=1).close()
        assert " MB done in " in capsys.readouterr().err
        LLM("org/model", threads=1).close()
        assert capsys.readouterr().err == ""


def test_the_memory_is_told_before_it_is_taken(model: Path) -> None:
    told: list[Any] = []
    with LLM(
        model, threads=1, max_model_len=128, announce=told.append, progress=lambda *bytes: told.append(bytes)
    ) as llm:
        plan, *progress = told
        assert (plan.max_model_len, plan.kv_tokens, plan.kv_bytes) == (128, llm.info.kv_tokens, llm.info.kv_bytes)
        assert plan.kv_dtype == llm.info.kv_dtype
        assert progress[-1][0] == progress[-1][1] == plan.weight_bytes


def test_a_context_that_does_not_fit_is_refused_before_the_weights_are_read(model: Path) -> None:
    told: list[Any] = []
    with pytest.raises(OutOfMemory, match="lower max_model_len"):
        LLM(model, kv_cache_memory=2**20, max_model_len=2048, progress=lambda *bytes: told.append(bytes))
    assert told == []


def test_bad_options_are_refused_in_one_sentence(model: Path) -> None:
    with pytest.raises(InvalidRequest, match="backend is 'abacus'; choose auto, native"):
        LLM(model, backend="abacus")
    with pytest.raises(InvalidRequest, match="unknown field"):
        LLM(model, wings=2)
    with pytest.raises(InvalidRequest, match="max_num_seqs"):
        LLM(model, max_num_seqs="many")


def test_a_closed_llm_says_so(model: Path) -> None:
    llm = LLM(model, threads=1)
    stream = llm.stream("the", GREEDY)
    llm.close()
    stream.close()
    with pytest.raises(EngineNotReady, match="closed"):
        llm.generate("the", GREEDY)


def test_the_reference_backend_serves_too(model: Path) -> None:
    with LLM(model, backend="reference", max_model_len=64) as llm:
        completions = llm.generate(["the", "a much longer prompt than the first one"], GREEDY)
        assert all(completion.outputs[0].token_ids for completion in completions)
        assert llm.generate("the", GREEDY)[0].outputs == completions[0].outputs


def test_a_block_size_that_no_kernel_has_is_refused_in_a_sentence(model: Path) -> None:
    with pytest.raises(InvalidRequest, match="power of two"):
        LLM(model, block_size=7)
