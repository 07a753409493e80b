"""What steps take of a card's memory, seen by running the largest ones before the KV pool gets the rest."""

import numpy as np

from sevenb.backend.protocol import Batch, CardBackend, IntArray, KVCache, KVLayout, SampleControl
from sevenb.engine.engine_config import EngineConfig
from sevenb.engine.kv_sizing import KVSizing
from sevenb.engine.memory_plan import Taken
from sevenb.engine.model_runner import Decoder, RotaryAngles

_BLOCKS = 8  # every position of a trial lives in one of so many; a pool has more

# The last one copies the logits and sorts them: the most that choosing takes.
_WAYS_TO_CHOOSE = (
    SampleControl(temperature=0.0),
    SampleControl(top_p=0.9, uniform=0.5),
    SampleControl(top_p=0.9, uniform=0.5, presence_penalty=0.5, output_counts={0: 1}, logprobs=1),
)


def try_steps(
    config: EngineConfig,
    sizing: KVSizing,
    *,
    decoder: Decoder,
    backend: CardBackend,
    layout: KVLayout,
    rope: RotaryAngles,
) -> Taken:
    """What a card holds, and what is taken beside that at most: by a prompt's chunk, by graphs, by choosing tokens.

    All stand at the end of the longest context that ``sizing`` leaves them, over a cache of a few blocks that is gone
    afterwards. Kernels are compiled on the way, so that the first request need not wait for that.
    """
    backend.reset_peak()
    weights = backend.memory().allocated
    cache = backend.allocate_kv(layout, _BLOCKS)
    held = backend.memory().allocated
    decoder.forward(trial_batch([sizing.max_model_len], config.batched_tokens, layout.block_size, rope), cache)
    prompt = backend.memory().peak - held
    record_steps(config, sizing, decoder=decoder, backend=backend, cache=cache, rope=rope)
    graphs = backend.graph_bytes()
    backend.reset_peak()
    held = backend.memory().allocated
    sequences = config.max_num_seqs
    share = max(1, min(sizing.max_model_len, sizing.tokens // sequences))
    logits = decoder.forward(trial_batch([share] * sequences, 1, layout.block_size, rope), cache)
    for control in _WAYS_TO_CHOOSE:
        backend.sample(logits, [control] * sequences)
    return Taken(weights, max(prompt, backend.memory().peak - held), graphs)


def record_steps(
    config: EngineConfig,
    sizing: KVSizing,
    *,
    decoder: Decoder,
    backend: CardBackend,
    cache: KVCache,
    rope: RotaryAngles,
) -> None:
    """Have the backend record its graphs over a cache that nobody uses yet."""
    for sequences, context in backend.graph_shapes(config.max_num_seqs, sizing.max_model_len):
        contexts = [min(context, sizing.max_model_len)] * sequences
        decoder.forward(trial_batch(contexts, 1, sizing.block_size, rope), cache)


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
