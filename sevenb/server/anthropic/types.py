"""The requests and responses of Anthropic's Messages API that this server speaks.

Content blocks and tools are open: what a kind of block must hold is checked where it is read, by `anthropic_turn`,
which can say it more plainly. Fields that change no answer (``cache_control``, ``thinking``, …) are let pass.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from sevenb.engine.sampling_params import MAX_STOP_STRINGS
from sevenb.server.bodies import RequestBody

BLOCK_KINDS = ("text", "document", "search_result", "thinking", "redacted_thinking", "tool_use", "tool_result")


# -- requests ----------------------------------------------------------------------------------------


class ContentBlock(RequestBody):
    """A piece of a message. ``type`` says which of the other fields it has."""

    type: str = Field(json_schema_extra={"enum": list(BLOCK_KINDS)})
    text: str | None = Field(None, description="Of a text block.")
    id: str | None = Field(None, description="Of a tool_use block.")
    name: str | None = Field(None, description="Of a tool_use block: the tool's.")
    input: dict[str, Any] | None = Field(None, description="Of a tool_use block: the tool's arguments.")
    tool_use_id: str | None = Field(None, description="Of a tool_result block: the call that it answers.")
    content: Any = Field(None, description="Of a tool_result or search_result block: text or blocks.")
    source: Any = Field(None, description="Of a document block, which must be text.")
    title: str | None = Field(None, description="Of a document or search_result block.")


class InputMessage(RequestBody):
    """One turn. Neighbours of the same role are read as one; a last one of the assistant is gone on with."""

    role: Literal["user", "assistant", "system"]
    content: str | list[ContentBlock]


class ToolDefinition(RequestBody):
    """A tool of the client's own. Those that run at Anthropic (web search, …) are not to be had here."""

    name: str
    description: str | None = None
    input_schema: dict[str, Any] | None = Field(None, description="JSON Schema of the arguments; calls always fit it.")
    type: str | None = Field(None, json_schema_extra={"enum": ["custom", None]})
    strict: bool | None = None


class ToolChoiceBody(RequestBody):
    """Whether the model may, must or must not call a tool."""

    type: Literal["auto", "any", "tool", "none"]
    name: str | None = Field(None, description="With the type tool: which one.")
    disable_parallel_tool_use: bool | None = None


class JsonOutputFormat(RequestBody):
    """The JSON Schema that the answer is to fit."""

    model_config = ConfigDict(strict=True, extra="allow", populate_by_name=True, protected_namespaces=())

    type: Literal["json_schema"]
    schema_: dict[str, Any] = Field(alias="schema")


class OutputConfig(RequestBody):
    """What the answer is to look like."""

    format: JsonOutputFormat | None = None


class Metadata(RequestBody):
    """Who asks."""

    user_id: str | None = Field(None, description="Clients, and the users they name here, get equal shares.")


class TurnRequest(RequestBody):
    """Body of ``POST /v1/messages/count_tokens``, and what ``POST /v1/messages`` has in common with it."""

    model: str = Field(description="A name that /v1/models lists.")
    messages: list[InputMessage] = Field(min_length=1)
    system: str | list[ContentBlock] | None = None
    tools: list[ToolDefinition] | None = None
    tool_choice: ToolChoiceBody | None = None
    output_config: OutputConfig | None = None
    output_format: JsonOutputFormat | None = Field(None, description="The older place of output_config.format.")
    thinking: dict[str, Any] | None = Field(None, description="Let pass: models here do not think aloud.")
    mcp_servers: list[Any] | None = Field(None, max_length=0, description="Must be empty: this server calls no others.")


class MessagesRequest(TurnRequest):
    """Body of ``POST /v1/messages``."""

    max_tokens: int = Field(ge=0, lt=2**31, description="0 only reads the prompt into the cache.")
    stop_sequences: list[Annotated[str, Field(min_length=1)]] | None = Field(None, max_length=MAX_STOP_STRINGS)
    temperature: float | None = Field(
        None, ge=0, le=1, description="0 is greedy; as the model recommends, else 1, when left out."
    )
    top_p: float | None = Field(None, gt=0, le=1)
    top_k: int | None = Field(None, ge=0, lt=2**31)
    stream: bool | None = None
    metadata: Metadata | None = None


# -- responses ---------------------------------------------------------------------------------------


class TextBlock(BaseModel):
    """Text of the answer."""

    type: Literal["text"] = "text"
    text: str


class ToolUseBlock(BaseModel):
    """A call of a tool."""

    type: Literal["tool_use"] = "tool_use"
    id: str
    name: str
    input: dict[str, Any]


class UsageBody(BaseModel):
    """Tokens in and out. All of the prompt is ``input_tokens`` and ``cache_read_input_tokens`` together."""

    input_tokens: int
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int
    output_tokens: int


class Message(BaseModel):
    """A whole answer."""

    id: str
    type: Literal["message"] = "message"
    role: Literal["assistant"] = "assistant"
    model: str
    content: list[Annotated[TextBlock | ToolUseBlock, Field(discriminator="type")]]
    stop_reason: (
        Literal["end_turn", "max_tokens", "stop_sequence", "tool_use", "pause_turn", "model_context_window_exceeded"]
        | None
    )
    stop_sequence: str | None
    usage: UsageBody


class TokensCount(BaseModel):
    """How long a prompt is, system prompt and tools included."""

    input_tokens: int


class AnthropicErrorDetail(BaseModel):
    """What went wrong and, in ``message``, what to do."""

    type: str
    message: str


class AnthropicErrorResponse(BaseModel):
    """Anthropic's error shape."""

    type: Literal["error"]
    error: AnthropicErrorDetail
    request_id: str
