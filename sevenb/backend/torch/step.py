"""What one step computes, on the device: a `Batch` in two tensors, one of integers and one of angles."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sevenb.backend.protocol import Batch, FloatArray, IntArray
from sevenb.backend.torch.choice import fill_in
from sevenb.backend.torch.devices import upload


@dataclass(frozen=True)
class StepShape:
    """How many of everything a step has."""

    tokens: int
    sequences: int
    widest: int  # blocks of the longest block table
    rows: int  # whose logits are wanted
    angles: int  # rotary_dim / 2

    @staticmethod
    def of(batch: Batch) -> "StepShape":
        """The shape that a batch has. Raises ValueError when its parts disagree."""
        tokens, (sequences, widest) = batch.tokens, batch.block_tables.shape
        starts = batch.query_starts
        if len(batch.positions) != tokens or len(batch.rope_cos) != tokens or len(batch.rope_sin) != tokens:
            raise ValueError(f"{tokens} tokens, but positions or angles of another number")
        if len(starts) != sequences + 1 or starts[0] != 0 or starts[-1] != tokens or (np.diff(starts) < 1).any():
            raise ValueError("query_starts do not divide the tokens among the sequences")
        if len(batch.context_lengths) != sequences:
            raise ValueError(f"{sequences} block tables, but {len(batch.context_lengths)} context lengths")
        if len(batch.logit_rows) and not (batch.logit_rows.min() >= 0 and batch.logit_rows.max() < tokens):
            raise ValueError("logit_rows name tokens outside of the step")
        return StepShape(tokens, sequences, widest, len(batch.logit_rows), batch.rope_cos.shape[1])


@dataclass(frozen=True)
class TorchStep:
    """A `Batch` as tensors on the device; what ops decide by is also known on the host, so that nothing waits.

    All integers are int32. Of a recorded step the tensors are its static buffers, ``contexts`` the longest that its
    block tables hold, and rows beyond the batch are padding: sequences of one token in a block of their own.
    """

    token_ids: Tensor  # [T]
    positions: Tensor  # [T]
    sequences: Tensor  # [T]: the sequence each token belongs to
    query_starts: Tensor  # [S + 1]
    context_lengths: Tensor  # [S]
    block_tables: Tensor  # [S, widest]
    logit_rows: Tensor  # [R]
    rope_cos: Tensor  # [T, rotary_dim / 2] float32
    rope_sin: Tensor
    starts: tuple[int, ...]  # query_starts, on the host
    contexts: tuple[int, ...]  # context_lengths, on the host

    @property
    def tokens(self) -> int:
        """T, the number of tokens in the step."""
        return len(self.token_ids)

    @property
    def decodes(self) -> bool:
        """Whether every sequence has one token here: T == S."""
        return len(self.token_ids) == len(self.contexts)

    @property
    def longest_context(self) -> int:
        """The most positions of one sequence."""
        return max(self.contexts)


def step_on(batch: Batch, device: torch.device) -> TorchStep:
    """Check a batch and move it to the device. Raises ValueError when its parts disagree."""
    shape = StepShape.of(batch)
    integers, angles = upload(integers_of(batch), device), upload(angles_of(batch), device)
    starts, contexts = tuple(batch.query_starts.tolist()), tuple(batch.context_lengths.tolist())
    step = step_over(integers, angles, shape, starts, contexts)
    fill_in(step.token_ids, batch)
    return step


def step_over(
    integers: Tensor, angles: Tensor, shape: StepShape, starts: tuple[int, ...], contexts: tuple[int, ...]
) -> TorchStep:
    """A step as views of the tensors that hold what `integers_of` and `angles_of` a batch give."""
    tokens, sequences = shape.tokens, shape.sequences
    lengths = [tokens, tokens, tokens, sequences + 1, sequences, shape.rows, sequences * shape.widest]
    token_ids, positions, owners, query_starts, context_lengths, logit_rows, tables = torch.split(integers, lengths)
    return TorchStep(
        token_ids=token_ids,
        positions=positions,
        sequences=owners,
        query_starts=query_starts,
        context_lengths=context_lengths,
        block_tables=tables.view(sequences, shape.widest),
        logit_rows=logit_rows,
        rope_cos=angles[0],
        rope_sin=angles[1],
        starts=starts,
        contexts=contexts,
    )


def integers_of(batch: Batch) -> IntArray:
    """All integers of a batch, one after another."""
    owners = np.repeat(np.arange(len(batch.context_lengths), dtype=np.int32), np.diff(batch.query_starts))
    parts: list[npt.NDArray[np.int32]] = [
        batch.token_ids,
        batch.positions,
        owners,
        batch.query_starts,
        batch.context_lengths,
        batch.logit_rows,
        batch.block_tables.ravel(),
    ]
    return np.concatenate(parts, dtype=np.int32)


def angles_of(batch: Batch) -> FloatArray:
    """Cosines and sines: [2, T, rotary_dim / 2]."""
    return np.stack((batch.rope_cos, batch.rope_sin)).astype(np.float32, copy=False)
