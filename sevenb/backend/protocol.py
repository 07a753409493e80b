"""The whole surface between the decoder and a device: about a dozen fused ops on opaque tensors.

A backend never sees a request, only a `Batch`: some tokens of some sequences, and where their keys and values
live. Activations are float32 in meaning; a backend may hold them as it likes. ``Tensor``, ``Weight``, ``KVCache``
and ``Step`` are opaque: what a backend returns from one op is only ever handed back to the same backend.

**Determinism.** The result of every op for one token depends on that token's sequence alone: never on who else is
in the batch, how a prompt was cut into chunks, or how many threads run. Of ``native`` that holds to the last bit. Of
``torch`` it holds up to rounding: libraries choose their kernels, and so the order of sums, by the size of a batch.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

from sevenb.backend.quant_types import RawTensor

Tensor: TypeAlias = Any
Weight: TypeAlias = Any
KVCache: TypeAlias = Any
Step: TypeAlias = Any

IntArray: TypeAlias = npt.NDArray[np.int32]
FloatArray: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True)
class KVLayout:
    """Shape of the paged KV cache. One block holds ``block_size`` positions of every layer and KV head."""

    layers: int
    kv_heads: int
    head_dim: int
    block_size: int = 32
    dtype: str = "f16"  # one of the backend's ``kv_dtypes``


@dataclass(frozen=True)
class AdapterRun:
    """The tokens ``start : end`` of a step, which are computed with an adapter."""

    start: int
    end: int
    adapter: str  # its name


@dataclass(frozen=True)
class Batch:
    """What one step computes: T tokens of S sequences, laid end to end.

    Sequence ``s`` contributes the tokens ``query_starts[s] : query_starts[s + 1]``; its last token stands at
    position ``context_lengths[s] - 1``. Position ``p`` of a sequence lives in block
    ``block_tables[s, p // block_size]`` at offset ``p % block_size``. Keys and values of this step's tokens are
    stored before attention reads them.
    """

    token_ids: IntArray  # [T]
    positions: IntArray  # [T]
    query_starts: IntArray  # [S + 1]
    context_lengths: IntArray  # [S], positions that exist once this step is done
    block_tables: IntArray  # [S, widest], rows padded with 0
    logit_rows: IntArray  # [R] indices into the T tokens whose logits are wanted
    rope_cos: FloatArray  # [T, rotary_dim / 2]
    rope_sin: FloatArray  # [T, rotary_dim / 2]
    adapters: tuple[AdapterRun, ...] = ()  # in order and apart; all other tokens meet the model alone
    earlier: "Choice | None" = None  # what row r of it chooses is told by the token id -1 - r

    @property
    def tokens(self) -> int:
        """T, the number of tokens in the step."""
        return len(self.token_ids)


@dataclass(frozen=True)
class AttentionSpec:
    """What attention needs to know of an architecture, the same for every layer of a kind."""

    heads: int
    kv_heads: int
    head_dim: int
    norm_eps: float
    rope_interleaved: bool  # True: pairs (2i, 2i+1), GGUF's `llama`; False: pairs (i, i + d/2), `qwen2`
    window: int | None = None  # sliding window: position p sees (p - window, p]
    scale: float = field(default=0.0)  # 0 means 1 / sqrt(head_dim)

    @property
    def softmax_scale(self) -> float:
        """What scores are multiplied by before softmax."""
        return self.scale or self.head_dim**-0.5


@dataclass(frozen=True)
class AttentionWeights:
    """One layer's norm and its Q, K, V projections, packed by the backend they belong to."""

    norm: Tensor
    query: Weight
    key: Weight
    value: Weight
    query_bias: Tensor | None = None
    key_bias: Tensor | None = None
    value_bias: Tensor | None = None
    key_balance: Tensor | None = None  # keys are kept times it, queries divided by it; None: 1
    query_norm: Tensor | None = None  # [head_dim], an RMS norm over each head before it is rotated; None: none
    key_norm: Tensor | None = None


@dataclass(frozen=True)
class MLPWeights:
    """One layer's norm and its gated feed-forward projections."""

    norm: Tensor
    gate: Weight
    up: Weight
    down: Weight


@dataclass(frozen=True)
class LayerWeights:
    """One transformer block's weights."""

    attention: AttentionWeights
    output: Weight  # of attention
    mlp: MLPWeights


@dataclass(frozen=True)
class LowRank:
    """What LoRA (arXiv 2106.09685) adds to the projection of inputs x: ``scale * (x @ shrink.T) @ expand.T``.

    Both matrices hold plain numbers, and the rank is a multiple of 32.
    """

    shrink: Weight  # LoRA's A, [rank, inputs]
    expand: Weight  # LoRA's B, [outputs, rank]
    scale: float


@dataclass(frozen=True)
class LayerAdapter:
    """What one adapter adds to the projections of one layer; None: nothing."""

    query: LowRank | None = None
    key: LowRank | None = None
    value: LowRank | None = None
    output: LowRank | None = None
    gate: LowRank | None = None
    up: LowRank | None = None
    down: LowRank | None = None

    @property
    def changes_mlp(self) -> bool:
        """Whether the feed-forward part is adapted at all."""
        return not (self.gate is self.up is self.down is None)


@dataclass(frozen=True)
class AdaptedRows:
    """The tokens ``start : end`` of a step, and what is added to their projections in the layer at hand."""

    start: int
    end: int
    adapter: LayerAdapter


@dataclass(frozen=True)
class SampleControl:
    """How to choose one token from one row of logits.

    Applied in this order: log-probabilities are read from the untouched logits; ``allowed`` mask; ``logit_bias``;
    repetition penalty (over ``prompt_tokens`` and ``output_counts``: positive logits divided, negative multiplied),
    presence and frequency penalties (over ``output_counts``); temperature; top-k; top-p; min-p; then the inverse CDF
    at ``uniform`` over the surviving tokens in order of falling probability, ties by lower id. ``temperature == 0``
    is argmax (lowest id wins).
    """

    temperature: float = 1.0
    top_k: int = 0  # 0: off
    top_p: float = 1.0
    min_p: float = 0.0
    uniform: float = 0.0  # in [0, 1), drawn by the engine from the sequence's own generator
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    prompt_tokens: IntArray | None = None  # distinct ids of the prompt
    output_counts: Mapping[int, int] | None = None  # id -> times generated
    logit_bias: Mapping[int, float] | None = None
    allowed: npt.NDArray[np.uint32] | None = None  # bitmask, bit i % 32 of word i // 32; None: all allowed
    logprobs: int | None = None  # None: none wanted; k: the chosen token's and the k best


@dataclass(frozen=True)
class Sampled:
    """One chosen token. Log-probabilities are the model's own, before masks, penalties and temperature."""

    token_id: int
    logprob: float | None = None
    top_logprobs: tuple[tuple[int, float], ...] = ()  # (id, logprob), best first


class Choice(Protocol):
    """Tokens that a device is choosing: it knows them before the host does."""

    def sampled(self) -> list[Sampled]:
        """Wait for them. Raises what `Backend.sample` does, and what else went wrong in the step."""
        ...


@dataclass(frozen=True)
class DeviceMemory:
    """Bytes that a backend holds of a device's own memory: now, at most so far, and kept to be used again."""

    allocated: int = 0
    peak: int = 0
    reserved: int = 0


class Backend(Protocol):
    """A device. Shapes: T tokens, H hidden size, R wanted rows, V vocabulary."""

    name: str

    @property
    def kv_dtypes(self) -> tuple[str, ...]:
        """Types of keys and values that `allocate_kv` takes, the usual one first."""
        ...

    def describe(self) -> str:
        """One line for people: instruction set or card, threads."""
        ...

    # -- loading ---------------------------------------------------------------------------------------

    def pack(self, tensor: RawTensor, *, precise: bool = False, head: bool = False) -> Weight:
        """Lay a [rows, columns] matrix out for this device. Any type of `QuantType`; values stay exact.

        A device that quantises activations does so with at least 8 bits, and with 16 before a ``precise`` weight. No op
        but `embed` and `logits` meets a ``head``.
        """
        ...

    def vector(self, tensor: RawTensor) -> Tensor:
        """A norm weight or bias as float32."""
        ...

    def row_norms(self, weight: Weight, columns: Tensor) -> FloatArray:
        """Euclidean norm of each row of a packed matrix whose columns are multiplied by ``columns``: [rows]."""
        ...

    def kernel_of(self, weight: Weight) -> str:
        """Which kernel multiplies by this weight; ``sevenb show`` says the same without packing it."""
        ...

    def weight_bytes(self, weight: Weight) -> int:
        """Bytes of device memory that a packed weight holds."""
        ...

    def free_memory(self) -> int:
        """Bytes that a KV pool could take on this device now."""
        ...

    def total_memory(self) -> int | None:
        """Bytes of memory that the device has for itself; None where it computes in the host's."""
        ...

    # -- KV cache --------------------------------------------------------------------------------------

    def kv_block_bytes(self, layout: KVLayout) -> int:
        """Bytes of one block over all layers, K and V."""
        ...

    def allocate_kv(self, layout: KVLayout, blocks: int) -> KVCache:
        """Room for ``blocks`` blocks. Raises `sevenb.errors.OutOfMemory`."""
        ...

    def copy_blocks(self, cache: KVCache, pairs: Sequence[tuple[int, int]]) -> None:
        """Copy whole blocks ``(source, target)`` over all layers, for copy-on-write."""
        ...

    def read_block(self, cache: KVCache, block: int) -> bytes:
        """The contents of one block over all layers, `kv_block_bytes` long; only the same layout can take it back."""
        ...

    def write_block(self, cache: KVCache, block: int, contents: bytes) -> None:
        """Put back what `read_block` gave. Raises ValueError when the length is wrong."""
        ...

    # -- one step --------------------------------------------------------------------------------------

    def run(self, batch: Batch, cache: KVCache, compute: Callable[[Step, KVCache], Tensor]) -> Tensor:
        """``compute(prepare(batch), cache)``, the logits of a batch without adapters: [R, V].

        A backend may replay what ``compute``, which is always the same one for a cache, did for an earlier batch.
        """
        ...

    def prepare(self, batch: Batch) -> Step:
        """Check a batch and move it to the device."""
        ...

    def embed(self, table: Weight, step: Step) -> Tensor:
        """Rows of ``table`` for the step's tokens: [T, H]."""
        ...

    def norm_qkv_rope_store(
        self,
        hidden: Tensor,
        weights: AttentionWeights,
        spec: AttentionSpec,
        step: Step,
        cache: KVCache,
        layer: int,
        adapted: Sequence[AdaptedRows] = (),
    ) -> Tensor:
        """RMS-norm, project to Q, K, V with biases, rotate Q and K, store K and V; returns Q [T, heads * head_dim].

        Each head of Q and K is normed before it is rotated where the weights say so.
        Here and below, rows that are not ``adapted`` come out as if none were, to the last bit.
        """
        ...

    def paged_attention(self, query: Tensor, spec: AttentionSpec, step: Step, cache: KVCache, layer: int) -> Tensor:
        """Causal softmax attention of every token over its sequence's stored positions: [T, heads * head_dim]."""
        ...

    def project_add(
        self, hidden: Tensor, inputs: Tensor, weight: Weight, adapted: Sequence[AdaptedRows] = ()
    ) -> Tensor:
        """``hidden + inputs @ weight.T``, attention's output: [T, H]. May work in place on ``hidden``."""
        ...

    def gated_mlp_add(
        self, hidden: Tensor, weights: MLPWeights, norm_eps: float, adapted: Sequence[AdaptedRows] = ()
    ) -> Tensor:
        """``hidden + down(silu(gate(norm(hidden))) * up(norm(hidden)))``: [T, H]. May work in place on ``hidden``."""
        ...

    def logits(self, hidden: Tensor, norm: Tensor, norm_eps: float, head: Weight, step: Step) -> Tensor:
        """Final norm and output head, only for the step's ``logit_rows``: [R, V]."""
        ...

    def normed(self, hidden: Tensor, norm: Tensor, norm_eps: float, rows: Sequence[int]) -> FloatArray:
        """What the output head would see of some rows of ``hidden``, in host memory: [len(rows), H]."""
        ...

    # -- choosing --------------------------------------------------------------------------------------

    def sample(self, logits: Tensor, controls: Sequence[SampleControl]) -> list[Sampled]:
        """One token for each row of ``logits``; ``len(controls) == R``."""
        ...

    def token_logprobs(self, logits: Tensor, rows: Sequence[int], token_ids: Sequence[int], top: int) -> list[Sampled]:
        """The log-probability of a given token in each of ``rows`` with the ``top`` best: prompt log-probabilities."""
        ...

    def to_host(self, tensor: Tensor) -> FloatArray:
        """Copy a tensor to host memory as float32, for tests and measurements."""
        ...


class CardBackend(Backend, Protocol):
    """A device with memory of its own: `total_memory` is not None, and what is taken of it can be told exactly."""

    def memory(self) -> DeviceMemory:
        """What is taken of the device's memory."""
        ...

    def reset_peak(self) -> None:
        """Count the peak of `memory` from now on."""
        ...

    def graph_shapes(self, max_num_seqs: int, max_model_len: int) -> list[tuple[int, int]]:
        """The (sequences, context) of decode steps that are recorded when they are first run over a cache."""
        ...

    def graph_bytes(self) -> int:
        """Bytes that recorded steps keep of the device's memory."""
        ...


@runtime_checkable
class OverlappingBackend(Protocol):
    """A `Backend` that can go on with tokens before the host knows them: batches may name an `earlier` choice."""

    @property
    def overlaps(self) -> bool:
        """Whether that gains anything: the device computes while the host does something else."""
        ...

    def choose(self, logits: Tensor, controls: Sequence[SampleControl]) -> Choice:
        """Begin to do what `Backend.sample` does, and do not wait. Raises ValueError as that does.

        Without rows there is nothing to choose, and the end of the step can be waited for.
        """
        ...


@runtime_checkable
class LayeredBackend(Protocol):
    """A `Backend` that can take tokens through all layers in one op, to the last bit as through the ops of each."""

    def bind_layers(self, layers: Sequence[LayerWeights], spec: AttentionSpec) -> Any | None:
        """The layers as `run_layers` takes them; None where they have to be walked through op by op."""
        ...

    def run_layers(self, layers: Any, hidden: Tensor, step: Step, cache: KVCache) -> Tensor:
        """What the last layer makes of ``hidden``, without adapters: [T, H]. May work in place on ``hidden``."""
        ...
