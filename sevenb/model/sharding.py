"""`ShardedCheckpoint`: what one rank of a tensor-parallel engine holds of a model, as a model of its own.

After Shoeybi and others, "Megatron-LM" (2019, arXiv 1909.08053): a rank has whole heads and some channels of the
feed-forward part. Its rows of Q, K, V, gate and up meet the whole hidden state; its columns of the two matrices behind
them yield a part of what is added to it, and the parts are summed over the ranks.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType

from sevenb.backend.quant_types import RawTensor
from sevenb.backend.shares import share, vocabulary_share
from sevenb.errors import InvalidRequest
from sevenb.model.checkpoint import Checkpoint
from sevenb.model.config import ModelConfig
from sevenb.model.lora import PARTS, LoraAdapter
from sevenb.model.lora_files import LowRankTensors
from sevenb.model.tensor_slices import Indices, take_columns, take_rows

_LAYER = re.compile(r"blk\.(\d+)\.(\w+)\.(?:weight|bias)")
_VOCABULARY = ("token_embd.weight", "output.weight")
_MATRICES = {part: matrix for matrix, part in PARTS.items()}
_CONVENIENT_CHANNELS = 128  # the usual group of quantised weights, and a tile of matrix units


@dataclass(frozen=True)
class Heads:
    """The heads of a rank, counted in the whole model."""

    query: range
    kv: range

    @classmethod
    def of(cls, config: ModelConfig, rank: int, ranks: int) -> "Heads":
        """Divide by KV heads, each with its query heads; the first ranks have more where it does not come out even.

        Beyond their number, a KV head is held by several ranks, which divide its query heads.
        """
        group = config.heads // config.kv_heads
        if ranks <= config.kv_heads:
            kv = share(config.kv_heads, rank, ranks)
            return cls(range(kv.start * group, kv.stop * group), kv)
        holders = [share(ranks, head, config.kv_heads) for head in range(config.kv_heads)]
        head = next(head for head, held_by in enumerate(holders) if rank in held_by)
        own = share(group, holders[head].index(rank), len(holders[head]))
        return cls(range(head * group + own.start, head * group + own.stop), range(head, head + 1))


def check_ranks(config: ModelConfig, ranks: int) -> None:
    """Raise `InvalidRequest` where a model cannot be divided among so many."""
    if not 1 <= ranks <= config.heads:
        raise InvalidRequest(
            f"tensor_parallel_size is {ranks}, but {config.name or 'the model'} has {config.heads} attention heads to "
            f"divide; choose 1 to {config.heads}.",
            "tensor_parallel_size",
        )


class ShardedCheckpoint(Checkpoint):
    """A rank's part of ``whole``, which stays open as long as this is used and is the caller's to close.

    ``config`` counts the rank's own heads and channels; ``vocab_size`` is the model's, though embedding and head have
    the rows of `vocabulary_share` alone. Quantised weights stay as they are where the cut lies between their blocks,
    and the feed-forward part is divided so that it does; a head of the output projection may be narrower than a block,
    whose matrix then becomes F16. Of act-order, the feed-forward part takes its channels in the order they are stored.
    """

    def __init__(self, whole: Checkpoint, rank: int, ranks: int) -> None:
        """Raises `InvalidRequest` where the model has fewer heads than there are ranks."""
        check_ranks(whole.config, ranks)
        self.name = whole.name
        self.metadata = whole.metadata
        self._whole = whole
        self._rank = rank
        self._ranks = ranks
        self._heads = Heads.of(whole.config, rank, ranks)
        self.config = replace(
            whole.config,
            heads=len(self._heads.query),
            kv_heads=len(self._heads.kv),
            intermediate_size=len(self._channels),
        )
        self.tensors: Mapping[str, RawTensor] = MappingProxyType(
            {name: self._part(tensor) for name, tensor in whole.tensors.items()}
        )
        self.total_bytes = sum(tensor.nbytes for tensor in self.tensors.values())

    def read_ahead(self) -> None:
        """Begin to read the whole file: other ranks want the rest of it."""
        self._whole.read_ahead()

    def release(self, tensor: RawTensor) -> None:
        """Let go of the whole tensor's bytes."""
        self._whole.release(self._whole.tensors[tensor.name])

    def part_of_adapter(self, adapter: LoraAdapter) -> LoraAdapter:
        """What an adapter for the whole model adds to the matrices of this rank."""
        return LoraAdapter(
            tuple(
                {part: self._part_of_pair(index, part, pair) for part, pair in layer.items()}
                for index, layer in enumerate(adapter.layers)
            )
        )

    def _part(self, tensor: RawTensor) -> RawTensor:
        if tensor.name in _VOCABULARY:
            return take_rows(tensor, vocabulary_share(self._whole.config.vocab_size, self._rank, self._ranks))
        name = _LAYER.fullmatch(tensor.name)
        if name is None:
            return tensor
        layer, role = int(name[1]), name[2]
        if role == "ffn_down":
            # With the channels in the order that they are stored in, there is none to keep.
            stored = tensor if tensor.column_order is None else replace(tensor, column_order=None)
            return take_columns(stored, self._channels)
        if (rows := self._rows_of(layer, role)) is not None:
            return take_rows(tensor, rows)
        if (columns := self._columns_of(layer, role)) is not None:
            return take_columns(tensor, columns)
        return tensor  # norms

    def _part_of_pair(self, layer: int, part: str, pair: LowRankTensors) -> LowRankTensors:
        role = _MATRICES[part]
        if (rows := self._rows_of(layer, role)) is not None:
            return replace(pair, expand=take_rows(pair.expand, rows))
        if (columns := self._columns_of(layer, role)) is not None:
            return replace(pair, shrink=take_columns(pair.shrink, columns))
        return pair

    def _rows_of(self, layer: int, role: str) -> Indices | None:
        """This rank's rows of a matrix, or elements of a bias; None: it is not divided by rows."""
        match role:
            case "attn_q":
                return self._of_heads(self._heads.query)
            case "attn_k" | "attn_v":
                return self._of_heads(self._heads.kv)
            case "ffn_gate" | "ffn_up":
                return self._channels_of(layer)
        return None

    def _columns_of(self, layer: int, role: str) -> Indices | None:
        """The inputs of a matrix that this rank has; None: all."""
        match role:
            case "attn_output":
                return self._of_heads(self._heads.query)
            case "ffn_down":
                return self._channels_of(layer)
        return None

    def _of_heads(self, heads: range) -> range:
        size = self._whole.config.head_dim
        return range(heads.start * size, heads.stop * size)

    def _channels_of(self, layer: int) -> Indices:
        """The channels of this rank's feed-forward part, as they are counted in the model."""
        order = self._down(layer).column_order
        return self._channels if order is None else order[self._channels.start : self._channels.stop]

    @cached_property
    def _channels(self) -> range:
        """The stored columns of ``ffn_down`` that this rank has in every layer: whole blocks, if there are enough."""
        config = self._whole.config
        block = max(self._down(layer).quant_type.block_size for layer in range(config.layers))
        for step in (max(block, _CONVENIENT_CHANNELS), block):
            if config.intermediate_size % step == 0 and config.intermediate_size // step >= self._ranks:
                return share(config.intermediate_size, self._rank, self._ranks, step)
        return share(config.intermediate_size, self._rank, self._ranks)

    def _down(self, layer: int) -> RawTensor:
        return self._whole.tensors[f"blk.{layer}.ffn_down.weight"]
