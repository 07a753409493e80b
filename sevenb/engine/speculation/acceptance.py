"""`AcceptanceRates`: how often guesses turned out right, by how good the reason for them was."""

_MEMORY = 0.96  # an observation counts this much after the next of its kind
_PRIOR_WEIGHT = 3.0  # observations that the prior stands for


class AcceptanceRates:
    """Rolling shares of right guesses in each of several classes, which begin at a prior."""

    def __init__(self, priors: tuple[float, ...]) -> None:
        self._right = [prior * _PRIOR_WEIGHT for prior in priors]
        self._all = [_PRIOR_WEIGHT] * len(priors)
        self._priors = priors

    def chance(self, kind: int) -> float:
        """The probability that a guess of a class is right."""
        return self._right[kind] / self._all[kind]

    def observe(self, kind: int, right: bool) -> None:
        """One more guess was checked. The prior never fades entirely, so that a bad run is not the last word."""
        prior = self._priors[kind]
        self._right[kind] = _MEMORY * self._right[kind] + (1 - _MEMORY) * prior + right
        self._all[kind] = _MEMORY * self._all[kind] + (1 - _MEMORY) + 1
