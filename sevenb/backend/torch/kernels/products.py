"""Launching products with weights: which kernel, how its work is cut up, and why."""

from collections.abc import Sequence
from functools import lru_cache

import torch
import triton
from torch import Tensor

from sevenb.backend.torch.kernels.launch import COUNTERS, counters
from sevenb.backend.torch.kernels.layout import columns_of_block
from sevenb.backend.torch.kernels.matrix import dequantize_kernel, matrix_kernel
from sevenb.backend.torch.kernels.vector import gate_up_kernel, vector_kernel
from sevenb.backend.torch.kernels.walk import CONSTANT, LEVELS, MINIMA, SIGNED, ZEROS
from sevenb.backend.torch.weights import FloatWeight, GroupedWeight, TorchWeight

MOST_TOKENS = 4  # of a product that is a walk along rows; more are the tensor cores' work
# From here on products wait for the tensor cores, and writing the weights out costs a tenth or less.
WRITE_OUT_FROM = 512

# A program has 4 KB of weights on the way from memory at once. An H100 needs about 2 MB in all to reach its bandwidth
# (600 ns at 3.35 TB/s), an A100 about 1.2 MB: 8 warps a processor are enough for both, and leave room for the next.
_WARPS_A_PROCESSOR = 8
_BLOCKS = 32  # a block a thread
# Of a tile for the tensor cores: 256 columns of 4 bits at a time, and of 2 bits, where 8 blocks would be twice as many.
_MATRIX_ROWS, _MATRIX_BLOCKS, _MATRIX_COLUMNS = 64, 8, 256
_PROGRAMS_A_PROCESSOR = 2  # of those, which is what shared memory has room for
_PARTS = (1, 2, 4, 8)  # few, as each is a kernel of its own
_SLICE = 1 << 25  # weights written out at a time: 64 MB, about what the second-level cache of an H100 holds


@lru_cache(maxsize=1 << 12)
def parts_of(tiles: int, blocks: int, processors: int, wanted: int = _WARPS_A_PROCESSOR, least: int = _BLOCKS) -> int:
    """Into how many parts to cut columns: each processor has ``wanted`` programs of ``least`` blocks or more."""
    if tiles > COUNTERS:
        return 1
    enough, possible = wanted * processors / tiles, triton.cdiv(blocks, least)
    return max(parts for parts in _PARTS if parts == 1 or (parts < 2 * enough and parts <= possible))


@lru_cache
def processors_of(device: torch.device) -> int:
    """Streaming multiprocessors of a card; those of an H100 where kernels are interpreted."""
    return torch.cuda.get_device_properties(device).multi_processor_count if device.type == "cuda" else 132


def rows_of(tokens: int, weight: TorchWeight) -> int:
    """Rows of weights a warp walks along: each more shares x's loads, and takes registers for every token."""
    if tokens > 2 and isinstance(weight, GroupedWeight) and weight.upper is not None:
        return 2
    return 8 if tokens == 1 else 4


def walks(tokens: int, weights: Sequence[TorchWeight]) -> bool:
    """Whether a product of so few tokens with all these weights is one launch of `vector_kernel`."""
    first = weights[0]
    return tokens <= MOST_TOKENS and all(
        weight.column_order is None and _alike(weight, first) and _whole_blocks(weight) for weight in weights
    )


def launched_together(tokens: int, weights: Sequence[TorchWeight]) -> int:
    """How many of the first of these weights one launch of `vector_kernel` takes, at least 1."""
    return next((count for count in (3, 2) if count <= len(weights) and walks(tokens, weights[:count])), 1)


def vector_product(
    x: Tensor,
    weights: Sequence[TorchWeight],
    out: Tensor,
    *,
    norm: Tensor | None = None,
    eps: float = 0.0,
    biases: Sequence[Tensor | None] = (),
    add: bool = False,
) -> None:
    """Products of ``x`` [1 to 4, columns] with one to three weights that `walks` allows, side by side in ``out``.

    With ``norm`` x is RMS-normed; biases are added; with ``add`` so is what stands in ``out``.
    """
    tokens, rows = len(x), rows_of(len(x), weights[0])
    tiles = sum(triton.cdiv(weight.rows, rows) for weight in weights)
    blocks = weights[0].columns // _block(weights[0])
    parts = parts_of(tiles, blocks, processors_of(x.device))
    room = parts * tokens * tiles * (rows + 1)
    partial = out if parts == 1 else torch.empty(room, dtype=torch.float32, device=x.device)
    bias = any(given is not None for given in biases)
    slots = []
    for index in range(3):
        weight = weights[min(index, len(weights) - 1)]
        given = biases[index] if bias and index < len(weights) else None
        if bias and index < len(weights) and given is None:
            given = torch.zeros(weight.rows, device=x.device)
        slots += [
            *_parts_of_weight(weight),
            out if given is None else given,
            weight.rows if index < len(weights) else 0,
        ]
    vector_kernel[(tiles, parts)](
        x, x if norm is None else norm, out, partial, counters(x.device), *slots, blocks,
        x.stride(0), out.stride(0), eps,
        M=tokens, **_format(weights[0]), NORM=norm is not None, BIAS=bias, ADD=add,
        PARTS=parts, ROWS=rows, BLOCKS=_BLOCKS, num_warps=1,
    )  # fmt: skip


def gate_up(x: Tensor, norm: Tensor, eps: float, gate: TorchWeight, up: TorchWeight, out: Tensor) -> None:
    """``silu(gate(norm(x))) * up(norm(x))`` of 1 to 4 tokens, for weights that `walks` allows."""
    rows = 4 if len(x) == 1 else 2  # of both, one after the other: as many bytes on the way from twice the programs
    gate_up_kernel[(triton.cdiv(gate.rows, rows),)](
        x, norm, out, *_parts_of_weight(gate), *_parts_of_weight(up), gate.rows, gate.columns // _block(gate),
        x.stride(0), out.stride(0), eps,
        M=len(x), **_format(gate), ROWS=rows, BLOCKS=_BLOCKS, num_warps=1,
    )  # fmt: skip


def matrix_product(x: Tensor, weight: GroupedWeight, out: Tensor, *, add: bool = False) -> None:
    """``x @ weight.T`` into ``out``, or added to it, for any number of tokens; x of 16 bits."""
    tokens = len(x)
    if tokens >= WRITE_OUT_FROM:
        _written_out(x, weight, out, add)
        return
    # 64 rows are the least that Hopper's products take. Twice as many tokens a tile halve how often codes are decoded;
    # beyond 64 accumulators crowd out the words on their way.
    tile = min(64, max(16, triton.next_power_of_2(tokens)))
    blocks = weight.columns // _block(weight)
    across, along = triton.cdiv(weight.rows, _MATRIX_ROWS), triton.cdiv(tokens, tile)
    at_once = min(_MATRIX_BLOCKS, _MATRIX_COLUMNS // _block(weight))
    parts = parts_of(across * along, blocks, processors_of(x.device), _PROGRAMS_A_PROCESSOR, at_once)
    room = parts * across * along * _MATRIX_ROWS * tile
    partial = out if parts == 1 else torch.empty(room, dtype=torch.float32, device=x.device)
    matrix_kernel[(across, along, parts)](
        x, *_parts_of_weight(weight), out, partial, counters(x.device), tokens, weight.rows, blocks,
        x.stride(0), out.stride(0), **_format(weight), ADD=add, PARTS=parts,
        ROWS=_MATRIX_ROWS, TOKENS=tile, BLOCKS=at_once, num_warps=4, num_stages=2,
    )  # fmt: skip


def _written_out(x: Tensor, weight: GroupedWeight, out: Tensor, add: bool) -> None:
    step = max(1, _SLICE // weight.columns)
    blocks = weight.columns // _block(weight)
    room = torch.empty((min(step, weight.rows), weight.columns), dtype=x.dtype, device=x.device)
    for start in range(0, weight.rows, step):
        end = min(start + step, weight.rows)
        parts = (part[start:end] for part in _parts_of_weight(weight))
        dequantize_kernel[(triton.cdiv(end - start, 8), triton.cdiv(blocks, _BLOCKS))](
            *parts, room, end - start, blocks, **_format(weight), ROWS=8, BLOCKS=_BLOCKS, num_warps=4
        )
        product = x @ room[: end - start].T
        if add:
            out[:, start:end] += product
        else:
            out[:, start:end] = product


def _alike(weight: TorchWeight, other: TorchWeight) -> bool:
    if isinstance(weight, FloatWeight) or isinstance(other, FloatWeight):
        return (
            isinstance(weight, FloatWeight)
            and isinstance(other, FloatWeight)
            and weight.values.dtype == other.values.dtype
        )
    return _format(weight) == _format(other) and weight.scales.dtype == other.scales.dtype


def _whole_blocks(weight: TorchWeight) -> bool:
    """Of a matrix whose numbers can be counted in 31 bits, as the kernel does where they are not codes."""
    small = isinstance(weight, GroupedWeight) or weight.rows * weight.columns < 1 << 31
    return small and weight.columns % _block(weight) == 0


def _block(weight: TorchWeight) -> int:
    return 8 if isinstance(weight, FloatWeight) else columns_of_block(weight.bits)


def _format(weight: TorchWeight) -> dict[str, int]:
    if isinstance(weight, FloatWeight):
        return {"BITS": 16, "UPPER": 0, "GROUP": 0, "SHIFT": CONSTANT, "ZERO": 0}
    levels = SIGNED if weight.scales.dtype == torch.int8 else LEVELS
    given = ((weight.levels, levels), (weight.minima, MINIMA), (weight.zeros, ZEROS))
    shift = next((kind for numbers, kind in given if numbers is not None), CONSTANT)
    zero = weight.zero if shift in (CONSTANT, SIGNED) else 0
    return {"BITS": weight.bits, "UPPER": weight.upper_bits, "GROUP": weight.group, "SHIFT": shift, "ZERO": zero}


def _parts_of_weight(weight: TorchWeight) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Codes, what stands above them, scales, and what is subtracted or multiplied: anything where there is none."""
    if isinstance(weight, FloatWeight):
        return weight.values, weight.values, weight.values, weight.values
    given = (weight.levels, weight.minima, weight.zeros, weight.scales)
    upper = weight.codes if weight.upper is None else weight.upper
    return weight.codes, upper, weight.scales, next(numbers for numbers in given if numbers is not None)
