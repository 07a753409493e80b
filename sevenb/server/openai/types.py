"""What OpenAI's routes share, text completions and models; the OpenAPI document is made from these types.

Requests are strict: ``"5"`` is no number. A field that is left out or null takes its default; fields that are not named
here are kept aside, so that they can be refused or logged. Responses are written with the fields that were set.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, field_validator

from sevenb.engine.sampling_params import MAX_N
from sevenb.server.bodies import RequestBody, TimingsBody, TokenId, Usage

MAX_TOP_LOGPROBS = 20

# "abort": the server ended it, not the model.
FinishReason = Annotated[str, Field(json_schema_extra={"enum": ["stop", "length", "tool_calls", "abort"]})]


# -- requests ----------------------------------------------------------------------------------------


class JsonSchemaFormat(RequestBody):
    """A JSON Schema with a name."""

    name: str | None = None
    description: str | None = None
    schema_: dict[str, Any] | bool | None = Field(None, alias="schema")
    strict: bool | None = None


class ResponseFormat(RequestBody):
    """OpenAI's way to ask for a shape."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchemaFormat | None = None


class StructuredOutputs(RequestBody):
    """vLLM's way to ask for a shape: one of these."""

    json_: dict[str, Any] | bool | str | None = Field(None, alias="json", description="A JSON Schema, or its text.")
    json_object: bool | None = Field(None, description="True: any JSON object.")
    regex: str | None = None
    choice: list[str] | None = Field(None, description="The answer is one of these texts.")
    grammar: str | None = Field(None, description="Lark, or llama.cpp's GBNF.")


class StreamOptions(RequestBody):
    """What a stream carries beside its text."""

    include_usage: bool | None = None


class SamplingFields(RequestBody):
    """What every request that generates shares: OpenAI's sampling parameters and vLLM's."""

    model: str | None = Field(None, description="A name that /v1/models lists; the served model when left out.")
    temperature: float | None = Field(None, description="0 is greedy; as the model recommends, else 1, when left out.")
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
    structured_outputs: StructuredOutputs | None = Field(None, description="A shape that the answer must have.")
    truncate_prompt_tokens: int | None = Field(
        None,
        ge=-1,
        lt=2**31,
        description="Keep only that many tokens of the prompt, the last ones; -1: as many as fit. "
        "`usage` tells how many it cost.",
    )
    priority: int | None = Field(None, ge=-(2**31), lt=2**31, description="Smaller runs sooner; 0 when left out.")
    speculation: bool | None = Field(None, description="False: one token at a time, nothing guessed ahead.")
    stream: bool | None = None
    user: str | None = Field(None, description="Clients, and the users they name here, get equal shares of the engine.")

    @field_validator("truncate_prompt_tokens")
    @classmethod
    def _leaves_a_prompt(cls, count: int | None) -> int | None:
        if count == 0:
            raise ValueError("must be at least 1, or -1 for as many as fit")
        return count


class GenerationRequest(SamplingFields):
    """What chat and text completions share."""

    n: int | None = Field(None, ge=1, le=MAX_N, description="How many answers to generate from the one prompt.")
    best_of: int | None = Field(None, ge=1, le=MAX_N, description="Generate that many, return the n most probable.")
    use_beam_search: bool | None = Field(
        None, description="Search for the most probable answers, with best_of (or n) beams, instead of sampling."
    )
    length_penalty: float | None = Field(None, description="Beam search: above 0 long answers gain; 1 when left out.")
    early_stopping: bool | None = Field(None, description="Beam search: end with as many answers as there are beams.")
    response_format: ResponseFormat | None = Field(None, description="Text, JSON, or JSON that keeps to a schema.")
    guided_json: Any = Field(None, description="An older name of structured_outputs.json.")
    guided_regex: str | None = Field(None, description="An older name of structured_outputs.regex.")
    guided_choice: list[str] | None = Field(None, description="An older name of structured_outputs.choice.")
    guided_grammar: str | None = Field(None, description="An older name of structured_outputs.grammar.")
    stream_options: StreamOptions | None = None


class CompletionRequest(GenerationRequest):
    """Body of ``POST /v1/completions``."""

    prompt: str | list[str] | list[int] | list[list[int]] = Field(
        description="Text, token ids, or a list of either. Special tokens in text are special tokens."
    )
    max_tokens: int | None = Field(None, ge=0, description="The rest of the context when left out; 0 only with echo.")
    logprobs: int | None = Field(None, ge=0, le=MAX_TOP_LOGPROBS)
    echo: bool | None = Field(None, description="Begin the answer with the prompt.")
    suffix: str | None = Field(
        None, description="What follows the text to write, for models that were trained to fill in the middle."
    )

    @field_validator("prompt")
    @classmethod
    def _is_not_empty(cls, prompt: Any) -> Any:
        if not prompt or (isinstance(prompt, list) and any(entry in ("", []) for entry in prompt)):
            raise ValueError("must not be empty")
        return prompt


# -- responses ---------------------------------------------------------------------------------------


class CompletionIdentity(BaseModel):
    """Which answer this is, and of what."""

    id: str
    created: int
    model: str
    system_fingerprint: str


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


class Completion(CompletionIdentity):
    """A whole text completion, or one event of its stream."""

    object: Literal["text_completion"]
    choices: list[CompletionChoice]
    usage: Usage | None = None
    timings: TimingsBody | None = None


class ErrorBody(BaseModel):
    """What went wrong and, in ``message``, what to do."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorResponse(BaseModel):
    """OpenAI's error shape."""

    error: ErrorBody
