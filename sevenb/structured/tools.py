"""Tools that a client offers and its choice among them, whatever the dialect; each definition is checked on arrival."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from sevenb.errors import InvalidRequest

MAX_TOOLS = 128  # as many as OpenAI takes
MAX_NAME = 128  # characters, Anthropic's limit; OpenAI's is 64

# What every dialect allows, the letters of all scripts, and the separators of MCP's and plugins' names.
_NAME = re.compile(r"[\w.:/-]+")

_Mode = Literal["none", "auto", "required", "named"]


@dataclass(frozen=True)
class Tool:
    """A function that the model may call. ``parameters`` is the JSON Schema of its arguments, {} for none.

    ``parameter`` is the request's field that holds ``parameters``, for errors to blame; where it is empty it is OpenAI's.
    """

    name: str
    description: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    strict: bool = False
    parameter: str = ""

    @classmethod
    def from_openai(cls, value: Any, parameter: str) -> Self:
        """Of OpenAI's ``{"type": "function", "function": {…}}``, found in the field ``parameter`` ("tools[0]")."""
        raise NotImplementedError

    def template_form(self) -> dict[str, Any]:
        """The tool as chat templates take it: OpenAI's form, keys in the order models were trained on."""
        raise NotImplementedError


@dataclass(frozen=True)
class ToolChoice:
    """Whether the model may, must or must not call, and ``parallel``: whether it may call more than once an answer."""

    mode: _Mode = "auto"
    name: str | None = None  # of the one tool to call, with the mode "named"
    parallel: bool = True

    @classmethod
    def from_openai(cls, value: Any, *, parallel: bool | None = None) -> Self:
        """Of OpenAI's ``tool_choice`` (none, auto, required or a function) and ``parallel_tool_calls``."""
        raise NotImplementedError


def tools_from_openai(value: Any) -> tuple[Tool, ...]:
    """Of OpenAI's ``tools``; () for null. Raises `InvalidRequest` that names the field at fault, to the last key."""
    raise NotImplementedError


def check_tools(tools: Sequence[Tool], choice: ToolChoice) -> None:
    """Raise `InvalidRequest` for too many tools, bad or repeated names, or a choice of a tool that is not there."""
    raise NotImplementedError
