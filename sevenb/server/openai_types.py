"""The requests and responses of OpenAI's API that this server speaks; the OpenAPI document is made from them.

Requests are strict: ``"5"`` is no number. A field that is left out or null takes its default; fields that are not named
here are kept aside, so that they can be refused or logged. Responses are written with the fields that were set.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from sevenb.engine.sampling_params import MAX_N

MAX_TOP_LOGPROBS = 20

# "abort": the server ended it, not the model.
FinishReason = Annotated[str, Field(json_schema_extra={"enum": ["stop", "length", "abort"]})]


TokenId = Annotated[int, Field(ge=0, lt=2**31)]


class _Request(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")


# -- requests ----------------------------------------------------------------------------------------


class StreamOptions(_Request):
    """What a stream carries beside its text."""

    include_usage: bool | None = None


class GenerationRequest(_Request):
    """What chat and text completions share: OpenAI's sampling parameters and vLLM's."""

    model: str | None = Field(None, description="A name that /v1/models lists; the served model when left out.")
    n: int | None = Field(None, ge=1, le=MAX_N, description="How many answers to generate from the one prompt.")
    temperature: float | None = Field(None, description="0 is greedy; 1 when left out.")
    top_p: float | None = None
    top_k: int | None = Field(None, description="0 or -1: off.")
    min_p: float | None = None
    seed: int | None = None
    stop: str | list[str] | None = Field(
        None, description="Up to 64 strings that end the answer and are left out of it."
    )
    stop_token_ids: list[TokenId] | None = None
    include_stop_str_in_output: bool | None = None
    min_tokens: int | None = None
    ignore_eos: bool | None = None
    skip_special_tokens: bool | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    repetition_penalty: float | None = None
    logit_bias: dict[str, float] | None = Field(None, description="Token id -> what to add to its logit, -100 to 100.")
    priority: int | None = Field(None, ge=-(2**31), lt=2**31, description="Smaller runs sooner; 0 when left out.")
    speculation: bool | None = Field(None, description="False: one token at a time, nothing guessed ahead.")
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: str | None = Field(None, description="Clients, and the users they name here, get equal shares of the engine.")


class ContentPart(_Request):
    """A piece of a message's content; only text so far."""

    type: Literal["text"]
    text: str


class ChatMessage(_Request):
    """One turn of a chat. Other fields (``name``, ``tool_calls``, …) reach the model's template as they are."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[ContentPart] | None = None


class ChatCompletionRequest(GenerationRequest):
    """Body of ``POST /v1/chat/completions``."""

    messages: list[ChatMessage] = Field(min_length=1)
    max_tokens: int | None = Field(None, ge=1, description="The rest of the context when left out.")
    max_completion_tokens: int | None = Field(None, ge=1, lt=2**31, description="OpenAI's newer name of max_tokens.")
    logprobs: bool | None = Field(
        None, description="Log-probabilities, the model's own: before penalties and temperature."
    )
    top_logprobs: int | None = Field(None, ge=0, le=MAX_TOP_LOGPROBS)
    chat_template_kwargs: dict[str, Any] | None = None
    add_generation_prompt: bool | None = None
    continue_final_message: bool | None = Field(
        None, description="Go on with the last message instead of answering it."
    )


class CompletionRequest(GenerationRequest):
    """Body of ``POST /v1/completions``."""

    prompt: str | list[str] | list[int] | list[list[int]] = Field(
        description="Text, token ids, or a list of either. Special tokens in text are special tokens."
    )
    max_tokens: int | None = Field(None, ge=0, description="The rest of the context when left out; 0 only with echo.")
    logprobs: int | None = Field(None, ge=0, le=MAX_TOP_LOGPROBS)
    echo: bool | None = Field(None, description="Begin the answer with the prompt.")
    best_of: int | None = Field(None, ge=1)

    @field_validator("prompt")
    @classmethod
    def _is_not_empty(cls, prompt: Any) -> Any:
        if not prompt or (isinstance(prompt, list) and any(entry in ("", []) for entry in prompt)):
            raise ValueError("must not be empty")
        return prompt


class TokenizeRequest(_Request):
    """Body of ``POST /tokenize``: a prompt or messages."""

    model: str | None = None
    prompt: str | None = None
    messages: list[ChatMessage] | None = Field(None, min_length=1)
    add_special_tokens: bool | None = None
    add_generation_prompt: bool | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    return_token_strs: bool | None = None


class DetokenizeRequest(_Request):
    """Body of ``POST /detokenize``."""

    model: str | None = None
    tokens: list[TokenId]


# -- responses ---------------------------------------------------------------------------------------


class PromptTokensDetails(BaseModel):
    """How the prompt's tokens were come by."""

    cached_tokens: int


class Usage(BaseModel):
    """Tokens in and out."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails


class TimingsBody(BaseModel):
    """Where the time went: seconds, and the tokens of each part."""

    queue: float
    prefill: float
    decode: float
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int


class TopLogprob(BaseModel):
    """A token that could have stood here."""

    token: str
    logprob: float
    bytes: list[int] | None


class ChatTokenLogprob(TopLogprob):
    """The token that stands here."""

    top_logprobs: list[TopLogprob]


class ChatLogprobs(BaseModel):
    """Log-probabilities of a chat answer's tokens."""

    content: list[ChatTokenLogprob]
    refusal: None


class AssistantMessage(BaseModel):
    """The answer."""

    role: Literal["assistant"]
    content: str
    refusal: None


class ChatChoice(BaseModel):
    """One of n answers."""

    index: int
    message: AssistantMessage
    logprobs: ChatLogprobs | None
    finish_reason: FinishReason
    stop_reason: str | int | None = None


class _Completion(BaseModel):
    id: str
    created: int
    model: str
    system_fingerprint: str


class ChatCompletion(_Completion):
    """A whole chat answer."""

    object: Literal["chat.completion"]
    choices: list[ChatChoice]
    usage: Usage
    timings: TimingsBody | None = None


class ChatDelta(BaseModel):
    """What a chunk adds to a message."""

    role: Literal["assistant"] | None = None
    content: str | None = None


class ChatChunkChoice(BaseModel):
    """What a chunk adds to one of n answers."""

    index: int
    delta: ChatDelta
    logprobs: ChatLogprobs | None
    finish_reason: FinishReason | None
    stop_reason: str | int | None = None


class ChatCompletionChunk(_Completion):
    """One event of a chat stream."""

    object: Literal["chat.completion.chunk"]
    choices: list[ChatChunkChoice]
    usage: Usage | None = None
    timings: TimingsBody | None = None


class CompletionLogprobs(BaseModel):
    """OpenAI's legacy shape: four lists side by side. The first token of an echoed prompt has no log-probability."""

    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None]
    text_offset: list[int]


class CompletionChoice(BaseModel):
    """One continuation, whole or a piece of it."""

    index: int
    text: str
    logprobs: CompletionLogprobs | None
    finish_reason: FinishReason | None
    stop_reason: str | int | None = None


class Completion(_Completion):
    """A whole text completion, or one event of its stream."""

    object: Literal["text_completion"]
    choices: list[CompletionChoice]
    usage: Usage | None = None
    timings: TimingsBody | None = None


class ModelCard(BaseModel):
    """A model that this server answers for."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "sevenb"
    root: str
    max_model_len: int


class ModelList(BaseModel):
    """All of them."""

    object: Literal["list"] = "list"
    data: list[ModelCard]


class Tokenized(BaseModel):
    """The answer of ``/tokenize``, as vLLM's."""

    count: int
    max_model_len: int
    tokens: list[int]
    token_strs: list[str] | None = None


class Detokenized(BaseModel):
    """The answer of ``/detokenize``, as vLLM's."""

    prompt: str


class ErrorBody(BaseModel):
    """What went wrong and, in ``message``, what to do."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorResponse(BaseModel):
    """OpenAI's error shape."""

    error: ErrorBody
