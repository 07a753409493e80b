"""What ``POST /infill`` takes and gives, as llama.cpp's server has it.

Names, defaults and meanings are those of its ``tools/server/README.md``.
"""

from typing import Any, Literal

from pydantic import BaseModel, Field

from sevenb.engine.sampling_params import SamplingParams
from sevenb.server.bodies import RequestBody

# -- the request -------------------------------------------------------------------------------------


class ExtraFile(RequestBody):
    """A piece of another file."""

    text: str = ""
    filename: str = "tmp"


class InfillRequest(RequestBody):
    """Body of ``POST /infill``."""

    input_prefix: str = Field("", description="What stands before the gap.")
    input_suffix: str = Field("", description="What stands after it.")
    input_extra: list[ExtraFile] | None = Field(None, description="Pieces of other files, the most important last.")
    prompt: str | None = Field(None, description="Goes behind input_prefix: what is typed already of the line.")
    model: str | None = Field(None, description="A name that /v1/models lists; the served model when left out.")
    n_predict: int | None = Field(
        None, ge=-1, lt=2**31, description="Tokens at most; 0 only reads the prompt, so that it is known next time."
    )
    n_indent: int | None = Field(None, ge=0, lt=2**31, description="End at a line that is indented less.")
    t_max_predict_ms: int | None = Field(
        None, ge=-1, lt=2**63, description="Generate no longer than that once a line is whole; 0: no limit."
    )
    t_max_prompt_ms: int | None = Field(
        None, ge=-1, lt=2**63, description="Taken but, as in llama.cpp, without effect: prompts are read to the end."
    )
    temperature: float | None = Field(None, description="0.8 when left out; 0 is greedy.")
    top_k: int | None = Field(None, description="40 when left out; 0 is off.")
    top_p: float | None = Field(None, description="0.95 when left out.")
    min_p: float | None = Field(None, description="0.05 when left out.")
    repeat_penalty: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    samplers: list[str] | None = Field(
        None, description="The only samplers that have a say; with infill, the likeliest token is taken."
    )
    seed: int | None = Field(None, description="-1: another one each time.")
    stop: str | list[str] | None = None
    ignore_eos: bool | None = None
    stream: bool | None = None
    return_tokens: bool | None = None
    response_fields: list[str] | None = Field(
        None, description="Answer with these fields only; a/b is the field b of a, under that very name."
    )
    id_slot: int | None = None
    cache_prompt: bool | None = None

    def sampling_params(self) -> SamplingParams:
        """llama.cpp's samplers in the engine's terms."""
        chosen = self.samplers

        def setting(sampler: str, value: float | None, default: float, off: float) -> float:
            if chosen is not None and sampler not in chosen:
                return off
            return default if value is None else value

        # llama.cpp's sampler `infill` weighs the end of the text against the few tokens that are probable: what nearly
        # always comes of it is the likeliest token.
        greedy = chosen is not None and "infill" in chosen
        return SamplingParams(
            max_tokens=None if self.n_predict in (None, -1) else max(1, self.n_predict or 0),
            temperature=0.0 if greedy else max(0.0, setting("temperature", self.temperature, 0.8, 1.0)),
            top_k=int(setting("top_k", self.top_k, 40, 0)),
            top_p=setting("top_p", self.top_p, 0.95, 1.0),
            min_p=setting("min_p", self.min_p, 0.05, 0.0),
            repetition_penalty=setting("penalties", self.repeat_penalty, 1.0, 1.0),
            presence_penalty=setting("penalties", self.presence_penalty, 0.0, 0.0),
            frequency_penalty=setting("penalties", self.frequency_penalty, 0.0, 0.0),
            seed=None if self.seed is None or self.seed < 0 else self.seed,
            stop=(self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ()),
            ignore_eos=bool(self.ignore_eos),
        )


# -- the answer --------------------------------------------------------------------------------------


class InfillTimings(BaseModel):
    """Where the time went, in milliseconds, by llama.cpp's names. ``cache_n`` tokens were known from before."""

    cache_n: int
    prompt_n: int
    prompt_ms: float
    prompt_per_token_ms: float
    prompt_per_second: float
    predicted_n: int
    predicted_ms: float
    predicted_per_token_ms: float
    predicted_per_second: float


class InfillPiece(BaseModel):
    """What a step brought, in a stream."""

    index: int
    content: str
    tokens: list[int]
    stop: bool
    id_slot: int
    tokens_predicted: int
    tokens_evaluated: int


class Infill(InfillPiece):
    """The whole answer, and the last event of a stream."""

    model: str
    prompt: str
    has_new_line: bool
    truncated: bool
    stop_type: Literal["none", "eos", "limit", "word"]
    stopping_word: str
    tokens_cached: int
    generation_settings: dict[str, Any]
    timings: InfillTimings


class LlamaCppErrorBody(BaseModel):
    """What went wrong and, in ``message``, what to do; ``code`` is the HTTP status."""

    code: int
    message: str
    type: str


class LlamaCppErrorResponse(BaseModel):
    """llama.cpp's error shape."""

    error: LlamaCppErrorBody
