"""What one step computes, on the device."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sevenb.backend.protocol import Batch


@dataclass(frozen=True)
class TorchStep:
    """A `Batch` as tensors on the device; what ops decide by is also known on the host, so that nothing waits.

    Of a captured graph the tensors are its static buffers. Rows beyond the batch are then padding: sequences of
    one token at position 0 of block 0, which no sequence may own.
    """

    token_ids: Tensor  # [T] int64
    positions: Tensor  # [T] int64
    sequences: Tensor  # [T] int64: the sequence each token belongs to
    query_starts: Tensor  # [S + 1] int32
    context_lengths: Tensor  # [S] int32
    block_tables: Tensor  # [S, widest] int32
    logit_rows: Tensor  # [R] int64
    rope_cos: Tensor  # [T, rotary_dim / 2] float32
    rope_sin: Tensor
    starts: tuple[int, ...]  # query_starts, on the host
    contexts: tuple[int, ...]  # context_lengths, on the host; of a graph what fills its block tables

    @property
    def tokens(self) -> int:
        """T, the number of tokens in the step."""
        return len(self.token_ids)

    @property
    def decodes(self) -> bool:
        """Whether every sequence has one token here: T == S."""
        return len(self.token_ids) == len(self.contexts)

    @property
    def longest_query(self) -> int:
        """The most tokens of one sequence."""
        return max(end - start for start, end in zip(self.starts, self.starts[1:], strict=False))

    @property
    def longest_context(self) -> int:
        """The most positions of one sequence."""
        return max(self.contexts)


def step_on(batch: Batch, device: torch.device) -> TorchStep:
    """Check a batch and move it to the device. Raises ValueError when its parts disagree."""
    _check(batch)
    sequences = np.repeat(np.arange(len(batch.context_lengths)), np.diff(batch.query_starts))

    def moved(values: np.ndarray, dtype: torch.dtype) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(device, dtype, non_blocking=True)

    return TorchStep(
        token_ids=moved(batch.token_ids, torch.int64),
        positions=moved(batch.positions, torch.int64),
        sequences=moved(sequences, torch.int64),
        query_starts=moved(batch.query_starts, torch.int32),
        context_lengths=moved(batch.context_lengths, torch.int32),
        block_tables=moved(batch.block_tables, torch.int32),
        logit_rows=moved(batch.logit_rows, torch.int64),
        rope_cos=moved(batch.rope_cos, torch.float32),
        rope_sin=moved(batch.rope_sin, torch.float32),
        starts=tuple(batch.query_starts.tolist()),
        contexts=tuple(batch.context_lengths.tolist()),
    )


def _check(batch: Batch) -> None:
    tokens, sequences = batch.tokens, len(batch.context_lengths)
    starts = batch.query_starts
    if len(batch.positions) != tokens or len(batch.rope_cos) != tokens or len(batch.rope_sin) != tokens:
        raise ValueError(f"{tokens} tokens, but positions or angles of another number")
    if len(starts) != sequences + 1 or starts[0] != 0 or starts[-1] != tokens or (np.diff(starts) < 1).any():
        raise ValueError("query_starts do not divide the tokens among the sequences")
    if len(batch.block_tables) != sequences:
        raise ValueError(f"{sequences} sequences, but {len(batch.block_tables)} block tables")
    if len(batch.logit_rows) and not (batch.logit_rows.min() >= 0 and batch.logit_rows.max() < tokens):
        raise ValueError("logit_rows name tokens outside of the step")
