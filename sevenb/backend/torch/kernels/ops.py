"""The table of ops on an NVIDIA card: kernels where they win, plain torch where the vendor's own product does."""

from collections.abc import Sequence
from dataclasses import replace

import torch
import triton
from torch import Tensor

from sevenb.backend.protocol import AttentionSpec, AttentionWeights
from sevenb.backend.torch.controls import Draws, Edits
from sevenb.backend.torch.kernels import attention, choose, products
from sevenb.backend.torch.kernels.norm import rms_norm_kernel, silu_multiply_kernel
from sevenb.backend.torch.kernels.rotation import rope_store
from sevenb.backend.torch.kv import TorchKVCache
from sevenb.backend.torch.plain import PlainOps
from sevenb.backend.torch.step import TorchStep
from sevenb.backend.torch.weights import GroupedWeight, TorchWeight

_WIDTH = 1024


class TritonOps(PlainOps):
    """Equal to `PlainOps` up to rounding; a fused op rounds less often."""

    name = "Triton"

    def rms_norm(self, hidden: Tensor, weight: Tensor, eps: float) -> Tensor:
        """One launch; rows of any length."""
        hidden = hidden.contiguous()
        out = torch.empty(hidden.shape, dtype=self.dtype, device=hidden.device)
        columns = hidden.shape[-1]
        if rows := hidden.numel() // columns:
            rms_norm_kernel[(rows,)](hidden, weight, out, columns, eps, WIDTH=_WIDTH, num_warps=4)
        return out

    def linear(self, inputs: Tensor, weight: TorchWeight) -> Tensor:
        """One launch for up to 4 tokens, and for grouped weights of any number."""
        if weight.column_order is not None:
            inputs = inputs.index_select(-1, weight.column_order)
        out = self._linear_into(inputs, weight, None)
        return super().linear(inputs, _in_order(weight)) if out is None else out

    def linear_add(self, hidden: Tensor, inputs: Tensor, weight: TorchWeight) -> Tensor:
        """The product is added where it is made."""
        if weight.column_order is not None:
            inputs = inputs.index_select(-1, weight.column_order)
        out = self._linear_into(inputs, weight, hidden)
        return hidden.add_(super().linear(inputs, _in_order(weight))) if out is None else out

    def norm_linears(
        self,
        hidden: Tensor,
        norm: Tensor,
        eps: float,
        weights: Sequence[TorchWeight],
        biases: Sequence[Tensor | None],
    ) -> tuple[Tensor, ...]:
        """Norm, Q, K, V and biases where tokens are few: one launch for all neighbours of one format."""
        tokens = len(hidden)
        if not tokens or not all(products.walks(tokens, (weight,)) for weight in weights):
            return super().norm_linears(hidden, norm, eps, weights, biases)
        rows = [weight.rows for weight in weights]
        out = torch.empty((tokens, sum(rows)), dtype=self.dtype, device=hidden.device)
        start = 0
        while start < len(weights):  # in a Q4_K_M file V is of another format than Q and K in every other layer
            end = start + products.launched_together(tokens, weights[start:])
            own = out[:, sum(rows[:start]) : sum(rows[:end])]
            products.vector_product(hidden, weights[start:end], own, norm=norm, eps=eps, biases=biases[start:end])
            start = end
        return torch.split(out, rows, dim=1)

    def norm_gate_up(self, hidden: Tensor, norm: Tensor, eps: float, gate: TorchWeight, up: TorchWeight) -> Tensor:
        """Norm, both projections and SiLU in one launch where the weights are of one format and tokens are few."""
        if not products.walks(len(hidden), (gate, up)) or not len(hidden):
            return super().norm_gate_up(hidden, norm, eps, gate, up)
        out = torch.empty((len(hidden), gate.rows), dtype=self.dtype, device=hidden.device)
        products.gate_up(hidden, norm, eps, gate, up, out)
        return out

    def silu_multiply(self, gate: Tensor, up: Tensor) -> Tensor:
        """One launch."""
        gate, up = gate.contiguous(), up.contiguous()
        out = torch.empty(gate.shape, dtype=self.dtype, device=gate.device)
        if count := gate.numel():
            silu_multiply_kernel[(triton.cdiv(count, _WIDTH),)](gate, up, out, count, WIDTH=_WIDTH, num_warps=4)
        return out

    def logits(self, hidden: Tensor, norm: Tensor, eps: float, head: TorchWeight) -> Tensor:
        """Norm and head in one launch for up to 4 rows, without rounding in between."""
        if not products.walks(len(hidden), (head,)) or not len(hidden):
            return super().logits(hidden, norm, eps, head)
        out = torch.empty((len(hidden), head.rows), device=hidden.device)
        products.vector_product(hidden.contiguous(), (head,), out, norm=norm, eps=eps)
        return out

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
        """One launch."""
        return rope_store(query, key, value, weights, spec, step, cache, layer)

    def attention(self, query: Tensor, spec: AttentionSpec, step: TorchStep, cache: TorchKVCache, layer: int) -> Tensor:
        """Two launches for sequences of few tokens, one for those of many."""
        return attention.attention(query, spec, step, cache, layer)

    def choose(self, logits: Tensor, edits: Edits | None, draws: Draws | None) -> Tensor:
        """Two launches where all is greedy, three where tokens are drawn, and one or two for edits."""
        return choose.choose(logits, edits, draws, check=self.dtype == torch.float16)

    def _linear_into(self, inputs: Tensor, weight: TorchWeight, hidden: Tensor | None) -> Tensor | None:
        """The product, or added to ``hidden``; None where plain torch is as good."""
        tokens = len(inputs)
        in_order = _in_order(weight)
        if not tokens:
            return None
        inputs = inputs if inputs.stride(-1) == 1 else inputs.contiguous()
        out = torch.empty((tokens, weight.rows), dtype=inputs.dtype, device=inputs.device) if hidden is None else hidden
        if products.walks(tokens, (in_order,)):
            products.vector_product(inputs, (in_order,), out, add=hidden is not None)
        elif isinstance(in_order, GroupedWeight) and inputs.dtype in (torch.float16, torch.bfloat16):
            products.matrix_product(inputs, in_order, out, add=hidden is not None)
        else:
            return None
        return out


def _in_order(weight: TorchWeight) -> TorchWeight:
    """The weight as it meets inputs that were put into its order."""
    return weight if weight.column_order is None else replace(weight, column_order=None)
