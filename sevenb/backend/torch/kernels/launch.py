"""What all kernels share: whether they are interpreted, a matrix product that the interpreter gets right, counters."""

# mypy: disable-error-code="no-untyped-def,no-untyped-call"

import torch
import triton
import triton.language as tl

INTERPRETED: bool = bool(triton.knobs.runtime.interpret)  # TRITON_INTERPRET=1 when the kernels were imported

_interpreted = tl.constexpr(INTERPRETED)

# Work that is cut along its sum ends when the last part arrives; each such piece of output has a counter. A launch
# with more pieces than this fills every card without being cut.
COUNTERS = 1 << 16
_counters: dict[torch.device, torch.Tensor] = {}


def counters(device: torch.device) -> torch.Tensor:
    """Zeros, int32 [65536], of a device; every kernel that counts in them leaves them zero."""
    if device not in _counters:
        _counters[device] = torch.zeros(COUNTERS, dtype=torch.int32, device=device)
    return _counters[device]


# Where a batch's integers begin depends on how many there are, and a layer's centres on how many blocks. Nothing gains
# by knowing it: a kernel compiled for one alignment would be compiled again for others, in the midst of answers.
ANYWHERE = ("positions_ptr", "sequence_ptr", "starts_ptr", "contexts_ptr", "tables_ptr", "centre_units_ptr")


@triton.jit
def matrix_product(a, b, total):
    """``total + a @ b``, summed in float32. The interpreter would multiply the bits of bfloat16 as if integers."""
    if _interpreted:
        return tl.dot(a.to(tl.float32), b.to(tl.float32), total)
    return tl.dot(a, b, total)


@triton.jit
def narrow(x, dtype: tl.constexpr):
    """Float32 as another type, to the nearest number. The interpreter would cut off, or drop a carry."""
    if _interpreted:  # noqa: SIM102
        if dtype == tl.bfloat16 or dtype == tl.float8e4nv:
            gone: tl.constexpr = 16 if dtype == tl.bfloat16 else 20  # bits of the mantissa
            bits = x.to(tl.int32, bitcast=True)
            bits = (bits + (1 << (gone - 1)) - 1 + ((bits >> gone) & 1)) & -(1 << gone)
            rounded = bits.to(tl.float32, bitcast=True)
            if dtype == tl.float8e4nv:  # below 1/64 in steps of 1/512
                rounded = tl.where(tl.abs(x) < 0.015625, (x + 24576.0) - 24576.0, rounded)
            x = rounded
    return x.to(dtype)


@triton.jit
def is_last(counter_ptr, parts):
    """Whether this program is the last of ``parts`` to come here; what the others stored before is then visible.

    The counter is zero again afterwards, so that a captured graph can be replayed.
    """
    tl.debug_barrier()  # all threads' stores come before the one thread's release
    last = tl.atomic_add(counter_ptr, 1, sem="acq_rel", scope="gpu") == parts - 1
    if last:
        tl.store(counter_ptr, 0)
    tl.debug_barrier()
    return last
