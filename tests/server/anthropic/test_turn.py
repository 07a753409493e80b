"""How requests of Anthropic's API become turns: messages in OpenAI's form, tools, choices, errors that name a field."""

from typing import Any

import pytest

from sevenb.errors import InvalidRequest
from sevenb.server.anthropic.turn import chat_turn
from sevenb.server.anthropic.types import MessagesRequest, TurnRequest
from sevenb.server.chat import ChatTurn
from sevenb.structured.tools.tools import ToolChoice

USER = {"role": "user", "content": "hi"}
WEATHER = {"name": "weather", "description": "The weather.", "input_schema": {"type": "object", "properties": {}}}


def turn(*messages: Any, **fields: Any) -> ChatTurn:
    body = {"model": "m", "max_tokens": 10, "messages": messages or (USER,), **fields}
    return chat_turn(MessagesRequest.model_validate({**body, "messages": list(body["messages"])}))


def refuse(*messages: Any, **fields: Any) -> str:
    with pytest.raises(InvalidRequest) as caught:
        turn(*messages, **fields)
    assert caught.value.parameter is not None
    return caught.value.parameter


def test_system_blocks_are_one_message_without_the_client_s_own_notes() -> None:
    system = [
        {"type": "text", "text": "x-anthropic-billing-header: cc_version=1; cch=abc"},
        {"type": "text", "text": "You are brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        {"type": "text", "text": "Answer in verse."},
    ]
    assert turn(system=system).messages[0] == {"role": "system", "content": "You are brief.\nAnswer in verse."}
    assert turn(system="Be kind.").messages[0] == {"role": "system", "content": "Be kind."}
    assert [message["role"] for message in turn(system="").messages] == ["user"]


def test_a_round_of_tool_use_becomes_calls_and_results_in_order() -> None:
    messages = turn(
        {"role": "user", "content": "Weather in Bern and Oslo?"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": "s"},
                {"type": "text", "text": "I'll look."},
                {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Bern"}},
                {"type": "tool_use", "id": "toolu_2", "name": "weather", "input": {"city": "Zürich"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": "rain"},
                {"type": "tool_result", "tool_use_id": "toolu_2", "content": [{"type": "text", "text": "sun"}]},
                {"type": "text", "text": "And tomorrow?"},
            ],
        },
    ).messages
    assert messages[1:] == [
        {
            "role": "assistant",
            "content": "I'll look.",
            "tool_calls": [
                {"id": "toolu_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Bern"}'}},
                {
                    "id": "toolu_2",
                    "type": "function",
                    "function": {"name": "weather", "arguments": '{"city": "Zürich"}'},
                },
            ],
        },
        {"role": "tool", "tool_call_id": "toolu_1", "content": "rain", "name": "weather"},
        {"role": "tool", "tool_call_id": "toolu_2", "content": "sun", "name": "weather"},
        {"role": "user", "content": "And tomorrow?"},
    ]


def test_a_result_may_be_empty() -> None:
    message = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t"}]}
    assert turn(message).messages == [{"role": "tool", "tool_call_id": "t", "content": ""}]


def test_neighbours_of_the_same_role_are_one_turn() -> None:
    messages = turn(USER, USER, {"role": "assistant", "content": "a"}, {"role": "assistant", "content": "b"}, USER)
    assert [(m["role"], m["content"]) for m in messages.messages] == [
        ("user", "hi\nhi"),
        ("assistant", "a\nb"),
        ("user", "hi"),
    ]


def test_documents_and_search_results_are_read_as_text() -> None:
    blocks = [
        {"type": "document", "title": "T", "source": {"type": "text", "media_type": "text/plain", "data": "words"}},
        {"type": "search_result", "source": "s", "title": "R", "content": [{"type": "text", "text": "found"}]},
        {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "inner"}]}},
    ]
    assert turn({"role": "user", "content": blocks}).messages[0]["content"] == "T\nwords\nR\nfound\ninner"


def test_a_last_message_of_the_assistant_is_gone_on_with() -> None:
    begun = turn(USER, {"role": "assistant", "content": "The answer is ("})
    assert begun.continue_final_message
    empty = turn(USER, {"role": "assistant", "content": ""})
    assert not empty.continue_final_message
    assert [message["role"] for message in empty.messages] == ["user"]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, ToolChoice("auto")),
        ({"type": "auto", "disable_parallel_tool_use": True}, ToolChoice("auto", parallel=False)),
        ({"type": "any"}, ToolChoice("required")),
        ({"type": "tool", "name": "weather"}, ToolChoice("named", "weather")),
        ({"type": "none"}, ToolChoice("none")),
    ],
)
def test_tool_choices_have_the_same_meaning(choice: Any, expected: ToolChoice) -> None:
    made = turn(tools=[{**WEATHER, "cache_control": {"type": "ephemeral"}}], tool_choice=choice)
    assert made.tool_choice == expected
    (tool,) = made.tools
    assert (tool.name, tool.description) == ("weather", "The weather.")
    assert tool.parameters == WEATHER["input_schema"]


def test_sampling_parameters_keep_their_names() -> None:
    params = turn(temperature=0.3, top_p=0.5, top_k=7, stop_sequences=["END"], max_tokens=99).params
    assert (params.temperature, params.top_p, params.top_k) == (0.3, 0.5, 7)
    assert (params.stop, params.max_tokens) == (("END",), 99)
    assert turn().params.temperature == 1.0


def test_what_changes_no_answer_is_let_pass() -> None:
    made = turn(
        thinking={"type": "enabled", "budget_tokens": 4000},
        metadata={"user_id": "u"},
        service_tier="auto",
        context_management={"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        output_config={"effort": "high"},
        mcp_servers=[],
        betas=["x"],
    )
    assert made == turn()


@pytest.mark.parametrize("place", ["output_config", "output_format"])
def test_an_output_format_is_a_shape_to_be_guaranteed(place: str) -> None:
    format = {"type": "json_schema", "schema": {"type": "object"}}
    output = turn(**{place: {"format": format} if place == "output_config" else format}).output
    assert output is not None
    assert output.parameter.startswith(place)


def test_a_request_that_only_counts_needs_no_max_tokens() -> None:
    body = TurnRequest.model_validate({"model": "m", "messages": [USER], "system": "s", "tools": [WEATHER]})
    assert len(chat_turn(body).messages) == 2


IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
CALL = {"type": "tool_use", "id": "t", "name": "n", "input": {}}


@pytest.mark.parametrize(
    ("messages", "parameter"),
    [
        ([{"role": "user", "content": [{"type": "text", "text": "a"}, IMAGE]}], "messages[0].content[1].type"),
        ([{"role": "user", "content": ""}], "messages[0].content"),
        ([{"role": "user", "content": []}], "messages[0].content"),
        ([USER, {"role": "assistant", "content": ""}, USER], "messages[1].content"),
        ([{"role": "user", "content": [{"type": "text"}]}], "messages[0].content[0].text"),
        ([{"role": "user", "content": [CALL]}], "messages[0].content[0].type"),
        ([{"role": "assistant", "content": [{"type": "tool_use"}]}, USER], "messages[0].content[0]"),
        ([{"role": "user", "content": [{"type": "tool_result"}]}], "messages[0].content[0].tool_use_id"),
        ([USER, {"role": "assistant", "content": [CALL]}], "messages[1]"),
        (
            [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": [IMAGE]}]}],
            "messages[0].content[0].content[0].type",
        ),
        (
            [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": [{"text": "x"}]}]}],
            "messages[0].content[0].content[0].type",
        ),
        (
            [{"role": "user", "content": [{"type": "document", "source": {"type": "base64", "data": "AA"}}]}],
            "messages[0].content[0].source",
        ),
        ([{"role": "system", "content": "only this"}], "messages"),
    ],
)
def test_messages_that_cannot_be_read_are_refused(messages: list[Any], parameter: str) -> None:
    assert refuse(*messages) == parameter


def test_blocks_nested_without_end_are_refused() -> None:
    block: dict[str, Any] = {"type": "text", "text": "x"}
    for _ in range(300):
        block = {"type": "search_result", "content": [block]}
    assert refuse({"role": "user", "content": [block]}).startswith("messages[0].content[0]")


@pytest.mark.parametrize(
    ("fields", "parameter"),
    [
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools[0].type"),
        ({"tools": [{"name": "a"}]}, "tools[0].input_schema"),
        ({"tools": [WEATHER], "tool_choice": {"type": "tool"}}, "tool_choice.name"),
    ],
)
def test_tools_that_cannot_be_had_are_refused(fields: dict[str, Any], parameter: str) -> None:
    assert refuse(**fields) == parameter


def test_an_answer_that_was_begun_cannot_be_brought_into_shape() -> None:
    format = {"format": {"type": "json_schema", "schema": {"type": "object"}}}
    assert refuse(USER, {"role": "assistant", "content": "{"}, output_config=format) == "messages[1]"
