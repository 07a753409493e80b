"""Calls enforced by grammar: what a model of each family may write with which tools and which choice."""

import json
import random
from collections.abc import Mapping, Sequence
from typing import Any

import jsonschema
import numpy as np
import pytest

from sevenb.errors import InvalidRequest
from sevenb.structured.compiler import GrammarCompiler, Matcher, fill_masks
from sevenb.structured.constraint import Constraint
from sevenb.structured.output_format import OutputFormat
from sevenb.structured.tools.reader import ArgumentsPart, CallEnded, CallStarted, calls_in
from sevenb.structured.tools.styles import ToolStyle
from sevenb.structured.tools.tools import Tool, ToolChoice
from tests.structured.schemas import SUITE, Case

END = 256
CLOSING = {END, 258, *b'"}]'}
MARKS = {"<tool_call>": 257, "</tool_call>": 258, "[TOOL_CALLS]": 259, "<|python_tag|>": 260}

QWEN = ToolStyle.detect("{% if tools %}<tool_call>{% endif %}", {k: MARKS[k] for k in ("<tool_call>", "</tool_call>")})
PLAIN = ToolStyle.detect("{% for m in messages %}{{ m.content }}{% endfor %}", {})
LLAMA = ToolStyle.detect("{% if tools %}parameters{% endif %}", {"<|python_tag|>": MARKS["<|python_tag|>"]})
MISTRAL = ToolStyle.detect('{% if tools %}[TOOL_CALLS] [{"name"{% endif %}', {"[TOOL_CALLS]": MARKS["[TOOL_CALLS]"]})
STYLES = {"qwen": QWEN, "plain": PLAIN, "llama": LLAMA, "mistral": MISTRAL}

WEATHER = Tool(
    "get_weather",
    "The weather of a city",
    {
        "type": "object",
        "properties": {"city": {"type": "string"}, "unit": {"enum": ["°C", "°F"]}, "days": {"type": "integer"}},
        "required": ["city"],
    },
)
NOW = Tool("now", "The time")
SHIP = Tool(
    "orders.送货",
    None,
    {
        "$defs": {"Place": {"type": "object", "properties": {"街道": {"type": "string"}}, "required": ["街道"]}},
        "type": "object",
        "properties": {
            "to": {"$ref": "#/$defs/Place"},
            "items": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "integer"}}}},
        },
        "required": ["to"],
    },
)
TOOLS = [WEATHER, NOW, SHIP]

CALL_NOW = '{"name": "now", "arguments": {}}'
CALL_WEATHER = '{"name": "get_weather", "arguments": {"city": "Köln", "unit": "°C"}}'
CALL_SHIP = '{"name": "orders.送货", "arguments": {"to": {"街道": "南京路"}, "items": [{"n": 2}, {}]}}'


@pytest.fixture(scope="module")
def compiler() -> GrammarCompiler:
    """A vocabulary of all bytes and the marks of all families."""
    tokens = [bytes([byte]) for byte in range(256)] + [b"<end>", *(mark.encode() for mark in MARKS)]
    return GrammarCompiler(
        tokens, special=range(END, len(tokens)), end_ids={END}, encode=lambda text: list(text.encode())
    )


def _ids(text: str, style: ToolStyle) -> list[int]:
    for mark, token_id in style.notation.tokens.items():
        text = text.replace(mark, chr(0xE000 + token_id))
    bytes_of = ([ord(c) - 0xE000] if c >= "\ue000" else list(c.encode()) for c in text)
    return [token_id for ids in bytes_of for token_id in ids]


def _matcher(compiler: GrammarCompiler, constraint: Constraint | None) -> Matcher:
    assert constraint is not None
    return compiler.compile(constraint.grammar)


def _allows(compiler: GrammarCompiler, style: ToolStyle, constraint: Constraint | None, text: str) -> bool:
    """Whether ``text`` may be a whole answer."""
    matcher, ids = _matcher(compiler, constraint), _ids(text, style)
    if matcher.valid(ids) < len(ids):
        return False
    matcher.accept(ids)
    return matcher.accepting


def _qwen(*calls: str) -> str:
    return "\n".join(f"<tool_call>\n{call}\n</tool_call>" for call in calls)


def _mistral(*calls: str) -> str:
    return f"[TOOL_CALLS] [{', '.join(calls)}]"


def _llama(*calls: str) -> str:
    return "; ".join(calls).replace('"arguments"', '"parameters"')


def _indented(call: str) -> str:
    return call.replace('{"name"', '{\n  "name"').replace(', "arguments"', ',\n  "arguments"')[:-1] + "\n}"


WRITERS = {"qwen": _qwen, "plain": _qwen, "llama": _llama, "mistral": _mistral}


# -- which style -----------------------------------------------------------------------------------------


def test_a_style_is_told_by_the_template_and_the_special_tokens():
    assert QWEN.notation.tokens == {"<tool_call>": 257, "</tool_call>": 258}
    assert LLAMA.notation.key == "parameters"
    assert MISTRAL.notation.marker == "[TOOL_CALLS]"
    assert QWEN.knows_tools
    assert LLAMA.knows_tools
    assert MISTRAL.knows_tools
    assert not PLAIN.knows_tools


def test_the_template_counts_more_than_tokens_that_a_model_has_from_its_base():
    template = "{% for tool in tools %}<tool_call>{% endfor %}"
    for tokens in ({"<|python_tag|>": 1}, {"[TOOL_CALLS]": 1}):
        style = ToolStyle.detect(template, tokens)
        assert style.notation.marker == "<tool_call>"
        assert style.notation.tokens == {}
        assert style.knows_tools


@pytest.mark.parametrize("token", ["<|python_tag|>", "[TOOL_CALLS]"])
def test_a_template_without_tools_of_a_family_that_knows_them_gets_instructions_in_its_notation(token: str):
    style = ToolStyle.detect("{% for message in messages %}{{ message.content }}{% endfor %}", {token: 1})
    assert not style.knows_tools
    assert style.notation.marker == token
    assert style.notation.key in style.instructions(TOOLS)


def test_a_template_of_an_unknown_style_is_told_how_to_call():
    style = ToolStyle.detect("{% if tools %}<function_call>{% endif %}", {})
    assert not style.knows_tools
    instructions = style.instructions(TOOLS)
    assert "<tool_call>" in instructions
    assert '"arguments"' in instructions
    assert all(json.dumps(tool.template_form(), ensure_ascii=False) in instructions for tool in TOOLS)


def test_a_model_without_template_has_a_style_all_the_same():
    assert ToolStyle.detect(None, {}).constraint(TOOLS, ToolChoice("required")) is not None


def test_ids_are_such_as_the_template_takes_back():
    assert len({QWEN.new_id() for _ in range(50)}) == 50
    assert QWEN.new_id("toolu_").startswith("toolu_")
    assert all(len(identity := MISTRAL.new_id()) == 9 and identity.isalnum() for _ in range(50))


# -- what may be written ---------------------------------------------------------------------------------


@pytest.mark.parametrize("family", STYLES)
def test_a_demanded_call_is_nothing_but_calls(compiler: GrammarCompiler, family: str):
    style, write = STYLES[family], WRITERS[family]
    constraint = style.constraint(TOOLS, ToolChoice("required"))
    for calls in ([CALL_NOW], [CALL_WEATHER, CALL_NOW, CALL_SHIP]):
        assert _allows(compiler, style, constraint, write(*calls))
    assert not _allows(compiler, style, constraint, "")
    assert not _allows(compiler, style, constraint, "Sure.")
    assert not _allows(compiler, style, constraint, write(CALL_NOW) + " Done.")
    assert not _allows(compiler, style, constraint, write(CALL_NOW.replace("now", "then")))


@pytest.mark.parametrize("family", STYLES)
def test_a_named_tool_is_called_once_and_no_other_is(compiler: GrammarCompiler, family: str):
    style, write = STYLES[family], WRITERS[family]
    constraint = style.constraint(TOOLS, ToolChoice("named", "now"))
    assert _allows(compiler, style, constraint, write(CALL_NOW))
    assert not _allows(compiler, style, constraint, write(CALL_WEATHER))
    assert not _allows(compiler, style, constraint, write(CALL_NOW, CALL_NOW))
    assert not _allows(compiler, style, constraint, "No.")


@pytest.mark.parametrize("family", STYLES)
def test_without_parallel_calls_there_is_one(compiler: GrammarCompiler, family: str):
    style, write = STYLES[family], WRITERS[family]
    for mode in ("auto", "required"):
        constraint = style.constraint(TOOLS, ToolChoice(mode, parallel=False))
        assert _allows(compiler, style, constraint, write(CALL_SHIP))
        if not (mode == "auto" and family == "plain"):
            assert not _allows(compiler, style, constraint, write(CALL_SHIP, CALL_NOW))


@pytest.mark.parametrize("family", STYLES)
def test_left_free_a_model_may_write_text_and_calls(compiler: GrammarCompiler, family: str):
    style, write = STYLES[family], WRITERS[family]
    constraint = style.constraint(TOOLS, ToolChoice())
    for text in ["", "Hello.\n", '{"name": "Ada"}', write(CALL_WEATHER), write(CALL_WEATHER, CALL_NOW)]:
        assert _allows(compiler, style, constraint, text), text
    assert _allows(compiler, style, constraint, f"Let me see.\n{write(CALL_NOW)}")
    assert _allows(compiler, style, constraint, f"```json\n{CALL_SHIP}\n```\nand\n{CALL_NOW}")
    assert _allows(compiler, style, constraint, '{\n  "name": "now",\n  "arguments": {}\n}')


@pytest.mark.parametrize("family", ["qwen", "plain", "mistral"])
@pytest.mark.parametrize(
    "call",
    [
        '{"name": "then", "arguments": {}}',
        '{"name": "now", "arguments": {"zone": "UTC"}}',
        '{"name": "get_weather", "arguments": {}}',
        '{"name": "get_weather", "arguments": {"city": 3}}',
        '{"name": "get_weather", "arguments": {"city": "Köln", "unit": "K"}}',
        '{"name": "get_weather", "arguments": {"city": "Köln", "town": "Köln"}}',
        '{"name": "get_weather", "arguments": "Köln"}',
        '{"name": "orders.送货", "arguments": {"to": {"road": "x"}}}',
    ],
)
def test_a_call_that_was_opened_cannot_go_wrong(compiler: GrammarCompiler, family: str, call: str):
    style, write = STYLES[family], WRITERS[family]
    for choice in (ToolChoice(), ToolChoice("required"), ToolChoice("auto", parallel=False)):
        assert not _allows(compiler, style, style.constraint(TOOLS, choice), write(call))


@pytest.mark.parametrize("family", STYLES)
@pytest.mark.parametrize("before", ["", "So:\n", "```json\n", "[", "<tools>\n"])
def test_a_bare_call_cannot_go_wrong_either(compiler: GrammarCompiler, family: str, before: str):
    constraint = STYLES[family].constraint(TOOLS, ToolChoice())
    for opening in ('{"name": "get_weather", "arguments": {', '{\n  "name":"get_weather",\n  "parameters":\n{'):
        matcher = _matcher(compiler, constraint)
        matcher.accept(_ids(before + opening, STYLES[family]))
        assert matcher.valid(_ids('"city": "', STYLES[family])) == len('"city": "')
        assert not matcher.valid(_ids("}", STYLES[family]))
        assert not matcher.accepting


@pytest.mark.parametrize("family", STYLES)
def test_a_demanded_call_may_have_the_forms_of_a_free_one(compiler: GrammarCompiler, family: str):
    style, key = STYLES[family], STYLES[family].notation.key
    constraint = style.constraint(TOOLS, ToolChoice("required"))
    bare, indented = (text.replace("arguments", key) for text in (CALL_SHIP, _indented(CALL_WEATHER)))
    for text in (bare, indented, f"{bare}\n{indented}", f"[{bare}, {bare}]", f"```json\n{indented}\n```"):
        assert _allows(compiler, style, constraint, text), text
    for text in ("```json\n```", "[]", f"```json\n{bare}", f"{bare}\nDone."):
        assert not _allows(compiler, style, constraint, text), text


@pytest.mark.parametrize("choice", [ToolChoice(), ToolChoice("required")])
def test_an_answer_ends_after_32_calls(compiler: GrammarCompiler, choice: ToolChoice):
    constraint = QWEN.constraint(TOOLS, choice)
    assert _allows(compiler, QWEN, constraint, _qwen(*[CALL_NOW] * 32))
    assert not _allows(compiler, QWEN, constraint, _qwen(*[CALL_NOW] * 33))
    assert not _allows(compiler, QWEN, constraint, _qwen(*[CALL_NOW] * 32) + "\nDone.")


def test_a_model_that_may_not_call_cannot_write_the_marker(compiler: GrammarCompiler):
    constraint = QWEN.constraint(TOOLS, ToolChoice("none"))
    assert _allows(compiler, QWEN, constraint, "I would call now().")
    assert not _allows(compiler, QWEN, constraint, _qwen(CALL_NOW))


def test_without_tools_nothing_is_constrained_but_the_output():
    output = Constraint("any")
    assert QWEN.constraint([], ToolChoice()) is None
    assert QWEN.constraint([], ToolChoice(), output) is output
    assert QWEN.constraint(TOOLS, ToolChoice("none"), output) is output


ANSWER = {"type": "object", "properties": {"answer": {"type": "integer"}}, "required": ["answer"]}
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name"],
}


@pytest.mark.parametrize("family", STYLES)
def test_tools_with_an_output_format_mean_a_call_or_that_format(compiler: GrammarCompiler, family: str):
    style, write = STYLES[family], WRITERS[family]
    output = OutputFormat.from_schema(ANSWER, "response_format").constraint()
    constraint = style.constraint(TOOLS, ToolChoice(), output)
    assert _allows(compiler, style, constraint, '{"answer": 42}')
    assert _allows(compiler, style, constraint, write(CALL_WEATHER, CALL_NOW))
    for wrong in ("42", "", '{"answer": "42"}', "Hello", write(CALL_NOW) + '{"answer": 42}', write(CALL_NOW)[:-1]):
        assert not _allows(compiler, style, constraint, wrong), wrong


@pytest.mark.parametrize("family", STYLES)
def test_an_output_that_looks_like_a_call_at_first_is_not_lost(compiler: GrammarCompiler, family: str):
    style, write = STYLES[family], WRITERS[family]
    output = OutputFormat.from_schema(PERSON, "response_format").constraint()
    constraint = style.constraint(TOOLS, ToolChoice(), output)
    for text in ('{"name": "Ada", "age": 36}', '{"name": "now", "age": 36}', '{"name": "nov"}', write(CALL_SHIP)):
        assert _allows(compiler, style, constraint, text), text


def test_output_of_any_kind_goes_with_tools(compiler: GrammarCompiler):
    for asked, right, wrong in [
        ({"regex": "[a-c]{3}"}, "abc", "abd"),
        ({"choice": ["yes", "no"]}, "no", "maybe"),
        ({"json_object": True}, '{"a": [1, null]}', "[1]"),
        ({"grammar": 'start: "<" WORD ">"\nWORD: /[a-z]+/'}, "<tool>", "tool"),
    ]:
        output = OutputFormat.from_structured_outputs(asked)
        assert output is not None
        constraint = QWEN.constraint(TOOLS, ToolChoice(), output.constraint())
        assert _allows(compiler, QWEN, constraint, right)
        assert _allows(compiler, QWEN, constraint, _qwen(CALL_NOW))
        assert not _allows(compiler, QWEN, constraint, wrong)


def test_objects_stay_open_where_the_schema_says_so(compiler: GrammarCompiler):
    free = Tool("free", None, {"type": "object", "additionalProperties": True})
    loose = Tool("loose", None, {"properties": {"a": {}}, "additionalProperties": {"type": "integer"}})
    constraint = QWEN.constraint([free, loose], ToolChoice("required"))
    assert _allows(compiler, QWEN, constraint, _qwen('{"name": "loose", "arguments": {"b": 1}}'))
    assert not _allows(compiler, QWEN, constraint, _qwen('{"name": "loose", "arguments": {"b": "1"}}'))
    assert _allows(compiler, QWEN, constraint, _qwen('{"name": "free", "arguments": {"x": [{}]}}'))


def test_properties_may_be_called_like_keywords(compiler: GrammarCompiler):
    inner = {"type": "object", "properties": {"not": {"type": "integer"}}}
    schema = {"type": "object", "properties": {"properties": inner, "enum": inner, "contains": inner}}
    constraint = QWEN.constraint([Tool("t", None, schema)], ToolChoice("required"))
    assert _allows(compiler, QWEN, constraint, _qwen('{"name": "t", "arguments": {"enum": {"not": 1}}}'))
    for wrong in ('{"additionalProperties": 1}', '{"enum": {"x": 1}}', '{"contains": {"x": 1}}'):
        assert not _allows(compiler, QWEN, constraint, _qwen(f'{{"name": "t", "arguments": {wrong}}}'))


@pytest.mark.parametrize("nothing", [{}, {"type": "object"}, {"type": "object", "properties": {}, "required": []}])
def test_a_tool_without_parameters_is_called_with_an_empty_object(compiler: GrammarCompiler, nothing: dict[str, Any]):
    constraint = QWEN.constraint([Tool("t", None, nothing)], ToolChoice())
    assert _allows(compiler, QWEN, constraint, _qwen('{"name": "t", "arguments": {}}'))
    for wrong in ('{"a": 1}', "null", '"{}"'):
        assert not _allows(compiler, QWEN, constraint, _qwen(f'{{"name": "t", "arguments": {wrong}}}'))


def test_arguments_are_an_object_though_the_schema_would_allow_null(compiler: GrammarCompiler):
    tool = Tool("t", None, {"type": ["object", "null"], "properties": {"a": {"type": "integer"}}})
    constraint = QWEN.constraint([tool], ToolChoice("required"))
    assert _allows(compiler, QWEN, constraint, _qwen('{"name": "t", "arguments": {"a": 1}}'))
    assert not _allows(compiler, QWEN, constraint, _qwen('{"name": "t", "arguments": null}'))


def test_a_schema_as_deep_as_the_sea_is_refused():
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(5_000):
        schema = {"type": "object", "properties": {"a": schema}}
    with pytest.raises(InvalidRequest) as refusal:
        QWEN.constraint([Tool("t", None, schema)], ToolChoice())
    assert refusal.value.parameter == "tools[0].function.parameters"


A, B = ({"properties": {name: {"type": "integer"}}, "required": [name]} for name in "ab")


@pytest.mark.parametrize(
    "schema",
    [
        {"allOf": [A, B]},
        {**A, "anyOf": [B]},
        {**A, "required": ["a", "b"]},
        {"$defs": {"B": B}, "$ref": "#/$defs/B", **A},
        {**A, "patternProperties": {"^b$": {"type": "integer"}}},
        {**A, "minProperties": 2},
        {"properties": {"c": {"anyOf": [A, B]}}, "additionalProperties": {"type": "integer"}},
    ],
    ids=json.dumps,
)
def test_a_closed_object_never_contradicts_the_schema(compiler: GrammarCompiler, schema: dict[str, Any]):
    constraint = QWEN.constraint([Tool("t", None, schema)], ToolChoice("required"))
    assert _allows(compiler, QWEN, constraint, _qwen('{"name": "t", "arguments": {"a": 1, "b": 2}}'))


def test_alternatives_are_closed_where_nothing_stands_beside_them(compiler: GrammarCompiler):
    tool = Tool("t", None, {"properties": {"x": {"anyOf": [A, {"$ref": "#/$defs/B"}]}}, "$defs": {"B": B}})
    constraint = QWEN.constraint([tool], ToolChoice("required"))
    assert _allows(compiler, QWEN, constraint, _qwen('{"name": "t", "arguments": {"x": {"b": 2}}}'))
    assert not _allows(compiler, QWEN, constraint, _qwen('{"name": "t", "arguments": {"x": {"b": 2, "c": 2}}}'))


def test_names_that_mean_something_in_a_grammar_are_only_names(compiler: GrammarCompiler):
    tools = [Tool("a.b/c:d-e", None, {}), Tool("a1b", None, {})]
    for choice in (ToolChoice(), ToolChoice("required")):
        constraint = QWEN.constraint(tools, choice)
        assert _allows(compiler, QWEN, constraint, _qwen('{"name": "a.b/c:d-e", "arguments": {}}'))
        assert not _allows(compiler, QWEN, constraint, _qwen('{"name": "aXb/c:d-e", "arguments": {}}'))


def test_a_schema_that_cannot_be_guaranteed_is_refused_with_tool_and_keyword():
    tools = [NOW, WEATHER, Tool("bad", None, {"type": "object", "properties": {"x": {"$ref": "#/nowhere"}}})]
    with pytest.raises(InvalidRequest) as refusal:
        QWEN.constraint(tools, ToolChoice())
    assert refusal.value.parameter is not None
    assert refusal.value.parameter.startswith("tools[2].function.parameters")
    assert "$ref" in str(refusal.value)


def test_as_many_tools_as_are_served_make_one_grammar(compiler: GrammarCompiler):
    tools = [Tool(f"tool_number_{i}", "Does something.", WEATHER.parameters) for i in range(128)]
    for choice in (ToolChoice(), ToolChoice("required")):
        constraint = QWEN.constraint(tools, choice)
        call = CALL_WEATHER.replace("get_weather", "tool_number_127")
        assert _allows(compiler, QWEN, constraint, _qwen(call))


@pytest.mark.parametrize("schema", [{"properties": []}, {"properties": {}, "required": {}}, {"required": ["a", 3]}])
def test_a_schema_that_is_none_is_refused(schema: dict[str, Any]):
    with pytest.raises(InvalidRequest) as refusal:
        QWEN.constraint([Tool("t", None, schema)], ToolChoice())
    assert refusal.value.parameter == "tools[0].function.parameters"


# -- grammar and reader agree ----------------------------------------------------------------------------


def _random_answer(matcher: Matcher, opening: Sequence[int], style: ToolStyle, rng: random.Random) -> str:
    """What a model that knows nothing but the grammar writes. Prefers to end what it has begun."""
    matcher.accept(opening)
    ids = list(opening)
    mask = np.zeros((1, (END + len(MARKS) + 32) // 32), dtype=np.uint32)
    while len(ids) < 3_000 and not matcher.finished:
        fill_masks([(matcher, ())], mask)
        allowed = [i for i in range(END + 1 + len(MARKS)) if mask[0, i // 32] >> (i % 32) & 1]
        closing = [i for i in allowed if i == END or i in CLOSING]
        token = rng.choice(closing if closing and rng.random() < 0.5 else allowed)
        if token == END:
            break
        matcher.accept([token])
        ids.append(token)
    spelled = {token_id: mark.encode() for mark, token_id in style.notation.tokens.items()}
    return b"".join(spelled.get(i, bytes([i % 256])) for i in ids).decode()


@pytest.mark.parametrize("family", STYLES)
@pytest.mark.parametrize("seed", range(8))
def test_whatever_the_grammar_lets_a_model_write_is_read_as_calls_that_are_valid(
    compiler: GrammarCompiler, family: str, seed: int
):
    style, rng = STYLES[family], random.Random(seed)
    schemas: Mapping[str, Any] = {tool.name: {"type": "object", **tool.parameters} for tool in TOOLS}
    for choice, opening in [
        (ToolChoice("required"), ""),
        (ToolChoice("named", rng.choice(TOOLS).name), ""),
        (ToolChoice("auto", parallel=False), f'So:\n{{"name": "{rng.choice(TOOLS).name}", "arguments": '),
    ]:
        matcher = _matcher(compiler, style.constraint(TOOLS, choice))
        text = _random_answer(matcher, _ids(opening, style), style, rng)
        reader = style.reader(TOOLS, choice)
        events = reader.feed(text) + reader.finish()
        calls = [event for event in events if isinstance(event, CallStarted)]
        ended = [event for event in events if isinstance(event, CallEnded)]
        assert calls
        assert len(ended) in (len(calls), len(calls) - 1)  # the last may be cut
        for call in calls[: len(ended)]:
            written = "".join(e.text for e in events if isinstance(e, ArgumentsPart) and e.call == call.call)
            jsonschema.validate(json.loads(written), schemas[call.name])


def test_what_only_a_check_can_tell_is_told_by_tool():
    tags = {"type": "array", "items": {"type": "string"}, "uniqueItems": True}
    label = Tool("label", None, {"type": "object", "properties": {"tags": tags}, "required": ["tags"]})
    constraint = QWEN.constraint([NOW, label], ToolChoice())
    assert constraint is not None
    assert constraint.check is not None
    assert constraint.check("No call.") is None
    assert constraint.check(_qwen(CALL_NOW, '{"name": "label", "arguments": {"tags": ["a", "b"]}}')) is None
    complaint = constraint.check(_qwen(CALL_NOW, '{"name": "label", "arguments": {"tags": ["a", "a"]}}'))
    assert complaint is not None
    assert complaint.startswith("label: ")
    assert QWEN.constraint([NOW, WEATHER, SHIP], ToolChoice()).check is None  # type: ignore[union-attr]


OBJECTS = [case for case in SUITE if isinstance(case.schema, dict) and case.schema.get("type") == "object"]


def _label(case: Case) -> str:
    return json.dumps(case.schema)[:60]


@pytest.mark.parametrize("case", [case for case in OBJECTS if case.outcome == "refused"], ids=_label)
def test_a_refused_schema_of_the_suite_is_refused_with_the_tool(case: Case):
    with pytest.raises(InvalidRequest) as refusal:
        QWEN.constraint([NOW, Tool("t", None, case.schema)], ToolChoice())
    assert refusal.value.parameter == "tools[1].function.parameters"


@pytest.mark.parametrize("case", [case for case in OBJECTS if case.outcome != "refused"], ids=_label)
def test_any_other_schema_of_the_suite_may_be_a_tools(compiler: GrammarCompiler, case: Case):
    tools, choice = [NOW, Tool("t", None, case.schema)], ToolChoice("required")
    constraint = QWEN.constraint(tools, choice)
    assert constraint is not None
    opening = _ids('<tool_call>\n{"name": "t", "arguments": ', QWEN)
    text = _random_answer(_matcher(compiler, constraint), opening, QWEN, random.Random(1))
    reader = QWEN.reader(tools, choice)
    events = reader.feed(text) + reader.finish()
    name, written = calls_in(events)[0]
    assert name == "t"
    if CallEnded(0) in events and constraint.check is None:
        jsonschema.validate(json.loads(written), case.schema)
