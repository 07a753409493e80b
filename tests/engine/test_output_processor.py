"""Tokens become text: no half characters, no leaked stop strings, and a reason for every end."""

from typing import Any

import pytest

from sevenb.engine.messages import RequestOutput, SequenceOutput, TokenOutput
from sevenb.engine.output_processor import OutputProcessor, SequenceDelta, stop_token_ids
from sevenb.engine.sampling_params import SamplingParams
from sevenb.model.tokenizer import Tokenizer
from tests.model.tiny_gguf import TinyModel


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_metadata(TinyModel().metadata())


def ids_of(tokenizer: Tokenizer, text: str) -> list[int]:
    """One token for each byte, so that characters and stop strings are split over tokens."""
    return [token_id for byte in text.encode() for token_id in _byte_token(tokenizer, byte)]


def _byte_token(tokenizer: Tokenizer, byte: int) -> list[int]:
    return [next(token_id for token_id in range(256) if tokenizer.token_bytes(token_id) == bytes([byte]))]


def feed(
    processor: OutputProcessor,
    token_ids: list[int],
    *,
    index: int = 0,
    finish_reason: str | None = None,
    stop_token_id: int | None = None,
    **token: Any,
) -> list[SequenceDelta]:
    """One step a token; the last one carries the finish reason."""
    deltas = []
    for place, token_id in enumerate(token_ids, 1):
        last = place == len(token_ids)
        news = SequenceOutput(
            index=index,
            tokens=[TokenOutput(token_id=token_id, **token)],
            finish_reason=finish_reason if last else None,
            stop_token_id=stop_token_id if last else None,
        )
        deltas += processor.process(RequestOutput(request_id="request", sequences=[news]))
    return deltas


def test_characters_come_whole(tokenizer: Tokenizer) -> None:
    processor = OutputProcessor(tokenizer, [1], SamplingParams())
    deltas = feed(processor, ids_of(tokenizer, "a你🙂b"), finish_reason="length")
    assert [delta.text for delta in deltas] == ["a", "", "", "你", "", "", "", "🙂", "b"]
    assert deltas[-1].finish_reason == "length"
    assert processor.completion().outputs[0].text == "a你🙂b"


def test_a_character_that_is_cut_off_is_left_out(tokenizer: Tokenizer) -> None:
    processor = OutputProcessor(tokenizer, [1], SamplingParams(logprobs=0))
    cut = ids_of(tokenizer, "好")[:2]
    deltas = feed(processor, [*cut, *ids_of(tokenizer, "ab"), *cut], finish_reason="length", logprob=-1.0)
    assert "".join(delta.text for delta in deltas) == "\ufffdab"  # what no character can become is no secret
    records = processor.completion().outputs[0].logprobs
    assert records is not None
    assert [record.text_offset for record in records] == [0, 0, 0, 2, 3, 3]


@pytest.mark.parametrize(("include", "text"), [(False, "one "), (True, "one END")])
def test_a_stop_string_split_over_tokens_is_never_leaked(tokenizer: Tokenizer, include: bool, text: str) -> None:
    params = SamplingParams(stop=("END",), include_stop_str_in_output=include)
    processor = OutputProcessor(tokenizer, [1], params)
    deltas = feed(processor, ids_of(tokenizer, "one EN"))
    assert not processor.stopped
    deltas += feed(processor, ids_of(tokenizer, "D"))
    assert processor.stopped == [0]
    deltas += feed(processor, ids_of(tokenizer, " two"))
    assert not processor.stopped
    assert "".join(delta.text for delta in deltas) == text
    assert len(deltas) == len("one END")  # later tokens are nobody's
    assert (deltas[-1].finish_reason, deltas[-1].stop_reason) == ("stop", "END")
    assert processor.finished
    assert processor.completion_tokens == len("one END")
    assert processor.completion().outputs[0].text == text


def test_what_only_began_like_a_stop_string_is_shown_in_the_end(tokenizer: Tokenizer) -> None:
    processor = OutputProcessor(tokenizer, [1], SamplingParams(stop=("END",)))
    deltas = feed(processor, ids_of(tokenizer, "xEN"), finish_reason="length")
    assert [delta.text for delta in deltas] == ["x", "", "EN"]
    assert not processor.stopped


def test_stop_strings_are_not_looked_for_before_min_tokens(tokenizer: Tokenizer) -> None:
    processor = OutputProcessor(tokenizer, [1], SamplingParams(stop=("x",), min_tokens=3))
    deltas = feed(processor, ids_of(tokenizer, "axbxc"))
    assert "".join(delta.text for delta in deltas) == "axb"
    assert processor.finished


def test_the_models_end_token_is_counted_and_not_shown(tokenizer: Tokenizer) -> None:
    assert tokenizer.eos_id is not None
    processor = OutputProcessor(tokenizer, [1, 2, 3], SamplingParams())
    end = tokenizer.eos_id
    deltas = feed(processor, [*ids_of(tokenizer, "ok"), end], finish_reason="stop", stop_token_id=end)
    assert (deltas[-1].text, deltas[-1].finish_reason, deltas[-1].stop_reason) == ("", "stop", None)
    assert (processor.prompt_tokens, processor.completion_tokens) == (3, 3)


@pytest.mark.parametrize(("include", "text"), [(False, "a"), (True, "a.")])
def test_a_stop_token_of_the_caller_is_named(tokenizer: Tokenizer, include: bool, text: str) -> None:
    params = SamplingParams(include_stop_str_in_output=include)
    processor = OutputProcessor(tokenizer, [1], params)
    a, stop = ids_of(tokenizer, "a.")
    deltas = feed(processor, [a, stop], finish_reason="stop", stop_token_id=stop)
    assert deltas[-1].stop_reason == stop
    assert "".join(delta.text for delta in deltas) == text


@pytest.mark.parametrize(("skip", "text"), [(True, "ab"), (False, "a<|im_start|>b")])
def test_special_tokens_are_shown_only_when_asked_for(tokenizer: Tokenizer, skip: bool, text: str) -> None:
    processor = OutputProcessor(tokenizer, [1], SamplingParams(skip_special_tokens=skip))
    a, b = ids_of(tokenizer, "ab")
    feed(processor, [a, tokenizer.special_tokens["<|im_start|>"], b])
    assert processor.completion().outputs[0].text == text


def test_logprob_records_carry_bytes_and_offsets(tokenizer: Tokenizer) -> None:
    processor = OutputProcessor(tokenizer, [1], SamplingParams(logprobs=1))
    token_ids = ids_of(tokenizer, "a你b")
    deltas = feed(processor, token_ids, logprob=-0.5, top_logprobs=[(token_ids[0], -0.25)])
    records = [record for delta in deltas for record in delta.logprobs or []]
    assert records == processor.completion().outputs[0].logprobs
    assert b"".join(record.bytes for record in records) == "a你b".encode()
    assert [record.text_offset for record in records] == [0, 1, 1, 1, 2]
    assert records[1].text == "\ufffd"
    assert [(record.logprob, record.top[0].text, record.top[0].logprob) for record in records] == [
        (-0.5, "a", -0.25)
    ] * 5


def test_no_records_where_none_were_asked_for(tokenizer: Tokenizer) -> None:
    processor = OutputProcessor(tokenizer, [1], SamplingParams())
    (delta,) = feed(processor, [65])
    assert delta.logprobs is None
    assert processor.completion().outputs[0].logprobs is None


def test_prompt_logprobs_begin_with_none_and_tell_offsets(tokenizer: Tokenizer) -> None:
    prompt = ids_of(tokenizer, "a你b")
    processor = OutputProcessor(tokenizer, prompt, SamplingParams(prompt_logprobs=0))
    records = [TokenOutput(token_id=token_id, logprob=-1.0) for token_id in prompt[1:]]
    processor.process(RequestOutput(request_id="request", sequences=[], prompt_logprobs=records))
    assert processor.prompt_logprobs is not None
    first, *rest = processor.prompt_logprobs
    assert first is None
    assert [record.text_offset for record in rest if record] == [1, 1, 1, 2]


def test_answers_of_one_prompt_are_kept_apart(tokenizer: Tokenizer) -> None:
    processor = OutputProcessor(tokenizer, [1], SamplingParams(n=2, stop=("!",)))
    feed(processor, ids_of(tokenizer, "one"), index=0)
    feed(processor, ids_of(tokenizer, "two!"), index=1)
    assert not processor.finished
    feed(processor, ids_of(tokenizer, "?"), index=0, finish_reason="length")
    assert processor.finished
    assert [output.text for output in processor.completion().outputs] == ["one?", "two"]
    assert [output.finish_reason for output in processor.completion().outputs] == ["length", "stop"]


def tell(
    processor: OutputProcessor, index: int, token_ids: list[int], logprob: float, reason: str | None
) -> list[SequenceDelta]:
    tokens = [TokenOutput(token_id=token_id, logprob=logprob) for token_id in token_ids]
    news = SequenceOutput(index=index, tokens=tokens, finish_reason=reason)
    return processor.process(RequestOutput(request_id="request", sequences=[news]))


def test_the_best_of_several_answers_are_told_when_all_are_there(tokenizer: Tokenizer) -> None:
    processor = OutputProcessor(tokenizer, [1], SamplingParams(n=2, best_of=4, stop=("END",)))
    assert tell(processor, 2, ids_of(tokenizer, "poor"), -3.0, "length") == []
    assert tell(processor, 1, ids_of(tokenizer, "long and good"), -0.5, "length") == []
    assert tell(processor, 0, ids_of(tokenizer, "best END, and what comes after"), -0.25, None) == []
    assert processor.stopped == [0]
    deltas = tell(processor, 3, ids_of(tokenizer, "x"), -2.0, "length")
    assert [(delta.index, delta.text, delta.finish_reason) for delta in deltas] == [
        (0, "best ", "stop"),
        (1, "long and good", "length"),
    ]
    assert tell(processor, 0, [], 0.0, "abort") == []
    best, second = processor.completion().outputs
    assert (best.index, best.text, best.stop_reason) == (0, "best ", "END")
    assert best.cumulative_logprob == pytest.approx(-0.25 * len("best END"))
    assert (second.index, second.text) == (1, "long and good")
    assert processor.completion_tokens == len("poorlong and goodbest ENDx")


def test_a_stop_string_that_spells_a_special_token_stops_at_that_token(tokenizer: Tokenizer) -> None:
    text, token_id = next(iter(tokenizer.special_tokens.items()))
    params = SamplingParams(stop=[text, "plain"], stop_token_ids=[7], ignore_eos=True)
    assert stop_token_ids(tokenizer, params) == sorted({7, token_id})
    assert set(stop_token_ids(tokenizer, SamplingParams())) == tokenizer.end_ids
