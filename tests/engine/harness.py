"""Drives a real `Engine` over the fake model, checks the pool after every step and gathers what was reported."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sevenb.engine.block_store import BlockStore, MemoryTier
from sevenb.engine.disk_tier import DiskTier
from sevenb.engine.engine import Engine, Report
from sevenb.engine.engine_config import EngineConfig
from sevenb.engine.grammars import Grammars
from sevenb.engine.kv_sizing import KVSizing
from sevenb.engine.messages import AddRequest, RequestFailed, RequestOutput, Timings, TokenOutput
from sevenb.engine.sampling_params import SamplingParams
from sevenb.engine.speculation.speculator import Speculator
from tests.engine.fake_grammar import fake_compiler
from tests.engine.fake_model import EMPTY, VOCAB_SIZE, FakeBackend, FakeCache, FakeDecoder, FakeRope


@dataclass
class Outcome:
    """All that was reported about one request."""

    tokens: dict[int, list[int]] = field(default_factory=dict)
    records: dict[int, list[TokenOutput]] = field(default_factory=dict)
    finish_reasons: dict[int, str] = field(default_factory=dict)
    stop_token_ids: dict[int, int | None] = field(default_factory=dict)
    prompt_logprobs: list[TokenOutput] | None = None
    cached_tokens: int = 0
    finished: bool = False
    failure: RequestFailed | None = None
    timings: Timings | None = None


class Harness:
    """An engine of ``blocks`` blocks of ``block_size`` positions; other arguments are `EngineConfig`'s.

    The pool spills to ``swap_space`` bytes of memory, 8 a token, and to a ``disk``.
    """

    def __init__(
        self,
        *,
        blocks: int = 64,
        block_size: int = 4,
        max_model_len: int | None = None,
        rope: FakeRope | None = None,
        swap_space: int = 0,
        disk: DiskTier | None = None,
        speculator: Speculator | None = None,
        **config: Any,
    ) -> None:
        self.decoder = FakeDecoder()
        self.backend = FakeBackend()
        self.cache = FakeCache(blocks, block_size)
        self.max_model_len = max_model_len or blocks * block_size
        self.engine = Engine(
            EngineConfig(model="fake", block_size=block_size, **config),
            KVSizing(blocks, block_size, block_bytes=1, max_model_len=self.max_model_len),
            decoder=self.decoder,
            backend=self.backend,  # type: ignore[arg-type]
            cache=self.cache,
            rope=rope or FakeRope(),
            vocab_size=VOCAB_SIZE,
            block_store=BlockStore(self.backend, self.cache, MemoryTier(swap_space), disk),  # type: ignore[arg-type]
            speculator=speculator,
            grammars=Grammars(VOCAB_SIZE, fake_compiler),
            clock=lambda: self.decoder.now,
        )
        self.outcomes: dict[str, Outcome] = {}

    def add(
        self,
        prompt: Sequence[int],
        params: SamplingParams,
        *,
        request_id: str | None = None,
        stop_token_ids: Sequence[int] = (),
        priority: int = 0,
        client: str = "",
    ) -> str:
        request_id = request_id or f"request-{len(self.outcomes)}"
        message = AddRequest(
            request_id=request_id,
            prompt_token_ids=list(prompt),
            params=params,
            stop_token_ids=list(stop_token_ids),
            arrival=0.0,
            priority=priority,
            client=client,
        )
        self.engine.add_request(message)
        self.outcomes[request_id] = Outcome()
        return request_id

    def step(self) -> list[Report]:
        reports = self.engine.step()
        for request_id, count in Counter(report.request_id for report in reports).items():
            assert count == 1, f"{count} reports about {request_id} in one step"
        for report in reports:
            self._take(report)
        self.check_pool()
        return reports

    def run(self, *, most_steps: int = 100_000) -> None:
        for _ in range(most_steps):
            if not self.engine.has_work:
                return
            self.step()
        raise AssertionError("the engine does not come to an end")

    def generate(self, prompt: Sequence[int], params: SamplingParams, **more: Any) -> list[int]:
        """The tokens of one request that runs until everything is done."""
        request_id = self.add(prompt, params, **more)
        self.run()
        return self.outcomes[request_id].tokens[0]

    @property
    def blocks_used(self) -> int:
        return self.engine.stats().kv_blocks_used

    def check_pool(self) -> None:
        """Every block is in use by exactly those sequences that list it, or free.

        Blank ones lose their contents, unless they were evicted and wait to be spilled.
        """
        pool, scheduler = self.engine._pool, self.engine._scheduler
        listed = Counter(block for sequence in scheduler.running for block in sequence.block_table)
        for sequence in scheduler.waiting:
            assert not sequence.block_table
        for block in range(pool.blocks):
            assert pool.references(block) == listed[block]
        free = [*pool._blank, *pool._reusable]
        assert sorted([*free, *listed]) == list(range(pool.blocks))
        assert set(pool._reusable) <= pool._kept
        assert not set(pool._blank) & pool._kept
        cache = scheduler._prefix_cache
        self.cache.tokens[[block for block in pool._blank if cache is None or block not in cache._leaving]] = EMPTY

    def _take(self, report: Report) -> None:
        outcome = self.outcomes[report.request_id]
        assert not outcome.finished, "news of a request that was over"
        assert outcome.failure is None, "news of a request that had failed"
        if isinstance(report, RequestFailed):
            outcome.failure = report
            return
        assert isinstance(report, RequestOutput)
        outcome.finished = report.finished
        outcome.cached_tokens = report.cached_tokens
        outcome.timings = report.timings
        if report.prompt_logprobs is not None:
            assert outcome.prompt_logprobs is None
            assert not any(outcome.tokens.values())
            outcome.prompt_logprobs = report.prompt_logprobs
        for sequence in report.sequences:
            assert sequence.index not in outcome.finish_reasons, "news of a sequence that was over"
            tokens = outcome.tokens.setdefault(sequence.index, [])
            tokens += [token.token_id for token in sequence.tokens]
            outcome.records.setdefault(sequence.index, []).extend(sequence.tokens)
            if sequence.finish_reason is not None:
                outcome.finish_reasons[sequence.index] = sequence.finish_reason
                outcome.stop_token_ids[sequence.index] = sequence.stop_token_id
