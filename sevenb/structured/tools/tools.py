"""Tools that a client offers and its choice among them, whatever the dialect; each definition is checked on arrival."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self, cast

from sevenb.errors import InvalidRequest

MAX_TOOLS = 128  # as many as OpenAI takes
MAX_NAME = 128  # characters: Anthropic's limit, OpenAI's is 64

# Letters of all scripts, and the separators that MCP servers and plugins use: nothing that JSON would escape.
_NAME = re.compile(r"[\w.:/-]+")

_MODES = ("none", "auto", "required")


@dataclass(frozen=True)
class Tool:
    """A function that the model may call. ``parameters`` is the JSON Schema of its arguments, {} if it takes none.

    ``parameter`` names the request's field that holds ``parameters``, for errors to blame; OpenAI's where it is empty.
    ``strict`` is kept for the dialects: arguments follow the schema in any case.
    """

    name: str
    description: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    strict: bool = False
    parameter: str = ""

    @classmethod
    def from_openai(cls, value: Any, parameter: str) -> Self:
        """Of OpenAI's ``{"type": "function", "function": {…}}``, found in the field ``parameter`` ("tools[0]").

        The flat form of the Responses API, without the inner object, is read as well.
        """
        outer = _object(value, parameter)
        kind = outer.get("type", "function")
        if kind != "function":
            raise InvalidRequest(
                f"{parameter}.type is {kind!r:.60}; only tools of type 'function' are served here.", f"{parameter}.type"
            )
        where = f"{parameter}.function" if "function" in outer or "name" not in outer else parameter
        function = _object(outer.get("function"), where) if where != parameter else outer
        description, parameters, strict = (function.get(key) for key in ("description", "parameters", "strict"))
        if not (description is None or isinstance(description, str)):
            raise InvalidRequest(f"{where}.description is not a string; write one.", f"{where}.description")
        if not (strict is None or isinstance(strict, bool)):
            raise InvalidRequest(f"{where}.strict is neither true nor false; send one of them.", f"{where}.strict")
        tool = cls(
            name=cast(str, function.get("name")),
            description=description,
            parameters={} if parameters is None else parameters,
            strict=bool(strict),
            parameter=f"{where}.parameters",
        )
        tool.check(tool.parameter)
        return tool

    def check(self, parameter: str) -> None:
        """Raise `InvalidRequest` for a name or schema that no tool can have; ``parameter`` names the schema's field."""
        name_field = f"{parameter.rpartition('.')[0]}.name"
        if not isinstance(self.name, str) or not self.name:
            raise InvalidRequest(f"{name_field} is missing; give each tool a name.", name_field)
        if len(self.name) > MAX_NAME:
            raise InvalidRequest(
                f"{name_field} has {len(self.name)} characters, but at most {MAX_NAME} are allowed.", name_field
            )
        if not _NAME.fullmatch(self.name):
            raise InvalidRequest(
                f"{name_field} is {self.name!r}; use letters, digits and the characters _ - . : / only.", name_field
            )
        if not isinstance(self.parameters, Mapping):
            raise InvalidRequest(
                f"{parameter} is not an object; write a JSON Schema of the type 'object', or leave it out.", parameter
            )
        kind = self.parameters.get("type", "object")
        if kind != "object" and not (isinstance(kind, list) and "object" in kind):
            raise InvalidRequest(
                f"{parameter}.type is {kind!r:.60}; write 'object' and list the arguments in properties.",
                f"{parameter}.type",
            )

    def template_form(self) -> dict[str, Any]:
        """The tool as chat templates take it: OpenAI's form, its keys in the order that models were trained on."""
        described = {} if self.description is None else {"description": self.description}
        parameters = dict(self.parameters) or {"type": "object", "properties": {}}
        return {"type": "function", "function": {"name": self.name, **described, "parameters": parameters}}


@dataclass(frozen=True)
class ToolChoice:
    """Whether the model may, must or must not call, and ``parallel``: whether more than once in one answer."""

    mode: Literal["none", "auto", "required", "named"] = "auto"
    name: str | None = None  # of the one tool to call, in the mode "named"
    parallel: bool = True

    @classmethod
    def from_openai(cls, value: Any, *, parallel: bool | None = None) -> Self:
        """Of OpenAI's ``tool_choice`` (none, auto, required or a function) and ``parallel_tool_calls``."""
        several = parallel is not False
        if value is None:
            return cls(parallel=several)
        if isinstance(value, str) and value in _MODES:
            return cls(cast(Literal["none", "auto", "required"], value), parallel=several)
        if isinstance(value, Mapping) and value.get("type", "function") == "function":
            inner = value.get("function", value)
            name = inner.get("name") if isinstance(inner, Mapping) else None
            if isinstance(name, str) and name:
                return cls("named", name, several)
        raise InvalidRequest(
            "tool_choice is neither 'none', 'auto', 'required' nor "
            "{'type': 'function', 'function': {'name': …}}; send one of them.",
            "tool_choice",
        )


def tools_from_openai(value: Any) -> tuple[Tool, ...]:
    """Of OpenAI's ``tools``; () for null. Raises `InvalidRequest` that names the field at fault, to the last key."""
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        raise InvalidRequest("tools is not a list; send a list of tools.", "tools")
    _check_number(value)
    return tuple(Tool.from_openai(tool, f"tools[{i}]") for i, tool in enumerate(value))


def check_tools(tools: Sequence[Tool], choice: ToolChoice) -> None:
    """Raise `InvalidRequest` for too many tools, bad or repeated names, or a choice that cannot be met."""
    _check_number(tools)
    first: dict[str, int] = {}
    for i, tool in enumerate(tools):
        parameter = schema_field(tool, i)
        tool.check(parameter)
        if first.setdefault(tool.name, i) != i:
            raise InvalidRequest(
                f"tools[{i}] and tools[{first[tool.name]}] are both named {tool.name!r}; rename one of them.",
                f"{parameter.rpartition('.')[0]}.name",
            )
    if choice.mode == "named" and choice.name not in first:
        raise InvalidRequest(
            f"tool_choice names {choice.name!r:.140}, which is not among the tools; add it, or choose another.",
            "tool_choice",
        )
    if choice.mode == "required" and not tools:
        raise InvalidRequest("tool_choice demands a call, but there are no tools; send some.", "tool_choice")


def schema_field(tool: Tool, index: int) -> str:
    """The name of the request's field that holds the schema of the tool at ``index``."""
    return tool.parameter or f"tools[{index}].function.parameters"


def _check_number(tools: Sequence[Any]) -> None:
    if len(tools) > MAX_TOOLS:
        raise InvalidRequest(f"There are {len(tools)} tools, but at most {MAX_TOOLS} are served; send fewer.", "tools")


def _object(value: Any, parameter: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidRequest(f"{parameter} is not an object; write a tool of type 'function'.", parameter)
    return value
