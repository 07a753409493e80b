"""How large a model's weights are in each quantisation, from its shape alone, tensor by tensor.

GGUF types follow llama.cpp's ``llama-quantize`` (``src/llama-quant.cpp``): the K mixtures give half of the layers'
``attn_v`` and ``ffn_down`` more bits, the head Q6_K, and rows that are no multiple of 256 long a type of 32. AWQ and
GPTQ keep embedding, head, norms and biases in 16 bits and quantise the rest to 4, with a scale of 16 bits and a zero of
4 for each 128 weights of a row (arXiv 2306.00978, 2210.17323).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

from sevenb.backend.quant_types import QuantType
from sevenb.errors import InvalidRequest
from sevenb.model.shape import Matrix, ModelShape

GROUP = 128  # weights that share a scale in AWQ and GPTQ
_GROUPED_BITS = 4 + (16 + 4) / GROUP

_FALLBACKS = {
    QuantType.Q2_K: QuantType.Q4_0,
    QuantType.Q3_K: QuantType.Q4_0,
    QuantType.Q4_K: QuantType.Q5_0,
    QuantType.Q5_K: QuantType.Q5_1,
    QuantType.Q6_K: QuantType.Q8_0,
}
# The CPU backend keeps sub-scales of 6 bits in bytes (native/weight_types.h): bytes of a packed block.
_PACKED_BLOCK_BYTES = {QuantType.Q4_K: 148, QuantType.Q5_K: 180, QuantType.Q3_K: 114}
_PACKED_ROWS = 16  # that are interleaved
_CACHE_LINE, _HUGE_PAGE, _SLAB = 64, 2 * 2**20, 64 * 2**20


@dataclass(frozen=True)
class Weights:
    """Bytes of all weights and of those that each generated token ``read``s: as files have them, and ``packed`` by
    our CPU engine, there with the rest of the huge pages that they begin.

    A token reads every matrix but the embedding, of which it takes a row; a head that is the embedding is read.
    """

    quantization: str
    stored: int
    read: int
    packed: int
    packed_read: int


_Chooser = Callable[[ModelShape, Matrix], QuantType]


def _plain(kind: QuantType) -> _Chooser:
    return lambda shape, matrix: kind


def _mixture(kind: QuantType, better: QuantType) -> _Chooser:
    """``kind``, and ``better`` for the head and for what is sensitive in half of the layers."""

    def choose(shape: ModelShape, matrix: Matrix) -> QuantType:
        wanted = kind
        if _is_head(shape, matrix) or (
            matrix.role in ("attn_v", "ffn_down")
            and matrix.layer is not None
            and _sensitive(matrix.layer, shape.layers)
        ):
            wanted = better
        return wanted if matrix.columns % wanted.block_size == 0 else _FALLBACKS[wanted]

    return choose


def _legacy(kind: QuantType) -> _Chooser:
    """A type of 32 with the head in Q6_K."""

    def choose(shape: ModelShape, matrix: Matrix) -> QuantType:
        if not _is_head(shape, matrix):
            return kind
        return QuantType.Q6_K if matrix.columns % 256 == 0 else QuantType.Q8_0

    return choose


def _is_head(shape: ModelShape, matrix: Matrix) -> bool:
    tied = shape.tied_embeddings and not shape.head_repeated
    return matrix.role == ("token_embd" if tied else "output")


def _sensitive(layer: int, layers: int) -> bool:
    return layer < layers // 8 or layer >= 7 * layers // 8 or (layer - layers // 8) % 3 == 2


_GGUF: dict[str, _Chooser] = {
    "bf16": _plain(QuantType.BF16),
    "fp16": _plain(QuantType.F16),
    "Q8_0": _plain(QuantType.Q8_0),
    "Q6_K": _mixture(QuantType.Q6_K, QuantType.Q6_K),
    "Q5_K_M": _mixture(QuantType.Q5_K, QuantType.Q6_K),
    "Q4_K_M": _mixture(QuantType.Q4_K, QuantType.Q6_K),
    "Q4_1": _legacy(QuantType.Q4_1),
    "Q4_0": _legacy(QuantType.Q4_0),
}
_GROUPED = ("AWQ", "GPTQ")
QUANTIZATIONS = ("bf16", "fp16", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "AWQ", "GPTQ", "Q4_1", "Q4_0")
USUAL = QUANTIZATIONS[1:8]  # what tables show
"""Names that plans take; `quantization_of` knows their other spellings."""

_SPELLINGS = {
    "f16": "fp16",
    "half": "fp16",
    "float16": "fp16",
    "bfloat16": "bf16",
    "int8": "Q8_0",
    "int4": "AWQ",
    "q6_k_m": "Q6_K",
    **{name.lower(): name for name in QUANTIZATIONS},
}


def quantization_of(name: str) -> str:
    """The name that is meant, upper or lower case. Raises `InvalidRequest` for an unknown one."""
    wanted = name.strip().lower().replace("-", "_")
    for suffix in ("_int4", "_g128"):
        wanted = wanted.removesuffix(suffix)
    try:
        return _SPELLINGS[wanted]
    except KeyError:
        raise InvalidRequest(
            f"There is no quantization {name!r}; choose {', '.join(QUANTIZATIONS)}.", "quantization"
        ) from None


@lru_cache(512)
def weights_of(shape: ModelShape, quantization: str) -> Weights:
    """Every tensor in one of `QUANTIZATIONS`."""
    if quantization in _GROUPED:
        return _grouped(shape, act_order=quantization == "GPTQ")
    choose = _GGUF[quantization]
    matrices = list(shape.matrices())
    if shape.head_repeated and quantization not in ("bf16", "fp16"):
        matrices.insert(1, Matrix("output", shape.vocab_size, shape.hidden_size))
    typed = [(matrix.role, choose(shape, matrix), matrix.rows, matrix.columns) for matrix in matrices]
    return sum_weights(quantization, typed, shape.vector_elements)


def sum_weights(
    quantization: str, matrices: Iterable[tuple[str, QuantType, int, int]], vector_elements: int
) -> Weights:
    """The bytes of matrices, each a role with type, rows and columns, and of vectors in float32.

    The order is that in which they are loaded: embedding, head, layers.
    """
    stored = packed = 4 * vector_elements
    table = packed_table = 0
    tied = True
    packed_sizes = []
    for role, kind, rows, columns in matrices:
        size, packed_size = rows * kind.row_bytes(columns), packed_bytes(kind, rows, columns)
        stored, packed = stored + size, packed + packed_size
        packed_sizes.append(packed_size)
        if role == "token_embd":
            table, packed_table = size, packed_size
        tied = tied and role != "output"
    if tied:
        table = packed_table = 0
    pages = 4 * vector_elements + _page_bytes(packed_sizes)
    return Weights(quantization, stored, stored - table, pages, packed - packed_table)


def _page_bytes(sizes: Iterable[int]) -> int:
    """What matrices take that lie side by side in slabs of huge pages (native/weight_memory.cpp)."""
    total = slab = used = 0
    for size in sizes:
        if used + size > slab:
            total += _whole(used, _HUGE_PAGE)
            slab, used = _whole(max(size, _SLAB), _HUGE_PAGE), 0
        used += _whole(size, _CACHE_LINE)
    return total + _whole(used, _HUGE_PAGE)


def _whole(count: int, unit: int) -> int:
    return -(-count // unit) * unit


def packed_bytes(kind: QuantType, rows: int, columns: int) -> int:
    """Bytes that a matrix takes in our CPU engine."""
    block = _PACKED_BLOCK_BYTES.get(kind, kind.block_bytes)
    return -(-rows // _PACKED_ROWS) * _PACKED_ROWS * (columns // kind.block_size * block)


def _grouped(shape: ModelShape, *, act_order: bool) -> Weights:
    """AWQ, or GPTQ with its list of which group each input belongs to."""
    stored = 2 * shape.vector_elements
    embedding = 2 * shape.vocab_size * shape.hidden_size
    for matrix in shape.matrices():
        if matrix.layer is None:
            stored += 2 * matrix.rows * matrix.columns
            continue
        stored += int(matrix.rows * matrix.columns * _GROUPED_BITS / 8)
        stored += 4 * matrix.columns if act_order else 0
    read = stored if shape.tied_embeddings else stored - embedding
    return Weights("GPTQ" if act_order else "AWQ", stored, read, stored, read)
