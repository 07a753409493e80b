"""`TorchBackend`: the protocol's ops on torch tensors, of whatever device torch knows."""

from collections.abc import Sequence
from functools import partial
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from sevenb.backend.protocol import (
    AdaptedRows,
    AttentionSpec,
    AttentionWeights,
    Batch,
    DeviceMemory,
    FloatArray,
    KVLayout,
    LowRank,
    MLPWeights,
    SampleControl,
    Sampled,
)
from sevenb.backend.quant_types import RawTensor
from sevenb.backend.torch import devices, graphs, kv, repack, sampling
from sevenb.backend.torch.choice import TorchChoice
from sevenb.backend.torch.failures import told_apart
from sevenb.backend.torch.graphs import Compute, CudaRecorder, Recorder, StepGraphs
from sevenb.backend.torch.kernels import fast_ops
from sevenb.backend.torch.kv import TorchKVCache
from sevenb.backend.torch.parallel import ProcessGroup
from sevenb.backend.torch.plain import PlainOps
from sevenb.backend.torch.step import TorchStep, step_on
from sevenb.backend.torch.weights import TorchWeight, rows_at_a_time
from sevenb.errors import OutOfMemory


class TorchBackend:
    """The residual stream is float32; what comes out of norms and projections has the backend's dtype."""

    name = "torch"

    def __init__(
        self,
        device: str = "auto",
        dtype: str = "auto",
        *,
        group: ProcessGroup | None = None,
        eager: bool = False,
        threads: int | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        """``device``: auto, cpu, cuda, cuda:1, mps, npu, xpu; ``dtype``: auto, half, float16, bfloat16, float32.

        With a ``group`` this is one rank of several, with its own part of the model. ``eager`` records no steps;
        ``recorder`` does so in another way than the device's own. ``threads`` are the processor's, in this whole
        process. Raises `DeviceUnavailable`, `InvalidRequest`.
        """
        self.device = devices.open_device(device)
        self.dtype = devices.open_dtype(dtype, self.device)
        self._group = group
        if self.device.type == "cuda":
            torch.cuda.set_device(self.device)  # Triton launches on the current one, whatever its tensors are on
        kernels = fast_ops(self.device, self.dtype)
        self._ops = kernels or PlainOps(self.dtype)
        self._recorder = recorder
        # Plain ops would attend to the whole of a recording's block tables, however long the sequences are.
        if recorder is None and not eager and kernels is not None and self.device.type == "cuda":
            self._recorder = CudaRecorder(self.device)
        if self.device.type == "cuda":  # sums stay float32 however a product is cut
            torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = False
            torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
        self._graphs: WeakKeyDictionary[TorchKVCache, StepGraphs] = WeakKeyDictionary()
        if threads is not None:
            torch.set_num_threads(threads)

    @property
    def device_type(self) -> str:
        """The kind of device: cpu, cuda, mps, npu, xpu."""
        return self.device.type

    @property
    def kv_dtypes(self) -> tuple[str, ...]:
        """Types of keys and values, that of the activations first."""
        usual = {torch.float32: "f32", torch.float16: "f16", torch.bfloat16: "bf16"}[self.dtype]
        others = [name for name in ("f16", "bf16", "f32", "int8") if name != usual]
        return (usual, *others, *(("fp8",) if devices.has_fp8(self.device) else ()))

    def describe(self) -> str:
        """Device, dtype and kernels."""
        dtype = str(self.dtype).removeprefix("torch.")
        part = "" if self._group is None else f", rank {self._group.rank} of {self._group.size}"
        return f"torch ({devices.device_name(self.device)}, {dtype}, {self._ops.name}{part})"

    # -- loading ---------------------------------------------------------------------------------------

    def pack(self, tensor: RawTensor, *, precise: bool = False, head: bool = False) -> TorchWeight:
        """Lay a matrix out on the device. Raises `UnsupportedModel`, `OutOfMemory`.

        Activations are never quantised, so no weight is more ``precise`` than another.
        """
        try:
            return repack.packed(tensor, self.device, self.dtype)
        except torch.OutOfMemoryError:
            raise OutOfMemory(
                f"The weights do not fit into the memory of {devices.device_name(self.device)}; choose a smaller model "
                "or a more quantised one."
            ) from None

    def vector(self, tensor: RawTensor) -> Tensor:
        """A norm weight or bias as float32. Raises `UnsupportedModel` for quantised vectors."""
        return repack.vector(tensor, self.device)

    def row_norms(self, weight: TorchWeight, columns: Tensor) -> FloatArray:
        """Euclidean norm of each row of a packed matrix whose columns are multiplied by ``columns``: [rows]."""
        if weight.column_order is not None:
            columns = columns[weight.column_order]
        step = rows_at_a_time(weight)
        parts = [weight.dequantize(start, start + step).float() for start in range(0, weight.rows, step)]
        return self.to_host(torch.cat([torch.linalg.vector_norm(part * columns, dim=1) for part in parts]))

    def kernel_of(self, weight: TorchWeight) -> str:
        """The weight's layout, the activations' dtype and what multiplies them."""
        dtype = str(self.dtype).removeprefix("torch.")
        return f"{weight.kernel_name}, {dtype} activations, {self._ops.name}"

    def weight_bytes(self, weight: TorchWeight) -> int:
        """Bytes of the packed matrix."""
        return sum(tensor.nbytes for tensor in weight.tensors())

    def free_memory(self) -> int:
        """Bytes that can be allocated on the device now."""
        return devices.free_memory(self.device)

    def total_memory(self) -> int | None:
        """Bytes of the card; None where the device shares the host's memory."""
        return devices.total_memory(self.device)

    def memory(self) -> DeviceMemory:
        """What torch's allocator holds on the device."""
        return devices.allocator_memory(self.device)

    def reset_peak(self) -> None:
        """Count the peak of `memory` from now on."""
        devices.reset_peak(self.device)

    def graph_shapes(self, max_num_seqs: int, max_model_len: int) -> list[tuple[int, int]]:
        """The (sequences, context) of decode steps that are recorded when they are first run over a cache."""
        return [] if self._recorder is None else graphs.shapes(max_num_seqs, max_model_len)

    def graph_bytes(self) -> int:
        """Bytes that recorded steps keep of the device's memory."""
        return sum(recorded.bytes for recorded in self._graphs.values())

    # -- KV cache --------------------------------------------------------------------------------------

    def kv_block_bytes(self, layout: KVLayout) -> int:
        """Bytes of one block over all layers, K and V. Raises `InvalidRequest` for a dtype that this backend lacks."""
        return kv.block_bytes(layout)

    def allocate_kv(self, layout: KVLayout, blocks: int) -> TorchKVCache:
        """Room for ``blocks`` blocks. Raises `OutOfMemory`, `InvalidRequest`."""
        return kv.allocate_kv(layout, blocks, self.device)

    def copy_blocks(self, cache: TorchKVCache, pairs: Sequence[tuple[int, int]]) -> None:
        """Copy whole blocks ``(source, target)`` over all layers."""
        cache.copy_blocks(pairs)

    def read_block(self, cache: TorchKVCache, block: int) -> bytes:
        """The contents of one block over all layers, `kv_block_bytes` long."""
        return cache.read_block(block)

    def write_block(self, cache: TorchKVCache, block: int, contents: bytes) -> None:
        """Put back what `read_block` gave. Raises ValueError when the length is wrong."""
        cache.write_block(block, contents)

    # -- one step --------------------------------------------------------------------------------------

    def run(self, batch: Batch, cache: TorchKVCache, compute: Compute) -> Tensor:
        """The logits of a batch, from a recording where there can be one: [R, V].

        Raises `OutOfMemory`, and `DeviceLost` where only a new process helps.
        """
        with told_apart(self.device):
            logits = self._replayed(batch, cache, compute)
            return compute(self.prepare(batch), cache) if logits is None else logits

    def _replayed(self, batch: Batch, cache: TorchKVCache, compute: Compute) -> Tensor | None:
        if self._recorder is None:
            return None
        if cache not in self._graphs:
            self._graphs[cache] = StepGraphs(compute, self._recorder)
        return self._graphs[cache].run(batch, cache)

    def prepare(self, batch: Batch) -> TorchStep:
        """Check the batch and move it to the device. Raises ValueError when its parts disagree, and as `run` does.

        Whatever an earlier step left the device in shows here at the latest, for steps that `run` does not see, too.
        """
        with told_apart(self.device):
            return step_on(batch, self.device)

    def embed(self, table: TorchWeight, step: TorchStep) -> Tensor:
        """[T, H], float32."""
        if self._group is None:
            return self._ops.embed(table, step.token_ids)
        own = self._group.own_tokens
        ids = step.token_ids - own.start
        mine = (ids >= 0) & (ids < len(own))
        rows = self._ops.embed(table, ids.clamp(0, len(own) - 1))
        return self._group.all_reduce(torch.where(mine.unsqueeze(1), rows, 0))

    def norm_qkv_rope_store(
        self,
        hidden: Tensor,
        weights: AttentionWeights,
        spec: AttentionSpec,
        step: TorchStep,
        cache: TorchKVCache,
        layer: int,
        adapted: Sequence[AdaptedRows] = (),
    ) -> Tensor:
        """Q [T, heads * head_dim], rotated; K (rotated) and V go to the cache."""
        matrices = (weights.query, weights.key, weights.value)
        biases = (weights.query_bias, weights.key_bias, weights.value_bias)
        query, key, value = self._ops.norm_linears(hidden, weights.norm, spec.norm_eps, matrices, biases)
        for rows in adapted:
            normed = self._ops.rms_norm(hidden[rows.start : rows.end], weights.norm, spec.norm_eps)
            self._add_low_rank(rows, rows.adapter.query, normed, query)
            self._add_low_rank(rows, rows.adapter.key, normed, key)
            self._add_low_rank(rows, rows.adapter.value, normed, value)
        return self._ops.rope_store(query, key, value, weights, spec, step, cache, layer)

    def paged_attention(
        self, query: Tensor, spec: AttentionSpec, step: TorchStep, cache: TorchKVCache, layer: int
    ) -> Tensor:
        """Causal softmax attention: [T, heads * head_dim]."""
        return self._ops.attention(query, spec, step, cache, layer)

    def project_add(
        self, hidden: Tensor, inputs: Tensor, weight: TorchWeight, adapted: Sequence[AdaptedRows] = ()
    ) -> Tensor:
        """``hidden + inputs @ weight.T``, in place: [T, H]."""
        return self._project_add(hidden, inputs, weight, [(rows, rows.adapter.output) for rows in adapted])

    def gated_mlp_add(
        self, hidden: Tensor, weights: MLPWeights, norm_eps: float, adapted: Sequence[AdaptedRows] = ()
    ) -> Tensor:
        """The gated MLP added to ``hidden``, in place: [T, H]."""
        if any(rows.adapter.changes_mlp for rows in adapted):
            inner = self._adapted_gate_up(hidden, weights, norm_eps, adapted)
        else:
            inner = self._ops.norm_gate_up(hidden, weights.norm, norm_eps, weights.gate, weights.up)
        return self._project_add(hidden, inner, weights.down, [(rows, rows.adapter.down) for rows in adapted])

    def _project_add(
        self, hidden: Tensor, inputs: Tensor, weight: TorchWeight, added: Sequence[tuple[AdaptedRows, LowRank | None]]
    ) -> Tensor:
        """Add a projection, and what adapters add to it, to ``hidden`` in place; over all ranks, each with a part."""
        alone = self._group is None
        outputs = self._ops.linear_add(hidden, inputs, weight) if alone else self._ops.linear(inputs, weight).float()
        for rows, low_rank in added:
            self._add_low_rank(rows, low_rank, inputs[rows.start : rows.end], outputs)
        return outputs if self._group is None else hidden.add_(self._group.all_reduce(outputs))

    def _adapted_gate_up(
        self, hidden: Tensor, weights: MLPWeights, norm_eps: float, adapted: Sequence[AdaptedRows]
    ) -> Tensor:
        """What the fused op computes, in parts that adapters can add to."""
        normed = self._ops.rms_norm(hidden, weights.norm, norm_eps)
        gate, up = self._ops.linear(normed, weights.gate), self._ops.linear(normed, weights.up)
        for rows in adapted:
            inputs = normed[rows.start : rows.end]
            self._add_low_rank(rows, rows.adapter.gate, inputs, gate)
            self._add_low_rank(rows, rows.adapter.up, inputs, up)
        return self._ops.silu_multiply(gate, up)

    def _add_low_rank(self, rows: AdaptedRows, low_rank: LowRank | None, inputs: Tensor, outputs: Tensor) -> None:
        """Add to the rows of a projection what an adapter adds for ``inputs``, those rows alone; in place."""
        if low_rank is None:
            return
        if low_rank.shrink.columns != inputs.shape[1] or low_rank.expand.rows != outputs.shape[1]:
            raise ValueError(
                f"an adapter of {low_rank.shrink.columns} columns and {low_rank.expand.rows} rows does not fit a "
                f"projection of {inputs.shape[1]} to {outputs.shape[1]}"
            )
        shrunk = self._ops.linear(inputs, low_rank.shrink)
        outputs[rows.start : rows.end].add_(self._ops.linear(shrunk, low_rank.expand), alpha=low_rank.scale)

    def logits(self, hidden: Tensor, norm: Tensor, norm_eps: float, head: TorchWeight, step: TorchStep) -> Tensor:
        """Final norm and output head for the wanted rows only: [R, V], float32."""
        if not len(step.logit_rows):
            return hidden.new_empty((0, head.rows))
        logits = self._ops.logits(hidden[step.logit_rows], norm, norm_eps, head)
        return logits if self._group is None else self._group.join_logits(logits)

    def normed(self, hidden: Tensor, norm: Tensor, norm_eps: float, rows: Sequence[int]) -> FloatArray:
        """Final norm of some rows, in host memory: [len(rows), H]."""
        if not rows:
            return np.empty((0, hidden.shape[1]), np.float32)
        return self.to_host(self._ops.rms_norm(hidden[list(rows)], norm, norm_eps))

    # -- choosing --------------------------------------------------------------------------------------

    def sample(self, logits: Tensor, controls: Sequence[SampleControl]) -> list[Sampled]:
        """One token a row. Raises `NumberOverflow` where float16 was too small for the model."""
        with told_apart(self.device):
            return sampling.sample(self._ops, logits, controls)

    @property
    def overlaps(self) -> bool:
        """Whether it pays to launch a step before the last one's tokens are known; other ranks must be told those."""
        return self.device.type == "cuda" and self._group is None

    def choose(self, logits: Tensor, controls: Sequence[SampleControl]) -> TorchChoice:
        """What `sample` chooses, and batches may name before it is known."""
        needed = logits if any(control.logprobs is not None for control in controls) else None  # they are large
        with told_apart(self.device):
            if controls:
                numbers = sampling.chosen(self._ops, logits, controls)
            else:
                numbers = logits.new_zeros(1, dtype=torch.int64)
            return TorchChoice(numbers, partial(sampling.taken, needed, controls))

    def token_logprobs(self, logits: Tensor, rows: Sequence[int], token_ids: Sequence[int], top: int) -> list[Sampled]:
        """Log-probabilities of given tokens. Raises `NumberOverflow` as `sample` does."""
        with told_apart(self.device):
            return sampling.token_logprobs(self._ops, logits, rows, token_ids, top)

    def to_host(self, tensor: Tensor) -> FloatArray:
        """A copy in host memory."""
        return tensor.detach().to("cpu", torch.float32, copy=True).numpy()
