"""Settings of a chat: what is asked of the model, what is refused, and by which name."""

from typing import Any

import pytest

from sevenb.errors import InvalidRequest
from sevenb.server.console.running.settings import AnswerSettings
from sevenb.server.console.running.verdict import keeps_to
from sevenb.structured.output_format import OutputFormat

PERSON = {"type": "object", "properties": {"age": {"type": "integer", "minimum": 0}}, "required": ["age"]}


def test_only_what_is_set_is_asked_for() -> None:
    settings = AnswerSettings.from_stored({"temperature": 0.5, "top_p": None, "stop": [], "speculation": False})
    assert settings.sampling == {"temperature": 0.5, "speculation": False}
    assert settings == AnswerSettings(sampling=settings.sampling)


def test_settings_of_one_answer_go_above_those_of_the_chat() -> None:
    settings = AnswerSettings.from_stored({"temperature": 0.5, "system": "a"}, {"temperature": 0, "seed": 7})
    assert settings.sampling == {"temperature": 0, "seed": 7}
    assert settings.system == "a"


@pytest.mark.parametrize(
    ("given", "parameter"),
    [
        ({"temperature": 500}, "settings.temperature"),
        ({"temperature": "hot"}, "settings.temperature"),
        ({"top_p": 0}, "settings.top_p"),
        ({"max_tokens": 0}, "settings.max_tokens"),
        ({"context_length": 0}, "settings.context_length"),
        ({"stop": [""]}, "settings.stop"),
        ({"overflow": "explode"}, "settings.overflow"),
        ({"json_mode": "schema"}, "settings.json_schema"),
        ({"json_mode": "schema", "json_schema": {"type": "foo"}}, "settings.json_schema"),
        ({"tools": [{"name": ""}]}, "settings.tools[0].name"),
        ({"tools": [{"name": "a", "parameters": {"type": "array"}}]}, "settings.tools[0].parameters.type"),
        ({"tools": [{"name": "a"}, {"name": "a"}]}, "settings.tools[1].name"),
    ],
)
def test_a_setting_that_cannot_be_served_is_named(given: dict[str, Any], parameter: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        AnswerSettings.from_stored(given)
    assert caught.value.parameter == parameter


@pytest.mark.parametrize(
    ("text", "keeps"),
    [('{"age": 3}', True), ('{"age": -1}', False), ('{"age": 3', False), ("{}", False), ("NaN", False), ("", False)],
)
def test_an_answer_keeps_to_a_schema_if_it_really_does(text: str, keeps: bool) -> None:
    assert keeps_to(OutputFormat.from_schema(PERSON, "settings.json_schema"), text) is keeps


@pytest.mark.parametrize(("text", "keeps"), [('{"a": [1]}', True), ("[1]", False), ("3", False), ("{}{}", False)])
def test_an_answer_keeps_to_the_json_mode_if_it_is_one_object(text: str, keeps: bool) -> None:
    assert keeps_to(OutputFormat("json_object", None, "settings.json_mode"), text) is keeps
