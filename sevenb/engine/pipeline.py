"""`Pipeline`: launches the next step while a card computes this one, so that it need not wait for what the host does.

The next step's tokens are those that this one chooses; on the card they are at hand before the host knows them. So
everything about the next step is known in time but whose answer ends: what is computed for those is thrown away. That
is how vLLM's asynchronous scheduling and SGLang's overlap scheduler go about it, too. Here the scheduler's state never
runs ahead of what is known: `Scheduler.follow` plans the next step on top of one that is in flight, where that is
certain to be what `Scheduler.schedule` would plan afterwards. In all other cases nothing is launched ahead.
"""

import logging
from dataclasses import dataclass

from sevenb.backend.protocol import Backend, Choice, OverlappingBackend
from sevenb.engine.engine_config import EngineConfig
from sevenb.engine.model_runner import ModelRunner
from sevenb.engine.sampler import ChunkResult, Sampler
from sevenb.engine.scheduler import Scheduler
from sevenb.engine.sequence import Sequence, SequenceStatus
from sevenb.engine.step_plan import Chunk, StepPlan
from sevenb.errors import DeviceLost, SevenbError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Flight:
    """A step that was launched, and the tokens it chooses."""

    plan: StepPlan
    choice: Choice


class Pipeline:
    """At most two steps in flight: the one whose results are awaited, and the one after it."""

    def __init__(
        self, backend: OverlappingBackend, runner: ModelRunner, sampler: Sampler, scheduler: Scheduler
    ) -> None:
        self._backend = backend
        self._runner = runner
        self._sampler = sampler
        self._scheduler = scheduler
        self._flight: _Flight | None = None
        self._refused: set[Sequence] = set()  # of the last step that could not be launched ahead

    @property
    def plan(self) -> StepPlan | None:
        """The step in flight. One that nobody waits for any more is none."""
        if self._flight is not None and not any(map(_is_alive, self._flight.plan.chunks)):
            self._flight = None
        return None if self._flight is None else self._flight.plan

    def launch(self, plan: StepPlan) -> bool:
        """See that a step is in flight; False where it cannot do without the host between its parts.

        That is so if it fails, too: then its chunks have to be tried one by one. Raises `DeviceLost`.
        """
        if self._flight is not None and self._flight.plan is plan:
            return True
        if not plan.chunks or not all(map(_is_plain, plan.chunks)):
            return False
        try:
            self._flight = self._launched(plan)
        except DeviceLost:
            raise
        except Exception:
            return False  # computing it alone meets the same and says whose fault it is
        return True

    def land(self) -> list[ChunkResult]:
        """The results of the step in flight, once the next one is launched. Raises what `Backend.sample` does."""
        flight = self._flight
        assert flight is not None
        self._flight = self._launched_after(flight)
        try:
            sampled = iter(flight.choice.sampled())
        except Exception:
            self._flight = None  # it goes on with tokens that there are not
            raise
        results = [ChunkResult(chunk, [[next(sampled)] for _ in chunk.samplers], []) for chunk in flight.plan.chunks]
        return [result for result in results if _is_alive(result.chunk)]

    def _launched_after(self, flight: _Flight) -> _Flight | None:
        """The step after one in flight, launched; None where it must be planned later. Whatever fails fails later."""
        try:
            plan = self._scheduler.follow(flight.plan)
            if plan is None or self._refused == {chunk.sequence for chunk in plan.chunks}:
                return None
            plan.earlier = flight.choice
            return self._launched(plan)
        except Exception as error:
            self._refused = {chunk.sequence for chunk in flight.plan.chunks}  # it would fail, and say so, in each step
            expected = isinstance(error, SevenbError)  # then its sentence says it all
            logger.error("A step could not be launched ahead: %s", error, exc_info=not expected)
            return None

    def _launched(self, plan: StepPlan) -> _Flight:
        logits = self._runner.run(plan)
        choice = self._backend.choose(logits, self._sampler.controls(plan))
        plan.earlier = None  # or each step would keep all before it
        return _Flight(plan, choice)


def pipeline_of(
    config: EngineConfig, backend: Backend, runner: ModelRunner, sampler: Sampler, scheduler: Scheduler
) -> Pipeline | None:
    """What launches steps ahead; None where the device gains nothing by it, or nobody wants it."""
    if config.async_scheduling and isinstance(backend, OverlappingBackend) and backend.overlaps:
        return Pipeline(backend, runner, sampler, scheduler)
    return None


def _is_alive(chunk: Chunk) -> bool:
    return chunk.sequence.status is SequenceStatus.RUNNING


def _is_plain(chunk: Chunk) -> bool:
    """Whether the device needs nothing of the host to choose a chunk's token, if it has one, and the next one.

    Penalties count the tokens before, grammars read them, and whoever wants log-probabilities looks at logits again.
    """
    sequence, request = chunk.sequence, chunk.sequence.request
    if chunk.logprob_positions or request.pool is not None:
        return False
    return not chunk.samplers or (
        chunk.samplers == [sequence]
        and not chunk.drafts
        and sequence.guide is None
        and request.beams is None
        and not request.counts_output
        and not request.wants_logprobs
    )
