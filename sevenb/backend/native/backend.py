"""`NativeBackend`: the protocol's ops on C++ kernels. Tensors are C-contiguous float32 arrays."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sevenb.backend.native import _kernels, kv, sampling
from sevenb.backend.native.head import PendingLogits, exact, splits
from sevenb.backend.native.kv import NativeKVCache
from sevenb.backend.native.ordered import (
    NativeHead,
    NativeWeight,
    OrderedMatrix,
    in_order_of,
    is_ordered,
    matrix_of,
    norm_project,
)
from sevenb.backend.protocol import (
    AdaptedRows,
    AttentionSpec,
    AttentionWeights,
    Batch,
    FloatArray,
    IntArray,
    KVLayout,
    LayerWeights,
    LowRank,
    MLPWeights,
    SampleControl,
    Sampled,
)
from sevenb.backend.quant_types import QuantType, RawTensor
from sevenb.errors import InvalidRequest, OutOfMemory, UnsupportedModel
from sevenb.host import Processors, choose_processors, free_memory

_INSTRUCTIONS = {"avx512": "AVX-512 VNNI", "avx2": "AVX2", "portable": "portable code"}


@dataclass(frozen=True)
class NativeStep:
    """A batch, checked, with its positions and block tables in the kernels' own form."""

    token_ids: IntArray
    logit_rows: IntArray
    paged: _kernels.PagedBatch


class NativeBackend:
    """Fused, quantised CPU ops. One instance has one thread pool and runs one op at a time."""

    name = "native"
    kv_dtypes = ("k16v8", "f16", "int8", "f32")

    def __init__(self, threads: int | None = None, isa: str = "auto") -> None:
        """Without ``threads``, one a physical core that this process may use.

        ``isa`` is ``auto``, ``avx512``, ``avx2`` or ``portable``. Raises `InvalidRequest` for one that this
        processor lacks.
        """
        try:
            self._isa = _kernels.resolve_isa(isa)
        except ValueError as error:
            raise InvalidRequest(f"Cannot use the kernels asked for: {error}.", parameter="isa") from None
        if threads is not None and threads < 1:
            raise InvalidRequest(f"The number of threads must be at least 1, not {threads}.", parameter="threads")
        processors = Processors(threads, "") if threads else choose_processors()
        self._pool = _kernels.ThreadPool(processors.threads)
        self._why_threads = processors.reason
        self._workspace = _kernels.Workspace(self._pool, self._isa)

    def describe(self) -> str:
        """Instruction set and threads, and why that many unless somebody said so."""
        threads, why = self._pool.size, f": {self._why_threads}" if self._why_threads else ""
        return f"native ({self._isa}, {threads} thread{'s' if threads > 1 else ''}{why})"

    # -- loading ---------------------------------------------------------------------------------------

    def pack(self, tensor: RawTensor, *, precise: bool = False, head: bool = False) -> NativeHead:
        """Interleave sixteen rows at a time; the file's bits are kept as they are, those of a head in two halves.

        Raises `UnsupportedModel` when rows are no multiple of 32 columns long, `OutOfMemory`.
        """
        try:
            if head and splits(tensor):
                return _kernels.SplitMatrix(tensor.quant_type, tensor.rows, tensor.columns, tensor.data, self._pool)
            matrix = _kernels.PackedMatrix(
                tensor.quant_type,
                tensor.rows,
                tensor.columns,
                tensor.data,
                self._pool,
                activation_bits=16 if precise else 8,
            )
        except ValueError as error:
            raise UnsupportedModel(f"Tensor {tensor.name} cannot be run on the CPU backend: {error}.") from None
        except MemoryError:
            raise OutOfMemory("The weights do not fit into memory; choose a smaller model or a smaller file.") from None
        return matrix if tensor.column_order is None else OrderedMatrix(matrix, _indices(tensor.column_order))

    def vector(self, tensor: RawTensor) -> FloatArray:
        """A norm weight or bias as float32. Raises `UnsupportedModel` for quantised vectors."""
        match tensor.quant_type:
            case QuantType.F32:
                return tensor.data.view("<f4").astype(np.float32)
            case QuantType.F16:
                return tensor.data.view("<f2").astype(np.float32)
            case QuantType.BF16:
                return (tensor.data.view("<u2").astype(np.uint32) << 16).view(np.float32)
            case _:
                raise UnsupportedModel(f"Vector {tensor.name} is quantised; use a file that keeps norms as numbers.")

    def row_norms(self, weight: NativeWeight, columns: FloatArray) -> FloatArray:
        """Euclidean norm of each row of a packed matrix whose columns are multiplied by ``columns``: [rows]."""
        matrix = matrix_of(weight)
        rows = np.empty((matrix.rows, matrix.columns), np.float32)
        _kernels.embed(self._workspace, matrix, np.arange(matrix.rows, dtype=np.int32), rows)
        rows *= in_order_of(weight, columns)
        # Not `@`: NumPy's BLAS keeps threads of its own, which go on spinning on the cores that pack the next weights.
        norms: FloatArray = np.sqrt(np.einsum("rc,rc->r", rows, rows))
        return norms

    def kernel_of(self, weight: NativeHead) -> str:
        """What the weight is multiplied by and with which instructions, as in ``int8 activations, AVX2``."""
        if isinstance(weight, _kernels.SplitMatrix):
            return self._head_kernel()
        return self._kernel(matrix_of(weight).activation_bits, ordered=is_ordered(weight))

    def kernel_for(self, tensor: RawTensor, *, precise: bool = False, head: bool = False) -> str:
        """`kernel_of` the weight that `pack` would make of a matrix, without making it."""
        if head and splits(tensor):
            return self._head_kernel()
        plain_numbers = tensor.quant_type in (QuantType.F32, QuantType.F16, QuantType.BF16)
        ordered = tensor.column_order is not None
        return self._kernel(32 if plain_numbers else 16 if precise else 8, ordered=ordered)

    def _kernel(self, activation_bits: int, *, ordered: bool) -> str:
        activations = "float32" if activation_bits == 32 else f"int{activation_bits}"
        return f"{activations} activations{' in act-order' if ordered else ''}, {_INSTRUCTIONS[self._isa]}"

    def _head_kernel(self) -> str:
        return f"int8 and int16 activations, {_INSTRUCTIONS[self._isa]}"

    def weight_bytes(self, weight: NativeHead) -> int:
        """Bytes of the packed matrix."""
        return weight.bytes if isinstance(weight, _kernels.SplitMatrix) else matrix_of(weight).bytes

    def free_memory(self) -> int:
        """Bytes that can be taken without swapping, within container limits."""
        return free_memory()

    def total_memory(self) -> None:
        """It computes in the host's memory."""

    # -- KV cache --------------------------------------------------------------------------------------

    def kv_block_bytes(self, layout: KVLayout) -> int:
        """Bytes of one block over all layers, K and V."""
        return kv.kv_block_bytes(layout)

    def allocate_kv(self, layout: KVLayout, blocks: int) -> NativeKVCache:
        """Room for ``blocks`` blocks. Raises `OutOfMemory`."""
        return kv.allocate_kv(layout, blocks)

    def copy_blocks(self, cache: NativeKVCache, pairs: Sequence[tuple[int, int]]) -> None:
        """Copy whole blocks ``(source, target)`` over all layers."""
        cache.copy_blocks(pairs)

    def read_block(self, cache: NativeKVCache, block: int) -> bytes:
        """The contents of one block over all layers, `kv_block_bytes` long."""
        return cache.read_block(block)

    def write_block(self, cache: NativeKVCache, block: int, contents: bytes) -> None:
        """Put back what `read_block` gave. Raises ValueError when the length is wrong."""
        cache.write_block(block, contents)

    # -- one step --------------------------------------------------------------------------------------

    def run(
        self, batch: Batch, cache: NativeKVCache, compute: Callable[[NativeStep, NativeKVCache], FloatArray]
    ) -> FloatArray:
        """The logits of a batch: [R, V]."""
        return compute(self.prepare(batch), cache)

    def prepare(self, batch: Batch) -> NativeStep:
        """Check the batch and bring its indices into the kernels' form."""
        return NativeStep(_indices(batch.token_ids), _indices(batch.logit_rows), kv.paged_batch(batch))

    def embed(self, table: _kernels.PackedMatrix | _kernels.SplitMatrix, step: NativeStep) -> FloatArray:
        """Rows of ``table``, dequantised: [T, H]. Raises ValueError for a token outside of it."""
        hidden = np.empty((len(step.token_ids), table.columns), np.float32)
        _kernels.embed(self._workspace, table, step.token_ids, hidden)
        return hidden

    def bind_layers(self, layers: Sequence[LayerWeights], spec: AttentionSpec) -> _kernels.Layers | None:
        """The layers for `run_layers`; None where a matrix wants its inputs in another order."""
        bound = _kernels.Layers(
            spec.heads,
            spec.kv_heads,
            spec.head_dim,
            spec.rope_interleaved,
            spec.window or 0,
            spec.softmax_scale,
            spec.norm_eps,
        )
        for layer in layers:
            attention, mlp = layer.attention, layer.mlp
            matrices = (attention.query, attention.key, attention.value, layer.output, mlp.gate, mlp.up, mlp.down)
            if is_ordered(*matrices):
                return None
            bound.append(
                attention.norm,
                *(attention.query, attention.key, attention.value),
                *(attention.query_bias, attention.key_bias, attention.value_bias),
                *(attention.key_balance, attention.query_norm, attention.key_norm),
                layer.output,
                mlp.norm,
                *(mlp.gate, mlp.up, mlp.down),
            )
        return bound

    def run_layers(
        self, layers: _kernels.Layers, hidden: FloatArray, step: NativeStep, cache: NativeKVCache
    ) -> FloatArray:
        """What the last layer makes of ``hidden``, in place: [T, H]."""
        layers.run(self._workspace, hidden, step.paged, cache.handle)
        return hidden

    def norm_qkv_rope_store(
        self,
        hidden: FloatArray,
        weights: AttentionWeights,
        spec: AttentionSpec,
        step: NativeStep,
        cache: NativeKVCache,
        layer: int,
        adapted: Sequence[AdaptedRows] = (),
    ) -> FloatArray:
        """Q [T, heads * head_dim], rotated; K (rotated) and V go to the cache."""
        query, key, value = self._norm_qkv(hidden, weights, spec.norm_eps)
        for rows in adapted:
            added = [(rows.adapter.query, query), (rows.adapter.key, key), (rows.adapter.value, value)]
            self._add_low_rank(rows, added, hidden, weights.norm, spec.norm_eps)
        kv.rope_store(
            self._pool,
            query,
            key,
            value,
            weights.key_bias,
            spec,
            step.paged,
            cache,
            layer,
            weights.key_balance,
            weights.query_norm,
            weights.key_norm,
        )
        return query

    def _norm_qkv(
        self, hidden: FloatArray, weights: AttentionWeights, norm_eps: float
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        matrices = (weights.query, weights.key, weights.value)
        biases = (weights.query_bias, weights.key_bias, weights.value_bias)
        if is_ordered(*matrices):
            query, key, value = (
                norm_project(self._workspace, hidden, weights.norm, norm_eps, matrix) for matrix in matrices
            )
            for output, bias in zip((query, key, value), biases, strict=True):
                if bias is not None:
                    output += bias
        else:
            query, key, value = (np.empty((len(hidden), matrix.rows), np.float32) for matrix in matrices)
            _kernels.norm_project_qkv(
                self._workspace, hidden, weights.norm, norm_eps, *matrices, *biases, query, key, value
            )
        return query, key, value

    def paged_attention(
        self, query: FloatArray, spec: AttentionSpec, step: NativeStep, cache: NativeKVCache, layer: int
    ) -> FloatArray:
        """Causal softmax attention: [T, heads * head_dim]."""
        return kv.paged_attention(self._pool, self._isa, query, spec, step.paged, cache, layer)

    def project_add(
        self,
        hidden: FloatArray,
        inputs: FloatArray,
        weight: NativeWeight,
        adapted: Sequence[AdaptedRows] = (),
    ) -> FloatArray:
        """``hidden + inputs @ weight.T``, in place: [T, H]."""
        _kernels.project_add(self._workspace, hidden, in_order_of(weight, inputs), matrix_of(weight))
        for rows in adapted:
            self._add_low_rank(rows, [(rows.adapter.output, hidden)], inputs)
        return hidden

    def gated_mlp_add(
        self, hidden: FloatArray, weights: MLPWeights, norm_eps: float, adapted: Sequence[AdaptedRows] = ()
    ) -> FloatArray:
        """The gated MLP added to ``hidden``, in place: [T, H]."""
        adapts = any(rows.adapter.changes_mlp for rows in adapted)
        if adapts or is_ordered(weights.gate, weights.up, weights.down):
            self._mlp_add_in_parts(hidden, weights, norm_eps, adapted)
        else:
            _kernels.gated_mlp_add(
                self._workspace, hidden, weights.norm, norm_eps, weights.gate, weights.up, weights.down
            )
        return hidden

    def _mlp_add_in_parts(
        self, hidden: FloatArray, weights: MLPWeights, norm_eps: float, adapted: Sequence[AdaptedRows]
    ) -> None:
        """What the fused op computes, in parts that adapters can add to: the other rows come out the same."""
        if is_ordered(weights.gate, weights.up):
            gate, up = (
                norm_project(self._workspace, hidden, weights.norm, norm_eps, matrix)
                for matrix in (weights.gate, weights.up)
            )
        else:
            gate, up = (np.empty((len(hidden), weights.gate.rows), np.float32) for _ in range(2))
            _kernels.norm_project_gate_up(
                self._workspace, hidden, weights.norm, norm_eps, weights.gate, weights.up, gate, up
            )
        for rows in adapted:
            added = [(rows.adapter.gate, gate), (rows.adapter.up, up)]
            self._add_low_rank(rows, added, hidden, weights.norm, norm_eps)
        _kernels.silu_multiply(self._workspace, gate, up)
        _kernels.project_add(self._workspace, hidden, in_order_of(weights.down, gate), matrix_of(weights.down))
        for rows in adapted:
            self._add_low_rank(rows, [(rows.adapter.down, hidden)], gate)

    def _add_low_rank(
        self,
        rows: AdaptedRows,
        added: Sequence[tuple[LowRank | None, FloatArray]],
        inputs: FloatArray,
        norm: FloatArray | None = None,
        norm_eps: float = 0.0,
    ) -> None:
        """Add to projections of ``inputs`` (after their RMS norm, if there is one) what an adapter adds to each."""
        parts = [(low_rank, outputs) for low_rank, outputs in added if low_rank is not None]
        if parts:
            _kernels.add_low_rank(
                self._workspace,
                inputs[rows.start : rows.end],
                norm,
                norm_eps,
                [low_rank.shrink for low_rank, _ in parts],
                [low_rank.expand for low_rank, _ in parts],
                [low_rank.scale for low_rank, _ in parts],
                [outputs[rows.start : rows.end] for _, outputs in parts],
            )

    def logits(
        self, hidden: FloatArray, norm: FloatArray, norm_eps: float, head: NativeHead, step: NativeStep
    ) -> FloatArray | PendingLogits:
        """Final norm and output head for the wanted rows only: [R, V]."""
        if isinstance(head, _kernels.SplitMatrix):
            return PendingLogits(self._workspace, hidden, step.logit_rows, norm, norm_eps, head)
        return norm_project(self._workspace, hidden, norm, norm_eps, head, step.logit_rows)

    def normed(self, hidden: FloatArray, norm: FloatArray, norm_eps: float, rows: Sequence[int]) -> FloatArray:
        """Final norm of some rows: [len(rows), H]. Embeddings alone ask for it, so NumPy is quick enough."""
        wide = hidden[list(rows)].astype(np.float64)
        mean_square = np.mean(np.square(wide), axis=1, keepdims=True)
        states: FloatArray = (wide / np.sqrt(mean_square + norm_eps) * norm).astype(np.float32)
        return states

    # -- choosing --------------------------------------------------------------------------------------

    def sample(self, logits: FloatArray | PendingLogits, controls: Sequence[SampleControl]) -> list[Sampled]:
        """One token a row."""
        if isinstance(logits, PendingLogits):
            logits = logits.to_choose(controls)
        return sampling.sample(self._pool, self._isa, logits, controls)

    def token_logprobs(
        self, logits: FloatArray | PendingLogits, rows: Sequence[int], token_ids: Sequence[int], top: int
    ) -> list[Sampled]:
        """Log-probabilities of given tokens."""
        return sampling.token_logprobs(self._pool, self._isa, exact(logits), rows, token_ids, top)

    def to_host(self, tensor: FloatArray | PendingLogits) -> FloatArray:
        """A copy that later ops do not touch."""
        return np.array(exact(tensor), np.float32)


def _indices(values: npt.NDArray[np.int32]) -> IntArray:
    return np.ascontiguousarray(values, np.int32)
