"""Answers as the servers of the field send them."""

import asyncio
from collections.abc import Sequence

import pytest

from sevenb.lab.target.answer import Answer
from sevenb.lab.target.client import Client
from sevenb.lab.target.target import Target
from tests.lab.target.raw_server import (
    ANSWER,
    DONE,
    MESSAGES,
    USAGE,
    answer_of,
    chunk,
    event,
    json_reply,
    raw_server,
    stream,
    text_reply,
)


def of(*pieces: bytes) -> Answer:
    return answer_of(stream(*pieces))


def test_text_tokens_and_reason_of_a_streamed_answer() -> None:
    answer = of(*ANSWER)
    assert (answer.text, answer.finish_reason) == ("Hello there", "length")
    assert (answer.prompt_tokens, answer.completion_tokens, answer.cached_tokens) == (7, 3, None)
    assert len(answer.chunks) == 2, "the opening chunk has no content"
    assert answer.ttft == answer.chunks[0]
    assert answer.last is not None
    assert answer.tpot == pytest.approx((answer.last - answer.chunks[0]) / 2)


@pytest.mark.parametrize(
    "pieces",
    [
        [piece.replace(b"\n", b"\r\n") for piece in ANSWER],
        [piece.replace(b"data: ", b"data:") for piece in ANSWER],
        [b": OPENROUTER PROCESSING\n\n", b":\n\n", *ANSWER],
        [b"id: 1\nevent: message\nretry: 10\n" + piece for piece in ANSWER],
        [bytes([byte]) for byte in b"".join(ANSWER)],
        [b"".join(ANSWER)],
        [*ANSWER[:-2], USAGE.rstrip()],  # no [DONE], and no line break behind the last event
    ],
    ids=["CRLF", "no space", "comments", "other fields", "byte by byte", "one packet", "no end"],
)
def test_events_however_they_are_written_and_cut(pieces: Sequence[bytes]) -> None:
    answer = of(*pieces)
    assert (answer.text, answer.finish_reason, answer.completion_tokens) == ("Hello there", "length", 3)
    assert len(answer.chunks) == 2


def test_characters_that_packets_cut_in_two() -> None:
    whole = chunk("日本語 🚢")
    pieces = [whole[:cut] for cut in (1,)] + [whole[cut : cut + 1] for cut in range(1, len(whole))]
    assert of(*pieces, chunk(finish="stop"), DONE).text == "日本語 🚢"


def test_an_event_of_several_lines() -> None:
    lines = b'data: {"choices": [{"index": 0,\ndata: "delta": {"content": "Hi"}, "finish_reason": "stop"}]}\n\n'
    assert of(lines, DONE).text == "Hi"


def test_usage_in_every_chunk_counts_once() -> None:
    pieces = [
        event(
            {
                "choices": [{"index": 0, "delta": {"content": "a"}}],
                "usage": {"prompt_tokens": 7, "completion_tokens": n},
            }
        )
        for n in (1, 2, 3)
    ]
    assert of(*pieces, chunk(finish="stop"), DONE).completion_tokens == 3


def test_no_usage_means_that_tokens_are_unknown_and_never_counted_by_chunks() -> None:
    answer = of(*ANSWER[:-2], DONE)
    assert (answer.prompt_tokens, answer.completion_tokens, answer.tpot) == (None, None, None)
    assert answer.ttft is not None


def test_cached_tokens() -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 8}}
    assert of(*ANSWER[:-2], event({"choices": [], "usage": usage}), DONE).cached_tokens == 8


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_thought_is_content_in_time_but_no_text(field: str) -> None:
    answer = of(chunk(**{field: "Hm"}), chunk("Yes", **{field: ""}), chunk(finish="stop"), USAGE, DONE)
    assert (answer.text, answer.reasoning, len(answer.chunks)) == ("Yes", "Hm", 2)


def test_timings_of_sevenb() -> None:
    timings = {"queue": 0.1, "prefill": 0.4, "decode": 0.2, "drafted_tokens": 4, "accepted_tokens": 1}
    usage = {"prompt_tokens": 7, "completion_tokens": 3}
    answer = of(*ANSWER[:-2], event({"choices": [], "usage": usage, "timings": timings}), DONE)
    assert answer.server_ttft == pytest.approx(0.5)
    assert answer.server_tpot == pytest.approx(0.1)


def test_timings_of_llama_cpp_also_count_where_there_is_no_usage() -> None:
    timings = {"cache_n": 5, "prompt_n": 20, "prompt_ms": 300.0, "predicted_n": 3, "predicted_ms": 80.0}
    final = {"choices": [{"index": 0, "delta": {}, "finish_reason": "length"}], "timings": timings}
    answer = of(*ANSWER[:3], event(final), DONE)
    assert (answer.prompt_tokens, answer.cached_tokens, answer.completion_tokens) == (25, 5, 3)
    assert (answer.server_ttft, answer.server_tpot) == (pytest.approx(0.3), pytest.approx(0.04))


def test_a_server_that_does_not_stream_gives_no_times_of_tokens() -> None:
    body = {
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3},
    }
    answer = answer_of(json_reply(body))
    assert (answer.text, answer.completion_tokens, answer.streamed) == ("Hello", 3, False)
    assert (answer.ttft, answer.tpot) == (None, None)
    assert answer.seconds > 0


def test_an_answer_is_not_streamed_where_that_was_asked() -> None:
    async def ask() -> None:
        body = {"choices": [{"index": 0, "message": {"content": "Hello"}, "finish_reason": "stop"}]}
        async with raw_server(json_reply(body)) as raw, client_of_server(raw.url) as client:
            assert (await client.chat(MESSAGES, stream=False)).text == "Hello"
            assert raw.requests[0].body["stream"] is False
            assert "stream_options" not in raw.requests[0].body

    asyncio.run(ask())


def test_only_the_first_choice_counts() -> None:
    second = event({"choices": [{"index": 1, "delta": {"content": "No"}, "finish_reason": None}]})
    assert of(second, *ANSWER).text == "Hello there"


def test_parameters_are_sent_as_they_are_and_the_key_with_them() -> None:
    async def ask() -> None:
        async with raw_server(stream(*ANSWER)) as raw, client_of_server(raw.url, "secret") as client:
            await client.chat(MESSAGES, temperature=0.5, response_format={"type": "json_object"})
            (request,) = raw.requests
            assert request.path == "/v1/chat/completions"
            assert request.headers["authorization"] == "bearer secret"
            expected = {"model": "coder", "messages": MESSAGES, "temperature": 0.5, "stream": True}
            assert request.body | expected == request.body
            assert request.body["response_format"] == {"type": "json_object"}

    asyncio.run(ask())


@pytest.mark.parametrize(
    ("message", "name", "instead"),
    [
        ("Unrecognized request argument supplied: ignore_eos", "ignore_eos", None),
        ("stream_options: Extra inputs are not permitted", "stream_options", None),
        ("'max_tokens' is not supported, use 'max_completion_tokens'.", "max_tokens", "max_completion_tokens"),
    ],
)
def test_a_parameter_that_a_server_refuses_is_left_out_from_then_on(
    message: str, name: str, instead: str | None
) -> None:
    async def ask() -> None:
        refusal = json_reply({"error": {"message": message, "type": "invalid_request_error"}}, "400 Bad Request")
        async with raw_server(refusal, stream(*ANSWER)) as raw, client_of_server(raw.url) as client:
            for _ in range(2):
                assert (await client.chat(MESSAGES, max_tokens=3, ignore_eos=True)).text == "Hello there"
            first, *later = raw.requests
            assert name in first.body
            assert len(later) == 2, "one refusal is enough to learn"
            assert all(name not in request.body for request in later)
            assert instead is None or all(request.body[instead] == 3 for request in later)

    asyncio.run(ask())


def test_a_server_without_room_is_asked_again_when_it_says() -> None:
    busy = json_reply({"error": {"message": "Loading model"}}, "503 Service Unavailable", Retry_After="0.2")
    answer = answer_of(busy, busy, stream(*ANSWER))
    assert answer.text == "Hello there"
    assert answer.waited >= 0.4
    assert answer.seconds < answer.waited, "waiting is none of the answer's time"


def test_an_answer_typed_as_plain_text() -> None:
    assert answer_of(text_reply(b"".join(ANSWER).decode(), kind="text/plain")).text == "Hello there"


def client_of_server(url: str, key: str | None = None) -> Client:
    return Client(Target(url, "coder", "coder", key), timeout=20)
