"""RMS norm and SiLU: one row, or one stretch of rows, a program."""

# ruff: noqa: N803  constexprs are capitals, as everywhere in Triton
# mypy: disable-error-code="no-untyped-def,no-untyped-call"

import triton
import triton.language as tl

from sevenb.backend.torch.kernels.launch import narrow


@triton.jit
def rms_norm_kernel(
    x_ptr,  # [T, columns] float32
    weight_ptr,  # [columns] float32
    out_ptr,  # [T, columns]
    columns,
    eps,
    WIDTH: tl.constexpr,
):
    """A row is read twice, the second time from the nearest cache, so that its length is not bound by registers."""
    row = tl.program_id(0).to(tl.int64) * columns
    squares = tl.zeros((WIDTH,), tl.float32)
    for start in tl.range(0, columns, WIDTH):
        column = start + tl.arange(0, WIDTH)
        x = tl.load(x_ptr + row + column, mask=column < columns, other=0.0)
        squares += x * x
    factor = tl.rsqrt(tl.sum(squares) / columns + eps)
    for start in tl.range(0, columns, WIDTH):
        column = start + tl.arange(0, WIDTH)
        alive = column < columns
        x = tl.load(x_ptr + row + column, mask=alive, other=0.0)
        weight = tl.load(weight_ptr + column, mask=alive, other=0.0)
        tl.store(out_ptr + row + column, narrow(x * factor * weight, out_ptr.dtype.element_ty), mask=alive)


@triton.jit(do_not_specialize=["count"])
def silu_multiply_kernel(gate_ptr, up_ptr, out_ptr, count, WIDTH: tl.constexpr):
    """``silu(gate) * up``, element by element, computed in float32."""
    place = tl.program_id(0).to(tl.int64) * WIDTH + tl.arange(0, WIDTH)
    alive = place < count
    gate = tl.load(gate_ptr + place, mask=alive, other=0.0).to(tl.float32)
    up = tl.load(up_ptr + place, mask=alive, other=0.0).to(tl.float32)
    tl.store(out_ptr + place, narrow(gate / (1.0 + tl.exp(-gate)) * up, out_ptr.dtype.element_ty), mask=alive)
