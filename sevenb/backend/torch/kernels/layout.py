"""How grouped weights are packed into words: four words a block, so that one 16-byte load meets whole vectors of x.

A block is 128 bits of codes: 64 columns at 2 bits, 32 at 4 or 16 at 8. Code ``i`` of word ``w`` holds column
``4 * i + w`` of its block: the four words that a thread loads at once then meet four neighbouring inputs at every
``i``, and one scale. Codes of 3, 5 and 6 bits are cut in two: words of their lower 2 or 4 bits as above, and as many
words of 8 or 16 bits with what stands above those, in the same order.
"""

import torch

WORDS = 4  # in a block

_WORD_TYPES = {8: torch.uint8, 16: torch.int16, 32: torch.int32}


def columns_of_block(bits: int) -> int:
    """Columns whose codes one block holds, of which words of 32 bits have ``bits``."""
    return WORDS * 32 // bits


def pack_codes(codes: torch.Tensor, bits: int, upper_bits: int = 0) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Unsigned codes, uint8 [rows, columns], as words [rows, columns * bits / 32].

    First int32 with the lower ``bits``; then, where there are ``upper_bits``, uint8 or int16 with those above.
    """
    each = 32 // bits
    lower = _words(codes & ((1 << bits) - 1), bits, each)
    return lower, _words(codes >> bits, upper_bits, each) if upper_bits else None


def _words(codes: torch.Tensor, bits: int, each: int) -> torch.Tensor:
    """``each`` codes a word."""
    blocks = codes.reshape(len(codes), -1, each, WORDS)
    packed = torch.zeros((len(codes), blocks.shape[1], WORDS), dtype=torch.int32, device=codes.device)
    for i in range(each):
        packed |= blocks[:, :, i].to(torch.int32) << (i * bits)
    return packed.reshape(len(codes), -1).to(_WORD_TYPES[bits * each])
