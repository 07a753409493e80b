"""`Pool`: how the hidden states of a prompt become one vector, chunk by chunk."""

import numpy as np
import numpy.typing as npt

from sevenb.backend.protocol import FloatArray
from sevenb.model.embedding import Pooling


class Pool:
    """The vector of one prompt: the ``mean`` of the final hidden states of its tokens, or that of the ``last``.

    States are added one after another in 64 bits, so neither chunks nor a preemption change a bit of the result.
    """

    def __init__(self, pooling: Pooling, prompt_length: int) -> None:
        self._prompt_length = prompt_length
        self.next = 0 if pooling == "mean" else prompt_length - 1  # the first position whose state is still wanted
        self._states = prompt_length - self.next
        self._sum: npt.NDArray[np.float64] | None = None

    def wanted(self, start: int, end: int) -> range:
        """Which positions of a chunk have states that are wanted."""
        return range(max(start, self.next), end)

    def take(self, states: FloatArray) -> None:
        """Add the states [t, hidden size] of the next positions."""
        total = np.zeros(states.shape[1]) if self._sum is None else self._sum
        for state in states:
            total += state
        self._sum = total
        self.next += len(states)

    @property
    def vector(self) -> FloatArray | None:
        """The result [hidden size], once every state is in."""
        if self._sum is None or self.next < self._prompt_length:
            return None
        return (self._sum / self._states).astype(np.float32)
