"""GPTQ's integers as AutoGPTQ and its successors lay them out (arXiv 2210.17323)."""

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint32]
Bytes = npt.NDArray[np.uint8]


def unpack_inputs(words: Words, bits: int) -> Bytes:
    """Codes [inputs, outputs] of ``qweight`` [inputs * bits / 32, outputs]: neighbours in a word are inputs."""
    rows, outputs = words.shape
    codes = np.empty((rows, 32 // bits, outputs), np.uint8)
    for index in range(32 // bits):
        codes[:, index] = words >> np.uint32(bits * index) & np.uint32(2**bits - 1)
    return codes.reshape(-1, outputs)


def unpack_zeros(words: Words, bits: int, *, less_one: bool) -> Bytes:
    """Zero points [groups, outputs] of ``qzeros`` [groups, outputs * bits / 32]: neighbours in a word are outputs.

    Where they are stored less one, one was taken from all of a word in a single subtraction, which may borrow.
    """
    shifts = np.arange(0, 32, bits, dtype=np.uint32)
    if less_one:
        words = words + np.bitwise_or.reduce(np.uint32(1) << shifts)
    zeros = words[..., None] >> shifts & np.uint32(2**bits - 1)
    return zeros.astype(np.uint8).reshape(len(words), -1)


def act_order(groups: npt.NDArray[np.int32], group_size: int) -> npt.NDArray[np.int32] | None:
    """Inputs ordered by their group, from ``g_idx``; None where they stand so. ValueError where groups differ in size.

    With act-order (``desc_act``) GPTQ quantises the inputs that matter most first, whatever their place, and those
    quantised together share a group.
    """
    expected = np.arange(len(groups), dtype=np.int32) // group_size
    if np.array_equal(groups, expected):
        return None
    order = np.argsort(groups, kind="stable").astype(np.int32)
    if not np.array_equal(groups[order], expected):
        raise ValueError("g_idx")
    return order
