"""`SamplingParams`: what a caller may ask of the sampler, with the names vLLM and OpenAI use."""

import math
from collections.abc import Collection, Mapping
from numbers import Integral, Real
from typing import Any

import msgspec

from sevenb.errors import InvalidRequest

MAX_STOP_STRINGS = 64
MAX_N = 128
MAX_BEAM_WIDTH = 64


class BeamSearch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keep the ``width`` most probable beginnings instead of drawing tokens; `SamplingParams.n` best are returned.

    An answer's score is its log-probability divided by its length to the power of ``length_penalty``: above 0 long
    answers gain. With ``early_stopping`` the search ends with the ``width``-th finished answer; without, when no
    unfinished one can still beat those.
    """

    width: int
    length_penalty: float = 1.0
    early_stopping: bool = False

    def __post_init__(self) -> None:
        _check_range("beam width", self.width, 1, MAX_BEAM_WIDTH)
        _check_range("length_penalty", self.length_penalty, -10.0, 10.0)


class SamplingParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to turn logits into text. Every field is checked on construction; `InvalidRequest` names the one at fault.

    ``max_tokens=None`` means: as far as the context allows. ``temperature=0`` is greedy. ``top_k=0`` (or -1) is off.
    ``logprobs=k`` returns the chosen token's and the k best log-probabilities, which are the model's own:
    read before any mask, penalty or temperature. ``logprob_token_ids`` names tokens to tell those of instead of the
    best.

    ``grammar`` is a `Constraint`'s: only tokens that it allows are generated. ``grammar_prefix`` is text that stands
    before them: the grammar governs both together.

    ``best_of`` answers are sampled and the ``n`` most probable of them, by the mean over their tokens, returned.
    ``beam`` searches instead: temperature, top-p, penalties, biases and ``best_of`` do not matter then.
    """

    n: int = 1
    best_of: int | None = None
    beam: BeamSearch | None = None
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    seed: int | None = None
    max_tokens: int | None = 16
    min_tokens: int = 0
    stop: tuple[str, ...] = ()
    stop_token_ids: tuple[int, ...] = ()
    include_stop_str_in_output: bool = False
    ignore_eos: bool = False
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    logit_bias: dict[int, float] = {}
    logprobs: int | None = None
    logprob_token_ids: tuple[int, ...] = ()
    prompt_logprobs: int | None = None
    skip_special_tokens: bool = True
    grammar: str | None = None
    grammar_prefix: str = ""
    speculation: bool = True  # False: one token at a time, even where the engine could guess ahead

    def __post_init__(self) -> None:
        if isinstance(self.stop, str):  # as OpenAI's API takes it
            msgspec.structs.force_setattr(self, "stop", (self.stop,))
        _check_items("stop", self.stop, str)
        _check_items("stop_token_ids", self.stop_token_ids, Integral)
        _check_items("logprob_token_ids", self.logprob_token_ids, Integral)
        _check_items("logit_bias", self.logit_bias, Integral, Mapping)
        _check_range("n", self.n, 1, MAX_N)
        self._check_candidates()
        _check_range("temperature", self.temperature, 0.0, 100.0)
        _check_range("top_p", self.top_p, 0.0, 1.0, open_low=True)
        _check_range("top_k", self.top_k, -1, 2**31 - 1)
        _check_range("min_p", self.min_p, 0.0, 1.0)
        _check_range("presence_penalty", self.presence_penalty, -2.0, 2.0)
        _check_range("frequency_penalty", self.frequency_penalty, -2.0, 2.0)
        _check_range("repetition_penalty", self.repetition_penalty, 0.0, 100.0, open_low=True)
        _check_range("min_tokens", self.min_tokens, 0, 2**31 - 1)
        if self.max_tokens is not None:
            _check_range("max_tokens", self.max_tokens, 1, 2**31 - 1)
        if self.seed is not None:
            _check_range("seed", self.seed, -(2**63), 2**64 - 1)
        for name in ("logprobs", "prompt_logprobs"):
            if (value := getattr(self, name)) is not None:
                _check_range(name, value, 0, 100)
        if len(self.stop) > MAX_STOP_STRINGS:
            raise InvalidRequest(f"stop holds {len(self.stop)} strings; at most {MAX_STOP_STRINGS}.", "stop")
        if any(not text for text in self.stop):
            raise InvalidRequest("stop holds an empty string, which would stop at once; leave it out.", "stop")
        for token_id, bias in self.logit_bias.items():
            _check_range(f"logit_bias[{token_id}]", bias, -100.0, 100.0)
        if self.grammar is not None and not (isinstance(self.grammar, str) and self.grammar):
            raise InvalidRequest("grammar is not a text, or an empty one; leave it out for free text.", "grammar")

    def _check_candidates(self) -> None:
        if self.best_of is not None:
            _check_range("best_of", self.best_of, 1, MAX_N)
            if self.best_of < self.n:
                raise InvalidRequest(f"best_of is {self.best_of}, less than n, which is {self.n}; raise it.", "best_of")
        if self.beam is not None:
            if not isinstance(self.beam, BeamSearch):
                raise InvalidRequest(f"beam is {self.beam!r:.40}; give a BeamSearch.", "beam")
            if self.beam.width < self.n:
                raise InvalidRequest(
                    f"The beams are {self.beam.width}, fewer than n, which is {self.n}; search with more.", "n"
                )

    @property
    def candidates(self) -> int:
        """How many answers are sampled, of which ``n`` are returned; with beams these are found together."""
        return self.best_of or self.n if self.beam is None else self.n

    @property
    def ranked(self) -> bool:
        """Whether answers are chosen once all are there."""
        return self.candidates > self.n

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> "SamplingParams":
        """Build from plain values; a value of the wrong type is an `InvalidRequest` that names the field."""
        try:
            return msgspec.convert(fields, cls, strict=True)
        except msgspec.ValidationError as error:
            raise InvalidRequest(str(error)) from None


def _check_items(name: str, values: Collection[object], item: type, collection: type = Collection) -> None:
    if not isinstance(values, collection) or not all(isinstance(value, item) for value in values):
        raise InvalidRequest(f"{name} is {values!r:.80}; it must hold {'texts' if item is str else 'token ids'}.", name)


def _check_range(name: str, value: float, low: float, high: float, *, open_low: bool = False) -> None:
    kind = Integral if isinstance(low, int) else Real
    if not isinstance(value, kind) or isinstance(value, bool):
        raise InvalidRequest(f"{name} is {value!r}; it must be a {'whole ' * (kind is Integral)}number.", name)
    inside = (low < value if open_low else low <= value) and value <= high
    if not inside or math.isnan(value):
        bracket = "(" if open_low else "["
        raise InvalidRequest(f"{name} is {value}; it must lie in {bracket}{low}, {high}].", name)
