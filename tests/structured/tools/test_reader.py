"""Calls found in an answer while it is written: the same ones, however its text comes."""

import json
from collections.abc import Sequence
from itertools import count, pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sevenb.structured.tools.opening import CallOpenings
from sevenb.structured.tools.reader import ArgumentsPart, CallEnded, CallStarted, TextPart, ToolEvent, ToolReader

NAMES = ("get_weather", "get", "now", "查询")
QWEN = {"<tool_call>": "</tool_call>"}
MISTRAL = {"[TOOL_CALLS]": ""}


def _read(pieces: Sequence[str], wrappers: dict[str, str] = QWEN, *, parallel: bool = True) -> list[ToolEvent]:
    """All events, with pieces of one text or one call's arguments joined."""
    ids = count()
    reader = ToolReader(CallOpenings.of(NAMES, wrappers), lambda: f"id{next(ids)}", parallel=parallel)
    events = [event for piece in pieces for event in reader.feed(piece)] + reader.finish()
    joined: list[ToolEvent] = []
    for event in events:
        last = joined[-1] if joined else None
        if isinstance(event, TextPart) and isinstance(last, TextPart):
            joined[-1] = TextPart(last.text + event.text)
        elif isinstance(event, ArgumentsPart) and isinstance(last, ArgumentsPart) and last.call == event.call:
            joined[-1] = ArgumentsPart(event.call, last.text + event.text)
        else:
            joined.append(event)
    return joined


def _call(number: int, name: str, arguments: str) -> list[ToolEvent]:
    return [CallStarted(number, f"id{number}", name), ArgumentsPart(number, arguments), CallEnded(number)]


WEATHER = '{"city": "São }Paulo\\" {", "days": [1, {"x": []}]}'
MARKED = f'<tool_call>\n{{"name": "get_weather", "arguments": {WEATHER}}}\n</tool_call>'
NOW = '<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>'
BARE = '{"name": "查询", "arguments": {"城市": "北京"}}'

# Each text, and what is to be read from it.
ANSWERS: dict[str, tuple[str, list[ToolEvent]]] = {
    "text": ("Hello, world.\n", [TextPart("Hello, world.\n")]),
    "nothing": ("", []),
    "white space": (" \n ", [TextPart(" \n ")]),
    "one call": (MARKED, _call(0, "get_weather", WEATHER)),
    "no arguments": (NOW, _call(0, "now", "{}")),
    "a name that begins another": (NOW.replace("now", "get"), _call(0, "get", "{}")),
    "text before": (f"I will look.\n\n{NOW}", [TextPart("I will look."), *_call(0, "now", "{}")]),
    "text on the same line": (f"Look: {NOW}", [TextPart("Look:"), *_call(0, "now", "{}")]),
    "text behind": (f"{NOW}\n\nDone. \n", [*_call(0, "now", "{}"), TextPart("Done. \n")]),
    "white space behind": (f"{NOW}\n \n", _call(0, "now", "{}")),
    "parallel": (f"{MARKED}\n{NOW}", [*_call(0, "get_weather", WEATHER), *_call(1, "now", "{}")]),
    "text between": (
        f"{NOW}\nand\n{MARKED}",
        [*_call(0, "now", "{}"), TextPart("and"), *_call(1, "get_weather", WEATHER)],
    ),
    "text everywhere": (
        f"a {NOW} b {NOW} c",
        [TextPart("a"), *_call(0, "now", "{}"), TextPart(" b"), *_call(1, "now", "{}"), TextPart(" c")],
    ),
    "other spacing": (
        '<tool_call>{ "name" :"now",\n\t"arguments":\n {"a" : 1 } \n}</tool_call>',
        _call(0, "now", '{"a" : 1 }'),
    ),
    "a second marker right behind": (f"{NOW}{NOW}", [*_call(0, "now", "{}"), *_call(1, "now", "{}")]),
    "the end forgotten": (
        NOW.replace("\n</tool_call>", "\n") + NOW,
        [*_call(0, "now", "{}"), *_call(1, "now", "{}")],
    ),
    "a brace forgotten": ('<tool_call>\n{"name": "now", "arguments": {}\n</tool_call>', _call(0, "now", "{}")),
    "keys nobody asked for": (
        '<tool_call>\n{"name": "now", "arguments": {}, "id": "}", "x": {"y": 1}}\n</tool_call> ok',
        [*_call(0, "now", "{}"), TextPart("ok")],
    ),
    "several in one marker": (
        f"<tool_call>\n[{BARE}, {BARE}]\n</tool_call>",
        [*_call(0, "查询", '{"城市": "北京"}'), *_call(1, "查询", '{"城市": "北京"}')],
    ),
    "bare": (BARE, _call(0, "查询", '{"城市": "北京"}')),
    "bare with Llama's key": ('{"name": "now", "parameters": {}}', _call(0, "now", "{}")),
    "bare, indented": (
        '{\n  "name": "now",\n  "arguments": {\n    "zone": "UTC"\n  }\n}\n',
        _call(0, "now", '{\n    "zone": "UTC"\n  }'),
    ),
    "bare on several lines": (
        f"Two:\n{BARE}\n{BARE}\n",
        [TextPart("Two:"), *_call(0, "查询", '{"城市": "北京"}'), *_call(1, "查询", '{"城市": "北京"}')],
    ),
    "bare with semicolons": (
        '{"name": "now", "parameters": {}}; {"name": "get", "parameters": {}}',
        [*_call(0, "now", "{}"), *_call(1, "get", "{}")],
    ),
    "a bare list": (
        f"[{BARE},\n{BARE}]",
        [*_call(0, "查询", '{"城市": "北京"}'), *_call(1, "查询", '{"城市": "北京"}')],
    ),
    "fenced": (f"So:\n```json\n{BARE}\n```\n", [TextPart("So:"), *_call(0, "查询", '{"城市": "北京"}')]),
    "fenced without a language": (f"```\n{BARE}\n```", _call(0, "查询", '{"城市": "北京"}')),
    "several in a fence": (
        f"```json\n{BARE}\n{BARE}\n``` Bye",
        [*_call(0, "查询", '{"城市": "北京"}'), *_call(1, "查询", '{"城市": "北京"}'), TextPart("Bye")],
    ),
    "a list in a fence": (
        f"```json\n[\n  {BARE},\n  {BARE}\n]\n```",
        [*_call(0, "查询", '{"城市": "北京"}'), *_call(1, "查询", '{"城市": "北京"}')],
    ),
    "in tools": (f"<tools>\n{BARE}\n</tools>", _call(0, "查询", '{"城市": "北京"}')),
    "within a line": (f"Write {BARE} to call.", [TextPart(f"Write {BARE} to call.")]),
    "other JSON": ('{"name": "Ada", "age": 36}', [TextPart('{"name": "Ada", "age": 36}')]),
    "other JSON in a fence": ('```json\n{"a": 1}\n```\n', [TextPart('```json\n{"a": 1}\n```\n')]),
    "code": ('```python\ntool = {"name": "now"}\n```', [TextPart('```python\ntool = {"name": "now"}\n```')]),
    "an unknown name": (NOW.replace("now", "nowhere"), [TextPart(NOW.replace("now", "nowhere"))]),
    "arguments that are no object": (NOW.replace("{}", "[]"), [TextPart(NOW.replace("{}", "[]"))]),
    "no arguments at all": (
        '<tool_call>\n{"name": "now"}\n</tool_call>',
        [TextPart('<tool_call>\n{"name": "now"}\n</tool_call>')],
    ),
    "no JSON": ("<tool_call>\nnow()\n</tool_call>", [TextPart("<tool_call>\nnow()\n</tool_call>")]),
    "almost a marker": ("<tool_<tool <<tool_call> x", [TextPart("<tool_<tool <<tool_call> x")]),
    "a marker behind a false start": (f"<tool_{NOW}", [TextPart("<tool_"), *_call(0, "now", "{}")]),
    "a fence behind a false start": (f"``\n```\n{BARE}", [TextPart("``"), *_call(0, "查询", '{"城市": "北京"}')]),
    "cut in the marker": ("<tool_c", [TextPart("<tool_c")]),
    "cut in the name": ('Now \n<tool_call>\n{"name": "get_w', [TextPart('Now \n<tool_call>\n{"name": "get_w')]),
    "cut in the arguments": (
        '<tool_call>\n{"name": "now", "arguments": {"zone": "U',
        [CallStarted(0, "id0", "now"), ArgumentsPart(0, '{"zone": "U')],
    ),
    "cut behind the arguments": ('<tool_call>\n{"name": "now", "arguments": {}', _call(0, "now", "{}")),
    "cut in the end": (NOW[:-3], _call(0, "now", "{}")),
    "cut in the second": (f"{NOW}\n<tool_ca", [*_call(0, "now", "{}"), TextPart("<tool_ca")]),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_an_answer_is_read_as_text_and_calls(kind: str):
    text, expected = ANSWERS[kind]
    assert _read([text]) == expected


@pytest.mark.parametrize("kind", ANSWERS)
def test_no_split_in_two_changes_what_is_read(kind: str):
    text, expected = ANSWERS[kind]
    for place in range(len(text) + 1):
        assert _read([text[:place], text[place:]]) == expected, place


@pytest.mark.parametrize("kind", ANSWERS)
def test_one_character_at_a_time_reads_the_same(kind: str):
    text, expected = ANSWERS[kind]
    assert _read(list(text)) == expected


def _pieces(text: str, places: list[int]) -> list[str]:
    edges = [0, *sorted(place % (len(text) + 1) for place in places), len(text)]
    return [text[begin:end] for begin, end in pairwise(edges)]


@settings(deadline=None)
@given(st.lists(st.sampled_from(sorted(ANSWERS)), max_size=4), st.lists(st.integers(0, 10**6), max_size=12))
def test_no_split_of_any_answers_in_a_row_changes_what_is_read(kinds: list[str], places: list[int]):
    text = "\n".join(ANSWERS[kind][0] for kind in kinds)
    assert _read(_pieces(text, places)) == _read([text])


FRAGMENTS = [*'{}[]"\\:,; \n`ab<>/', "<tool_call>", "</tool_call>", "```", "```json\n", "<tools>", '"name": ', '"now"']
FRAGMENTS += ['{"name": "now", "arguments": {', '{"name": "get", "parameters": ', "{}", "}\n", BARE, "[TOOL_CALLS] ["]


@settings(deadline=None)
@given(st.lists(st.sampled_from(FRAGMENTS), max_size=30), st.lists(st.integers(0, 10**6), max_size=12))
def test_no_split_of_rubbish_changes_what_is_read(fragments: list[str], places: list[int]):
    text = "".join(fragments)
    for wrappers in (QWEN, MISTRAL):
        assert _read(_pieces(text, places), wrappers) == _read([text], wrappers)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(NAMES), st.dictionaries(st.text(), JSON, max_size=3), st.booleans()), max_size=4
    ),
    st.lists(st.integers(0, 10**6), max_size=12),
)
def test_any_arguments_come_back_as_they_were_written(calls: list[tuple[str, dict[str, Any], bool]], places: list[int]):
    written = [(name, json.dumps(arguments, ensure_ascii=ascii_only)) for name, arguments, ascii_only in calls]
    text = "\n".join(
        f'<tool_call>\n{{"name": "{name}", "arguments": {arguments}}}\n</tool_call>' for name, arguments in written
    )
    expected = [event for i, (name, arguments) in enumerate(written) for event in _call(i, name, arguments)]
    assert _read(_pieces(text, places)) == expected


@settings(deadline=None)
@given(st.text(alphabet=st.characters(exclude_characters="{"), max_size=200))
def test_text_without_calls_is_handed_on_unchanged(text: str):
    assert _read([text]) == ([TextPart(text)] if text else [])


def test_arguments_are_streamed_as_they_come():
    reader = ToolReader(CallOpenings.of(NAMES, QWEN), lambda: "id")
    assert reader.feed('<tool_call>\n{"name": "get_weather", "arguments": ') == []
    assert reader.feed("{") == [CallStarted(0, "id", "get_weather"), ArgumentsPart(0, "{")]
    assert reader.feed('"city": "Pa') == [ArgumentsPart(0, '"city": "Pa')]
    assert reader.feed('ris"}}\n</tool') == [ArgumentsPart(0, 'ris"}'), CallEnded(0)]
    assert reader.feed("_call>") == []
    assert reader.finish() == []


def test_text_is_streamed_unless_it_may_become_a_call():
    reader = ToolReader(CallOpenings.of(NAMES, QWEN), lambda: "id")
    assert reader.feed("Hello <b>you</b>") == [TextPart("Hello <b>you</b>")]
    assert reader.feed(" ") == []
    assert reader.feed("there\n{") == [TextPart(" there")]
    assert reader.feed('"na') == []
    assert reader.feed('tion"') == [TextPart('\n{"nation"')]


def test_several_calls_may_come_in_one_piece():
    assert [
        type(event) for event in ToolReader(CallOpenings.of(NAMES, QWEN), lambda: "id").feed(f"{NOW}\n{MARKED}")
    ] == [
        CallStarted,
        ArgumentsPart,
        CallEnded,
    ] * 2


def test_without_parallel_calls_all_behind_the_first_is_text():
    assert _read([f"{NOW}\n{NOW}"], parallel=False) == [*_call(0, "now", "{}"), TextPart(NOW)]


def test_without_tools_everything_is_text():
    reader = ToolReader(CallOpenings.of((), QWEN), lambda: "id")
    assert reader.feed(f"{NOW}\n{BARE}") + reader.finish() == [TextPart(f"{NOW}\n{BARE}")]


def test_mistrals_calls_are_a_list_behind_a_marker_that_nothing_closes():
    text = f'[TOOL_CALLS] [{{"name": "now", "arguments": {{}}, "id": "abcdefghi"}}, {BARE}]'
    expected = [*_call(0, "now", "{}"), *_call(1, "查询", '{"城市": "北京"}')]
    for place in range(len(text) + 1):
        assert _read([text[:place], text[place:]], MISTRAL) == expected


def test_a_list_is_read_as_calls_where_the_marker_begins_like_one_too():
    text = f"[{BARE}, {BARE}] [TOOL_CALLS] [{BARE}]"
    expected = [event for i in range(3) for event in _call(i, "查询", '{"城市": "北京"}')]
    for place in range(len(text) + 1):
        assert _read([text[:place], text[place:]], MISTRAL) == expected


@pytest.mark.parametrize("unit", ["\n", "{ ", "[", "`", "<tool_call>", "```json\n", '{"name": "now', "<"])
def test_long_rubbish_is_read_in_linear_time(unit: str):
    """A quadratic reader would take minutes for this."""
    text = unit * (200_000 // len(unit))
    assert _read([text]) == [TextPart(text)]
