"""A test double of the engine process: every request is answered with its own prompt, token by token.

It speaks the real messages over the real socket, in a real process. Token ids are bytes; 256 is the end token. A vector
counts the tokens of its prompt by their remainder of `VECTOR_SIZE`.
"""

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np

from sevenb.engine.messages import (
    AddRequest,
    EngineReady,
    EngineStats,
    LoadPlan,
    LoadProgress,
    RequestFailed,
    RequestOutput,
    SequenceOutput,
    Timings,
    TokenOutput,
)
from sevenb.engine.process import ReportLoading, run
from sevenb.errors import ContextOverflow, OutOfMemory, UnsupportedModel

END_TOKEN = 256
VECTOR_SIZE = 8


class FakeConfig(msgspec.Struct, kw_only=True):
    step_seconds: float = 0.0
    load_seconds: float = 0.0
    load_gate: str | None = None  # a file: it goes on loading once that is there
    gate: str | None = None  # a file: no answer goes beyond `gate_after` tokens before that is there
    gate_after: int = 0
    max_model_len: int = 4096
    refusal: str | None = None  # the engine cannot start, and says this
    out_of_memory: bool = False
    dies_while_loading: bool = False
    saves_to: str | None = None  # a file that it writes, slowly, before it ends
    weight_bytes: int = 2**20
    kv_bytes: int = 2**20


@dataclass
class _Running:
    request: AddRequest
    arrived: float
    open: set[int] = field(default_factory=set)
    made: int = 0

    def token(self, index: int) -> int:
        prompt = self.request.prompt_token_ids
        if self.made == len(prompt) and not self.request.params.ignore_eos:
            return END_TOKEN
        return prompt[(self.made + index) % len(prompt)]


class FakeEngine:
    def __init__(self, config: FakeConfig) -> None:
        self._config = config
        self._running: dict[str, _Running] = {}
        self._steps = 0
        self._generated = 0

    @property
    def has_work(self) -> bool:
        return bool(self._running)

    def add_request(self, request: AddRequest) -> None:
        if len(request.prompt_token_ids) >= self._config.max_model_len + (request.pooling is not None):
            raise ContextOverflow(len(request.prompt_token_ids), self._config.max_model_len)
        self._running[request.request_id] = _Running(request, request.arrival, set(range(request.params.n)))

    def abort(self, request_id: str, index: int | None = None) -> None:
        if (running := self._running.get(request_id)) is None:
            return
        running.open -= {index} if index is not None else running.open
        if not running.open and index is None:
            del self._running[request_id]

    def step(self) -> list[RequestOutput | RequestFailed]:
        time.sleep(self._config.step_seconds)
        if any(running.made == self._config.gate_after for running in self._running.values()):
            _wait_for(self._config.gate)
        self._steps += 1
        return [self._advance(running) for running in list(self._running.values())]

    def _advance(self, running: _Running) -> RequestOutput:
        request, outputs = running.request, []
        if request.pooling is not None:
            return self._pool(running)
        for index in sorted(running.open):
            token_id = running.token(index)
            ended = token_id in request.stop_token_ids and running.made >= request.params.min_tokens
            full = running.made + 1 == (request.params.max_tokens or 10**9)
            reason = "stop" if ended else "length" if full else None
            wanted = request.params.logprobs
            outputs.append(
                SequenceOutput(
                    index=index,
                    tokens=[
                        TokenOutput(
                            token_id=token_id,
                            logprob=None if wanted is None else -0.5,
                            top_logprobs=[(token_id, -0.5), (ord("?"), -1.5)][:wanted] if wanted else [],
                        )
                    ],
                    finish_reason=reason,
                    stop_token_id=token_id if ended else None,
                )
            )
            if reason:
                running.open.discard(index)
        running.made += 1
        self._generated += len(outputs)
        finished = not running.open
        if finished:
            del self._running[request.request_id]
        prompt_logprobs = None
        if running.made == 1 and request.params.prompt_logprobs is not None:
            prompt_logprobs = [
                TokenOutput(token_id=token, logprob=-0.25, top_logprobs=[(token, -0.25)])
                for token in request.prompt_token_ids[1:]
            ]
        return RequestOutput(
            request_id=request.request_id,
            sequences=outputs,
            finished=finished,
            cached_tokens=1,
            prompt_logprobs=prompt_logprobs,
            timings=self._timings(running) if finished else None,
        )

    def _pool(self, running: _Running) -> RequestOutput:
        request = running.request
        del self._running[request.request_id]
        remainders = np.array(request.prompt_token_ids) % VECTOR_SIZE
        return RequestOutput(
            request_id=request.request_id,
            sequences=[SequenceOutput(index=0, tokens=[], finish_reason="stop")],
            finished=True,
            timings=self._timings(running),
            embedding=np.bincount(remainders, minlength=VECTOR_SIZE).astype(np.float32).tobytes(),
        )

    def _timings(self, running: _Running) -> Timings:
        return Timings(
            queue=0.0,
            prefill=0.0,
            decode=max(0.0, time.monotonic() - running.arrived),
            prompt_tokens=len(running.request.prompt_token_ids),
            cached_tokens=1,
            completion_tokens=running.made * running.request.params.n,
        )

    def close(self) -> None:
        if self._config.saves_to is not None:
            time.sleep(0.3)
            Path(self._config.saves_to).touch()

    def stats(self) -> EngineStats:
        return EngineStats(
            running=len(self._running),
            waiting=0,
            kv_blocks_used=len(self._running),
            kv_blocks_total=100,
            prompt_tokens=0,
            cached_tokens=0,
            generated_tokens=self._generated,
            preemptions=0,
            steps=self._steps,
        )


def _wait_for(gate: str | None) -> None:
    """Wait until the file is there, but not for ever: the test may have ended."""
    for _ in range(60_000):
        if gate is None or Path(gate).exists():
            return
        time.sleep(0.002)


def load(config: bytes, report: ReportLoading) -> tuple[FakeEngine, EngineReady]:
    settings = msgspec.json.decode(config, type=FakeConfig)
    report(
        LoadPlan(
            max_model_len=settings.max_model_len,
            kv_tokens=100 * 32,
            kv_bytes=settings.kv_bytes,
            kv_dtype="f16",
            weight_bytes=settings.weight_bytes,
            free_bytes=2**30,
        )
    )
    report(LoadProgress(done=1, total=2))
    time.sleep(settings.load_seconds)
    _wait_for(settings.load_gate)
    if settings.refusal:
        raise UnsupportedModel(settings.refusal)
    if settings.out_of_memory:
        raise OutOfMemory("There is no room for it.")
    if settings.dies_while_loading:
        sys.exit(3)
    ready = EngineReady(
        model_name="echo",
        max_model_len=settings.max_model_len,
        kv_tokens=100 * 32,
        kv_bytes=settings.kv_bytes,
        weight_bytes=settings.weight_bytes,
        device="a fake engine",
        load_seconds=settings.load_seconds,
    )
    return FakeEngine(settings), ready


if __name__ == "__main__":
    sys.exit(run(load))
