"""`Engine`: takes requests, computes one batch at a time, and tells what came of it."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import asdict
from itertools import chain

import numpy as np

from sevenb.backend.protocol import Backend, KVCache, Sampled
from sevenb.engine.beams import Beams, token_output
from sevenb.engine.block_pool import BlockPool
from sevenb.engine.block_store import BlockStore
from sevenb.engine.engine_config import EngineConfig
from sevenb.engine.engine_counters import EngineCounters
from sevenb.engine.failures import request_failed
from sevenb.engine.grammars import NO_MASKS, Grammars
from sevenb.engine.guide import Guide
from sevenb.engine.kv_sizing import KVSizing
from sevenb.engine.memory_meter import MemoryMeter
from sevenb.engine.messages import (
    AddRequest,
    EngineStats,
    MemoryUse,
    RequestFailed,
    RequestOutput,
    SequenceOutput,
    TokenOutput,
)
from sevenb.engine.model_runner import Decoder, ModelRunner, RotaryAngles
from sevenb.engine.pipeline import pipeline_of
from sevenb.engine.pooling import Pool
from sevenb.engine.prefix_cache import PrefixCache
from sevenb.engine.request import Request
from sevenb.engine.request_limits import RequestLimits
from sevenb.engine.sampler import ChunkResult, Sampler
from sevenb.engine.scheduler import Scheduler
from sevenb.engine.sequence import Sequence, SequenceStatus
from sevenb.engine.speculation.speculator import Speculator
from sevenb.engine.step_plan import Chunk, StepPlan
from sevenb.errors import DeviceLost, InvalidRequest, SevenbError

logger = logging.getLogger(__name__)

COMPILE_PATIENCE = 0.005  # seconds that a step with nothing else to do waits for a grammar

Report = RequestOutput | RequestFailed


class Engine:
    """One model, one KV pool, many requests. Single-threaded: the caller steps it while it `has_work`."""

    def __init__(
        self,
        config: EngineConfig,
        sizing: KVSizing,
        *,
        decoder: Decoder,
        backend: Backend,
        cache: KVCache,
        rope: RotaryAngles,
        vocab_size: int,
        block_store: BlockStore | None = None,
        cache_identity: str = "",
        speculator: Speculator | None = None,
        grammars: Grammars | None = None,
        adapters: Mapping[str, str] | None = None,
        memory: MemoryMeter | None = None,
        on_close: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """``cache`` holds ``sizing.blocks`` blocks; a sequence of ``sizing.max_model_len`` tokens must fit in it.

        ``block_store`` takes over what the pool evicts; ``cache_identity`` names there what keys and values depend on
        besides tokens, rotary profile and adapter. ``adapters`` are those that the decoder has, by name, with what
        names the contents of each. Without ``grammars`` requests that have one are refused. `close` calls
        ``on_close`` last.
        """
        self.max_model_len = sizing.max_model_len
        self._adapters = adapters or {}
        self._limits = RequestLimits(sizing.max_model_len, vocab_size, self._adapters, grammars is not None)
        self._pool = BlockPool(sizing.blocks, sizing.block_size)
        self._scheduler = Scheduler(
            self._pool,
            PrefixCache(self._pool, block_store, cache_identity) if config.enable_prefix_caching else None,
            max_num_seqs=config.max_num_seqs,
            max_num_batched_tokens=config.batched_tokens,
            speculator=speculator,
            clock=clock,
        )
        self._speculator = speculator
        self._grammars = grammars
        self._compiling: dict[Request, Future[Guide]] = {}
        self._block_store = block_store
        self._memory = memory
        self._on_close = on_close
        self._clock = clock
        self._rope = rope
        self._runner = ModelRunner(decoder, backend, cache, rope)
        self._sampler = Sampler(backend, vocab_size)
        self._pipeline = pipeline_of(config, backend, self._runner, self._sampler, self._scheduler)
        self._ended = 0.0  # when the last step's results came, or work after a rest
        self._entropy = np.random.Generator(np.random.PCG64(config.seed))
        self._requests: dict[str, Request] = {}
        self._news: dict[Request, list[SequenceOutput]] = {}  # since the last step's reports
        self._failures: list[RequestFailed] = []
        self._arrivals = 0
        self._counters = EngineCounters()

    # -- requests --------------------------------------------------------------------------------------

    def add_request(self, message: AddRequest) -> None:
        """Queue a request. Raises `InvalidRequest` or `ContextOverflow` if it can never be served."""
        if message.request_id in self._requests:
            raise InvalidRequest(f"Request id {message.request_id} is already in use.", "request_id")
        self._limits.check(message)
        if not self._requests:
            self._ended = self._clock()
        entropy = int(self._entropy.integers(2**63))
        profile = self._rope.choose(len(message.prompt_token_ids), message.params.max_tokens)
        request = Request.of(
            message,
            order=self._arrivals,
            max_model_len=min(self.max_model_len, self._rope.contexts[profile]),
            entropy=entropy,
            rope_profile=profile,
            adapter_identity=self._adapters.get(message.adapter, ""),
        )
        self._arrivals += 1
        self._requests[request.request_id] = request
        if request.params.grammar is not None and self._grammars is not None:
            self._compiling[request] = self._grammars.guide(request.params.grammar, request.params.grammar_prefix)
        self._scheduler.add(Sequence.first_of(request))

    def abort(self, request_id: str, index: int | None = None) -> None:
        """End a request, or one of its sequences, before the next step; one that is unknown or done is no error.

        Answers of a beam search are found together and do not end one by one.
        """
        request = self._requests.get(request_id)
        if request is None:
            return
        if request.beams is not None:
            if index is None:
                self._abort_search(request)
            return
        for unforked in tuple(request.unforked):
            if index in (None, unforked):
                request.unforked.remove(unforked)
                self._tell(request, SequenceOutput(index=unforked, tokens=[], finish_reason="abort"))
        for sequence in tuple(request.sequences):
            if index in (None, sequence.index):
                self._tell(request, SequenceOutput(index=sequence.index, tokens=[], finish_reason="abort"))
                if request.unforked:  # it computes the prompt for others, too
                    sequence.reindex(request.unforked.pop(0))
                else:
                    self._end(sequence)

    def _abort_search(self, request: Request) -> None:
        for index in range(request.params.n):
            self._tell(request, SequenceOutput(index=index, tokens=[], finish_reason="abort"))
        for sequence in tuple(request.sequences):
            self._end(sequence)

    @property
    def has_work(self) -> bool:
        """Whether a step would compute or report anything."""
        return bool(self._requests or self._news or self._failures)

    def stats(self) -> EngineStats:
        """Gauges of this moment and counters since the start."""
        return EngineStats(
            running=len(self._scheduler.running),
            waiting=len(self._scheduler.waiting),
            kv_blocks_used=self._pool.used,
            kv_blocks_total=self._pool.blocks,
            preemptions=self._scheduler.preemptions,
            kv_blocks_spilled=self._block_store.spilled if self._block_store else 0,
            kv_blocks_restored=self._block_store.restored if self._block_store else 0,
            memory=self._memory_use(),
            **asdict(self._counters),
        )

    def _memory_use(self) -> MemoryUse:
        if self._memory is None:
            return MemoryUse()
        return self._memory.use(self._pool, self._block_store.memory.bytes if self._block_store else 0)

    def close(self) -> None:
        """Save the prefix cache where it outlives the process; takes no more than a few seconds."""
        self._scheduler.close()
        if self._grammars is not None:
            self._grammars.close()
        self._on_close()

    # -- the step --------------------------------------------------------------------------------------

    def step(self) -> list[Report]:
        """Schedule, run, sample, publish: one batch, and at most one report for each request.

        Where a `Pipeline` launches steps ahead, this one may have been launched by the last. Raises `DeviceLost` where
        there will never be another.
        """
        self._collect_guides()
        plan = None if self._pipeline is None else self._pipeline.plan
        started = self._ended  # what was launched ahead begins when the step before is done
        if plan is None:
            plan = self._schedule()
            self._note_start(plan)
            started = self._clock()
        results = self._compute(plan)
        self._note_duration(plan, started)
        for result in results:
            try:
                self._take(result)
            except Exception as error:
                if not isinstance(error, SevenbError):  # those are: a grammar does not go on with what it allowed
                    logger.exception("A computed chunk could not be taken")
                self._fail(result.chunk.sequence.request, error)
        return self._publish()

    def _schedule(self) -> StepPlan:
        """Plan a step. If that fails, the requests that it may have left half planned are dropped."""
        try:
            return self._scheduler.schedule()
        except DeviceLost:
            raise
        except Exception as error:
            logger.exception("A step could not be planned")
            for request in self._scheduler.in_planning():
                self._fail(request, error)
            return StepPlan()

    def _collect_guides(self) -> None:
        """Let requests begin whose grammars are compiled."""
        if self._compiling and len(self._compiling) == len(self._requests) and not (self._news or self._failures):
            wait(self._compiling.values(), COMPILE_PATIENCE, FIRST_COMPLETED)
        for request, guide in [(request, guide) for request, guide in self._compiling.items() if guide.done()]:
            del self._compiling[request]
            if (error := guide.exception()) is not None:
                if not isinstance(error, SevenbError):
                    logger.error("A grammar could not be compiled", exc_info=error)
                self._fail(request, error)
                continue
            request.ready = True
            request.sequences[0].guide = guide.result()

    def _compute(self, plan: StepPlan) -> list[ChunkResult]:
        """The results of a plan; if the next step can be launched before they come, it is."""
        if self._pipeline is None or not self._pipeline.launch(plan):
            return self._run_and_sample(plan)
        self._counters.steps += 1
        try:
            return self._pipeline.land()
        except DeviceLost:
            raise
        except Exception as error:
            return self._run_apart(plan, error)

    def _run_and_sample(self, plan: StepPlan) -> list[ChunkResult]:
        """Compute a plan. If that fails, its chunks are tried one by one and only the faulty requests are dropped."""
        if not plan.chunks:
            return []
        try:
            self._counters.steps += 1
            masks = None if self._grammars is None else self._grammars.masks(plan)
            try:
                logits = self._runner.run(plan)
            finally:
                if masks is not None:
                    wait([masks])
            return self._sampler.sample(logits, plan, NO_MASKS if masks is None else masks.result())
        except DeviceLost:  # no request will fare better
            raise
        except Exception as error:
            return self._run_apart(plan, error)

    def _run_apart(self, plan: StepPlan, error: Exception) -> list[ChunkResult]:
        """Compute the chunks of a plan that failed one by one."""
        expected = isinstance(error, SevenbError)  # then its sentence says it all
        logger.error("A step over %d chunks failed: %s", len(plan.chunks), error, exc_info=not expected)
        if len(plan.chunks) == 1 or plan.copies:
            for chunk in plan.chunks:
                self._fail(chunk.sequence.request, error)
            return []
        return [
            result
            for chunk in plan.chunks
            if chunk.sequence.status is SequenceStatus.RUNNING
            for result in self._run_and_sample(StepPlan([chunk]))
        ]

    def _take(self, result: ChunkResult) -> None:
        """Bring a computed chunk into its sequences."""
        chunk = result.chunk
        request = chunk.sequence.request
        if request.request_id not in self._requests:
            return  # dropped in this very step, because another of its chunks failed
        request.prompt_logprobs += map(token_output, result.prompt_logprobs)
        if chunk.samplers and request.first_token is None:
            request.first_token = time.monotonic()
        if request.beams is not None and chunk.samplers:
            self._take_candidates(chunk, result.tokens, request.beams)
            return
        news = [self._append(*gained) for gained in zip(chunk.samplers, result.tokens, strict=True)]
        if chunk.drafts:
            self._settle_drafts(chunk, accepted=min(len(result.tokens[0]), len(news[0].tokens)) - 1)
        self._scheduler.commit(chunk)
        if request.pool is not None:
            self._take_states(chunk, request.pool)
        for sequence, output in zip(chunk.samplers, news, strict=True):
            self._tell(request, output)
            if output.finish_reason is not None:
                self._end(sequence)
        if self._speculator is not None and not chunk.samplers and request.pool is None:
            self._speculator.read(request, 2 * (chunk.end - chunk.start))  # cached tokens are read on the way

    def _take_candidates(self, chunk: Chunk, candidates: list[list[Sampled]], beams: Beams) -> None:
        """Bring what may follow a beam into the search, and tell the answers if that was its end."""
        request = chunk.sequence.request
        self._scheduler.commit(chunk)
        for sequence, tokens in zip(chunk.samplers, candidates, strict=True):
            assert sequence.beam is not None
            sequence.beam.offer(tokens)
            self._counters.generated_tokens += 1
        for answer in beams.advance(request, self._scheduler):
            self._tell(request, answer)
        if request.finished:
            self._forget(request)

    def _append(self, sequence: Sequence, gained: list[Sampled]) -> SequenceOutput:
        """Lengthen a sequence, at most to the token that ends it."""
        request = sequence.request
        tokens: list[TokenOutput] = []
        finish_reason = None
        for sampled in chain(gained, self._closing(sequence)):
            sequence.append(sampled.token_id)
            tokens.append(token_output(sampled))
            complete = sequence.guide is not None and sequence.guide.ended
            if complete or sampled.token_id in request.stop_token_ids:
                finish_reason = "stop"
                break
            if sequence.output_length >= request.max_output:
                finish_reason = "length"
                break
        self._counters.forced(request, max(0, len(tokens) - len(gained)))
        self._counters.generated(request, len(tokens))
        return SequenceOutput(
            index=sequence.index,
            tokens=tokens,
            finish_reason=finish_reason,
            stop_token_id=tokens[-1].token_id if tokens[-1].token_id in request.stop_token_ids else None,
        )

    def _closing(self, sequence: Sequence) -> Iterator[Sampled]:
        """What is certain to come up to the end of a sequence. To be asked once it has all else."""
        if self._grammars is None or sequence.guide is None or sequence.request.wants_logprobs:
            return
        yield from map(Sampled, self._grammars.closing(sequence))

    def _take_states(self, chunk: Chunk, pool: Pool) -> None:
        """Bring the hidden states of a chunk into the vector that its prompt becomes."""
        if chunk.states is not None:
            pool.take(chunk.states)
        if pool.vector is not None:
            self._tell(chunk.sequence.request, SequenceOutput(index=0, tokens=[], finish_reason="stop"))
            self._end(chunk.sequence)

    def _settle_drafts(self, chunk: Chunk, accepted: int) -> None:
        """Drop the drafts of a chunk that were wrong or too many, and count."""
        request, drafted = chunk.sequence.request, len(chunk.drafts)
        chunk.keep_drafts(accepted)
        if chunk.forced:
            self._counters.forced(request, accepted)
            return
        self._counters.drafted(request, drafted=drafted, accepted=accepted)
        if self._speculator is not None:
            self._speculator.verified(chunk.sequence, drafted=drafted, accepted=accepted)

    def _publish(self) -> list[Report]:
        reports: list[Report] = list(self._failures)
        self._failures.clear()
        for request, sequences in self._news.items():
            prompt_logprobs = None
            if request.wants_prompt_logprobs and request.first_token is not None:
                request.wants_prompt_logprobs = False
                prompt_logprobs = request.prompt_logprobs
            reports.append(
                RequestOutput(
                    request_id=request.request_id,
                    sequences=sequences,
                    finished=request.finished,
                    cached_tokens=request.cached_tokens,
                    prompt_logprobs=prompt_logprobs,
                    timings=request.timings() if request.finished else None,
                    embedding=_embedding(request) if request.finished else None,
                )
            )
        self._news.clear()
        return reports

    # -- details ---------------------------------------------------------------------------------------

    def _note_start(self, plan: StepPlan) -> None:
        for chunk in plan.chunks:
            request = chunk.sequence.request
            if request.first_scheduled is None:
                request.first_scheduled = time.monotonic()
                self._counters.begun(request, cached=chunk.start)

    def _note_duration(self, plan: StepPlan, started: float) -> None:
        before, self._ended = self._ended, self._clock()
        self._scheduler.note_duration(plan, self._ended - started)
        forced = any(chunk.forced for chunk in plan.chunks)
        if self._speculator is not None and 0 < plan.decoding == len(plan.chunks) and not forced:
            drafts = sum(len(chunk.drafts) for chunk in plan.chunks)
            # No step with drafts is launched ahead. Where others are, what it waits for is a part of its price.
            seconds = self._ended - (started if self._pipeline is None else before)
            self._speculator.timed(sequences=plan.decoding, drafts=drafts, seconds=seconds)

    def _tell(self, request: Request, output: SequenceOutput) -> None:
        self._news.setdefault(request, []).append(output)

    def _end(self, sequence: Sequence) -> None:
        request = sequence.request
        self._scheduler.remove(sequence)
        request.sequences.remove(sequence)
        if request.finished:
            self._forget(request)

    def _fail(self, request: Request, error: BaseException) -> None:
        if request.request_id not in self._requests:
            return
        for sequence in request.sequences:
            self._scheduler.remove(sequence)
        self._forget(request)
        self._news.pop(request, None)
        self._failures.append(request_failed(request.request_id, error))

    def _forget(self, request: Request) -> None:
        del self._requests[request.request_id]
        if (compiling := self._compiling.pop(request, None)) is not None:
            compiling.cancel()
        if self._speculator is not None:
            self._speculator.forget(request)


def _embedding(request: Request) -> bytes | None:
    vector = None if request.pool is None else request.pool.vector
    return None if vector is None else vector.tobytes()
