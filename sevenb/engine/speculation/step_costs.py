"""`StepCosts`: what drafts cost on this machine, with this model, at this moment: learned from the steps themselves."""

_RATE = 0.2  # weight of a new observation
_FORGETTING = 0.01  # of what drafts cost, with every plain step: a price that was once high is tried again
_MARGIN = 4.0  # an observation counts as no more than so many times what was expected
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
    machine stops being bound by memory, and nobody knows in advance where that is.
    """

    def __init__(self, sequences: int) -> None:
        price = _FIRST_GUESS / (1 + _FIRST_GUESS * (sequences - 1))
        self._prior = [price * drafts for drafts in range(MOST_DRAFTS + 1)]
        self.extra = list(self._prior)  # [d]: how much longer a step takes with d drafts, as a share of a plain one
        self.plain_seconds: float | None = None

    def note(self, drafts: int, seconds: float) -> None:
        """A step took so long."""
        plain = self.plain_seconds
        if drafts == 0:
            self.plain_seconds = seconds if plain is None else plain + _RATE * (_near(seconds, plain) - plain)
            self.extra = [
                extra + _FORGETTING * (prior - extra) for extra, prior in zip(self.extra, self._prior, strict=True)
            ]
        elif plain is not None and drafts <= MOST_DRAFTS:
            expected = 1 + self.extra[drafts]
            error = _RATE * (_near(seconds / plain, expected) - expected)
            for other in range(1, MOST_DRAFTS + 1):
                self.extra[other] += error * min(drafts, other) / max(drafts, other)


def _near(value: float, expected: float) -> float:
    """A stray observation, of a moment when the machine had other things to do, does not say much."""
    return min(max(value, expected / _MARGIN), expected * _MARGIN)
