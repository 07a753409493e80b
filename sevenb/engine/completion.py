"""`Completion`: what comes back for one prompt, as text and as tokens, with vLLM's field names."""

from dataclasses import dataclass

from sevenb.engine.messages import Timings


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """One token and its log-probability: the model's own, before masks, penalties and temperature.

    ``text_offset`` counts the characters of text before the token. ``top`` are the best alternatives, best first;
    they carry no alternatives of their own.
    """

    token_id: int
    text: str  # an incomplete character is U+FFFD
    bytes: bytes
    logprob: float
    text_offset: int = 0
    top: "tuple[TokenLogprob, ...]" = ()


@dataclass(frozen=True, slots=True)
class CompletionOutput:
    """One of the ``n`` answers.

    ``token_ids`` go up to the token that ended the answer, that one included; ``logprobs`` has an entry for each.
    ``stop_reason`` is the stop string or stop token id the caller had named, None for the model's own end token.
    ``cumulative_logprob`` is known where log-probabilities, the best of several or a beam search were asked for.
    """

    index: int
    text: str
    token_ids: list[int]
    logprobs: list[TokenLogprob] | None
    finish_reason: str | None  # "stop" | "length" | "abort"; None while unfinished
    stop_reason: str | int | None
    cumulative_logprob: float | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """A prompt and its answers. ``prompt_logprobs[0]`` is None: nothing precedes the first token."""

    prompt: str | None  # None where token ids were given
    prompt_token_ids: list[int]
    outputs: list[CompletionOutput]
    prompt_logprobs: list[TokenLogprob | None] | None = None
    cached_tokens: int = 0
    timings: Timings | None = None
