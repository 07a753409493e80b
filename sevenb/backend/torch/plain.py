"""The ops that a step consists of, in plain torch: they run on every device, and state what each kernel computes.

`PlainOps` is the table of ops. Faster ones for a device subclass it and override what they have kernels for; each must
equal the method it replaces up to rounding. No op waits for the device, and what a step of one token a sequence does
follows from shapes alone, so that it can be captured as a graph.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from sevenb.backend.protocol import AttentionSpec, AttentionWeights
from sevenb.backend.torch import choosing
from sevenb.backend.torch.attention import attend
from sevenb.backend.torch.controls import Draws, Edits
from sevenb.backend.torch.kv import TorchKVCache
from sevenb.backend.torch.rope import rotate, store
from sevenb.backend.torch.step import TorchStep
from sevenb.backend.torch.weights import TorchWeight


class PlainOps:
    """Shapes: T tokens, H hidden size, R wanted rows, V vocabulary.

    The residual stream ``hidden`` is float32 [T, H] always; what comes out of a norm or a projection has ``dtype``.
    Norm weights and biases are float32.
    """

    name = "plain torch"  # for people

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype

    # -- norms and projections -------------------------------------------------------------------------

    def embed(self, table: TorchWeight, token_ids: Tensor) -> Tensor:
        """Rows of ``table``: [T, H], float32."""
        return table.take(token_ids)

    def rms_norm(self, hidden: Tensor, weight: Tensor, eps: float) -> Tensor:
        """Root-mean-square norm (arXiv 1910.07467) over the last axis of a float32 tensor, rounded to ``dtype``."""
        return (hidden * torch.rsqrt(hidden.square().mean(-1, keepdim=True) + eps) * weight).to(self.dtype)

    def linear(self, inputs: Tensor, weight: TorchWeight) -> Tensor:
        """``inputs @ weight.T`` for inputs of any float dtype, which is also that of the result: [T, rows]."""
        if weight.column_order is not None:
            inputs = inputs.index_select(-1, weight.column_order)
        return weight.multiply(inputs)

    def linear_add(self, hidden: Tensor, inputs: Tensor, weight: TorchWeight) -> Tensor:
        """``hidden + inputs @ weight.T``, in place: [T, H], float32."""
        return hidden.add_(self.linear(inputs, weight))

    def norm_linears(
        self,
        hidden: Tensor,
        norm: Tensor,
        eps: float,
        weights: Sequence[TorchWeight],
        biases: Sequence[Tensor | None],
    ) -> tuple[Tensor, ...]:
        """Several projections (Q, K and V) of the normed ``hidden``, each with its bias: [T, rows] each, ``dtype``."""
        normed = self.rms_norm(hidden, norm, eps)
        outputs = [self.linear(normed, weight) for weight in weights]
        return tuple(
            output if bias is None else (output + bias).to(self.dtype)
            for output, bias in zip(outputs, biases, strict=True)
        )

    def norm_gate_up(self, hidden: Tensor, norm: Tensor, eps: float, gate: TorchWeight, up: TorchWeight) -> Tensor:
        """``silu(gate(norm(hidden))) * up(norm(hidden))``: [T, inner], ``dtype``."""
        normed = self.rms_norm(hidden, norm, eps)
        return self.silu_multiply(self.linear(normed, gate), self.linear(normed, up))

    def silu_multiply(self, gate: Tensor, up: Tensor) -> Tensor:
        """``silu(gate) * up``, computed in float32: [T, inner], ``dtype``."""
        return (F.silu(gate.float()) * up.float()).to(self.dtype)

    def logits(self, hidden: Tensor, norm: Tensor, eps: float, head: TorchWeight) -> Tensor:
        """The output head over rows of ``hidden`` [R, H], normed: [R, V], float32."""
        return self.linear(self.rms_norm(hidden, norm, eps), head).float()

    # -- attention -------------------------------------------------------------------------------------

    def rope_store(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        weights: AttentionWeights,
        spec: AttentionSpec,
        step: TorchStep,
        cache: TorchKVCache,
        layer: int,
    ) -> Tensor:
        """Norm the heads of Q and K where ``weights`` say so, rotate both, keep K and V in the cache.

        ``query`` [T, heads * head_dim], ``key`` and ``value`` [T, kv_heads * head_dim], all ``dtype``; biases are in
        them already. Keys are kept times ``weights.key_balance``, queries divided by it. Returns the query, ``dtype``.
        """
        rotated = rotate(query, key, weights, spec, step)
        store(rotated.key, value.view(rotated.key.shape).float(), rotated.centre, step, cache, layer)
        return rotated.query.to(self.dtype)

    def attention(self, query: Tensor, spec: AttentionSpec, step: TorchStep, cache: TorchKVCache, layer: int) -> Tensor:
        """Causal softmax attention of every token over its sequence's stored positions: [T, heads * head_dim].

        Like the query, the result has ``dtype``; scores and sums are float32.
        """
        return attend(query, spec, step, cache, layer)

    # -- choosing --------------------------------------------------------------------------------------

    def choose(self, logits: Tensor, edits: Edits | None, draws: Draws | None) -> Tensor:
        """One id for each row of ``logits`` [R, V] float32, then whether they `overflowed`: [R + 1] int64.

        ``draws`` None: the argmax of each row, and no edits. The logits are not changed.
        """
        ids = choosing.argmax(logits) if draws is None else choosing.drawn(choosing.edited(logits, edits), draws)
        return torch.cat((ids, self.overflowed(logits)))

    def overflowed(self, logits: Tensor) -> Tensor:
        """Whether some logit shows that float16 was too small: [1] int64."""
        if self.dtype != torch.float16:
            return torch.zeros(1, dtype=torch.int64, device=logits.device)
        # What overflows anywhere ends as infinity or no number: sums over a row take on both.
        return (~logits.sum(-1).isfinite()).any().long().view(1)
