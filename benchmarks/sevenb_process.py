"""sevenb under measurement: ``python -m benchmarks.sevenb_process MODEL THREADS [ISA]``.

The engine as its users get it, with its default configuration: scheduling, sampling and reports are in every figure.
"""

import itertools
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

from benchmarks.remote import serve
from sevenb.backend.native import NativeBackend, _kernels, backend, head, kv, ordered, sampling
from sevenb.engine.block_store import MemoryTier
from sevenb.engine.engine_config import EngineConfig
from sevenb.engine.loader import load_engine
from sevenb.engine.messages import AddRequest, RequestFailed
from sevenb.engine.sampling_params import SamplingParams

PIECE = 512  # tokens of a history that are computed; the rest are their copies
BLOCKS = PIECE // 32  # that those fill
PACING_STEPS = 256  # at most, from the first of several prompts' first token to the last one's


class SevenB:
    """One engine, with the methods of `benchmarks.peers.process.Peer` that are about speed."""

    def __init__(self, model: str, threads: int, isa: str | None = None) -> None:
        config = EngineConfig(model=model, threads=threads, cpu_isa=isa)
        self._engine, self._ready = load_engine(config)
        self._names = map(str, itertools.count())
        self._started: set[str] = set()  # requests with a first token
        self._stored = 0  # tokens that went into the KV cache, as long as none had to leave

    def describe(self) -> str:
        """Backend, instruction set and threads."""
        return self._ready.device

    def memory(self) -> dict[str, int]:
        """Bytes of packed weights, of the KV cache a token, and of all else that the process ever held at once."""
        kv_token = self._ready.kv_bytes // self._ready.kv_tokens
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        highest = next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM"))
        overhead = highest - self._ready.weight_bytes - self._stored * kv_token
        return {"weights": self._ready.weight_bytes, "kv_token": kv_token, "overhead": overhead}

    def prefill(self, tokens: list[int], history: Sequence[int] = ()) -> float:
        """Tokens a second from a context that holds ``history`` to the first new token.

        The prompt must be one that was not seen before.
        """
        self._fill(history)
        start = time.perf_counter()
        self._generate([*history, *tokens])
        return len(tokens) / (time.perf_counter() - start)

    def decode(self, prompts: list[list[int]], steps: int, history: Sequence[int] = ()) -> float:
        """Tokens a second of all sequences together, over ``steps`` greedy steps after the prompts' first new token.

        One token at a time: nothing is guessed ahead. While prompts are paced in, those that came first decode
        already; what counts are the steps that all take part in.
        """
        self._fill(history)
        names = self._start([[*history, *prompt] for prompt in prompts], steps + PACING_STEPS * (len(prompts) > 1))
        start = time.perf_counter()
        tokens = sum(self._step() for _ in range(steps))
        rate = tokens / (time.perf_counter() - start)
        for name in names:
            self._engine.abort(name)
        while self._engine.has_work:
            self._step()
        return rate

    def answer(self, prompt: list[int], end: int, most: int) -> float:
        """Tokens a second of a greedy answer, guessed ahead as the default configuration has it.

        The answer ends with the token ``end`` or after ``most``.
        """
        self._start([prompt], most, end=end)
        return self._rate()

    def python_share(self, prompt: list[int], steps: int) -> float:
        """The part of a decode step that is spent outside of the kernels, between 0 and 1."""
        kernels = _TimedKernels("timed kernels")
        with ExitStack() as stack:
            for module in (backend, head, kv, ordered, sampling):
                stack.enter_context(patch.object(module, "_kernels", kernels))
            stack.enter_context(patch.object(NativeBackend, "run_layers", kernels.timed(NativeBackend.run_layers)))
            self._start([prompt], steps)
            kernels.seconds = 0.0
            start = time.perf_counter()
            while self._engine.has_work:
                self._step()
            return 1 - kernels.seconds / (time.perf_counter() - start)

    # -- details ---------------------------------------------------------------------------------------

    def _fill(self, history: Sequence[int]) -> None:
        """Have the prefix cache know ``history``: its first piece is computed, and copied over the rest, as for peers.

        The engine takes the copies for blocks that had to leave its pool.
        """
        if not history:
            return
        self._generate(list(history[:PIECE]))
        store, cached = self._engine._block_store, self._engine._scheduler._prefix_cache
        assert store is not None
        assert cached is not None
        blocks = {link.place: block for block, link in cached._blocks.values() if link.place < BLOCKS}
        copied = [store.backend.read_block(store.cache, block) for block in blocks.values()]
        with patch.object(store, "memory", _Copies(copied)):
            self._generate([*history, history[0]])

    def _generate(self, prompt: list[int]) -> None:
        self._add(prompt, 1)
        while self._engine.has_work:
            self._step()

    def _start(self, prompts: list[list[int]], steps: int, end: int | None = None) -> list[str]:
        """Step until every prompt has its first new token; ``steps`` more may come. Returns the requests' names."""
        names = [self._add(prompt, 1 + steps, end) for prompt in prompts]
        self._started.clear()
        while not self._started.issuperset(names):
            self._step()
        return names

    def _rate(self) -> float:
        """Tokens a second until everything is done."""
        tokens = 0
        start = time.perf_counter()
        while self._engine.has_work:
            tokens += self._step()
        return tokens / (time.perf_counter() - start)

    def _add(self, prompt: list[int], most: int, end: int | None = None) -> str:
        """Returns the name. Without a token to ``end`` with, every token is computed by itself, up to ``most``."""
        self._stored += len(prompt) + most
        free = end is not None
        params = SamplingParams(temperature=0.0, max_tokens=most, ignore_eos=not free, speculation=free)
        request = AddRequest(
            request_id=next(self._names),
            prompt_token_ids=prompt,
            params=params,
            stop_token_ids=[] if end is None else [end],
            arrival=time.monotonic(),
        )
        self._engine.add_request(request)
        return request.request_id

    def _step(self) -> int:
        """Tokens that one step generated."""
        tokens = 0
        for report in self._engine.step():
            if isinstance(report, RequestFailed):
                raise RuntimeError(report.message)
            self._started.add(report.request_id)
            tokens += sum(len(sequence.tokens) for sequence in report.sequences)
        return tokens


class _Copies(MemoryTier):
    """Has the contents of every block: those of a few, again and again."""

    def __init__(self, contents: Sequence[bytes]) -> None:
        super().__init__(capacity=0)
        self._copies = itertools.cycle(contents)

    def take(self, key: bytes) -> bytes:
        return next(self._copies)


class _TimedKernels(ModuleType):
    """Stands in for the extension module and adds up the time spent within it."""

    seconds = 0.0

    def __getattr__(self, name: str) -> object:
        kernel = getattr(_kernels, name)
        if isinstance(kernel, type) or not callable(kernel):
            return kernel
        timed = self.timed(kernel)
        setattr(self, name, timed)
        return timed

    def timed(self, kernel: Callable[..., object]) -> Callable[..., object]:
        """The same function, whose time counts."""

        def timed(*arguments: object, **named: object) -> object:
            start = time.perf_counter()
            try:
                return kernel(*arguments, **named)
            finally:
                self.seconds += time.perf_counter() - start

        return timed


if __name__ == "__main__":
    serve(SevenB(sys.argv[1], int(sys.argv[2]), *sys.argv[3:]))
