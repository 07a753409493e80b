"""What would fit where a model does not: the same one in fewer bits, a smaller one, smaller keys and values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from sevenb.engine.room import Room
from sevenb.model.catalog import CATALOG, CatalogEntry
from sevenb.model.memory import memory_needed
from sevenb.model.shape import ModelShape

_FOUR_BITS = 0.57  # bytes a weight: AWQ and GPTQ with groups of 128 and an embedding of 16 bits, of a 7B
_USEFUL_SAVING = 0.8
_USEFUL_CONTEXT = 4096  # tokens; what holds fewer is not offered


@dataclass(frozen=True)
class WhatFits:
    """What is known of a model that may have to be refused.

    ``block_bytes`` says what a block of its KV cache takes in each type that the backend has.
    """

    name: str
    shape: ModelShape
    weight_bytes: int
    block_bytes: Mapping[str, int] = field(default_factory=dict)

    def models(self, room: Room, context: int) -> str:
        """What to choose instead so that weights and ``context`` tokens fit, as the end of a sentence."""
        context = max(context, _USEFUL_CONTEXT)
        if (entry := self._in_fewer_bits(room, context)) is not None:
            return f"choose {_told(entry)}, which fits"
        four_bits = int(self.shape.parameters * _FOUR_BITS)
        if four_bits < _USEFUL_SAVING * self.weight_bytes and self._fits(self.shape, four_bits, room, context):
            size = f"{four_bits / 1e9:.1f} GB"
            return f"choose the same model in 4 bits (AWQ, GPTQ or Q4_K_M, about {size}), which would fit"
        smaller = [entry for entry in CATALOG.entries if entry.writes and entry.parameters < self.shape.parameters]
        fitting = [entry for entry in smaller if self._fits(entry.shape, entry.download_bytes, room, context)]
        if fitting:
            largest = max(fitting, key=lambda entry: (entry.parameters, self._likeness(entry)))
            return f"choose {_told(largest)}, which fits"
        return "choose a smaller model"

    def kv_dtypes(self, tokens: int, block_size: int, budget: int) -> str:
        """The type of keys and values that rounds least, of those with which ``tokens`` fit into ``budget`` bytes."""
        blocks = -(-tokens // block_size)
        fitting = {dtype: size for dtype, size in self.block_bytes.items() if blocks * size <= budget}
        return max(fitting, key=fitting.__getitem__) if fitting else ""

    def _in_fewer_bits(self, room: Room, context: int) -> CatalogEntry | None:
        """The catalog's file of this very model, or of one of its shape, that fits; the one named most alike."""
        fitting = [
            entry
            for entry in CATALOG.entries
            if entry.writes
            and _measures(entry.shape) == _measures(self.shape)
            and entry.download_bytes < _USEFUL_SAVING * self.weight_bytes
            and self._fits(entry.shape, entry.download_bytes, room, context)
        ]
        return max(fitting, key=self._likeness, default=None)

    def _likeness(self, entry: CatalogEntry) -> float:
        """How alike the names are."""
        return SequenceMatcher(None, self.name.lower(), entry.name).ratio()

    @staticmethod
    def _fits(shape: ModelShape, weights: int, room: Room, context: int) -> bool:
        beside = memory_needed(shape, weights, min(context, shape.longest_context)) - weights
        return weights + beside / room.share <= room.free


def _measures(shape: ModelShape) -> tuple[int, ...]:
    return shape.layers, shape.hidden_size, shape.intermediate_size, shape.heads, shape.kv_heads


def _told(entry: CatalogEntry) -> str:
    return f"{entry.name} ({entry.quantization}, {entry.download_bytes / 1e9:.1f} GB)"
