"""What an engine takes beside weights and the KV pool: activations of its largest step, and the process itself.

For our own CPU engine the arithmetic follows its buffers (`sevenb/backend/native/backend.py`, `native/linear.cpp`), and
tests hold it against the running server. For cards it is an allowance, for no two engines are alike.
"""

from sevenb.lab.plan.devices import MIB
from sevenb.model.shape import ModelShape

BATCHED_TOKENS = 512  # of one step of our CPU engine, unless told otherwise
GPU_BATCHED_TOKENS = 2048  # of vLLM, unless told otherwise

PROCESS_BYTES = 53 * MIB  # of our engine: Python with NumPy and the kernels, before any model
PROCESS_BYTES_PER_WORD = 20  # of the vocabulary, which the header of the file lists
TOKEN_BYTES = 160  # Python's own notes of a token in the cache: ids, hashes, where it was seen before
CUDA_BYTES = 600 * MIB  # context, libraries and compiled kernels on each card

_INT8_BLOCK, _INT16_BLOCK = 60, 104  # bytes of 32 activations (native/activations.h)


def cpu_activations(shape: ModelShape, *, rows: int, context: int, floats: bool, tokens: int = BATCHED_TOKENS) -> int:
    """Bytes of our CPU engine's buffers in a step of ``tokens`` tokens of which ``rows`` have logits.

    ``floats``: weights are plain numbers, so that activations are not rounded.
    """
    query, kv = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    hidden, inner = shape.hidden_size, shape.intermediate_size
    states = 4 * tokens * (hidden + 2 * query + 2 * kv)
    widest = max(hidden, query)
    if floats:
        inputs = 4 * tokens * (widest + inner)
    else:
        inputs = tokens * (widest * (_INT8_BLOCK + _INT16_BLOCK) + inner * _INT8_BLOCK) // 32
    logits = 4 * rows * shape.vocab_size
    angles = 4 * context * shape.head_dim
    return states + inputs + logits + angles


def cpu_process(shape: ModelShape, *, cached_tokens: int) -> int:
    """Bytes of our engine's process without weights, keys and values, and activations."""
    return PROCESS_BYTES + PROCESS_BYTES_PER_WORD * shape.vocab_size + TOKEN_BYTES * cached_tokens


def gpu_activations(shape: ModelShape, *, rows: int, cards: int, tokens: int = GPU_BATCHED_TOKENS) -> int:
    """Bytes on each card: 16 bits an activation, logits in float32 with a copy for the choice."""
    query, kv = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    states = 2 * tokens * (3 * shape.hidden_size + (2 * query + 2 * kv + 3 * shape.intermediate_size) // cards)
    return states + 2 * 4 * rows * shape.vocab_size
