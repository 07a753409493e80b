"""`MemoryPlan`: how an engine divides the memory where it computes, before it takes any, and once steps were tried."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sevenb.backend.protocol import Backend, KVLayout
from sevenb.engine.block_store import swap_bytes
from sevenb.engine.engine_config import EngineConfig
from sevenb.engine.kv_sizing import KVSizing, kv_dtype, size_kv_pool
from sevenb.engine.messages import LoadPlan
from sevenb.engine.room import Room, room_of
from sevenb.engine.what_fits import WhatFits
from sevenb.host import free_memory
from sevenb.model.checkpoint import Checkpoint
from sevenb.model.decoder import kv_layout
from sevenb.model.lora import LoraAdapter
from sevenb.model.memory import activation_bytes, process_bytes, torch_activation_bytes
from sevenb.model.rope import rope_contexts
from sevenb.model.shape import ModelShape


@dataclass(frozen=True)
class EngineFiles:
    """What is loaded: a model, its adapters by name, perhaps a draft model."""

    checkpoint: Checkpoint
    adapters: Mapping[str, LoraAdapter]
    draft: Checkpoint | None

    @property
    def weight_bytes(self) -> int:
        """Of all together."""
        further = 0 if self.draft is None else self.draft.total_bytes
        return self.checkpoint.total_bytes + sum(adapter.total_bytes for adapter in self.adapters.values()) + further

    @property
    def shape(self) -> ModelShape:
        """Of the model."""
        return ModelShape.of(self.checkpoint.config, has_head="output.weight" in self.checkpoint.tensors)


@dataclass(frozen=True)
class MemoryPlan:
    """Bytes of each share. ``working_bytes`` are what steps take at most, in the host's memory with the process."""

    layout: KVLayout
    sizing: KVSizing
    room: Room
    weight_bytes: int
    swap_bytes: int
    working_bytes: int
    graph_bytes: int = 0

    def message(self, notes: tuple[str, ...]) -> LoadPlan:
        """What is told of it."""
        return LoadPlan(
            max_model_len=self.sizing.max_model_len,
            kv_tokens=self.sizing.tokens,
            kv_bytes=self.sizing.bytes,
            kv_dtype=self.layout.dtype,
            weight_bytes=self.weight_bytes,
            free_bytes=self.room.free,
            swap_bytes=self.swap_bytes,
            working_bytes=self.working_bytes,
            graph_bytes=self.graph_bytes,
            card_bytes=self.room.card,
            notes=list(notes),
        )


@dataclass(frozen=True)
class Taken:
    """Bytes of a card, as measured."""

    weights: int
    steps: int
    graphs: int

    def beside(self, draft: "Taken") -> "Taken":
        """With what the draft model takes, whose steps come between this one's. Both were measured with all weights."""
        return Taken(self.weights, max(self.steps, draft.steps), self.graphs + draft.graphs)


def plan_memory(config: EngineConfig, files: EngineFiles, backend: Backend) -> MemoryPlan:
    """Divide the memory before anything is taken of it. Raises `OutOfMemory` with what would fit, `InvalidRequest`."""
    dtype = kv_dtype(config, backend)
    room = room_of(config, backend)
    working = _card_working_bytes(config, files) if room.card else 0
    sizing = _sized(config, files, backend, room, dtype, files.weight_bytes, working)
    # A card's pool takes nothing of the host's memory: all of that is what it leaves.
    host = free_memory() + sizing.bytes if room.card else room.free - files.weight_bytes
    swap = swap_bytes(config.swap_space, pool_bytes=sizing.bytes, free_bytes=host)
    if not room.card and backend.name == "native":
        working = _processor_working_bytes(config, files, sizing)
    layout = kv_layout(files.checkpoint.config, config.block_size, dtype)
    return MemoryPlan(layout, sizing, room, files.weight_bytes, swap, working)


def replan(config: EngineConfig, files: EngineFiles, backend: Backend, plan: MemoryPlan, taken: Taken) -> MemoryPlan:
    """The same once a card has shown what is taken of it beside the pool."""
    sizing = _sized(config, files, backend, plan.room, plan.layout.dtype, taken.weights, taken.steps + taken.graphs)
    return replace(plan, sizing=sizing, weight_bytes=taken.weights, working_bytes=taken.steps, graph_bytes=taken.graphs)


def _sized(
    config: EngineConfig, files: EngineFiles, backend: Backend, room: Room, dtype: str, weights: int, working: int
) -> KVSizing:
    model = files.checkpoint.config
    blocks = {kind: _block_bytes(config, files, backend, kind) for kind in (dtype, *backend.kv_dtypes)}
    smaller = {kind: size for kind, size in blocks.items() if size < blocks[dtype]}
    return size_kv_pool(
        config,
        context_length=model.context_length,
        longest_context=max(rope_contexts(model).values()),
        block_bytes=blocks[dtype],
        weight_bytes=weights,
        room=room,
        working_bytes=working,
        what_fits=WhatFits(files.checkpoint.name, files.shape, files.weight_bytes, smaller),
    )


def _block_bytes(config: EngineConfig, files: EngineFiles, backend: Backend, dtype: str) -> int:
    """A block of the model's cache, and of the draft model's, which has as many."""
    both = [files.checkpoint, *([files.draft] if files.draft is not None else [])]
    return sum(backend.kv_block_bytes(kv_layout(one.config, config.block_size, dtype)) for one in both)


def _processor_working_bytes(config: EngineConfig, files: EngineFiles, sizing: KVSizing) -> int:
    """The most that steps and the process take with the native backend."""
    matrices = [tensor for tensor in files.checkpoint.tensors.values() if len(tensor.shape) > 1]
    activations = activation_bytes(
        files.shape,
        rows=config.max_num_seqs,
        context=sizing.max_model_len,
        tokens=config.batched_tokens,
        floats=all(tensor.quant_type.block_size == 1 for tensor in matrices),
    )
    return activations + process_bytes(files.shape, cached_tokens=sizing.tokens)


def _card_working_bytes(config: EngineConfig, files: EngineFiles) -> int:
    """An estimate of what steps take on a card, until it is measured."""
    return torch_activation_bytes(files.shape, rows=config.max_num_seqs, tokens=config.batched_tokens)
