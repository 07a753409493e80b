"""llama.cpp under measurement: ``python -m benchmarks.llama_cpp_process MODEL THREADS FLASH_ATTENTION``.

Runs in an environment that has ``llama-cpp-python``, and uses its low-level API alone: what is timed is llama.cpp's
own code, a few microseconds of ctypes and NumPy's argmax. Settings that nobody chooses here are llama.cpp's defaults.
"""

import ctypes
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import llama_cpp
import numpy as np
import numpy.typing as npt

from benchmarks.remote import serve

MICROBATCH = 512  # tokens computed at once: llama.cpp's default

Entry = tuple[int, int, int]  # sequence, position, token
Array = npt.NDArray[np.float32]


@llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]
def _silence(level: int, text: bytes, data: object) -> None:
    pass


@dataclass
class _Context:
    handle: Any
    length: int  # tokens that each sequence has room for
    prompts: list[list[int]] = field(default_factory=list)  # what it has computed, apart from generated tokens


class LlamaCpp:
    """One model, and a context for each number of sequences."""

    def __init__(self, model: str, threads: int, flash_attention: bool) -> None:
        llama_cpp.llama_log_set(_silence, ctypes.c_void_p(0))
        llama_cpp.llama_backend_init()
        self._model = llama_cpp.llama_model_load_from_file(model.encode(), llama_cpp.llama_model_default_params())
        if not self._model:
            sys.exit(f"llama.cpp cannot load {model}.")
        self._vocab_size = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self._model))
        self._threads = threads
        self._flash_attention = flash_attention
        self._batch = llama_cpp.llama_batch_init(MICROBATCH, 0, 1)
        self._contexts: dict[int, _Context] = {}

    def describe(self) -> str:
        """Version and the instruction sets it was built for."""
        features = llama_cpp.llama_print_system_info().decode().partition(":")[2].split("|")
        used = [name.strip() for name, _, on in (feature.partition("=") for feature in features) if on.strip() == "1"]
        return f"llama.cpp of llama-cpp-python {llama_cpp.__version__} ({', '.join(used)})"

    def logits(self, tokens: list[int]) -> Array:
        """Logits [T, V] of a text, computed in an empty context."""
        context = self._context(1, len(tokens))
        self._clear(context)
        parts = _parts([(0, position, token) for position, token in enumerate(tokens)])
        return np.concatenate([self._compute(context, part, len(part)).copy() for part in parts])

    def prefill(self, tokens: list[int]) -> float:
        """Tokens a second, from an empty context to the choice of the first new token."""
        context = self._context(1, len(tokens))
        self._clear(context)
        start = time.perf_counter()
        self._take_in(context, [tokens]).argmax()
        return len(tokens) / (time.perf_counter() - start)

    def decode(self, prompts: list[list[int]], steps: int) -> float:
        """Tokens a second of all sequences together, over ``steps`` greedy steps after the prompts' first new token."""
        context = self._context(len(prompts), max(map(len, prompts)) + steps)
        chosen = self._take_in(context, prompts).argmax(axis=-1)
        start = time.perf_counter()
        for step in range(steps):
            entries = [(s, len(prompt) + step, int(chosen[s])) for s, prompt in enumerate(prompts)]
            chosen = self._compute(context, entries, len(entries)).argmax(axis=-1)
        return len(prompts) * steps / (time.perf_counter() - start)

    # -- details ---------------------------------------------------------------------------------------

    def _take_in(self, context: _Context, prompts: list[list[int]]) -> Array:
        """Compute the prompts, or only their last tokens where they are in the cache; logits of those: [S, V]."""
        memory = llama_cpp.llama_get_memory(context.handle)
        if context.prompts == prompts:
            for sequence, prompt in enumerate(prompts):
                llama_cpp.llama_memory_seq_rm(memory, sequence, len(prompt) - 1, -1)
        else:
            self._clear(context)
            for sequence, prompt in enumerate(prompts):
                for part in _parts([(sequence, position, token) for position, token in enumerate(prompt[:-1])]):
                    self._compute(context, part, 0)
            context.prompts = prompts
        last = [(sequence, len(prompt) - 1, prompt[-1]) for sequence, prompt in enumerate(prompts)]
        return self._compute(context, last, len(last))

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
        if status := llama_cpp.llama_decode(context.handle, batch):
            raise RuntimeError(f"llama_decode failed with {status}.")
        if rows == 0:
            return np.empty((0, self._vocab_size), np.float32)
        return np.ctypeslib.as_array(llama_cpp.llama_get_logits(context.handle), (rows, self._vocab_size))

    def _clear(self, context: _Context) -> None:
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(context.handle), False)
        context.prompts = []

    def _context(self, sequences: int, length: int) -> _Context:
        context = self._contexts.get(sequences)
        if context is not None and context.length >= length:
            return context
        if context is not None:
            llama_cpp.llama_free(context.handle)
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = sequences * length
        params.n_seq_max = sequences
        params.n_batch = params.n_ubatch = MICROBATCH
        params.n_threads = params.n_threads_batch = self._threads
        params.flash_attn_type = int(self._flash_attention)
        context = _Context(llama_cpp.llama_init_from_model(self._model, params), length)
        if not context.handle:
            raise RuntimeError(f"llama.cpp has no room for {sequences} contexts of {length} tokens.")
        self._contexts[sequences] = context
        return context


def _parts(entries: list[Entry]) -> list[list[Entry]]:
    return [entries[start : start + MICROBATCH] for start in range(0, len(entries), MICROBATCH)]


if __name__ == "__main__":
    serve(LlamaCpp(sys.argv[1], int(sys.argv[2]), sys.argv[3] == "on"))
