"""JSON Schema to a grammar that is exact, or a refusal that names the keyword."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class SchemaGrammar:
    """A JSON Schema ready to be used in a grammar.

    ``rule`` is the right-hand side of a Lark rule (``%json {…}``), to be composed with others;
    ``check`` says what is wrong with a finished JSON text, None where ``rule`` alone is proof.
    """

    rule: str
    check: Callable[[str], str | None] | None = None


def compile_schema(schema: Any, parameter: str) -> SchemaGrammar:
    """Prove that a schema can be enforced; cached.

    Raises `InvalidRequest` that blames ``parameter`` and names the keyword or limit, in bounded time and memory.
    """
    raise NotImplementedError
