"""The requests and responses of OpenAI's chat completions."""

from typing import Any, Literal, Self

from pydantic import BaseModel, Field, field_validator, model_validator

from sevenb.server.bodies import RequestBody, TimingsBody, Usage
from sevenb.server.openai.types import MAX_TOP_LOGPROBS, CompletionIdentity, FinishReason, GenerationRequest

# -- messages ----------------------------------------------------------------------------------------


class ContentPart(RequestBody):
    """A piece of a message's content: text, or what a model once refused with."""

    type: Literal["text", "refusal"]
    text: str | None = None
    refusal: str | None = None

    @field_validator("type", mode="before")
    @classmethod
    def _is_readable(cls, kind: Any) -> Any:
        if isinstance(kind, str) and kind not in ("text", "refusal"):
            raise ValueError(
                f"{kind[:40]!r} cannot be read, the models here take text only; send a part of type 'text'"
            )
        return kind

    @model_validator(mode="after")
    def _has_text(self) -> Self:
        if getattr(self, self.type) is None:
            raise ValueError(f"a part of type {self.type!r} needs a field {self.type!r} with its text")
        return self


class CalledFunction(RequestBody):
    """Which function was called, with what."""

    name: str
    arguments: str | dict[str, Any] | None = Field(None, description="JSON, as text or as it is.")


class MessageToolCall(RequestBody):
    """A call that an earlier answer made."""

    id: str | None = None
    type: Literal["function"] | None = None
    function: CalledFunction


class ChatMessage(RequestBody):
    """One turn of a chat. Other fields (``name``, ``reasoning_content``, …) reach the model's template as they are."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[ContentPart] | None = None
    tool_calls: list[MessageToolCall] | None = None
    tool_call_id: str | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.content is None and self.role != "assistant":
            raise ValueError(f"a message of the role {self.role!r} needs a content")
        if self.tool_calls and self.role != "assistant":
            raise ValueError(f"a message of the role {self.role!r} has no tool_calls; only the assistant calls")
        return self

    def plain(self) -> dict[str, Any]:
        """The message as chat templates take it."""
        message = self.model_dump(exclude_unset=True)
        if isinstance(self.content, list):
            message["content"] = [{"type": "text", "text": getattr(part, part.type)} for part in self.content]
        return message


# -- tools -------------------------------------------------------------------------------------------


class FunctionDefinition(RequestBody):
    """A function that the model may call."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = Field(None, description="JSON Schema of the arguments, always enforced.")
    strict: bool | None = Field(None, description="Taken for granted: arguments keep to the schema in any case.")


class FunctionTool(RequestBody):
    """A tool; functions are the only kind."""

    type: Literal["function"]
    function: FunctionDefinition


class FunctionName(RequestBody):
    """Which function."""

    name: str


class NamedToolChoice(RequestBody):
    """Call this one."""

    type: Literal["function"]
    function: FunctionName


class AllowedTools(RequestBody):
    """Only these of the tools, if any (auto) or at least one of them (required)."""

    mode: Literal["auto", "required"]
    tools: list[NamedToolChoice]


class AllowedToolChoice(RequestBody):
    """Some of the tools."""

    type: Literal["allowed_tools"]
    allowed_tools: AllowedTools


class ChatCompletionRequest(GenerationRequest):
    """Body of ``POST /v1/chat/completions``."""

    messages: list[ChatMessage] = Field(min_length=1)
    max_tokens: int | None = Field(None, ge=1, description="The rest of the context when left out.")
    max_completion_tokens: int | None = Field(None, ge=1, lt=2**31, description="OpenAI's newer name of max_tokens.")
    tools: list[FunctionTool] | None = None
    tool_choice: Literal["none", "auto", "required"] | NamedToolChoice | AllowedToolChoice | None = Field(
        None, description="Enforced: none never calls, required and a named function always do."
    )
    parallel_tool_calls: bool | None = Field(None, description="False: one call an answer at most.")
    logprobs: bool | None = Field(
        None, description="Log-probabilities, the model's own: before any mask, penalties and temperature."
    )
    top_logprobs: int | None = Field(None, ge=0, le=MAX_TOP_LOGPROBS)
    chat_template_kwargs: dict[str, Any] | None = None
    add_generation_prompt: bool | None = None
    continue_final_message: bool | None = Field(
        None, description="Go on with the last message instead of answering it."
    )

    @field_validator("tool_choice", mode="before")
    @classmethod
    def _chooses_in_a_known_form(cls, choice: Any) -> Any:
        if choice is None or choice in ("none", "auto", "required"):
            return choice
        kind = choice.get("type") if isinstance(choice, dict) else None
        if kind not in ("function", "allowed_tools") or kind not in choice:
            raise ValueError(
                'must be \'none\', \'auto\', \'required\', {"type": "function", "function": {"name": …}} or '
                '{"type": "allowed_tools", "allowed_tools": {"mode": …, "tools": […]}}'
            )
        return choice


# -- answers -----------------------------------------------------------------------------------------


class TopLogprob(BaseModel):
    """A token that could have stood here."""

    token: str
    logprob: float
    bytes: list[int] | None


class ChatTokenLogprob(TopLogprob):
    """The token that stands here."""

    top_logprobs: list[TopLogprob]


class ChatLogprobs(BaseModel):
    """Log-probabilities of a chat answer's tokens, those of its calls included."""

    content: list[ChatTokenLogprob]
    refusal: None


class FunctionCall(BaseModel):
    """A function's name and its arguments as JSON."""

    name: str
    arguments: str


class ToolCallBody(BaseModel):
    """A call that the model makes."""

    id: str
    type: Literal["function"]
    function: FunctionCall


class AssistantMessage(BaseModel):
    """The answer; ``content`` is null where it only calls."""

    role: Literal["assistant"]
    content: str | None
    refusal: None
    tool_calls: list[ToolCallBody] | None = None


class ChatChoice(BaseModel):
    """One of n answers."""

    index: int
    message: AssistantMessage
    logprobs: ChatLogprobs | None
    finish_reason: FinishReason
    stop_reason: str | int | None = None


class ChatCompletion(CompletionIdentity):
    """A whole chat answer."""

    object: Literal["chat.completion"]
    choices: list[ChatChoice]
    usage: Usage
    timings: TimingsBody | None = None


class FunctionCallDelta(BaseModel):
    """The name once, the arguments piece by piece."""

    name: str | None = None
    arguments: str | None = None


class ToolCallDelta(BaseModel):
    """What a chunk adds to the call of this index; ``id``, ``type`` and the name come with its first piece."""

    index: int
    id: str | None = None
    type: Literal["function"] | None = None
    function: FunctionCallDelta | None = None


class ChatDelta(BaseModel):
    """What a chunk adds to a message."""

    role: Literal["assistant"] | None = None
    content: str | None = None
    tool_calls: list[ToolCallDelta] | None = None


class ChatChunkChoice(BaseModel):
    """What a chunk adds to one of n answers."""

    index: int
    delta: ChatDelta
    logprobs: ChatLogprobs | None
    finish_reason: FinishReason | None
    stop_reason: str | int | None = None


class ChatCompletionChunk(CompletionIdentity):
    """One event of a chat stream."""

    object: Literal["chat.completion.chunk"]
    choices: list[ChatChunkChoice]
    usage: Usage | None = None
    timings: TimingsBody | None = None
