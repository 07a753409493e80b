"""What clients send as tools and tool choices: read, checked, and refused with the field's name."""

from typing import Any

import pytest

from sevenb.errors import InvalidRequest
from sevenb.structured.tools.tools import MAX_TOOLS, Tool, ToolChoice, check_tools, tools_from_openai

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def _function(**fields: Any) -> dict[str, Any]:
    return {"type": "function", "function": fields}


def test_tools_are_read_from_openais_form():
    (tool,) = tools_from_openai([_function(name="get_weather", description="Now", parameters=CITY, strict=True)])
    assert tool == Tool("get_weather", "Now", CITY, strict=True, parameter="tools[0].function.parameters")


def test_tools_are_read_from_the_flat_form_of_responses():
    (tool,) = tools_from_openai([{"type": "function", "name": "get_weather", "parameters": CITY}])
    assert (tool.name, tool.parameters, tool.parameter) == ("get_weather", CITY, "tools[0].parameters")


def test_a_tool_needs_no_parameters_and_no_description():
    (tool,) = tools_from_openai([_function(name="now")])
    assert tool.template_form() == {
        "type": "function",
        "function": {"name": "now", "parameters": {"type": "object", "properties": {}}},
    }


def test_templates_see_the_keys_in_the_order_models_were_trained_on():
    form = Tool("a", "b", CITY).template_form()
    assert list(form) == ["type", "function"]
    assert list(form["function"]) == ["name", "description", "parameters"]


@pytest.mark.parametrize("name", ["查询天气", "get-weather", "mcp__files.read", "server/tool:1", "x" * 128])
def test_names_may_have_letters_of_any_script_and_the_usual_separators(name: str):
    assert tools_from_openai([_function(name=name)])[0].name == name


@pytest.mark.parametrize(
    ("tools", "field"),
    [
        ("get_weather", "tools"),
        ({}, "tools"),
        (["get_weather"], "tools[0]"),
        ([{"type": "function"}], "tools[0].function"),
        ([{"type": "function", "function": None}], "tools[0].function"),
        ([{"type": "web_search"}], "tools[0].type"),
        ([_function()], "tools[0].function.name"),
        ([_function(name=3)], "tools[0].function.name"),
        ([_function(name="")], "tools[0].function.name"),
        ([_function(name="a b")], "tools[0].function.name"),
        ([_function(name='a"')], "tools[0].function.name"),
        ([_function(name="a\n")], "tools[0].function.name"),
        ([_function(name="a<b>")], "tools[0].function.name"),
        ([_function(name="x" * 129)], "tools[0].function.name"),
        ([_function(name="a", description=3)], "tools[0].function.description"),
        ([_function(name="a", strict="yes")], "tools[0].function.strict"),
        ([_function(name="a"), _function(name="b", parameters=[])], "tools[1].function.parameters"),
        ([_function(name="a", parameters="{}")], "tools[0].function.parameters"),
        ([_function(name="a", parameters={"type": "string"})], "tools[0].function.parameters.type"),
        ([{"type": "function", "name": "a", "parameters": 3}], "tools[0].parameters"),
        ([_function(name="a")] * (MAX_TOOLS + 1), "tools"),
    ],
)
def test_a_bad_definition_is_refused_with_the_name_of_the_field(tools: Any, field: str):
    with pytest.raises(InvalidRequest, match=r"^.{20,300}$") as refusal:
        tools_from_openai(tools)
    assert refusal.value.parameter == field


def test_two_tools_of_one_name_are_refused():
    tools = tools_from_openai([_function(name="a"), _function(name="b"), _function(name="a")])
    with pytest.raises(InvalidRequest, match=r"tools\[2\] and tools\[0\] are both named 'a'") as refusal:
        check_tools(tools, ToolChoice())
    assert refusal.value.parameter == "tools[2].function.name"


def test_tools_that_a_dialect_made_are_checked_in_its_own_words():
    with pytest.raises(InvalidRequest) as refusal:
        check_tools([Tool("bad name", parameter="tools[0].input_schema")], ToolChoice())
    assert refusal.value.parameter == "tools[0].name"


@pytest.mark.parametrize(
    ("value", "choice"),
    [
        (None, ToolChoice("auto")),
        ("auto", ToolChoice("auto")),
        ("none", ToolChoice("none")),
        ("required", ToolChoice("required")),
        ({"type": "function", "function": {"name": "a"}}, ToolChoice("named", "a")),
        ({"type": "function", "name": "a"}, ToolChoice("named", "a")),
    ],
)
def test_the_choice_is_read_from_openais_form(value: Any, choice: ToolChoice):
    assert ToolChoice.from_openai(value) == choice


def test_calls_are_parallel_unless_the_client_says_otherwise():
    assert ToolChoice.from_openai("auto", parallel=None).parallel
    assert ToolChoice.from_openai("auto", parallel=True).parallel
    assert not ToolChoice.from_openai("required", parallel=False).parallel


@pytest.mark.parametrize("value", ["always", 3, [], {}, {"type": "function"}, {"type": "function", "function": {}}])
def test_a_bad_choice_is_refused(value: Any):
    with pytest.raises(InvalidRequest) as refusal:
        ToolChoice.from_openai(value)
    assert refusal.value.parameter == "tool_choice"


@pytest.mark.parametrize("choice", [ToolChoice("named", "b"), ToolChoice("named", "")])
def test_a_choice_of_a_tool_that_is_not_there_is_refused(choice: ToolChoice):
    with pytest.raises(InvalidRequest) as refusal:
        check_tools([Tool("a")], choice)
    assert refusal.value.parameter == "tool_choice"


def test_a_demand_to_call_without_tools_is_refused():
    with pytest.raises(InvalidRequest) as refusal:
        check_tools([], ToolChoice("required"))
    assert refusal.value.parameter == "tool_choice"
