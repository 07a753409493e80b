"""The requests and responses of OpenAI's Responses API."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from sevenb.server.bodies import RequestBody, TimingsBody
from sevenb.server.openai.chat_types import ChatTokenLogprob
from sevenb.server.openai.types import MAX_TOP_LOGPROBS, SamplingFields

Status = Literal["in_progress", "completed", "incomplete", "failed", "cancelled"]
ItemStatus = Literal["in_progress", "completed", "incomplete"]

# -- requests ----------------------------------------------------------------------------------------


class TextFormat(RequestBody):
    """The shape of the answer's text."""

    type: Literal["text", "json_object", "json_schema"]
    name: str | None = None
    description: str | None = None
    schema_: dict[str, Any] | bool | None = Field(None, alias="schema")
    strict: bool | None = None


class TextConfig(RequestBody):
    """How the answer's text is to be."""

    format: TextFormat | None = None


class ResponseTool(RequestBody):
    """A function that the model may call; other kinds of tools run at OpenAI and are not to be had here."""

    type: Literal["function"]
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = Field(None, description="JSON Schema of the arguments, always enforced.")
    strict: bool | None = None


class NamedTool(RequestBody):
    """Call this one."""

    type: Literal["function"]
    name: str


class AllowedTools(RequestBody):
    """Only these of the tools, if any (auto) or at least one of them (required)."""

    type: Literal["allowed_tools"]
    mode: Literal["auto", "required"]
    tools: list[NamedTool]


class ResponseContext(RequestBody):
    """All that makes the prompt of a response."""

    model: str | None = None
    input: str | list[dict[str, Any]] | None = Field(
        None, description="Text, or items: messages, function_call, function_call_output, reasoning, item_reference."
    )
    instructions: str | None = Field(None, description="The system's turn; not carried over to later responses.")
    previous_response_id: str | None = Field(None, description="Go on from a stored response.")
    tools: list[ResponseTool] | None = None
    tool_choice: Literal["none", "auto", "required"] | NamedTool | AllowedTools | None = None
    parallel_tool_calls: bool | None = None
    text: TextConfig | None = None
    truncation: Literal["auto", "disabled"] | None = Field(
        None, description="auto: leave out the oldest turns where all of them exceed the context."
    )


class ResponseStreamOptions(RequestBody):
    """Nothing of OpenAI's options matters here."""

    include_obfuscation: bool | None = None


class ResponseRequest(ResponseContext, SamplingFields):
    """Body of ``POST /v1/responses``."""

    max_output_tokens: int | None = Field(None, ge=1, lt=2**31, description="The rest of the context when left out.")
    top_logprobs: int | None = Field(None, ge=0, le=MAX_TOP_LOGPROBS)
    include: list[str] | None = Field(None, description="message.output_text.logprobs is what can be included.")
    store: bool | None = Field(None, description="Keep the response for a while, in memory; true when left out.")
    metadata: dict[str, str] | None = None
    stream_options: ResponseStreamOptions | None = None


# -- responses ---------------------------------------------------------------------------------------


class OutputText(BaseModel):
    """A piece of a message."""

    type: Literal["output_text"] = "output_text"
    text: str
    annotations: list[Any] = []
    logprobs: list[ChatTokenLogprob] = []


class MessageItem(BaseModel):
    """What the model says."""

    id: str
    type: Literal["message"] = "message"
    status: ItemStatus = "in_progress"
    role: Literal["assistant"] = "assistant"
    content: list[OutputText]


class FunctionCallItem(BaseModel):
    """A function that the model calls; its result is to come as function_call_output with the same ``call_id``."""

    id: str
    type: Literal["function_call"] = "function_call"
    status: ItemStatus = "in_progress"
    call_id: str
    name: str
    arguments: str


class InputTokensDetails(BaseModel):
    """How the prompt's tokens were come by."""

    cached_tokens: int
    truncated_tokens: int = 0  # left out, where the request allowed that


class OutputTokensDetails(BaseModel):
    """What the answer's tokens were for."""

    reasoning_tokens: int = 0


class ResponseUsage(BaseModel):
    """Tokens in and out."""

    input_tokens: int
    input_tokens_details: InputTokensDetails
    output_tokens: int
    output_tokens_details: OutputTokensDetails
    total_tokens: int


class IncompleteDetails(BaseModel):
    """Why a response is not whole."""

    reason: Literal["max_output_tokens"]


class ResponseError(BaseModel):
    """Why a response failed."""

    code: str
    message: str


class ResponseBody(BaseModel):
    """A response, finished or on its way."""

    id: str
    object: Literal["response"] = "response"
    created_at: int
    completed_at: int | None = None
    status: Status = "in_progress"
    error: ResponseError | None = None
    incomplete_details: IncompleteDetails | None = None
    background: bool = False
    instructions: str | None
    max_output_tokens: int | None
    metadata: dict[str, str]
    model: str
    output: list[MessageItem | FunctionCallItem]
    parallel_tool_calls: bool
    previous_response_id: str | None
    reasoning: dict[str, Any] = {"effort": None, "summary": None}
    service_tier: str = "default"
    store: bool
    temperature: float
    text: dict[str, Any]
    tool_choice: Any
    tools: list[dict[str, Any]]
    top_logprobs: int
    top_p: float
    truncation: Literal["auto", "disabled"]
    usage: ResponseUsage | None = None
    timings: TimingsBody | None = None
    user: str | None = None


class DeletedResponse(BaseModel):
    """What is left of a deleted response."""

    id: str
    object: Literal["response"] = "response"
    deleted: Literal[True] = True


class ItemList(BaseModel):
    """What a stored response was asked with."""

    object: Literal["list"] = "list"
    data: list[dict[str, Any]]
    first_id: str | None
    last_id: str | None
    has_more: bool


class InputTokenCount(BaseModel):
    """How long the prompt of a response would be."""

    object: Literal["response.input_tokens"] = "response.input_tokens"
    input_tokens: int
