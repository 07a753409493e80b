"""sevenb under measurement: ``python -m benchmarks.sevenb_process MODEL THREADS``.

The engine as its users get it, with its default configuration: scheduling, sampling and reports are in every figure.
"""

import itertools
import sys
import time
from contextlib import ExitStack
from types import ModuleType
from unittest.mock import patch

from benchmarks.remote import serve
from sevenb.backend.native import _kernels, backend, kv, sampling
from sevenb.engine.engine_config import EngineConfig
from sevenb.engine.loader import load_engine
from sevenb.engine.messages import AddRequest, RequestFailed
from sevenb.engine.sampling_params import SamplingParams


class SevenB:
    """One engine, with the methods of `benchmarks.llama_cpp_process.LlamaCpp` that are about speed."""

    def __init__(self, model: str, threads: int) -> None:
        self._engine, self._ready = load_engine(EngineConfig(model=model, threads=threads))
        self._names = map(str, itertools.count())

    def describe(self) -> str:
        """Backend, instruction set and threads."""
        return self._ready.device

    def weight_bytes(self) -> int:
        """Bytes of weights that a step of one token reads."""
        return self._ready.weight_bytes

    def prefill(self, tokens: list[int]) -> float:
        """Tokens a second, from the request to its first new token. The prompt must be one that was not seen before."""
        start = time.perf_counter()
        self._add(tokens, 1)
        while self._engine.has_work:
            self._step()
        return len(tokens) / (time.perf_counter() - start)

    def decode(self, prompts: list[list[int]], steps: int) -> float:
        """Tokens a second of all sequences together, over ``steps`` greedy steps after the prompts' first new token."""
        self._start(prompts, steps)
        tokens = 0
        start = time.perf_counter()
        while self._engine.has_work:
            tokens += self._step()
        return tokens / (time.perf_counter() - start)

    def python_share(self, prompt: list[int], steps: int) -> float:
        """The part of a decode step that is spent outside of the kernels, between 0 and 1."""
        kernels = _TimedKernels("timed kernels")
        with ExitStack() as stack:
            for module in (backend, kv, sampling):
                stack.enter_context(patch.object(module, "_kernels", kernels))
            self._start([prompt], steps)
            kernels.seconds = 0.0
            start = time.perf_counter()
            while self._engine.has_work:
                self._step()
            return 1 - kernels.seconds / (time.perf_counter() - start)

    # -- details ---------------------------------------------------------------------------------------

    def _start(self, prompts: list[list[int]], steps: int) -> None:
        """Step until every prompt has its first new token; ``steps`` more are to come."""
        for prompt in prompts:
            self._add(prompt, 1 + steps)
        started = 0
        while started < len(prompts):
            started += self._step()

    def _add(self, prompt: list[int], max_tokens: int) -> None:
        params = SamplingParams(temperature=0.0, max_tokens=max_tokens, ignore_eos=True)
        request = AddRequest(
            request_id=next(self._names),
            prompt_token_ids=prompt,
            params=params,
            stop_token_ids=[],
            arrival=time.monotonic(),
        )
        self._engine.add_request(request)

    def _step(self) -> int:
        """Tokens that one step generated."""
        tokens = 0
        for report in self._engine.step():
            if isinstance(report, RequestFailed):
                raise RuntimeError(report.message)
            tokens += sum(len(sequence.tokens) for sequence in report.sequences)
        return tokens


class _TimedKernels(ModuleType):
    """Stands in for the extension module and adds up the time spent within it."""

    seconds = 0.0

    def __getattr__(self, name: str) -> object:
        kernel = getattr(_kernels, name)
        if not callable(kernel):
            return kernel

        def timed(*arguments: object, **named: object) -> object:
            start = time.perf_counter()
            try:
                return kernel(*arguments, **named)
            finally:
                self.seconds += time.perf_counter() - start

        setattr(self, name, timed)
        return timed


if __name__ == "__main__":
    serve(SevenB(sys.argv[1], int(sys.argv[2])))
