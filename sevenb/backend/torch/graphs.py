"""Recorded steps: what a decode step launches is recorded once for each shape, and replayed as a whole.

Launching the hundreds of kernels of a step one by one takes a host longer than a card needs to run them (CUDA graphs:
NVIDIA, "Getting Started with CUDA Graphs", 2019). A recording reads its inputs from buffers that never move and are
filled anew before each replay. Batches are padded to the next of a few sizes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
import torch
from torch import Tensor

from sevenb.backend.protocol import Batch
from sevenb.backend.torch.choice import fill_in
from sevenb.backend.torch.devices import upload
from sevenb.backend.torch.kv import TorchKVCache
from sevenb.backend.torch.step import StepShape, TorchStep, angles_of, integers_of, step_over

Compute: TypeAlias = Callable[[TorchStep, TorchKVCache], Tensor]
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)  # sequences
_CONTEXTS = (4096, 16384, 65536, 262144, 1048576)  # positions; programs beyond a sequence's own end at once


@dataclass(frozen=True)
class Recording:
    """What was launched once: ``replay`` launches it again, over the same tensors and into the same result."""

    replay: Callable[[], Tensor]
    bytes: int  # of device memory that it keeps


class Recorder(Protocol):
    """How a device records what is launched on it."""

    def record(self, compute: Callable[[], Tensor]) -> Recording:
        """Run ``compute``, which may run several times, and keep what it launches."""
        ...


class CudaRecorder:
    """CUDA graphs; all share one pool of memory, for only one is replayed at a time."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._pool = torch.cuda.graph_pool_handle()  # type: ignore[no-untyped-call]

    def record(self, compute: Callable[[], Tensor]) -> Recording:
        """Run once as it is, which compiles kernels and opens libraries; then record."""
        torch.cuda.empty_cache()  # as recording does: else what that gives back would be taken from what it keeps
        before = torch.cuda.memory_reserved(self._device)
        aside = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(aside):
            compute()
        torch.cuda.current_stream(self._device).wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool):
            output = compute()

        def replay() -> Tensor:
            graph.replay()
            return output

        return Recording(replay, torch.cuda.memory_reserved(self._device) - before)


def shapes(max_sequences: int, max_context: int) -> list[tuple[int, int]]:
    """The (sequences, context) that are recorded for an engine, largest first: later ones then fit into its memory."""
    return [(size, context) for context in _up_to(_CONTEXTS, max_context) for size in _up_to(_SIZES, max_sequences)]


def _up_to(steps: tuple[int, ...], most: int) -> list[int]:
    """The steps that numbers up to ``most`` are rounded up to, largest first."""
    return [step for step, before in reversed(list(zip(steps, (0, *steps), strict=False))) if before < most]


class StepGraphs:
    """Recordings of one model's decode steps over one cache, which it does not keep alive."""

    def __init__(self, compute: Compute, recorder: Recorder) -> None:
        self._compute = compute
        self._recorder = recorder
        self._recorded: dict[tuple[int, int], _RecordedStep] = {}

    @property
    def bytes(self) -> int:
        """Of device memory that all recordings keep."""
        return sum(step.recording.bytes for step in self._recorded.values())

    def run(self, batch: Batch, cache: TorchKVCache) -> Tensor | None:
        """Logits [R, V] of a batch; None where no recording could serve it."""
        sequences = len(batch.context_lengths)
        if batch.adapters or batch.tokens != sequences or not np.array_equal(batch.logit_rows, np.arange(sequences)):
            return None
        size = _rounded(sequences, _SIZES)
        context = _rounded(int(batch.context_lengths.max()), _CONTEXTS)
        if size is None or context is None:
            return None
        recorded = self._recorded.get((size, context))
        if recorded is None:
            shape = StepShape(size, size, -(-context // cache.layout.block_size), size, batch.rope_cos.shape[1])
            recorded = _RecordedStep(shape, context, cache, self._compute, self._recorder)
            self._recorded[size, context] = recorded
        return recorded.run(batch)


def _rounded(number: int, steps: tuple[int, ...]) -> int | None:
    return next((step for step in steps if step >= number), None)


class _RecordedStep:
    """The buffers of one shape, and what replays it."""

    def __init__(
        self, shape: StepShape, context: int, cache: TorchKVCache, compute: Compute, recorder: Recorder
    ) -> None:
        self._shape = shape
        self._padding_block = cache.padding_block
        empty = self._padded(None)
        device = cache.keys.device
        self._integers, self._angles = upload(integers_of(empty), device), upload(angles_of(empty), device)
        starts, contexts = tuple(range(shape.sequences + 1)), (context,) * shape.sequences
        step = step_over(self._integers, self._angles, shape, starts, contexts)
        self._token_ids = step.token_ids
        self.recording = recorder.record(lambda: compute(step, cache))

    def run(self, batch: Batch) -> Tensor:
        """Fill the buffers, replay; the logits of the batch's own rows, in a tensor of their own."""
        padded = self._padded(batch)
        self._integers.copy_(upload(integers_of(padded), self._integers.device))
        self._angles.copy_(upload(angles_of(padded), self._angles.device))
        fill_in(self._token_ids, batch)
        return self.recording.replay()[: len(batch.logit_rows)].clone()

    def _padded(self, batch: Batch | None) -> Batch:
        """A batch with further sequences of one token in the padding block, up to the shape."""
        size = self._shape.sequences
        tables = np.zeros((size, self._shape.widest), np.int32)
        tables[:, 0] = self._padding_block
        token_ids, positions = np.zeros(size, np.int32), np.zeros(size, np.int32)
        lengths = np.ones(size, np.int32)
        cos, sin = np.ones((size, self._shape.angles), np.float32), np.zeros((size, self._shape.angles), np.float32)
        if batch is not None:
            own = len(batch.context_lengths)
            used = batch.block_tables[:, : self._shape.widest]
            tables[:own, : used.shape[1]] = used
            token_ids[:own], positions[:own], lengths[:own] = batch.token_ids, batch.positions, batch.context_lengths
            cos[:own], sin[:own] = batch.rope_cos, batch.rope_sin
        return Batch(
            token_ids=token_ids,
            positions=positions,
            query_starts=np.arange(size + 1, dtype=np.int32),
            context_lengths=lengths,
            block_tables=tables,
            logit_rows=np.arange(size, dtype=np.int32),
            rope_cos=cos,
            rope_sin=sin,
        )
