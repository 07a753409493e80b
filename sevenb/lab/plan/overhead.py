"""What an engine takes on a card beside weights and the KV pool: an allowance, for no two engines are alike.

For our own CPU engine `sevenb/model/memory.py` knows it.
"""

from sevenb.model.shape import ModelShape

STEP_TOKENS = 2048  # that vLLM computes at once, unless told otherwise
CUDA_BYTES = 600 * 2**20  # context, libraries and compiled kernels on each card


def card_activations(shape: ModelShape, *, rows: int, cards: int) -> int:
    """Bytes on each card: 16 bits an activation, logits in float32 with a copy for the choice."""
    query, kv = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    states = 2 * STEP_TOKENS * (3 * shape.hidden_size + (2 * query + 2 * kv + 3 * shape.intermediate_size) // cards)
    return states + 2 * 4 * rows * shape.vocab_size
