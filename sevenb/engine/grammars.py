"""`Grammars`: compiles the grammars of requests and fills the masks of steps, both beside the engine's own thread."""

from collections.abc import Callable
from collections.abc import Sequence as Listed
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sevenb.engine.guide import Guide
from sevenb.engine.sequence import Sequence
from sevenb.engine.step_plan import StepPlan
from sevenb.errors import InvalidRequest
from sevenb.model.checkpoint import Checkpoint
from sevenb.model.tokenizer import Tokenizer

if TYPE_CHECKING:
    from sevenb.structured.compiler import GrammarCompiler, Matcher

COMPILING = 2  # grammars at once: one that is slow does not hold up all others


Mask = NDArray[np.uint32]  # [ceil(V / 32)], token i is bit i % 32 of word i // 32


class Masks:
    """Which tokens may come at those rows of a step that a grammar governs."""

    def __init__(self, rows: NDArray[np.uint32], places: dict[Sequence, range]) -> None:
        self._rows = rows  # [rows, ceil(V / 32)]
        self._places = places

    def of(self, sequence: Sequence, ahead: int) -> Mask | None:
        """The mask of the token after ``ahead`` drafts; None where any may come."""
        place = self._places.get(sequence, range(0))
        return self._rows[place[ahead]] if ahead < len(place) else None

    def force(self, sequence: Sequence, drafts: Listed[int]) -> bool:
        """Whether nothing but these drafts may come."""
        for ahead, token_id in enumerate(drafts):
            mask = self.of(sequence, ahead)
            if mask is None or mask[token_id // 32] != 1 << token_id % 32 or np.count_nonzero(mask) != 1:
                return False
        return True


NO_MASKS = Masks(np.empty((0, 0), dtype=np.uint32), {})


class Grammars:
    """Grammars over one model's vocabulary. Nothing is loaded before the first request that has one."""

    def __init__(self, vocab_size: int, open_compiler: "Callable[[], GrammarCompiler]") -> None:
        """``vocab_size`` counts the logits of a row."""
        self._words = -(-vocab_size // 32)
        self._open_compiler = open_compiler
        self._compiler: GrammarCompiler | None = None
        self._opening = Lock()
        self._compilers = ThreadPoolExecutor(COMPILING, "grammar")
        self._filler = ThreadPoolExecutor(1, "masks")
        self._rows = np.empty((0, self._words), dtype=np.uint32)

    def guide(self, grammar: str, prefix: str = "") -> Future[Guide]:
        """Compile a grammar, and go to the place in it behind the text ``prefix``.

        The future fails with `InvalidRequest` for one that cannot be served.
        """
        return self._compilers.submit(self._guide, grammar, prefix)

    def masks(self, plan: StepPlan) -> Future[Masks] | None:
        """Begin to fill the masks of a step, which last until the next one's; None where it needs none.

        The future fails with `InvalidRequest` where a grammar leads nowhere.
        """
        wanted: list[tuple[Matcher, Listed[int]]] = []
        places = {}
        rows = 0
        for chunk in plan.chunks:
            for sequence in chunk.samplers:
                if sequence.guide is not None:
                    wanted.append((sequence.guide.matcher, chunk.drafts))
                    places[sequence] = range(rows, rows := rows + 1 + len(chunk.drafts))
        return self._filler.submit(self._fill, wanted, places, rows) if wanted else None

    def closing(self, sequence: Sequence) -> list[int]:
        """The tokens that complete an answer without any choice; they need no model. None where there is a choice."""
        guide = sequence.guide
        tokens = [] if guide is None else guide.closing()
        if guide is None or not tokens:
            return []
        masks = self._fill([(guide.matcher, tokens)], {sequence: range(1 + len(tokens))}, 1 + len(tokens))
        return tokens if masks.force(sequence, tokens) else []

    def close(self) -> None:
        """End the threads."""
        self._compilers.shutdown(wait=False, cancel_futures=True)
        self._filler.shutdown(wait=False)

    def _guide(self, grammar: str, prefix: str) -> Guide:
        with self._opening:
            if self._compiler is None:
                self._compiler = self._open_compiler()
        return Guide(self._compiler.compile(grammar, prefix))

    def _fill(self, wanted: "list[tuple[Matcher, Listed[int]]]", places: dict[Sequence, range], rows: int) -> Masks:
        from sevenb.structured.compiler import fill_masks

        if len(self._rows) < rows:
            self._rows = np.empty((rows, self._words), dtype=np.uint32)
        fill_masks(wanted, self._rows)
        for matcher, _ in wanted:
            if matcher.failure is not None:
                raise InvalidRequest(f"The answer cannot go on in its grammar ({matcher.failure}); simplify it.")
        return Masks(self._rows, places)


def grammars_of(path: Path, vocab_size: int) -> Grammars:
    """Grammars over the vocabulary of a model's file."""

    def open_compiler() -> "GrammarCompiler":
        from sevenb.structured.compiler import GrammarCompiler

        with Checkpoint.open(path) as checkpoint:
            tokenizer = Tokenizer.from_metadata(checkpoint.metadata)
        if not tokenizer.end_ids:
            raise InvalidRequest("This model's file names no end token, so its answers cannot follow a grammar.")
        return GrammarCompiler(
            [tokenizer.token_bytes(token_id) for token_id in range(tokenizer.vocab_size)],
            special=tokenizer.special_ids | {token for text, token in tokenizer.added_tokens.items() if text.strip()},
            end_ids=tokenizer.end_ids,
            encode=tokenizer.encode_inside,
            vocab_size=vocab_size,
        )

    return Grammars(vocab_size, open_compiler)
