"""`Trial`: whether it goes on paying to ask the draft model about a sequence."""

_RATE = 0.2  # weight of a new observation
_FIRST_PAUSE = 8  # steps
_LONGEST_PAUSE = 256


class Trial:
    """Counts what guesses gained and cost, in tokens; while that is a loss, pauses grow longer and longer."""

    def __init__(self) -> None:
        self._gain = 0.0
        self._pause = 0  # steps still to wait
        self._next_pause = _FIRST_PAUSE

    def due(self) -> bool:
        """Whether to guess in this step; asked once in each."""
        if self._pause == 0:
            return True
        self._pause -= 1
        return False

    def note(self, gain: float) -> None:
        """A guess gained so many tokens more than it cost."""
        self._gain += _RATE * (gain - self._gain)
        if self._gain < 0:
            self._gain = 0.0
            self._pause = self._next_pause
            self._next_pause = min(2 * self._next_pause, _LONGEST_PAUSE)
        elif gain > 0:
            self._next_pause = _FIRST_PAUSE
