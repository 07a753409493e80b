"""sevenb's CPU kernels: the extension module built from ``native/``. Arrays are C-contiguous."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sevenb.backend.protocol import FloatArray, IntArray

_DoubleArray = npt.NDArray[np.float64]

# -- the machine -------------------------------------------------------------------------------------------

class ThreadPool:
    """Threads that share the chunks of one op after another."""

    def __init__(self, threads: int) -> None: ...
    @property
    def size(self) -> int:
        """Threads that work, the caller's included."""

def resolve_isa(name: str) -> str:
    """The instruction set that ``name`` ("auto" or one of `available_isas`) means here; ValueError if it can't run."""

def available_isas() -> list[str]:
    """Instruction sets whose kernels can run on this processor, slowest first."""

# -- matrices ----------------------------------------------------------------------------------------------

class PackedMatrix:
    """A weight matrix laid out for the kernels; its values are the file's."""

    def __init__(
        self,
        quant_type: int,
        rows: int,
        columns: int,
        data: npt.NDArray[np.uint8],
        pool: ThreadPool,
        activation_bits: int = 8,
    ) -> None: ...
    @property
    def quant_type(self) -> int: ...
    @property
    def rows(self) -> int: ...
    @property
    def columns(self) -> int: ...
    @property
    def bytes(self) -> int: ...
    @property
    def activation_bits(self) -> int:
        """Bits of the activations that it is multiplied by: 8, 16 or (for plain numbers) 32."""

class SplitMatrix:
    """An output head in two halves, so that most tokens need only the first."""

    def __init__(
        self, quant_type: int, rows: int, columns: int, data: npt.NDArray[np.uint8], pool: ThreadPool
    ) -> None: ...
    @staticmethod
    def splits(quant_type: int) -> bool:
        """Whether matrices of this type can be split."""

    @property
    def rows(self) -> int: ...
    @property
    def columns(self) -> int: ...
    @property
    def bytes(self) -> int: ...

class Workspace:
    """Threads, kernels and scratch memory that the ops of one backend share."""

    def __init__(self, pool: ThreadPool, isa: str) -> None: ...

def embed(workspace: Workspace, table: PackedMatrix | SplitMatrix, ids: IntArray, out: FloatArray) -> None:
    """Out [T, H] = the rows ``ids`` of the table."""

def norm_project_qkv(
    workspace: Workspace,
    hidden: FloatArray,
    norm: FloatArray,
    epsilon: float,
    query: PackedMatrix,
    key: PackedMatrix,
    value: PackedMatrix,
    query_bias: FloatArray | None,
    key_bias: FloatArray | None,
    value_bias: FloatArray | None,
    query_out: FloatArray,
    key_out: FloatArray,
    value_out: FloatArray,
) -> None:
    """RMS norm of hidden [T, H], then three projections with biases."""

def project_add(workspace: Workspace, hidden: FloatArray, inputs: FloatArray, weight: PackedMatrix) -> None:
    """Hidden [T, H] += inputs × weightᵀ, in place."""

def gated_mlp_add(
    workspace: Workspace,
    hidden: FloatArray,
    norm: FloatArray,
    epsilon: float,
    gate: PackedMatrix,
    up: PackedMatrix,
    down: PackedMatrix,
) -> None:
    """Hidden [T, H] += down(silu(gate(n)) × up(n)) with n the RMS norm of hidden, in place."""

def norm_project_gate_up(
    workspace: Workspace,
    hidden: FloatArray,
    norm: FloatArray,
    epsilon: float,
    gate: PackedMatrix,
    up: PackedMatrix,
    gate_out: FloatArray,
    up_out: FloatArray,
) -> None:
    """RMS norm of hidden [T, H], then two projections."""

def silu_multiply(workspace: Workspace, gate: FloatArray, up: FloatArray) -> None:
    """Gate [T, columns] = silu(gate) × up, in place; columns are a multiple of 8."""

def add_low_rank(
    workspace: Workspace,
    inputs: FloatArray,
    norm: FloatArray | None,
    epsilon: float,
    shrinks: Sequence[PackedMatrix],
    expands: Sequence[PackedMatrix],
    scales: Sequence[float],
    outs: Sequence[FloatArray],
) -> None:
    """Each of outs [T, outputs] += scale × (n × shrinkᵀ) × expandᵀ, in place.

    n are the inputs [T, columns], or what RMS norm makes of them.
    """

def logits(
    workspace: Workspace,
    hidden: FloatArray,
    rows: IntArray,
    norm: FloatArray,
    epsilon: float,
    head: PackedMatrix,
    out: FloatArray,
) -> None:
    """Out [R, V] = logits of the chosen rows of hidden, after the RMS norm."""

MOST_BEST: int

def head_logits(
    workspace: Workspace,
    hidden: FloatArray,
    rows: IntArray,
    norm: FloatArray,
    epsilon: float,
    head: SplitMatrix,
    best: IntArray,
    masks: Sequence[npt.NDArray[np.uint32] | None],
    out: FloatArray,
) -> None:
    """Out [R, V] = logits of the chosen rows of hidden, after the RMS norm.

    Exact are the best[r] largest of row r, at most MOST_BEST and of those tokens that masks[r] allows (None: all); 0:
    all. All other allowed ones are smaller.
    """

# -- KV cache and attention --------------------------------------------------------------------------------

class PagedBatch:
    """A step's positions, block tables and RoPE angles, checked and copied."""

    def __init__(
        self,
        positions: IntArray,
        query_starts: IntArray,
        context_lengths: IntArray,
        block_tables: IntArray,
        cos: FloatArray,
        sin: FloatArray,
    ) -> None: ...
    @property
    def tokens(self) -> int: ...

class KVCache:
    """Paged keys and values of all layers in one allocation."""

    def __init__(self, layers: int, kv_heads: int, head_dim: int, block_size: int, dtype: str, blocks: int) -> None: ...
    @property
    def blocks(self) -> int: ...
    def copy_block(self, source: int, target: int) -> None: ...
    def read_block(self, block: int) -> bytes: ...
    def write_block(self, block: int, contents: bytes) -> None: ...

def kv_block_bytes(layers: int, kv_heads: int, head_dim: int, block_size: int, dtype: str) -> int:
    """Bytes of one block over all layers."""

def rope_store(
    pool: ThreadPool,
    query: FloatArray,
    key: FloatArray,
    value: FloatArray,
    key_bias: FloatArray | None,
    key_balance: FloatArray | None,
    interleaved: bool,
    batch: PagedBatch,
    cache: KVCache,
    layer: int,
    query_norm: FloatArray | None = None,
    key_norm: FloatArray | None = None,
    norm_epsilon: float = 0.0,
) -> None:
    """Norm and rotate query [T, heads * head_dim] in place and key, weigh them against each other; store key and value.

    The norms are the weights [head_dim] of an RMS norm over each head.
    """

def paged_attention(
    pool: ThreadPool,
    isa: str,
    query: FloatArray,
    output: FloatArray,
    window: int,
    scale: float,
    batch: PagedBatch,
    cache: KVCache,
    layer: int,
) -> None:
    """Causal softmax attention of query [T, heads * head_dim] over the cache into output; window 0 is none."""

# -- layers ------------------------------------------------------------------------------------------------

class Layers:
    """A decoder's layers, which tokens go through in one call."""

    def __init__(
        self,
        heads: int,
        kv_heads: int,
        head_dim: int,
        interleaved: bool,
        window: int,
        softmax_scale: float,
        norm_epsilon: float,
    ) -> None: ...
    def append(
        self,
        attention_norm: FloatArray,
        query: PackedMatrix,
        key: PackedMatrix,
        value: PackedMatrix,
        query_bias: FloatArray | None,
        key_bias: FloatArray | None,
        value_bias: FloatArray | None,
        key_balance: FloatArray | None,
        query_norm: FloatArray | None,
        key_norm: FloatArray | None,
        output: PackedMatrix,
        mlp_norm: FloatArray,
        gate: PackedMatrix,
        up: PackedMatrix,
        down: PackedMatrix,
    ) -> None:
        """One more layer; matrices and vectors are kept, None where the model has no such vector."""

    def run(self, workspace: Workspace, hidden: FloatArray, batch: PagedBatch, cache: KVCache) -> None:
        """Hidden [T, H] goes through all layers, in place; keys and values are stored in the cache."""

# -- sampling ----------------------------------------------------------------------------------------------

EDIT_BIAS: int
EDIT_SEEN: int
EDIT_GENERATED: int

_Choice = tuple[int, float | None, tuple[tuple[int, float], ...]]

def argmax(pool: ThreadPool, isa: str, logits: FloatArray) -> list[int]:
    """The lowest id of the largest logit in each row of logits [R, V]."""

def sample(
    pool: ThreadPool,
    isa: str,
    logits: FloatArray,
    parameters: _DoubleArray,
    counts: IntArray,
    edits: IntArray,
    edit_values: _DoubleArray,
    masks: Sequence[npt.NDArray[np.uint32] | None],
) -> list[_Choice]:
    """One token a row.

    parameters [R, 7]: temperature, top_p, min_p, uniform, repetition, presence and frequency penalty; counts [R, 2]:
    top_k, logprobs (-1: none); edits [N, 3]: row, token, kind; masks: an array or None a row.
    """

def token_logprobs(
    pool: ThreadPool, isa: str, logits: FloatArray, rows: Sequence[int], token_ids: Sequence[int], top: int
) -> list[_Choice]:
    """The log-probability of a given token in each of some rows of logits [R, V], with the ``top`` best."""
