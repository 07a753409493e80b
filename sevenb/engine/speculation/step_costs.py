"""`StepCosts`: what drafts cost on this machine, with this model, at this moment: learned from the steps themselves."""

_RATE = 0.15  # weight of a new observation once there are several
_FORGETTING = 0.002  # of what drafts cost, with every plain step: a price that was once high is tried again
_FADING = 0.95  # of the weight of all observations so far, with every plain step
_STALE = 64  # steps: after so many with drafts a plain one is measured, after so many plain ones exploring starts low
_MARGIN = 4.0  # an observation counts as no more than so many times what was expected
_FIRST_REACH = 4  # drafts that are tried in a step while nothing is known
_PRIOR_WEIGHT = 0.25  # in observations
_FIRST_GUESS = 0.1  # the price of one more token where nothing is known, in steps of one token

MOST_DRAFTS = 32  # in one step, over all sequences


class StepCosts:
    """A curve for each number of sequences that decode together."""

    def __init__(self) -> None:
        self._curves: dict[int, CostCurve] = {}

    def of(self, sequences: int) -> "CostCurve":
        """The curve of steps with so many sequences."""
        curve = self._curves.get(sequences)
        if curve is None:
            curve = self._curves[sequences] = CostCurve(sequences)
        return curve


class CostCurve:
    """Duration of a step with d drafts, relative to one without any.

    What is seen at one d corrects the estimates around it, the more the closer they are: the curve bends where the
    machine stops being bound by memory, and nobody knows in advance where that is. For the same reason it is explored
    from below, in doubling strides.
    """

    def __init__(self, sequences: int) -> None:
        self.sequences = sequences
        price = _FIRST_GUESS / (1 + _FIRST_GUESS * (sequences - 1))
        self._prior = [price * drafts for drafts in range(MOST_DRAFTS + 1)]
        self._extra = list(self._prior)
        self._reach = _FIRST_REACH
        self.plain_seconds: float | None = None  # of a step without drafts
        self._since_plain = 0  # steps with drafts
        self._plain_in_a_row = 0
        self._seen = [_PRIOR_WEIGHT] * (MOST_DRAFTS + 1)  # observations behind each estimate

    @property
    def extra(self) -> list[float]:
        """[d]: how much longer a step takes with d drafts, as a share of a plain one; as far as may be tried now."""
        return self._extra[: self._reach + 1 if self.ready else 1]

    @property
    def ready(self) -> bool:
        """Whether drafts may be tried; else a plain step is to be measured first."""
        return self.plain_seconds is not None and self._since_plain < _STALE

    def note(self, drafts: int, seconds: float) -> None:
        """A step took so long."""
        plain = self.plain_seconds
        if drafts == 0:
            self._since_plain = 0
            self.plain_seconds = seconds if plain is None else plain + _RATE * (_near(seconds, plain) - plain)
            self._forget()
        elif plain is not None:
            self._since_plain += 1
            self._plain_in_a_row = 0
            if drafts == self._reach:
                self._reach = min(2 * self._reach, MOST_DRAFTS)
            expected = 1 + self._extra[drafts]
            error = _near(seconds / plain, expected) - expected
            for other in range(1, MOST_DRAFTS + 1):
                likeness = min(drafts, other) / max(drafts, other)
                self._seen[other] += likeness
                # Of what more drafts cost, all that fewer ones do is a part; the reverse is not true.
                weight = min(1.0, max(_RATE, 1 / self._seen[other]))
                self._extra[other] += error * weight * min(1.0, other / drafts)

    def _forget(self) -> None:
        """Prices may have fallen: let a few drafts be tried again sometime."""
        self._extra = [
            extra + _FORGETTING * (prior - extra) for extra, prior in zip(self._extra, self._prior, strict=True)
        ]
        self._seen = [max(_PRIOR_WEIGHT, _FADING * seen) for seen in self._seen]
        self._plain_in_a_row += 1
        if self._plain_in_a_row % _STALE == 0:
            self._reach = max(_FIRST_REACH, self._reach // 2)


def _near(value: float, expected: float) -> float:
    """A stray observation, of a moment when the machine had other things to do, does not say much."""
    return min(max(value, expected / _MARGIN), expected * _MARGIN)
