"""How grouped weights are packed into words: four words a block, so that one 16-byte load meets whole vectors of x.

A block is 128 bits of codes, 32 columns at 4 bits or 16 at 8 bits. Code ``i`` of word ``w`` holds column
``4 * i + w`` of its block: the four words that a thread loads at once then meet four neighbouring inputs at every
``i``, and one scale.
"""

import torch

WORDS = 4  # of 32 bits, in a block


def columns_of_block(bits: int) -> int:
    """Columns whose codes one block holds."""
    return WORDS * 32 // bits


def pack_codes(codes: torch.Tensor, bits: int) -> torch.Tensor:
    """Unsigned codes, uint8 [rows, columns], as int32 words [rows, columns * bits / 32]."""
    rows, columns = codes.shape
    each = 32 // bits
    blocks = codes.reshape(rows, columns // columns_of_block(bits), each, WORDS)
    packed = torch.zeros((rows, blocks.shape[1], WORDS), dtype=torch.int32, device=codes.device)
    for i in range(each):
        packed |= blocks[:, :, i].to(torch.int32) << (i * bits)
    return packed.reshape(rows, -1)
