"""The requests and responses of Ollama's API that this server speaks, with Ollama's names and units.

Durations are in nanoseconds. ``think`` and options that only tune Ollama's own runner are let pass.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from sevenb.server.bodies import RequestBody

MAX_TOP_LOGPROBS = 20


def _whole(value: Any) -> Any:
    """Ollama's clients are written in languages where 40 may come as 40.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _no_images(images: list[str] | None) -> None:
    if images:
        raise ValueError("the models here read only text; leave images out")


WholeNumber = Annotated[int, BeforeValidator(_whole)]
KeepAlive = Annotated[
    float | str | None,
    Field(description="How long the model stays loaded afterwards: 5m, 300 (seconds), -1 for ever, 0 for not at all."),
]
NoImages = Annotated[
    list[str] | None,
    AfterValidator(_no_images),
    Field(json_schema_extra={"maxItems": 0, "description": "Not to be had."}),
]


# -- requests: generation ----------------------------------------------------------------------------


class Options(RequestBody):
    """Sampling, with Ollama's names and defaults; what a model recommends goes before these.

    ``num_ctx`` is let pass: the context is what the model has here.
    """

    num_predict: WholeNumber | None = Field(None, ge=-(2**31), lt=2**31, description="The rest of the context if ≤ 0.")
    temperature: float | None = Field(None, description="0 is greedy; 0.8 when left out.")
    top_k: WholeNumber | None = Field(None, ge=-1, lt=2**31, description="0 or -1: off; 40 when left out.")
    top_p: float | None = Field(None, description="0.9 when left out.")
    min_p: float | None = None
    seed: WholeNumber | None = Field(None, description="-1: another one each time.")
    stop: str | list[str] | None = None
    repeat_penalty: float | None = Field(
        None, description="Over prompt and answer, unless repeat_last_n is 0; 1, which is off, when left out."
    )
    repeat_last_n: WholeNumber | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None


class _Generation(RequestBody):
    model: str = Field(min_length=1, description="A name that /api/tags lists.")
    stream: bool | None = Field(None, description="True when left out.")
    format: str | dict[str, Any] | None = Field(
        None, description='"json" or a JSON Schema that the answer is guaranteed to fit.'
    )
    options: Options | None = None
    keep_alive: KeepAlive = None
    think: bool | str | None = None
    logprobs: bool | None = Field(None, description="Log-probabilities, the model's own.")
    top_logprobs: int | None = Field(None, ge=0, le=MAX_TOP_LOGPROBS)
    images: NoImages = None


class CalledFunction(RequestBody):
    """What was called."""

    name: str
    arguments: dict[str, Any] | str = Field(default_factory=dict)


class Call(RequestBody):
    """A call that an earlier answer made."""

    id: str | None = None
    function: CalledFunction


class ChatMessage(RequestBody):
    """One turn of a chat."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str | None = None
    tool_calls: list[Call] | None = None
    tool_name: str | None = Field(None, description="Of a tool's result: which tool.")
    tool_call_id: str | None = None
    images: NoImages = None


class ChatRequest(_Generation):
    """Body of ``POST /api/chat``. Without messages the model is only loaded, or unloaded with ``keep_alive`` 0."""

    messages: list[ChatMessage] | None = None
    tools: list[dict[str, Any]] | None = Field(None, description="Functions, with a JSON Schema of their parameters.")
    truncate: bool | None = Field(
        None, description="True: leave out the oldest turns if the chat is too long. Otherwise that is an error."
    )


class GenerateRequest(_Generation):
    """Body of ``POST /api/generate``. Without a prompt the model is only loaded, or unloaded with ``keep_alive`` 0."""

    prompt: str | None = None
    suffix: str | None = Field(None, description="Fill in what stands between prompt and suffix.")
    system: str | None = None
    template: str | None = Field(None, description="A Go template to use in place of the model's own.")
    context: list[Annotated[int, Field(ge=0, lt=2**31)]] | None = Field(
        None, description="What an earlier answer's context was: the prompt goes on from there."
    )
    raw: bool | None = Field(None, description="The prompt is all there is: no template. Its special tokens count.")


# -- requests: everything else -------------------------------------------------------------------------


class EmbedRequest(RequestBody):
    """Body of ``POST /api/embed``."""

    model: str = Field(min_length=1)
    input: str | list[str] | None = None
    truncate: bool | None = Field(None, description="False: an input that is too long is an error, not cut.")
    dimensions: WholeNumber | None = Field(None, ge=1, lt=2**31)
    keep_alive: KeepAlive = None


class EmbeddingsRequest(RequestBody):
    """Body of ``POST /api/embeddings``, the older route for one text."""

    model: str = Field(min_length=1)
    prompt: str | None = None
    keep_alive: KeepAlive = None


class _Named(RequestBody):
    model: str | None = None
    name: str | None = Field(None, description="The older name of model.")


class ShowRequest(_Named):
    """Body of ``POST /api/show``."""

    verbose: bool | None = Field(None, description="With the vocabulary and a list of the tensors.")


class PullRequest(_Named):
    """Body of ``POST /api/pull``."""

    stream: bool | None = Field(None, description="True when left out: tell of the progress.")
    insecure: bool | None = None


# -- responses: generation -----------------------------------------------------------------------------


class TokenLogprobBody(BaseModel):
    """A token and its log-probability."""

    token: str
    logprob: float
    bytes: list[int]


class LogprobBody(TokenLogprobBody):
    """One that stands in the answer, and what could have stood there."""

    top_logprobs: list[TokenLogprobBody] | None = None


class FunctionBody(BaseModel):
    """What is to be called."""

    index: int
    name: str
    arguments: dict[str, Any]


class CallBody(BaseModel):
    """A call of a tool."""

    id: str
    function: FunctionBody


class MessageBody(BaseModel):
    """The answer, or a piece of it."""

    role: Literal["assistant"]
    content: str
    tool_calls: list[CallBody] | None = None


class _Answer(BaseModel):
    model: str
    created_at: str
    done: bool
    done_reason: str | None = Field(None, json_schema_extra={"enum": ["stop", "length", "load", "unload", "abort"]})
    logprobs: list[LogprobBody] | None = None
    total_duration: int | None = None
    load_duration: int | None = None
    prompt_eval_count: int | None = None
    prompt_truncated_count: int | None = Field(None, description="Tokens of the prompt that truncate left out.")
    prompt_eval_duration: int | None = None
    eval_count: int | None = None
    eval_duration: int | None = None


class ChatResponse(_Answer):
    """A chat's answer, or a line of its stream; the last one is ``done`` and has the figures."""

    message: MessageBody


class GenerateResponse(_Answer):
    """A text, or a line of its stream; the last one is ``done`` and has the figures."""

    response: str
    context: list[int] | None = None


class EmbedResponse(BaseModel):
    """A vector of length 1 for each input."""

    model: str
    embeddings: list[list[float]]
    total_duration: int
    load_duration: int
    prompt_eval_count: int
    prompt_truncated_count: int = Field(0, description="Tokens that were cut off from inputs that were too long.")


class EmbeddingsResponse(BaseModel):
    """The vector of one text."""

    embedding: list[float]


# -- responses: models ---------------------------------------------------------------------------------


class ModelDetails(BaseModel):
    """What kind of model it is."""

    parent_model: str
    format: str
    family: str
    families: list[str]
    parameter_size: str
    quantization_level: str


class ListedModel(BaseModel):
    """A model that may be asked for."""

    name: str
    model: str
    modified_at: str
    size: int
    digest: str
    details: ModelDetails


class ListResponse(BaseModel):
    """All of them."""

    models: list[ListedModel]


class RunningModel(BaseModel):
    """A model that is loaded."""

    name: str
    model: str
    size: int
    digest: str
    details: ModelDetails
    expires_at: str
    size_vram: int
    context_length: int


class ProcessResponse(BaseModel):
    """All of them."""

    models: list[RunningModel]


class TensorBody(BaseModel):
    """One of a model's weights."""

    name: str
    type: str
    shape: list[int]


class ShowResponse(BaseModel):
    """What a model is. ``model_info`` is its file's metadata; its ``*.context_length`` is what it has here."""

    model_config = ConfigDict(protected_namespaces=())

    license: str
    modelfile: str
    parameters: str
    template: str
    details: ModelDetails
    model_info: dict[str, Any]
    capabilities: list[str]
    modified_at: str
    tensors: list[TensorBody] | None = None


class ProgressResponse(BaseModel):
    """A line of a pull's stream: ``completed`` of ``total`` bytes; the last one's ``status`` is success."""

    status: str
    digest: str | None = None
    total: int | None = None
    completed: int | None = None


class VersionResponse(BaseModel):
    """``version`` is the one of Ollama whose API this is; clients refuse to work with older ones."""

    version: str
    sevenb: str


class OllamaErrorResponse(BaseModel):
    """Ollama's error shape."""

    error: str
