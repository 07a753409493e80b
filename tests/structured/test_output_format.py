"""What each dialect may ask for, and what is refused."""

import json
from typing import Any

import pytest
from pydantic import BaseModel

from sevenb.errors import InvalidRequest
from sevenb.structured.compiler import GrammarCompiler
from sevenb.structured.output_format import OutputFormat
from tests.structured.walks import accepts

_SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}


def _takes(bytewise: GrammarCompiler, asked: OutputFormat | None, text: str) -> bool:
    assert asked is not None
    return accepts(bytewise.compile(asked.constraint().grammar), text)


# -- dialects ----------------------------------------------------------------------------------------


def test_openai_response_formats() -> None:
    read = OutputFormat.from_response_format
    assert read(None) is None
    assert read({"type": "text"}) is None
    assert read({"type": "json_object"}) == OutputFormat("json_object", None, "response_format")
    nested = {"type": "json_schema", "json_schema": {"name": "x", "schema": _SCHEMA, "strict": True}}
    assert read(nested) == OutputFormat("json_schema", _SCHEMA, "response_format.json_schema.schema")
    flat = {"type": "json_schema", "name": "x", "schema": _SCHEMA}
    assert read(flat, "text.format") == OutputFormat("json_schema", _SCHEMA, "text.format.schema")


@pytest.mark.parametrize(
    ("asked", "blamed"),
    [
        ("json", "response_format"),
        ({}, "response_format.type"),
        ({"type": "yaml"}, "response_format.type"),
        ({"type": "json_schema"}, "response_format"),
        ({"type": "json_schema", "json_schema": "x"}, "response_format.json_schema"),
        ({"type": "json_schema", "json_schema": {"name": "x"}}, "response_format.json_schema"),
    ],
)
def test_malformed_response_formats_are_refused(asked: Any, blamed: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        OutputFormat.from_response_format(asked)
    assert refusal.value.parameter == blamed


def test_vllm_structured_outputs() -> None:
    read = OutputFormat.from_structured_outputs
    assert read(None) is None
    assert read({}) is None
    assert read({"json": None, "json_object": False, "structural_tag": None, "whitespace_pattern": " "}) is None
    assert read({"json": _SCHEMA}) == OutputFormat("json_schema", _SCHEMA, "structured_outputs.json")
    assert read({"json": json.dumps(_SCHEMA)}) == OutputFormat("json_schema", _SCHEMA, "structured_outputs.json")
    assert read({"json_object": True}) == OutputFormat("json_object", True, "structured_outputs.json_object")
    assert read({"regex": "a+"}) == OutputFormat("regex", "a+", "structured_outputs.regex")
    assert read({"choice": ["a"]}) == OutputFormat("choice", ["a"], "structured_outputs.choice")
    assert read({"grammar": 'start: "a"'}) == OutputFormat("grammar", 'start: "a"', "structured_outputs.grammar")


@pytest.mark.parametrize(
    "asked", ["json", {"regex": "a", "choice": ["a"]}, {"json": "{"}, {"jsn": {}}, {"structural_tag": "x"}]
)
def test_malformed_structured_outputs_are_refused(asked: Any) -> None:
    with pytest.raises(InvalidRequest, match="structured_outputs"):
        OutputFormat.from_structured_outputs(asked)


def test_ollama_formats() -> None:
    assert OutputFormat.from_ollama(None) is None
    assert OutputFormat.from_ollama("") is None
    assert OutputFormat.from_ollama("json") == OutputFormat("json_object", None, "format")
    assert OutputFormat.from_ollama(_SCHEMA) == OutputFormat("json_schema", _SCHEMA, "format")
    with pytest.raises(InvalidRequest, match="format is 'xml'"):
        OutputFormat.from_ollama("xml")


def test_pydantic_models_and_types(bytewise: GrammarCompiler) -> None:
    class City(BaseModel):
        name: str
        people: int | None = None

    assert _takes(bytewise, OutputFormat.from_pydantic(City), '{"name": "Ulm", "people": 126000}')
    assert _takes(bytewise, OutputFormat.from_pydantic(list[City]), '[{"name": "Ulm"}]')
    assert not _takes(bytewise, OutputFormat.from_pydantic(City), '{"people": 1}')


# -- shapes other than schemas -----------------------------------------------------------------------


def test_any_json_object_is_spaced_like_json_dumps(bytewise: GrammarCompiler) -> None:
    asked = OutputFormat("json_object", None, "format")
    value = {"a": [1, -2.5e3, 'x\n"\\'], "b": {"c": None, "d": [True, {}]}, "名": "值 😀"}
    assert _takes(bytewise, asked, json.dumps(value, ensure_ascii=False))
    assert _takes(bytewise, asked, "{}")
    for text in (
        "[]",
        "1",
        '{"a":1}',
        '{"a": 1,"b": 2}',
        '{ "a": 1}',
        '{"a": 1}\n',
        '{"a":  1}',
        '{"a": 1',
        '{"a": "\\ud800"}',
    ):
        assert not _takes(bytewise, asked, text), text


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        (r"\d{3}-[a-z]+", ["123-x", "000-abc"], ["12-x", "123-", "1234-x", "x123-x"]),
        (r"^(yes|no)$", ["yes", "no"], ["maybe", "yes "]),
        (r"a|bc", ["a", "bc"], ["ac", ""]),
        (r"(?i)ok\.?", ["OK", "ok."], ["okay"]),
        (r"[\u4e00-\u9fa5]{2}", ["北京"], ["北", "ab"]),
        (r"costs \$", ["costs $"], ["costs "]),
        (r"price\\$", ["price\\"], ["price"]),
        (r".*", ["", "anything"], ["two\nlines"]),
        ("a/b", ["a/b"], ["ab"]),
        (r"\w+\s\w+", ["a b"], ["a"]),
    ],
)
def test_regular_expressions_match_the_whole(
    bytewise: GrammarCompiler, pattern: str, good: list[str], bad: list[str]
) -> None:
    asked = OutputFormat("regex", pattern, "regex")
    assert all(_takes(bytewise, asked, text) for text in good)
    assert not any(_takes(bytewise, asked, text) for text in bad)


@pytest.mark.parametrize("pattern", ["(", "(?=a)b", r"(a)\1", "", "[z-a]", 3, None, ["a"]])
def test_regular_expressions_that_no_automaton_matches_are_refused(pattern: Any) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        OutputFormat("regex", pattern, "structured_outputs.regex").constraint()
    assert refusal.value.parameter == "structured_outputs.regex"


@pytest.mark.parametrize(
    "choices",
    [
        ["yes", "no"],
        ["a", "ab", "abc"],
        ["", "something"],
        [""],
        ["北京", '"quoted"', "two\nlines", "back\\slash"],
        ["same", "same"],
    ],
)
def test_a_choice_is_one_of_its_texts(bytewise: GrammarCompiler, choices: list[str]) -> None:
    asked = OutputFormat("choice", choices, "choice")
    assert all(_takes(bytewise, asked, text) for text in choices)
    for text in (*("x" + choice for choice in choices), *(choice + "x" for choice in choices), "other"):
        assert not _takes(bytewise, asked, text)


@pytest.mark.parametrize("choices", [[], "yes", [1], [None], {"a": 1}, None, ["\ud800"]])
def test_malformed_choices_are_refused(choices: Any) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        OutputFormat("choice", choices, "structured_outputs.choice").constraint()
    assert refusal.value.parameter == "structured_outputs.choice"


@pytest.mark.parametrize(
    ("grammar", "good", "bad"),
    [
        ('root ::= "yes" | "no"', ["yes", "no"], ["maybe"]),
        ('root ::= item ("," item)*\nitem ::= [a-z]+ | [0-9]', ["a,b,1", "abc"], ["a,", "12"]),
        (r'root ::= "\u00e9\U0001F600" [\u4e00-\u9fa5] "\u0022\\u0041"', ['é😀京"\\u0041'], ['é😀a"A', 'é😀京"A']),
        ('start: "a" b+\nb: "b" | "c"', ["ab", "abcb"], ["a", "ba"]),
        ('start: WORD (" " WORD)*\nWORD: /[a-z]+/', ["some words"], ["Some", "a  b"]),
        ('start: "value = " %json {"type": "integer", "minimum": 3}', ["value = 7"], ["value = 2", "value =7"]),
        ('?start: expr\nexpr: term (("+"|"-") term)*\nterm: /[0-9]+/ | "(" expr ")"', ["1+(2-3)"], ["1+", "(1"]),
    ],
)
def test_gbnf_and_lark_grammars(bytewise: GrammarCompiler, grammar: str, good: list[str], bad: list[str]) -> None:
    asked = OutputFormat("grammar", grammar, "grammar")
    assert all(_takes(bytewise, asked, text) for text in good)
    assert not any(_takes(bytewise, asked, text) for text in bad)


@pytest.mark.parametrize(
    "grammar",
    [
        "",
        "start: (",
        "root ::= missing",
        "root ::= (",
        'start: %json {"type": "integer"',
        'start: %json {"uniqueItems": true, "type": "array"}',
        'start: %json {"type": "object", "required": 3}',
        "start: /(?=a)b/",
        3,
        None,
    ],
)
def test_malformed_grammars_are_refused(grammar: Any) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        OutputFormat("grammar", grammar, "structured_outputs.grammar").constraint()
    assert refusal.value.parameter == "structured_outputs.grammar"
