"""What steps take of a card's memory, seen by running the largest ones before the KV pool gets the rest."""

import numpy as np

from sevenb.backend.protocol import Batch, CardBackend, IntArray, KVLayout, SampleControl
from sevenb.engine.engine_config import EngineConfig
from sevenb.engine.kv_sizing import KVSizing
from sevenb.engine.model_runner import Decoder, RotaryAngles

_BLOCKS = 8  # of the trial's own cache: every position of a trial lives in one of these


def trial_bytes(
    config: EngineConfig,
    sizing: KVSizing,
    *,
    decoder: Decoder,
    backend: CardBackend,
    layout: KVLayout,
    rope: RotaryAngles,
) -> int:
    """The most that a step took beside the weights: of a prompt's chunk, and of a token for each sequence.

    Both stand at the end of the longest context that ``sizing`` leaves them. Kernels are compiled on the way, so that
    the first request need not wait for that.
    """
    cache = backend.allocate_kv(layout, _BLOCKS)
    backend.reset_peak()
    held = backend.memory().allocated
    prompt = trial_batch([sizing.max_model_len], config.batched_tokens, layout.block_size, rope)
    decoder.forward(prompt, cache)
    sequences = config.max_num_seqs
    share = max(1, min(sizing.max_model_len, sizing.tokens // sequences))
    logits = decoder.forward(trial_batch([share] * sequences, 1, layout.block_size, rope), cache)
    backend.sample(logits, [SampleControl(top_p=0.9, uniform=0.5)] * sequences)  # sorts: more than all else takes
    return backend.memory().peak - held


def trial_batch(contexts: list[int], tokens: int, block_size: int, rope: RotaryAngles) -> Batch:
    """The last ``tokens`` of sequences of these lengths, over block tables that name the trial's few blocks only.

    Where they meet there, later tokens overwrite earlier ones: the numbers mean nothing, their amount does.
    """
    counts = [min(tokens, context) for context in contexts]
    positions = np.concatenate(
        [np.arange(context - count, context, dtype=np.int32) for context, count in zip(contexts, counts, strict=True)]
    )
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    widest = -(-max(contexts) // block_size)
    table: IntArray = np.arange(widest, dtype=np.int32) % _BLOCKS
    cos, sin = rope.angles(positions, rope.choose(max(contexts), None))
    return Batch(
        token_ids=np.zeros(len(positions), dtype=np.int32),
        positions=positions,
        query_starts=starts,
        context_lengths=np.array(contexts, dtype=np.int32),
        block_tables=np.tile(table, (len(contexts), 1)),
        logit_rows=starts[1:] - 1,
        rope_cos=cos,
        rope_sin=sin,
    )
