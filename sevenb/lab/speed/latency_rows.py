"""From the samples of one length to its row: medians and spreads, and what a reader must know of them."""

from collections.abc import Iterable, Iterator, Sequence
from statistics import median

import msgspec

from sevenb.lab.results import LatencyRow
from sevenb.lab.statistics import spread
from sevenb.lab.target.answer import Answer

_CACHED_SHARE = 0.02  # of a prompt, or
_TEMPLATE_TOKENS = 64  # the template's own beginning: so much flatters nobody
SEVERAL = 1.2  # tokens a chunk


class LatencySample(msgspec.Struct, frozen=True):
    """One measured request. ``mode``: "cold", or "warm" for a prompt that was sent before; ``started``: Unix time."""

    context: int
    mode: str
    repeat: int
    seed: int  # of the prompt
    started: float
    answer: Answer


def row_of(context: int, mode: str, samples: Sequence[LatencySample], output_tokens: int) -> LatencyRow:
    """The row of one length and mode; ``output_tokens`` are those that were asked for."""
    answers = [sample.answer for sample in samples]
    ttfts = [answer.ttft for answer in answers if answer.ttft]
    tpots = [answer.tpot for answer in answers if answer.tpot]
    return LatencyRow(
        context=context,
        prompt_tokens=_middle(answer.prompt_tokens for answer in answers),
        cached_tokens=_middle(answer.cached_tokens for answer in answers),
        output_tokens=_middle(answer.completion_tokens for answer in answers),
        warm=mode == "warm",
        ttft=spread(ttfts),
        tpot=spread(tpots),
        itl=spread(gap for answer in answers if answer.streamed for gap in answer.gaps),
        e2e=spread(answer.seconds for answer in answers),
        prefill_rate=None
        if mode == "warm"
        else spread(answer.prompt_tokens / answer.ttft for answer in answers if answer.prompt_tokens and answer.ttft),
        decode_rate=spread(1 / tpot for tpot in tpots),
        output_rate=spread(answer.completion_tokens / answer.seconds for answer in answers if answer.completion_tokens),
        server_ttft=_median(answer.server_ttft for answer in answers),
        server_tpot=_median(answer.server_tpot for answer in answers),
        notes=tuple(_notes(context, mode, answers, output_tokens)),
    )


def _notes(context: int, mode: str, answers: Sequence[Answer], output_tokens: int) -> Iterator[str]:
    if not all(answer.streamed for answer in answers):
        yield "The server does not stream, so that first and further tokens cannot be told apart."
    if any(answer.prompt_tokens is None for answer in answers):
        yield "The server counts no tokens: lengths are a guess, and there is no time per token."
        return
    prompts = sorted({answer.prompt_tokens for answer in answers if answer.prompt_tokens is not None})
    if prompts != [context]:
        lengths = " to ".join(f"{tokens:,}" for tokens in (prompts[0], prompts[-1])[: len(prompts)])
        yield f"The prompt had {lengths} tokens, not {context:,}."
    cached = max(answer.cached_tokens or 0 for answer in answers)
    if mode == "cold" and cached > max(_TEMPLATE_TOKENS, _CACHED_SHARE * prompts[0]):
        yield f"{cached:,} tokens of a prompt came out of the server's cache: this is no cold figure."
    if mode == "warm" and not cached:
        yield "The server does not say that anything came out of its cache."
    lengths_of_answers = {answer.completion_tokens for answer in answers}
    if lengths_of_answers != {output_tokens}:
        least = min(tokens or 0 for tokens in lengths_of_answers)
        yield f"Answers ended after {least:,} tokens, not {output_tokens:,}: the server does not know ignore_eos."
    tokens, chunks = (sum(counts) for counts in zip(*map(_counts, answers), strict=True))
    if chunks and tokens > SEVERAL * chunks:
        yield f"{tokens / chunks:.1f} tokens came at a time: gaps between chunks are longer than a token takes."


def _counts(answer: Answer) -> tuple[int, int]:
    return answer.completion_tokens or 0, len(answer.chunks)


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _middle(values: Iterable[int | None]) -> int | None:
    known = sorted(value for value in values if value is not None)
    return known[len(known) // 2] if known else None
