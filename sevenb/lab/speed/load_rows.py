"""From the requests of one level of load to its row: rates, spreads, goodput, and what a reader must know of them."""

from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec

from sevenb.lab.results import LoadRow, ServiceLevel
from sevenb.lab.statistics import spread
from sevenb.lab.target.answer import Answer

_CACHED_SHARE = 0.02  # of all prompts: the template's own beginning is nothing that flatters


class LoadSample(msgspec.Struct, frozen=True):
    """One request of a level. ``started`` and ``ended`` are seconds since the level's start.

    Either there is an ``answer`` or an ``error`` that says why not. ``session``: in which session of the run it was.
    """

    session: int
    started: float
    ended: float
    answer: Answer | None = None
    error: str | None = None

    @property
    def ttft(self) -> float | None:
        """To the client it is all one whether it waited in the server or, at the server's bidding, before its door."""
        ttft = self.answer.ttft if self.answer else None
        return None if ttft is None or self.answer is None else ttft + self.answer.waited

    @property
    def e2e(self) -> float | None:
        """From the first attempt to the end of the answer."""
        return None if self.answer is None else self.answer.seconds + self.answer.waited

    def meets(self, level: ServiceLevel) -> bool:
        """Whether it was answered in time. An answer of one token has no time per further token that could be late.

        One whose tokens the server does not count may have been late, so it does not count.
        """
        if self.answer is None or self.answer.completion_tokens is None or self.ttft is None or self.ttft > level.ttft:
            return False
        return self.answer.tpot is None or self.answer.tpot <= level.tpot


class Lengths(msgspec.Struct, frozen=True):
    """Tokens that each prompt and each answer is to have."""

    input: int
    output: int


def row_of(
    samples: Sequence[LoadSample],
    level: ServiceLevel,
    lengths: Lengths,
    clients: int | None = None,
    offered_rate: float | None = None,
) -> LoadRow:
    """The row of one level; failed requests are counted, and in no other figure."""
    answered = [sample for sample in samples if sample.answer]
    answers = [sample.answer for sample in samples if sample.answer]
    seconds = max(sample.ended for sample in samples) - min(sample.started for sample in samples)
    output_tokens = sum(answer.completion_tokens or 0 for answer in answers)
    return LoadRow(
        clients=clients or _most_at_once(samples),
        offered_rate=offered_rate,
        requests=len(samples),
        failed=len(samples) - len(answered),
        seconds=seconds,
        prompt_tokens=sum(answer.prompt_tokens or 0 for answer in answers),
        output_tokens=output_tokens,
        output_rate=output_tokens / seconds,
        request_rate=len(answered) / seconds,
        goodput=sum(sample.meets(level) for sample in answered) / seconds,
        ttft=spread(sample.ttft for sample in answered if sample.ttft is not None),
        tpot=spread(answer.tpot for answer in answers if answer.tpot is not None),
        itl=spread(gap for answer in answers if answer.streamed for gap in answer.gaps),
        e2e=spread(sample.e2e for sample in answered if sample.e2e is not None),
        reasons=dict(Counter(sample.error for sample in samples if sample.error is not None)),
        notes=tuple(_notes(answers, lengths)),
    )


def _most_at_once(samples: Sequence[LoadSample]) -> int:
    changes = sorted(change for sample in samples for change in ((sample.started, 1), (sample.ended, -1)))
    most = now = 0
    for _, change in changes:
        now += change
        most = max(most, now)
    return most


def _notes(answers: Sequence[Answer], lengths: Lengths) -> Iterator[str]:
    if not answers:
        return
    if not all(answer.streamed for answer in answers):
        yield "The server does not stream: there is no time to the first token, and so no goodput."
    if any(answer.prompt_tokens is None or answer.completion_tokens is None for answer in answers):
        yield "The server counts no tokens: lengths are a guess, and there is neither a rate of tokens nor goodput."
        return
    prompts = [answer.prompt_tokens for answer in answers if answer.prompt_tokens is not None]
    if set(prompts) != {lengths.input}:
        yield f"Prompts had {min(prompts):,} to {max(prompts):,} tokens, not {lengths.input:,}."
    cached = sum(answer.cached_tokens or 0 for answer in answers)
    if cached > _CACHED_SHARE * sum(prompts):
        yield f"{cached / sum(prompts):.0%} of the prompts' tokens came out of the server's cache."
    outputs = [answer.completion_tokens for answer in answers if answer.completion_tokens is not None]
    if set(outputs) != {lengths.output}:
        yield (
            f"Answers had {min(outputs):,} to {max(outputs):,} tokens, not {lengths.output:,}: the server does not "
            "know ignore_eos."
        )
