"""How the KV pool is kept, how large it becomes, and how much context that is."""

from dataclasses import dataclass

from sevenb.backend.protocol import Backend
from sevenb.engine.engine_config import EngineConfig
from sevenb.engine.room import Room
from sevenb.engine.what_fits import WhatFits
from sevenb.errors import InvalidRequest, OutOfMemory

LEAST_CONTEXT = 256  # tokens; with less a pool is of no use
GENEROUS_POOL = 65536  # tokens; where nothing was asked for, no more than this or two full contexts
GENEROUS_POOL_OF_A_CARD = 262144  # tokens: 4,096 for each of 64 sequences


@dataclass(frozen=True)
class KVSizing:
    """A pool of ``blocks`` blocks, and the longest sequence the engine takes."""

    blocks: int
    block_size: int
    block_bytes: int
    max_model_len: int

    @property
    def tokens(self) -> int:
        """Positions the whole pool holds."""
        return self.blocks * self.block_size

    @property
    def bytes(self) -> int:
        """Memory the whole pool takes."""
        return self.blocks * self.block_bytes


def kv_dtype(config: EngineConfig, backend: Backend) -> str:
    """The type of keys and values that ``auto`` stands for on a backend, or the one that was asked for.

    Raises `InvalidRequest` where the backend does not have that.
    """
    if config.kv_cache_dtype == "auto":
        return backend.kv_dtypes[0]
    if config.kv_cache_dtype not in backend.kv_dtypes:
        raise InvalidRequest(
            f"There is no KV cache of {config.kv_cache_dtype} on {backend.describe()}; choose "
            f"{', '.join(sorted(backend.kv_dtypes))}.",
            "kv_cache_dtype",
        )
    return config.kv_cache_dtype


def size_kv_pool(
    config: EngineConfig,
    *,
    context_length: int,
    longest_context: int,
    block_bytes: int,
    weight_bytes: int,
    room: Room,
    working_bytes: int = 0,
    what_fits: WhatFits | None = None,
) -> KVSizing:
    """Choose the pool and ``max_model_len``, before the weights are loaded.

    ``context_length`` is what the model was made for, ``longest_context`` what it can be stretched to, ``block_bytes``
    the memory of one block over all layers, ``weight_bytes`` what the weights will take of the ``room``,
    ``working_bytes`` what steps will take of it. Raises `OutOfMemory` when the context asked for (or the least useful
    one) does not fit, with what does; `InvalidRequest` when it is longer than the model can have.
    """
    if config.max_model_len is not None and config.max_model_len > longest_context:
        stretched = f" and reaches {longest_context} by YaRN" if longest_context > context_length else ""
        raise InvalidRequest(
            f"max_model_len is {config.max_model_len} but the model was made for {context_length} tokens{stretched}; "
            f"choose at most {longest_context}.",
            "max_model_len",
        )
    needed = config.max_model_len or min(LEAST_CONTEXT, context_length)
    smaller = "choose a smaller model" if what_fits is None else what_fits.models(room, needed)
    if weight_bytes > room.free:
        raise OutOfMemory(
            f"The model's weights take {_megabytes(weight_bytes)} of memory but {_free(room)}; "
            f"close other programs or {smaller}."
        )
    left = max(0, room.free - weight_bytes - working_bytes)
    if config.kv_cache_memory is not None and config.kv_cache_memory > left:
        raise OutOfMemory(
            f"kv_cache_memory is {_megabytes(config.kv_cache_memory)} but the weights leave {_megabytes(left)} free; "
            "lower it or close other programs."
        )
    budget = config.kv_cache_memory or int(left * room.share)
    affordable = budget // block_bytes * config.block_size  # tokens
    if affordable < needed:
        remedies = [f"lower max_model_len to {affordable}"] if affordable >= LEAST_CONTEXT else []
        if what_fits is not None and (dtype := what_fits.kv_dtypes(needed, config.block_size, budget)):
            remedies.append(f"choose --kv-cache-dtype {dtype}")
        remedies.append(f"raise {'kv_cache_memory' if config.kv_cache_memory else room.option}")
        raise OutOfMemory(
            f"A context of {needed} tokens takes {_megabytes(_blocks(needed, config.block_size) * block_bytes)} "
            f"of memory but {_megabytes(budget)} of the {_megabytes(left)} that the weights"
            f"{' and the steps' if working_bytes else ''} leave free may be used; "
            f"{', '.join(remedies)}, close other programs or {smaller}."
        )
    max_model_len = config.max_model_len or min(context_length, affordable)
    wanted = config.max_num_seqs * max_model_len
    if config.kv_cache_memory is None and not room.filled:
        wanted = min(wanted, max(2 * max_model_len, GENEROUS_POOL_OF_A_CARD if room.card else GENEROUS_POOL))
    blocks = min(budget // block_bytes, config.max_num_seqs * _blocks(max_model_len, config.block_size))
    blocks = min(blocks, _blocks(wanted, config.block_size))
    return KVSizing(blocks, config.block_size, block_bytes, max_model_len)


def _blocks(tokens: int, block_size: int) -> int:
    return -(-tokens // block_size)


def _free(room: Room) -> str:
    if room.card:
        return f"{_megabytes(room.free)} of the card's {_megabytes(room.card)} may be used"
    return f"{_megabytes(room.free)} are free"


def _megabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
