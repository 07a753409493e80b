"""`OutputFormat`: the shape a client asked its answer to have, whatever the dialect it asked in."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from sevenb.errors import InvalidRequest
from sevenb.structured.constraint import Constraint
from sevenb.structured.grammars import choice_grammar, regex_grammar, text_grammar
from sevenb.structured.lark import json_object_rule, serialise
from sevenb.structured.schema.json_schema import compile_schema

Kind = Literal["json_object", "json_schema", "regex", "choice", "grammar"]


@dataclass(frozen=True)
class OutputFormat:
    """A shape to be guaranteed: its kind, what defines it, and the request's field that errors blame."""

    kind: Kind
    value: Any
    parameter: str

    # -- as dialects ask for it ----------------------------------------------------------------------

    @classmethod
    def from_response_format(
        cls, response_format: Mapping[str, Any] | None, parameter: str = "response_format"
    ) -> Self | None:
        """Of OpenAI's ``response_format`` or, flattened, its Responses API's ``text.format``; None for text.

        ``strict`` makes no difference: every schema is enforced. Raises `InvalidRequest` for what is malformed.
        """
        if response_format is None:
            return None
        if not isinstance(response_format, Mapping):
            raise InvalidRequest(f"{parameter} must be an object with a type.", parameter)
        match response_format.get("type"):
            case "text":
                return None
            case "json_object" if response_format.get("schema") is not None:  # as llama.cpp's server takes it
                return cls("json_schema", response_format["schema"], f"{parameter}.schema")
            case "json_object":
                return cls("json_object", None, parameter)
            case "json_schema":
                nested = "json_schema" in response_format
                holder = response_format["json_schema"] if nested else response_format
                where = f"{parameter}.json_schema" if nested else parameter
                if not isinstance(holder, Mapping) or holder.get("schema") is None:
                    raise InvalidRequest(f"{where} must be an object with a schema.", where)
                return cls("json_schema", holder["schema"], f"{where}.schema")
            case other:
                raise InvalidRequest(
                    f"{parameter}.type is {str(other)[:60]!r}; it must be text, json_object or json_schema.",
                    f"{parameter}.type",
                )

    @classmethod
    def from_structured_outputs(
        cls, structured_outputs: Mapping[str, Any] | None, parameter: str = "structured_outputs"
    ) -> Self | None:
        """Of vLLM's ``structured_outputs``: one of json, json_object, regex, choice, grammar."""
        if structured_outputs is None:
            return None
        if not isinstance(structured_outputs, Mapping):
            raise InvalidRequest(f"{parameter} must be an object with one of {', '.join(_VLLM_KINDS)}.", parameter)
        unknown = structured_outputs.keys() - _VLLM_KINDS.keys() - _VLLM_SETTINGS
        if any(structured_outputs[key] is not None for key in unknown):
            raise InvalidRequest(
                f"{parameter} asks for {str(min(unknown))[:60]!r}; it must ask for one of {', '.join(_VLLM_KINDS)}.",
                parameter,
            )
        asked = [
            (key, structured_outputs[key]) for key in _VLLM_KINDS if structured_outputs.get(key) not in (None, False)
        ]
        if not asked:
            return None
        if len(asked) > 1:
            raise InvalidRequest(
                f"{parameter} asks for {' and '.join(key for key, _ in asked)}; ask for one of them.", parameter
            )
        [(key, value)] = asked
        if key == "json" and isinstance(value, str):
            value = _parsed(value, f"{parameter}.json")
        return cls(_VLLM_KINDS[key], value, f"{parameter}.{key}")

    @classmethod
    def from_ollama(cls, format: str | Mapping[str, Any] | None, parameter: str = "format") -> Self | None:
        """Of Ollama's ``format``: ``"json"`` or a JSON Schema; None for nothing or an empty text."""
        if format is None or format == "":
            return None
        if format == "json":
            return cls("json_object", None, parameter)
        if isinstance(format, str):
            raise InvalidRequest(f"{parameter} is {format[:60]!r}; it must be 'json' or a JSON Schema.", parameter)
        return cls("json_schema", format, parameter)

    @classmethod
    def from_schema(cls, schema: Any, parameter: str) -> Self:
        """Of a JSON Schema found in the request's field ``parameter``."""
        return cls("json_schema", schema, parameter)

    @classmethod
    def from_pydantic(cls, model: Any) -> Self:
        """Of a Pydantic model class, or any type Pydantic's ``TypeAdapter`` takes."""
        from pydantic import BaseModel, TypeAdapter

        if isinstance(model, type) and issubclass(model, BaseModel):
            return cls("json_schema", model.model_json_schema(), model.__name__)
        return cls("json_schema", TypeAdapter(model).json_schema(), str(model))

    # -- as the engine enforces it -------------------------------------------------------------------

    def constraint(self) -> Constraint:
        """The grammar of this shape. Takes milliseconds, at most a second or two, so call it off the event loop.

        Raises `InvalidRequest`, which names the keyword or limit at fault, for what cannot be guaranteed.
        """
        return _CONSTRAINTS[self.kind](self.value, self.parameter)


def _of_schema(schema: Any, parameter: str) -> Constraint:
    compiled = compile_schema(schema, parameter)
    return Constraint(serialise(f"start: {compiled.rule}"), check=compiled.check)


def _parsed(text: str, parameter: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"{parameter} is not JSON: {error}.", parameter) from error


_VLLM_KINDS: dict[str, Kind] = {
    "json": "json_schema",
    "json_object": "json_object",
    "regex": "regex",
    "choice": "choice",
    "grammar": "grammar",
}
# How vLLM's back ends are told to go about it; none of them widens a shape.
_VLLM_SETTINGS = {"disable_fallback", "disable_any_whitespace", "disable_additional_properties", "whitespace_pattern"}
_CONSTRAINTS: dict[Kind, Callable[[Any, str], Constraint]] = {
    "json_object": lambda value, parameter: Constraint(serialise(f"start: {json_object_rule()}")),
    "json_schema": _of_schema,
    "regex": lambda value, parameter: Constraint(regex_grammar(value, parameter)),
    "choice": lambda value, parameter: Constraint(choice_grammar(value, parameter)),
    "grammar": lambda value, parameter: Constraint(text_grammar(value, parameter)),
}
