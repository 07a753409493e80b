"""`OutputFormat`: the shape a client asked its answer to have, whatever the dialect it asked in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from sevenb.structured.constraint import Constraint

Kind = Literal["json_object", "json_schema", "regex", "choice", "grammar"]


@dataclass(frozen=True)
class OutputFormat:
    """A shape to be guaranteed: its kind, what defines it, and the request's field that errors blame."""

    kind: Kind
    value: Any
    parameter: str

    @classmethod
    def from_response_format(cls, response_format: Mapping[str, Any] | None) -> Self | None:
        """Of OpenAI's ``response_format``; None for text. Raises `InvalidRequest` for what is malformed."""
        raise NotImplementedError

    @classmethod
    def from_structured_outputs(cls, structured_outputs: Mapping[str, Any] | None) -> Self | None:
        """Of vLLM's ``structured_outputs``: one of json, json_object, regex, choice, grammar."""
        raise NotImplementedError

    @classmethod
    def from_ollama(cls, format: str | Mapping[str, Any] | None) -> Self | None:
        """Of Ollama's ``format``: ``"json"`` or a JSON Schema; None for nothing or an empty text."""
        raise NotImplementedError

    @classmethod
    def from_schema(cls, schema: Any, parameter: str) -> Self:
        """Of a JSON Schema found in the request's field ``parameter``."""
        raise NotImplementedError

    @classmethod
    def from_pydantic(cls, model: Any) -> Self:
        """Of a Pydantic model class."""
        raise NotImplementedError

    def constraint(self) -> Constraint:
        """The grammar of this shape. Takes milliseconds, at most a second or two, so call it off the event loop.

        Raises `InvalidRequest`, which names the keyword or limit at fault, for what cannot be guaranteed.
        """
        raise NotImplementedError
