"""Answers of other servers, in the words of each, as the events of our own."""

import asyncio
import json
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import pytest

from sevenb.errors import SevenbError
from sevenb.server.bodies import Usage
from sevenb.server.chat import AnswerEnded, ArgumentsPiece, CallEnded, CallStarted, ChatEvent, TextPiece
from sevenb.server.console.running.source import Asked
from sevenb.server.errors import problem_of
from sevenb.server.upstream.address import UpstreamAddress
from sevenb.server.upstream.directory import Upstreams
from sevenb.structured.output_format import OutputFormat
from sevenb.structured.tools.tools import Tool
from tests.server.upstream.other_server import OtherServer, chunk, running

HELLO = [{"role": "user", "content": "Hello."}]
WEATHER = Tool("weather", "The weather of a city.", {"type": "object", "properties": {"city": {"type": "string"}}})


@dataclass
class Answer:
    events: list[ChatEvent]
    usage: Usage

    @property
    def text(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, TextPiece))

    @property
    def end(self) -> str:
        last = self.events[-1]
        assert isinstance(last, AnswerEnded)
        return last.finish_reason


def ask(server: OtherServer, *, steps: int | None = None, **asked: Any) -> Answer:
    """Ask the server's model m; read no more than so many steps of the answer."""

    async def run() -> Answer:
        upstreams = Upstreams([UpstreamAddress("other", f"{server.url}/v1")])
        model = upstreams.find("other/m")
        assert model is not None
        answer = await model.open(Asked(**{"messages": HELLO, "sampling": {}, **asked}))
        events: list[ChatEvent] = []
        async with aclosing(answer.events()) as read:
            count = 0
            async for step in read:
                assert step
                events += step
                count += 1
                if count == steps:
                    break
        await upstreams.close()
        return Answer(events, answer.usage)

    return asyncio.run(run())


def test_text_comes_as_it_is_written_and_tokens_are_counted() -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 4}}
    events = [
        chunk(role="assistant", content=""),
        ": a comment",
        chunk(content="你好"),
        chunk(content=" there"),
        chunk("stop"),
        {"choices": [], "usage": usage},
    ]
    with running(OtherServer(events=events)) as server:
        answer = ask(server)
    assert answer.events == [TextPiece(0, "你好"), TextPiece(0, " there"), AnswerEnded(0, "stop")]
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (9, 3)
    assert answer.usage.prompt_tokens_details.cached_tokens == 4


def test_lines_are_cut_where_events_end_and_nowhere_else() -> None:
    with running(OtherServer(events=[chunk(content="a\u2028b\x85c"), chunk("stop")])) as server:
        assert ask(server).text == "a\u2028b\x85c"


def test_llama_cpps_own_figures_count_where_usage_is_missing() -> None:
    timings = {"cache_n": 36, "prompt_n": 1, "predicted_n": 2, "predicted_ms": 20.0}
    with running(OtherServer(events=[chunk(content="5"), {**chunk("stop"), "timings": timings}])) as server:
        usage = ask(server).usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.prompt_tokens_details.cached_tokens) == (37, 2, 36)


def test_a_server_that_counts_nothing_still_gives_a_length() -> None:
    with running(OtherServer(events=[chunk(content="a"), chunk(content="b"), chunk("length")])) as server:
        answer = ask(server)
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.end) == (0, 2, "length")


def call(index: int, text: str, id: str | None = None, name: str | None = None) -> dict[str, Any]:
    function = {"arguments": text} | ({"name": name} if name else {})
    return chunk(tool_calls=[{"index": index, "function": function} | ({"id": id, "type": "function"} if id else {})])


def test_calls_come_in_pieces_as_vllm_and_llama_cpp_send_them() -> None:
    events = [
        call(0, "", "a", "weather"),
        call(0, '{"city": '),
        call(0, '"Paris"}'),
        call(1, "{}", "b", "time"),
        chunk("tool_calls"),
    ]
    with running(OtherServer(events=events)) as server:
        answer = ask(server, tools=(WEATHER,))
    assert answer.events == [
        CallStarted(0, 0, "a", "weather"),
        ArgumentsPiece(0, 0, '{"city": '),
        ArgumentsPiece(0, 0, '"Paris"}'),
        CallEnded(0, 0),
        CallStarted(0, 1, "b", "time"),
        ArgumentsPiece(0, 1, "{}"),
        CallEnded(0, 1),
        AnswerEnded(0, "tool_calls"),
    ]
    assert server.requests[0]["tools"][0]["function"]["name"] == "weather"


def test_calls_come_whole_and_with_one_index_as_ollama_sends_them() -> None:
    events = [call(0, '{"city":"Paris"}', "a", "weather"), call(0, '{"city":"Rome"}', "b", "weather"), chunk("stop")]
    with running(OtherServer(events=events)) as server:
        answer = ask(server, tools=(WEATHER,))
    started = [event.id for event in answer.events if isinstance(event, CallStarted)]
    assert (started, answer.end) == (["a", "b"], "tool_calls")


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_thoughts_are_marked_as_models_here_mark_them(field: str) -> None:
    events = [chunk(**{field: "Hm"}), chunk(**{field: "…"}), chunk(content="Yes."), chunk("stop")]
    with running(OtherServer(events=events)) as server:
        assert ask(server).text == "<think>\nHm…\n</think>\n\nYes."


def test_only_what_the_user_has_set_is_sent() -> None:
    with running(OtherServer(events=[chunk("stop")])) as server:
        ask(server)
        ask(
            server, sampling={"temperature": 0.0, "max_tokens": 7, "stop": ("x",), "repetition_penalty": 1.1, "seed": 3}
        )
    plain, full = server.requests
    assert plain.keys() == {"model", "messages", "stream", "stream_options"}
    assert plain["model"] == "m"
    assert {name: full[name] for name in full.keys() - plain.keys()} == {
        "temperature": 0.0,
        "max_tokens": 7,
        "stop": ["x"],
        "repetition_penalty": 1.1,
        "repeat_penalty": 1.1,
        "seed": 3,
    }


def test_earlier_calls_are_sent_with_their_arguments_as_text() -> None:
    earlier = {"role": "assistant", "content": "", "tool_calls": [{"id": "a", "function": {"name": "weather"}}]}
    result = {"role": "tool", "tool_call_id": "a", "content": "Rain."}
    with running(OtherServer(events=[chunk("stop")])) as server:
        ask(server, messages=[*HELLO, earlier, result])
    sent = server.requests[0]["messages"][1]["tool_calls"]
    assert sent == [{"id": "a", "type": "function", "function": {"name": "weather", "arguments": "{}"}}]


SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}}


@pytest.mark.parametrize(
    ("output", "sent"),
    [
        (OutputFormat("json_object", None, "f"), {"type": "json_object"}),
        (
            OutputFormat("json_schema", SCHEMA, "f"),
            {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": SCHEMA}},
        ),
    ],
)
def test_json_modes_become_response_formats(output: OutputFormat, sent: Any) -> None:
    with running(OtherServer(events=[chunk("stop")])) as server:
        ask(server, output=output)
    assert server.requests[0]["response_format"] == sent


def test_a_request_is_put_in_other_words_for_servers_that_do_not_take_it() -> None:
    lm_studio = {"error": "'response_format.type' must be 'json_schema' or 'text'"}
    refusing = OtherServer(refuses={"response_format": lm_studio})  # the other words as well
    with running(refusing) as server, pytest.raises(SevenbError):
        ask(server, output=OutputFormat("json_object", None, "f"))
    assert [request["response_format"]["type"] for request in server.requests] == [
        "json_object",
        "json_schema",
        "json_object",
    ]
    unknown = {
        "detail": [{"loc": ["body", "stream_options"], "msg": "extra fields not permitted", "type": "value_error"}]
    }
    with running(
        OtherServer(events=[chunk(content="a"), chunk("stop")], refuses={"stream_options": unknown})
    ) as server:
        assert ask(server).text == "a"


def test_closing_the_answer_closes_the_connection() -> None:
    with running(OtherServer(endless=True)) as server:
        ask(server, steps=3)
        assert server.left.wait(60)


def failure(server: OtherServer) -> tuple[int, str | None, str]:
    with pytest.raises(SevenbError) as caught:
        ask(server)
    problem = problem_of(caught.value)
    return problem.status, problem.code, problem.message


@pytest.mark.parametrize(
    ("status", "error", "told"),
    [
        (  # llama.cpp
            400,
            {
                "error": {
                    "code": 400,
                    "message": "request (6030 tokens) exceeds the available context size, try increasing it",
                    "type": "exceed_context_size_error",
                }
            },
            (400, "context_length_exceeded", "request (6030 tokens) exceeds"),
        ),
        (  # vLLM
            400,
            {"object": "error", "message": "This model's maximum context length is 4096 tokens.", "code": 400},
            (400, "context_length_exceeded", "4096 tokens"),
        ),
        (
            404,
            {"error": {"message": 'model "m" not found, try pulling it first'}},
            (404, "model_not_found", "not found"),
        ),
        (503, {"error": {"code": 503, "message": "Loading model"}}, (503, "not_ready", "Loading model")),
        (401, {"error": "bad key"}, (502, "upstream_key", "SEVENB_UPSTREAM_OTHER_KEY")),
        (429, {"error": {"message": "slow down"}}, (429, "rate_limit_exceeded", "slow down")),
        (500, b"<html>Traceback</html>", (502, "upstream_error", "HTTP 500")),
        (
            422,
            {"detail": [{"loc": ["body", "top_p"], "msg": "too large"}]},
            (400, "upstream_refused", "top_p: too large"),
        ),
        (302, b"", (400, "upstream_refused", "HTTP 302")),
    ],
)
def test_errors_are_told_in_a_sentence_that_names_the_server(
    status: int, error: Any, told: tuple[int, str, str]
) -> None:
    with running(OtherServer(status=status, error=error)) as server:
        got_status, code, message = failure(server)
    assert (got_status, code) == told[:2]
    assert "other" in message
    assert told[2] in message
    assert "<html>" not in message
    assert message.endswith(".")


def test_an_error_in_the_middle_of_an_answer_is_told() -> None:
    error = {"error": {"code": 400, "message": "context size exceeded", "type": "exceed_context_size_error"}}
    for event in (error, f"error: {json.dumps(error)}"):
        with running(OtherServer(events=[chunk(content="a"), event])) as server:
            assert failure(server)[:2] == (400, "context_length_exceeded")


def test_an_answer_without_an_end_is_told() -> None:
    with running(OtherServer(events=[chunk(content="a")], done=False)) as server:
        assert "broke off" in failure(server)[2]
    with running(OtherServer(events=[], done=False)) as server:
        assert "sent no answer" in failure(server)[2]


def test_a_server_that_is_gone_is_told() -> None:
    with running(OtherServer()) as server:
        pass
    status, code, message = failure(server)
    assert (status, code) == (502, "upstream_unreachable")
    assert "Connection refused" in message


@pytest.mark.parametrize(
    "event",
    [
        "data: 5",
        "data: null",
        {"choices": 5},
        {"choices": [5]},
        {"choices": [{"delta": 5}]},
        {"choices": [{"delta": {"content": 5, "tool_calls": [5, {"function": 5}]}}]},
        {"usage": {"prompt_tokens": "many"}},
    ],
)
def test_what_makes_no_sense_is_left_out(event: Any) -> None:
    with running(OtherServer(events=[event, chunk(content="a"), chunk("stop")])) as server:
        assert ask(server).text == "a"
