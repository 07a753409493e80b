"""`AdaptiveSpeculator`: drafts as many tokens as pay, by how often guesses came true and what steps have cost."""

import logging
import operator
import time
from bisect import bisect
from collections.abc import Callable
from collections.abc import Sequence as Listed
from dataclasses import dataclass, field
from itertools import accumulate

from sevenb.engine.request import Request
from sevenb.engine.sequence import Sequence
from sevenb.engine.speculation.acceptance import AcceptanceRates
from sevenb.engine.speculation.draft_model import DraftModel, Writing
from sevenb.engine.speculation.prompt_lookup import NOTHING, PromptLookup
from sevenb.engine.speculation.step_costs import CostCurve, StepCosts
from sevenb.engine.speculation.trial import Trial

logger = logging.getLogger(__name__)

_LEAST_GAIN = 1.02  # in tokens a second; what is estimated may be wrong
_READING = 256  # prompt tokens indexed in a step that decodes: about half a millisecond
_AGREEMENTS = (0.0, 0.2, 0.4, 0.65, 0.85, 0.95, 0.98)  # chances where 0, 1, 2-3, 4-7, 8-15, ... tokens agree
_CONFIDENCE_STEPS = (0.3, 0.5, 0.65, 0.8, 0.9, 0.97)  # how sure the draft model is, from 0 to 1
_CONFIDENCES = (0.15, 0.3, 0.45, 0.6, 0.75, 0.85, 0.95)  # chances between those


@dataclass(slots=True)
class _Guesses:
    """Tokens that may come next, the class of evidence for each, and how often such evidence was right."""

    tokens: list[int]
    kinds: list[int]
    rates: AcceptanceRates
    cost: float = 0.0  # of making them, in tokens that could have been generated instead


@dataclass(slots=True)
class _Progress:
    """What was learned from one sequence, and what is being tried with it now."""

    agreements: AcceptanceRates = field(default_factory=lambda: AcceptanceRates(_AGREEMENTS))
    confidences: AcceptanceRates = field(default_factory=lambda: AcceptanceRates(_CONFIDENCES))
    trial: Trial = field(default_factory=Trial)
    guesses: _Guesses | None = None


class AdaptiveSpeculator:
    """A `Speculator` that looks for repetitions, and asks a draft model, if there is one, where it finds none.

    The longer a guess agrees with what is there, or the surer the draft model is, the more likely is it right; how
    likely, is learned for each sequence. Together with the duration of steps, learned for each number of drafts, that
    tells how many drafts make the most tokens a second. Often that is none.
    """

    def __init__(
        self, most: int, draft_model: DraftModel | None = None, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        """``most`` is the number of tokens guessed for one sequence at once."""
        self._most = most
        self._lookup = PromptLookup()
        self._draft_model = draft_model
        self._clock = clock
        self._costs = StepCosts()
        self._progress: dict[Sequence, _Progress] = {}
        self._price = 0.3  # tokens that one more guess of the draft model costs: a rolling mean
        self._drafting = 0  # sequences with drafts in this step
        self._delay = 0.0  # tokens that each of those cost by making the step longer

    def draft(
        self, sequences: Listed[Sequence], rooms: Listed[int], *, step_tokens: int, budget: int
    ) -> list[list[int]]:
        """Guesses for each sequence, most of the time empty ones."""
        if step_tokens > len(sequences):  # a prompt is computed, too, and one more token takes its full time
            return [[] for _ in sequences]
        curve = self._costs.of(len(sequences))
        guesses = [self._look_up(*place, len(sequences)) for place in zip(sequences, rooms, strict=True)]
        counts = _best_counts(guesses, curve, budget)
        if self._draft_model is not None and curve.ready:
            silent = [
                place
                for place, sequence in enumerate(sequences)
                if counts[place] == 0 and rooms[place] > 0 and self._may_ask(sequence)
            ]
            if silent:
                written = self._ask(
                    self._draft_model, [sequences[place] for place in silent], [rooms[place] for place in silent], curve
                )
                for place, guess in zip(silent, written, strict=True):
                    guesses[place] = guess
                counts = _best_counts(guesses, curve, budget)
                for place in silent:
                    if counts[place] == 0:
                        self._progress[sequences[place]].trial.note(-guesses[place].cost)
        for sequence, guess in zip(sequences, guesses, strict=True):
            self._progress[sequence].guesses = guess
        self._drafting = sum(count > 0 for count in counts)
        return [guess.tokens[:count] for guess, count in zip(guesses, counts, strict=True)]

    def would_draft(self, sequences: Listed[Sequence], rooms: Listed[int], *, budget: int) -> bool:
        """Whether repetitions promise anything. A draft model always may: it must be asked to know."""
        if self._draft_model is not None:
            return True
        guesses = [self._look_up(*place, len(sequences)) for place in zip(sequences, rooms, strict=True)]
        return any(_best_counts(guesses, self._costs.of(len(sequences)), budget))

    def read(self, request: Request, tokens: int) -> None:
        """Take in more of a prompt, unless nothing will be guessed for it anyway."""
        if not _wanted(request):
            return
        self._lookup.read(request, tokens)
        if self._draft_model is not None and request.sequences:
            self._draft_model.read(request.sequences[0], tokens)

    def verified(self, sequence: Sequence, *, drafted: int, accepted: int) -> None:
        """Learn from the guesses up to the first wrong one; those after it say nothing."""
        progress = self._progress[sequence]
        guesses = progress.guesses
        assert guesses is not None
        for place, kind in enumerate(guesses.kinds[: min(accepted + 1, drafted)]):
            guesses.rates.observe(kind, place < accepted)
        if guesses.rates is progress.confidences:
            progress.trial.note(accepted - guesses.cost - self._delay)

    def timed(self, *, sequences: int, drafts: int, seconds: float) -> None:
        """Learn what a step costs."""
        curve = self._costs.of(sequences)
        curve.note(drafts, seconds)
        if drafts and curve.plain_seconds:
            self._delay = max(0.0, seconds / curve.plain_seconds - 1) * sequences / max(1, self._drafting)

    def forget(self, request: Request) -> None:
        """Drop what is known of a request."""
        self._lookup.forget(request)
        if self._draft_model is not None:
            self._draft_model.forget(request)
        for sequence in [sequence for sequence in self._progress if sequence.request is request]:
            del self._progress[sequence]

    # -- where guesses come from -----------------------------------------------------------------------

    def _look_up(self, sequence: Sequence, room: int, sequences: int) -> _Guesses:
        """What prompt and answer suggest."""
        progress = self._progress.get(sequence)
        if progress is None:
            progress = self._progress[sequence] = _Progress()
        proposal = NOTHING
        if room > 0 and _wanted(sequence.request):
            self._lookup.read(sequence.request, _READING // sequences)
            proposal = self._lookup.propose(sequence, min(room, self._most))
        kinds = [_agreement_kind(proposal.agreement + place) for place in range(len(proposal.tokens))]
        return _Guesses(proposal.tokens, kinds, progress.agreements)

    def _may_ask(self, sequence: Sequence) -> bool:
        return _wanted(sequence.request) and self._progress[sequence].trial.due()

    def _ask(
        self, draft_model: DraftModel, sequences: Listed[Sequence], rooms: Listed[int], curve: CostCurve
    ) -> list[_Guesses]:
        """What the draft model suggests; should it fail, it is not asked again."""
        assert curve.plain_seconds is not None
        started = self._clock()
        try:
            writings = draft_model.write(sequences, [min(room, self._most) for room in rooms], self._price)
        except Exception:
            logger.exception("The draft model failed; the engine goes on without it")
            self._draft_model = None
            writings = [Writing() for _ in sequences]
        cost = (self._clock() - started) / curve.plain_seconds * curve.sequences / len(sequences)
        longest = max(len(writing.tokens) for writing in writings)
        if longest:
            self._price += 0.2 * (cost / longest - self._price)
        return [
            _Guesses(
                writing.tokens,
                [_confidence_kind(confidence) for confidence in writing.confidences],
                self._progress[sequence].confidences,
                cost,
            )
            for sequence, writing in zip(sequences, writings, strict=True)
        ]


def best_counts(chances: Listed[Listed[float]], extra: Listed[float], budget: int) -> list[int]:
    """How many drafts of each sequence to try, so that the step yields the most tokens in its time.

    ``chances[s][k]`` is the probability that the drafts of ``s`` are right up to the k-th, ``extra[d]`` how much longer
    a step takes with ``d`` drafts. Falling chances mean that the best ones are the first of each sequence.
    """
    counts = [0] * len(chances)
    ranked = sorted(((chance, place) for place, row in enumerate(chances) for chance in row), reverse=True)
    tokens = float(len(chances))
    best, best_drafts = tokens * _LEAST_GAIN, 0
    for drafts, (chance, _) in enumerate(ranked[: min(budget, len(extra) - 1)], 1):
        tokens += chance
        if tokens > best * (1 + extra[drafts]):
            best, best_drafts = tokens / (1 + extra[drafts]), drafts
    for _, place in ranked[:best_drafts]:
        counts[place] += 1
    return counts


def _best_counts(guesses: Listed[_Guesses], curve: CostCurve, budget: int) -> list[int]:
    chances = [list(accumulate((guess.rates.chance(kind) for kind in guess.kinds), operator.mul)) for guess in guesses]
    return best_counts(chances, curve.extra, budget)


def _wanted(request: Request) -> bool:
    """Whether there is anything to guess for a request."""
    return request.params.speculation and request.max_output > 1


def _agreement_kind(agreement: int) -> int:
    """Class of evidence: 0, 1, 2-3, 4-7, ... tokens, with all from 32 on together."""
    return min(agreement.bit_length(), len(_AGREEMENTS) - 1)


def _confidence_kind(confidence: float) -> int:
    return bisect(_CONFIDENCE_STEPS, confidence)
