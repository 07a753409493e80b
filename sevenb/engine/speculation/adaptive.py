"""`AdaptiveSpeculator`: drafts as many tokens as pay, by how often guesses came true and what steps have cost."""

from collections.abc import Sequence as Listed

from sevenb.engine.request import Request
from sevenb.engine.sequence import Sequence
from sevenb.engine.speculation.acceptance import AcceptanceRates
from sevenb.engine.speculation.prompt_lookup import NOTHING, PromptLookup, Proposal
from sevenb.engine.speculation.step_costs import StepCosts

_LEAST_GAIN = 1.02  # in tokens a second; what is estimated may be wrong
_READING = 256  # prompt tokens indexed in a step that decodes: about half a millisecond
_PRIORS = (0.0, 0.2, 0.4, 0.65, 0.85, 0.95, 0.98)  # chances of agreements of 0, 1, 2-3, 4-7, 8-15, ... tokens


class AdaptiveSpeculator:
    """A `Speculator` that looks for repetitions.

    The longer a guess agrees with what is there, the more likely is it right; how likely, is learned for each sequence.
    Together with the duration of steps, learned for each number of drafts, that tells how many drafts make the most
    tokens a second. Often that is none.
    """

    def __init__(self, most: int) -> None:
        """``most`` is the number of tokens guessed for one sequence at once."""
        self._most = most
        self._lookup = PromptLookup()
        self._costs = StepCosts()
        self._rates: dict[Sequence, AcceptanceRates] = {}
        self._agreements: dict[Sequence, int] = {}  # of the drafts under way

    def draft(
        self, sequences: Listed[Sequence], rooms: Listed[int], *, step_tokens: int, budget: int
    ) -> list[list[int]]:
        """Guesses for each sequence, most of the time empty ones."""
        if step_tokens > len(sequences):  # a prompt is computed, too, and one more token takes its full time
            return [[] for _ in sequences]
        for sequence in sequences:
            self.read(sequence.request, _READING // len(sequences))
        proposals = [self._propose(sequence, room) for sequence, room in zip(sequences, rooms, strict=True)]
        chances = [self._chances(sequence, proposal) for sequence, proposal in zip(sequences, proposals, strict=True)]
        counts = best_counts(chances, self._costs.of(len(sequences)).extra, budget)
        self._agreements = {
            sequence: proposal.agreement for sequence, proposal in zip(sequences, proposals, strict=True)
        }
        return [proposal.tokens[:count] for proposal, count in zip(proposals, counts, strict=True)]

    def read(self, request: Request, tokens: int) -> None:
        """Index more of a prompt, unless nothing will be guessed for it anyway."""
        if request.params.speculation and request.max_output > 1:
            self._lookup.read(request, tokens)

    def verified(self, sequence: Sequence, *, drafted: int, accepted: int) -> None:
        """Learn from the guesses up to the first wrong one; those after it say nothing."""
        agreement = self._agreements[sequence]
        rates = self._rates[sequence]
        for place in range(min(accepted + 1, drafted)):
            rates.observe(_kind(agreement + place), place < accepted)

    def timed(self, *, sequences: int, drafts: int, seconds: float) -> None:
        """Learn what a step costs."""
        self._costs.of(sequences).note(drafts, seconds)

    def forget(self, request: Request) -> None:
        """Drop what is known of a request."""
        self._lookup.forget(request)
        for sequence in [sequence for sequence in self._rates if sequence.request is request]:
            del self._rates[sequence]

    def _propose(self, sequence: Sequence, room: int) -> Proposal:
        if room < 1 or not sequence.request.params.speculation:
            return NOTHING
        return self._lookup.propose(sequence, min(room, self._most))

    def _chances(self, sequence: Sequence, proposal: Proposal) -> list[float]:
        """The probability that the guesses up to each place are all right."""
        rates = self._rates.get(sequence)
        if rates is None:
            rates = self._rates[sequence] = AcceptanceRates(_PRIORS)
        chance = 1.0
        chances = []
        for place in range(len(proposal.tokens)):
            chance *= rates.chance(_kind(proposal.agreement + place))
            chances.append(chance)
        return chances


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


def _kind(agreement: int) -> int:
    """Class of evidence: 0, 1, 2-3, 4-7, ... tokens, with all from 32 on together."""
    return min(agreement.bit_length(), len(_PRIORS) - 1)
