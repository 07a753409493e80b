"""Random walks through a grammar: answers as a model without any sense would give them."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sevenb.structured.compiler import GrammarCompiler, Matcher, fill_masks

END = 256


def byte_compiler() -> GrammarCompiler:
    """A compiler for the vocabulary of single bytes and an end token."""
    return GrammarCompiler([bytes([i]) for i in range(256)] + [b"<end>"], special=[END], end_ids=[END])


def accepts(matcher: Matcher, text: str) -> bool:
    """Whether a text is a whole answer to the grammar of a `byte_compiler`."""
    matcher = matcher.copy()
    data = list(text.encode())
    if data and matcher.valid(data) < len(data):
        return False
    matcher.accept(data)
    return matcher.accepting


@dataclass
class Walker:
    """Walks at random, and towards the end once an answer is ``patience`` tokens long."""

    tokens: Sequence[bytes]
    end_ids: frozenset[int]
    patience: int = 25
    limit: int = 3000
    masks: int = 0
    _closing: NDArray[np.int64] = field(init=False)
    _single: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self._row = np.zeros((1, (len(self.tokens) + 31) // 32), np.uint32)
        closers = (b'"', b"]", b"}", b", ", b": ", b"@", b"://", b"abc", b"end", b"b")  # also what patterns want
        self._closing = np.array([i for i, token in enumerate(self.tokens) if token in closers])
        self._single = np.array([i for i, token in enumerate(self.tokens) if len(token) == 1])

    def walk(self, matcher: Matcher, seed: int = 0) -> bytes | None:
        """The bytes of an answer; None if it came to no end. The same for the same seed."""
        self._random = random.Random(seed)
        answer = b""
        for length in range(self.limit):
            if matcher.finished:
                return answer
            fill_masks([(matcher, ())], self._row)
            self.masks += 1
            assert matcher.failure is None, matcher.failure
            if matcher.accepting and (length > self.patience or self._random.random() < 0.3):
                return answer
            token = self._choose(length > self.patience)
            if token in self.end_ids:
                return answer
            matcher.accept([token])
            answer += self.tokens[token]
        return None

    def _choose(self, hurry: bool) -> int:
        for preferred in (self._closing, self._single) if hurry or self._random.random() < 0.4 else ():
            if self._random.random() < 0.2:
                continue  # what is preferred may lead nowhere
            allowed = preferred[self._allows(preferred)]
            if len(allowed):
                return int(self._random.choice(allowed))
        for _ in range(20):
            guess = np.array([self._random.randrange(len(self.tokens))])
            if self._allows(guess)[0]:
                return int(guess[0])
        every = np.flatnonzero(np.unpackbits(self._row.view(np.uint8), bitorder="little"))
        return int(self._random.choice(every))

    def _allows(self, tokens: NDArray[np.int64]) -> NDArray[np.bool_]:
        return (self._row[0, tokens >> 5] >> (tokens & 31).astype(np.uint32) & 1).astype(bool)
