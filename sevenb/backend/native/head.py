"""An output head in two halves, and its `PendingLogits`, computed once it is known which of them are wanted."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from sevenb.backend.native import _kernels
from sevenb.backend.native.sampling import has_penalty
from sevenb.backend.protocol import FloatArray, IntArray, SampleControl
from sevenb.backend.quant_types import QuantType, RawTensor

_SAMPLED_BLOCKS = 4096
_MOST_ROWS = 32  # as many have log-probabilities of their own to come, as a rule
_MOST_UNEVEN = 2.0  # real heads have 1.3: the largest weight of each block stands at the end of the range


def splits(tensor: RawTensor) -> bool:
    """Whether a head is packed in two halves: its type can be, and the lower half of its weights' bits is random.

    It is not where weights were rounded before: then what coarse logits lack has no normal distribution. Single rows
    of that kind are always computed exactly (``native/split_matrix.cpp``).
    """
    whole_blocks = len(tensor.data) > 0 and len(tensor.data) % tensor.quant_type.block_bytes == 0
    if not whole_blocks or tensor.column_order is not None or not _kernels.SplitMatrix.splits(tensor.quant_type):
        return False
    blocks = tensor.data.reshape(-1, tensor.quant_type.block_bytes)
    sampled = blocks[:: -(-len(blocks) // _SAMPLED_BLOCKS)]
    if tensor.quant_type is QuantType.Q8_0:
        codes, kinds = sampled[:, 2:] & 15, 16
    else:
        nibbles = sampled[:, :128]
        codes, kinds = np.concatenate([nibbles & 7, nibbles >> 4 & 7]), 8
    shares = np.bincount(codes.ravel(), minlength=kinds) * kinds / codes.size
    return bool(shares.min() > 1 / _MOST_UNEVEN and shares.max() < _MOST_UNEVEN)


@dataclass(frozen=True)
class PendingLogits:
    """R rows of logits, of which whoever chooses a token needs next to none.

    The upper half of the head's bits tells which tokens may be among the best, and the lower half is read for those
    alone (``native/head.h``). That spares a sixth of what decoding reads with a small model.
    """

    workspace: _kernels.Workspace
    hidden: FloatArray  # [T, H]
    rows: IntArray  # [R] of hidden
    norm: FloatArray
    norm_eps: float
    head: _kernels.SplitMatrix

    def to_choose(self, controls: Sequence[SampleControl]) -> FloatArray:
        """Logits [R, V] from which the same tokens are chosen as from the `exact` ones.

        So it is as long as the lower halves of weights are as good as random; nine of their standard deviations make
        it certain for all that such a head ever computes.
        """
        best = [_best(control) for control in controls]
        if "exact" in self.__dict__ or len(best) != len(self.rows) or len(best) > _MOST_ROWS or 0 in best:
            return self.exact
        return self._logits(best, [control.allowed for control in controls])

    @cached_property
    def exact(self) -> FloatArray:
        """All logits: [R, V]."""
        return self._logits([0] * len(self.rows), [None] * len(self.rows))

    def _logits(self, best: list[int], masks: Sequence[npt.NDArray[np.uint32] | None]) -> FloatArray:
        out = np.empty((len(self.rows), self.head.rows), np.float32)
        _kernels.head_logits(
            self.workspace,
            self.hidden,
            self.rows,
            self.norm,
            self.norm_eps,
            self.head,
            np.array(best, np.int32),
            masks,
            out,
        )
        return out


def exact(logits: FloatArray | PendingLogits) -> FloatArray:
    """All of the logits: [R, V]."""
    return logits.exact if isinstance(logits, PendingLogits) else logits


def _best(control: SampleControl) -> int:
    """From how many of the largest logits a token is chosen; 0: from all, or more is asked of them."""
    if control.logprobs is not None or control.logit_bias or has_penalty(control):
        return 0
    if control.temperature == 0:
        return 1
    return control.top_k if 0 < control.top_k <= _kernels.MOST_BEST else 0
