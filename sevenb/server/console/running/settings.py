"""What a chat's settings ask of a model: sampling, tools, the shape of the answer; checked before anything runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sevenb.engine.sampling_params import SamplingParams
from sevenb.errors import InvalidRequest
from sevenb.server.errors import invalid_request_from
from sevenb.structured.output_format import OutputFormat
from sevenb.structured.tools.tools import Tool, ToolChoice, check_tools

_SAMPLING = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "repetition_penalty",
    "max_tokens",
    "seed",
    "stop",
    "speculation",
)


class ToolFields(BaseModel):
    """A tool as the page defines it."""

    model_config = ConfigDict(strict=True)

    name: str
    description: str = ""
    parameters: dict[str, Any] = Field(default_factory=dict)


class SettingsFields(BaseModel):
    """Settings as the page sends them; what is left out or null is not set. Ranges are checked where they are used."""

    model_config = ConfigDict(strict=True, extra="ignore")

    system: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    max_tokens: int | None = None
    context_length: Annotated[int, Field(ge=1)] | None = None
    overflow: Literal["error", "drop_oldest"] | None = None
    seed: int | None = None
    stop: list[str] | None = None
    speculation: bool | None = None
    json_mode: Literal["off", "object", "schema"] | None = None
    json_schema: dict[str, Any] | None = None
    tools: list[ToolFields] | None = None

    def stored(self) -> dict[str, Any]:
        """What a chat or persona keeps of it."""
        return self.model_dump(exclude_unset=True)


@dataclass(frozen=True, kw_only=True)
class AnswerSettings:
    """Settings as answers need them. ``sampling`` has what is set, by the names of `SamplingParams`."""

    system: str = ""
    sampling: Mapping[str, Any] = field(default_factory=dict)
    tools: tuple[Tool, ...] = ()
    output: OutputFormat | None = None
    context_length: int | None = None
    drop_oldest: bool = False

    @classmethod
    def from_stored(cls, *layers: Mapping[str, Any]) -> "AnswerSettings":
        """Of settings, later ones above earlier ones. Raises `InvalidRequest`, which names the one at fault.

        A schema may take a second to look at: call it off the event loop.
        """
        merged = {name: value for layer in layers for name, value in layer.items()}
        try:
            fields = SettingsFields.model_validate(merged)
        except ValidationError as error:
            located = [{**problem, "loc": ("body", "settings", *problem["loc"])} for problem in error.errors()]
            raise invalid_request_from(located) from None
        sampling = {name: value for name in _SAMPLING if (value := getattr(fields, name)) not in (None, [])}
        try:
            SamplingParams.from_fields({"max_tokens": None, **sampling})
        except InvalidRequest as error:
            raise InvalidRequest(str(error), f"settings.{error.parameter}" if error.parameter else "settings") from None
        tools = tuple(_tool(tool, number) for number, tool in enumerate(fields.tools or ()))
        check_tools(tools, ToolChoice())
        for tool in tools:
            OutputFormat.from_schema(dict(tool.parameters), tool.parameter).constraint()
        output = _output(fields)
        if output is not None:
            output.constraint()
        return cls(
            system=fields.system or "",
            sampling=sampling,
            tools=tools,
            output=output,
            context_length=fields.context_length,
            drop_oldest=fields.overflow == "drop_oldest",
        )


def _tool(tool: ToolFields, number: int) -> Tool:
    return Tool(tool.name, tool.description or None, tool.parameters, parameter=f"settings.tools[{number}].parameters")


def _output(fields: SettingsFields) -> OutputFormat | None:
    match fields.json_mode:
        case "object":
            return OutputFormat("json_object", None, "settings.json_mode")
        case "schema":
            if fields.json_schema is None:
                raise InvalidRequest(
                    "JSON mode has no schema; write one, or choose any object.", "settings.json_schema"
                )
            return OutputFormat.from_schema(fields.json_schema, "settings.json_schema")
        case _:
            return None
