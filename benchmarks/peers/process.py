"""A peer under measurement: ``python -m benchmarks.peers.process llama.cpp|ik_llama.cpp MODEL THREADS [SOURCE]``.

Runs in an environment that has the peer, and uses its C API alone: what is timed is the peer's own code, a few
microseconds of ctypes and NumPy's argmax. ``SOURCE`` is a tree of ik_llama.cpp that was built in ``SOURCE/build``.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.peers.library import MICROBATCH, Library
from benchmarks.peers.setting import Setting
from benchmarks.remote import serve

PIECE = 512  # positions that are computed to fill a cache; the rest are their copies

Entry = tuple[int, int, int]  # sequence, position, token
Array = npt.NDArray[np.float32]


@dataclass
class _Context:
    handle: Any
    setting: Setting
    sequences: int
    cells: int
    depth: int = 0  # positions of the first sequence that a history fills


class Peer:
    """One model, loaded once for each way to lay it out, and one context at a time."""

    def __init__(self, library: Library, model: str, threads: int) -> None:
        self._library = library
        self._path = model
        self._threads = threads
        self._models: dict[bool, Any] = {}
        self._batch = library.new_batch(MICROBATCH)
        self._context: _Context | None = None
        self._vocab_size = 0

    def describe(self) -> str:
        """Version and the instruction sets it was built for."""
        return self._library.describe()

    def logits(self, tokens: list[int], setting: dict[str, Any], last: int | None = None) -> Array:
        """Logits [T, V] of a text, or of its ``last`` tokens, computed in an empty context."""
        context = self._open(Setting(**setting), 1, len(tokens))
        self._clear(context)
        first = len(tokens) - (last or len(tokens))
        rows = []
        for part in _parts([(0, position, token) for position, token in enumerate(tokens)]):
            wanted = sum(position >= first for _, position, _ in part)
            rows.append(self._compute(context, part, wanted).copy())
        return np.concatenate(rows)

    def prefill(self, tokens: list[int], setting: dict[str, Any], history: Sequence[int] = ()) -> float:
        """Tokens a second from a context that holds ``history`` to the choice of the first new token."""
        context = self._open(Setting(**setting), 1, len(history) + len(tokens))
        self._fill(context, history)
        start = time.perf_counter()
        self._take_in(context, [tokens]).argmax()
        return len(tokens) / (time.perf_counter() - start)

    def decode(
        self, prompts: list[list[int]], steps: int, setting: dict[str, Any], history: Sequence[int] = ()
    ) -> float:
        """Tokens a second of all sequences together, over ``steps`` greedy steps after the prompts' first new token.

        One sequence alone may have a ``history`` before its prompt.
        """
        cells = len(history) + len(prompts) * (max(map(len, prompts)) + steps)
        context = self._open(Setting(**setting), len(prompts), cells)
        self._fill(context, history)
        chosen = self._take_in(context, prompts).argmax(axis=-1)
        first = len(history) + len(prompts[0])
        start = time.perf_counter()
        for step in range(steps):
            entries = [(sequence, first + step, int(chosen[sequence])) for sequence in range(len(prompts))]
            chosen = self._compute(context, entries, len(entries)).argmax(axis=-1)
        return len(prompts) * steps / (time.perf_counter() - start)

    # -- details ---------------------------------------------------------------------------------------

    def _fill(self, context: _Context, history: Sequence[int]) -> None:
        """Have the first sequence stand behind ``history``; only its first piece is computed, and copied over the rest.

        A prefill of 32K tokens takes a peer up to half an hour. The copies are made by the library itself: the state
        of the piece is restored into new cells as one more sequence, shifted to its place (which rotates its keys),
        and joined to the first. What attention costs does not depend on what keys and values say.
        """
        if history and context.depth == len(history):
            self._library.remove(context.handle, 0, context.depth)
            return
        self._clear(context)
        if not history:
            return
        self._compute_all(context, [(0, position, token) for position, token in enumerate(history[:PIECE])])
        state = self._library.save(context.handle, 0)
        for start in range(PIECE, len(history), PIECE):
            if not self._library.restore(context.handle, state, 1):
                raise RuntimeError(f"A cache of {len(history)} positions cannot be filled.")
            self._library.move(context.handle, 1, start, 0)
        self._library.remove(context.handle, 0, len(history))
        context.depth = len(history)

    def _take_in(self, context: _Context, prompts: list[list[int]]) -> Array:
        """Compute the prompts behind what fills the cache; logits of their last tokens: [S, V]."""
        last = []
        for sequence, prompt in enumerate(prompts):
            entries = [(sequence, context.depth + index, token) for index, token in enumerate(prompt)]
            self._compute_all(context, entries[:-1])
            last.append(entries[-1])
        return self._compute(context, last, len(last))

    def _compute_all(self, context: _Context, entries: Sequence[Entry]) -> None:
        for part in _parts(entries):
            self._compute(context, part, 0)

    def _compute(self, context: _Context, entries: Sequence[Entry], rows: int) -> Array:
        """Compute one batch; the logits of its last ``rows`` entries, as a view that the next call overwrites."""
        batch = self._batch
        batch.n_tokens = len(entries)
        for index, (sequence, position, token) in enumerate(entries):
            batch.token[index] = token
            batch.pos[index] = position
            batch.n_seq_id[index] = 1
            batch.seq_id[index][0] = sequence
            batch.logits[index] = index >= len(entries) - rows
        if status := self._library.decode(context.handle, batch):
            raise RuntimeError(f"llama_decode failed with {status}.")
        if rows == 0:
            return np.empty((0, self._vocab_size), np.float32)
        return np.ctypeslib.as_array(self._library.logits(context.handle), (rows, self._vocab_size))

    def _clear(self, context: _Context) -> None:
        self._library.clear(context.handle)
        context.depth = 0

    def _open(self, setting: Setting, sequences: int, cells: int) -> _Context:
        context = self._context
        if context is not None:
            if (context.setting, context.sequences) == (setting, sequences) and context.cells >= cells:
                return context
            self._library.free_context(context.handle)
            self._context = None
        # A lone sequence is filled by way of a second one, in the same cells.
        chosen = replace(setting, unified=True) if sequences == 1 else setting
        model = self._model(setting.repack)
        handle = self._library.new_context(model, chosen, self._threads, max(2, sequences), cells)
        if not handle:
            raise RuntimeError(f"There is no room for {sequences} contexts of {cells} tokens.")
        self._context = _Context(handle, setting, sequences, cells)
        return self._context

    def _model(self, repack: bool) -> Any:
        if repack not in self._models:
            model = self._library.load_model(self._path, repack)
            if not model:
                sys.exit(f"The peer cannot load {self._path}.")
            self._models[repack] = model
            self._vocab_size = self._library.vocab_size(model)
        return self._models[repack]


def _parts(entries: Sequence[Entry]) -> list[Sequence[Entry]]:
    return [entries[start : start + MICROBATCH] for start in range(0, len(entries), MICROBATCH)]


def _library(name: str, source: str | None) -> Library:
    if name == "llama.cpp":
        from benchmarks.peers.llama_cpp import LlamaCpp

        return LlamaCpp()
    from benchmarks.peers.ik_llama_cpp import IkLlamaCpp

    return IkLlamaCpp(Path(source) if source else None)


if __name__ == "__main__":
    serve(Peer(_library(sys.argv[1], sys.argv[4] if len(sys.argv) > 4 else None), sys.argv[2], int(sys.argv[3])))
