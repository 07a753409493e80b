"""`ModelRunner`: turns the chunks of a step into a `Batch`, and the batch into logits."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Protocol

import numpy as np

from sevenb.backend.protocol import AdapterRun, Backend, Batch, FloatArray, IntArray, KVCache, Tensor
from sevenb.engine.step_plan import Chunk, StepPlan


class Decoder(Protocol):
    """The model, as far as the engine knows it."""

    def forward(self, batch: Batch, cache: KVCache) -> Tensor:
        """Compute a batch and return the logits of its ``logit_rows``: [R, V]."""
        ...

    def forward_with_states(self, batch: Batch, cache: KVCache, rows: Sequence[int]) -> tuple[Tensor, FloatArray]:
        """The same, and the final hidden states of the tokens ``rows``: [len(rows), hidden size]."""
        ...


class RotaryAngles(Protocol):
    """Positions → cosines and sines, both float32 [T, rotary_dim / 2], in each of the ways that requests may have."""

    contexts: Mapping[str, int]  # tokens that each profile reaches, shortest first

    def choose(self, prompt_tokens: int, max_tokens: int | None) -> str:
        """The profile of a request: that of the shortest context that is long enough."""
        ...

    def angles(self, positions: IntArray, profile: str) -> tuple[FloatArray, FloatArray]:
        """The rotation of each position."""
        ...


class ModelRunner:
    """One decoder on one backend, and the KV cache that both write."""

    def __init__(self, decoder: Decoder, backend: Backend, cache: KVCache, rope: RotaryAngles) -> None:
        self._decoder = decoder
        self._backend = backend
        self._cache = cache
        self._rope = rope

    def run(self, plan: StepPlan) -> Tensor:
        """Logits [R, V].

        For each chunk the rows of its ``logprob_positions``, then those before each of its drafts that are not
        foregone, then the last one for each of its samplers. Chunks that want hidden states get them.
        """
        if plan.copies:
            self._backend.copy_blocks(self._cache, plan.copies)
            plan.copies.clear()  # done: a plan that is run again in parts must not copy again
        batch = self.batch(plan)
        rows: list[int] = []
        for chunk, first in zip(plan.chunks, batch.query_starts.tolist(), strict=False):
            rows += [first + position - chunk.start for position in chunk.pooled_positions]
        if not rows:
            return self._decoder.forward(batch, self._cache)
        logits, states = self._decoder.forward_with_states(batch, self._cache, rows)
        taken = 0
        for chunk in plan.chunks:
            if pooled := len(chunk.pooled_positions):
                chunk.states = states[taken : taken + pooled]
                taken += pooled
        return logits

    def batch(self, plan: StepPlan) -> Batch:
        """The arrays of one step."""
        token_ids: list[int] = []
        positions: list[int] = []
        query_starts = [0]
        rows: list[int] = []
        for chunk in plan.chunks:
            first = len(token_ids)
            token_ids += chunk.token_ids
            positions += range(chunk.start, chunk.end)
            rows += [first + position - chunk.start for position in chunk.logprob_positions]
            query_starts.append(len(token_ids))
            last = len(token_ids) - 1
            rows += range(last - len(chunk.drafts) + chunk.foregone, last)
            rows += [last] * len(chunk.samplers)

        tables = [chunk.sequence.block_table for chunk in plan.chunks]
        block_tables = np.zeros((len(tables), max(map(len, tables))), dtype=np.int32)
        for row, table in zip(block_tables, tables, strict=True):
            row[: len(table)] = table
        position_array = np.array(positions, dtype=np.int32)
        rope_cos, rope_sin = self._angles(plan.chunks, position_array)
        return Batch(
            token_ids=np.array(token_ids, dtype=np.int32),
            positions=position_array,
            query_starts=np.array(query_starts, dtype=np.int32),
            context_lengths=np.array([chunk.end for chunk in plan.chunks], dtype=np.int32),
            block_tables=block_tables,
            logit_rows=np.array(rows, dtype=np.int32),
            rope_cos=rope_cos,
            rope_sin=rope_sin,
            adapters=_adapter_runs(plan.chunks),
            earlier=plan.earlier,
        )

    def _angles(self, chunks: list[Chunk], positions: IntArray) -> tuple[FloatArray, FloatArray]:
        """Each chunk's positions, rotated as its request has it."""
        parts, start = [], 0
        for profile, group in groupby(chunks, key=lambda chunk: chunk.sequence.request.rope_profile):
            end = start + sum(len(chunk.token_ids) for chunk in group)
            parts.append(self._rope.angles(positions[start:end], profile))
            start = end
        if len(parts) == 1:  # nearly always: no copy
            return parts[0]
        return np.concatenate([cos for cos, _ in parts]), np.concatenate([sin for _, sin in parts])


def _adapter_runs(chunks: list[Chunk]) -> tuple[AdapterRun, ...]:
    """The tokens of a step whose requests have an adapter, neighbours with the same one together."""
    runs, start = [], 0
    for adapter, group in groupby(chunks, key=lambda chunk: chunk.sequence.request.adapter):
        end = start + sum(len(chunk.token_ids) for chunk in group)
        if adapter:
            runs.append(AdapterRun(start, end, adapter))
        start = end
    return tuple(runs)
