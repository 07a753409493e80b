"""The parts of a model that ranks hold, each computed by itself, add up to what the whole model computes."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest

from sevenb.backend.protocol import AdaptedRows, AdapterRun, Batch, FloatArray, MLPWeights
from sevenb.backend.quant_types import QuantType
from sevenb.backend.reference import ReferenceBackend
from sevenb.backend.shares import vocabulary_share
from sevenb.errors import InvalidRequest
from sevenb.model.checkpoint import Checkpoint
from sevenb.model.decoder import Decoder
from sevenb.model.lora import LoraAdapter
from sevenb.model.rope import RopeProfile
from sevenb.model.sharding import Heads, ShardedCheckpoint
from tests.model.random_adapter import RandomAdapter
from tests.model.tiny_gguf import TinyModel

PROMPT = np.random.default_rng(5).integers(0, 288, 40).astype(np.int32)


class Exchange:
    """Ranks that are threads: each brings an array, and all get all of them."""

    def __init__(self, ranks: int) -> None:
        self.ranks = ranks
        self._brought: list[FloatArray] = [np.zeros(0, np.float32)] * ranks
        self._barrier = Barrier(ranks, timeout=150)

    def gather(self, rank: int, array: FloatArray) -> list[FloatArray]:
        self._brought[rank] = array
        self._barrier.wait()
        everything = list(self._brought)
        self._barrier.wait()
        return everything

    def end(self) -> None:
        """Free the others where one has failed."""
        self._barrier.abort()


class RankBackend(ReferenceBackend):
    """The reference on one rank's part."""

    def __init__(self, exchange: Exchange, rank: int, vocabulary: int) -> None:
        self._exchange = exchange
        self._rank = rank
        self._own = vocabulary_share(vocabulary, rank, exchange.ranks)

    def embed(self, table: FloatArray, step: Batch) -> FloatArray:
        own = np.isin(step.token_ids, self._own)
        rows = table[np.where(own, step.token_ids - self._own.start, 0)] * own[:, None]
        return self._sum(rows)

    def project_add(
        self, hidden: FloatArray, inputs: FloatArray, weight: FloatArray, adapted: Sequence[AdaptedRows] = ()
    ) -> FloatArray:
        return hidden + self._sum(super().project_add(np.zeros_like(hidden), inputs, weight, adapted))

    def gated_mlp_add(
        self, hidden: FloatArray, weights: MLPWeights, norm_eps: float, adapted: Sequence[AdaptedRows] = ()
    ) -> FloatArray:
        return hidden + self._sum(super().gated_mlp_add(hidden, weights, norm_eps, adapted) - hidden)

    def logits(
        self, hidden: FloatArray, norm: FloatArray, norm_eps: float, head: FloatArray, step: Batch
    ) -> FloatArray:
        part = super().logits(hidden, norm, norm_eps, head, step)
        return np.concatenate(self._exchange.gather(self._rank, part), axis=1)

    def _sum(self, partial: FloatArray) -> FloatArray:
        total: FloatArray = np.sum(self._exchange.gather(self._rank, partial), axis=0, dtype=np.float32)
        return total


@pytest.mark.parametrize("ranks", [2, 3, 4])
@pytest.mark.parametrize(
    "model",
    [
        TinyModel(quant_type=QuantType.F32, intermediate=640),
        TinyModel(quant_type=QuantType.F32, tied=True, heads=8, kv_heads=4, head_dim=32),
        TinyModel(quant_type=QuantType.F32, heads=9, kv_heads=3, head_dim=32),
        TinyModel("qwen3", QuantType.F32, head_dim=128),
        TinyModel("llama", QuantType.BF16, kv_heads=1),
        TinyModel("llama", QuantType.Q8_0, intermediate=768),
    ],
    ids=["qwen2", "tied", "three KV heads", "qwen3", "one KV head", "llama"],
)
def test_the_parts_add_up_to_the_whole(model: TinyModel, ranks: int, tmp_path: Path) -> None:
    whole = Checkpoint.open(model.write(tmp_path / "tiny.gguf"))
    assert_parts_add_up(whole, ranks)


@pytest.mark.parametrize("quant_type", [QuantType.Q4_K, QuantType.Q6_K])
def test_weights_of_large_blocks_stay_quantised_where_the_cut_lies_between_them(
    quant_type: QuantType, tmp_path: Path
) -> None:
    model = TinyModel(quant_type=quant_type, heads=8, kv_heads=2, intermediate=768)
    whole = Checkpoint.open(model.write(tmp_path / "tiny.gguf"))
    parts = [ShardedCheckpoint(whole, rank, 2) for rank in range(2)]
    assert [part.config.intermediate_size for part in parts] == [512, 256]
    for part in parts:
        matrices = [tensor for tensor in part.tensors.values() if len(tensor.shape) == 2]
        assert {tensor.quant_type for tensor in matrices} == {quant_type}
    assert_parts_add_up(whole, 2)


def test_a_head_narrower_than_a_block_makes_its_matrix_half_precision(tmp_path: Path) -> None:
    whole = Checkpoint.open(TinyModel(quant_type=QuantType.Q4_K).write(tmp_path / "tiny.gguf"))
    part = ShardedCheckpoint(whole, 0, 2)
    changed = {
        name
        for name, tensor in part.tensors.items()
        if tensor.quant_type != whole.tensors[name].quant_type and len(tensor.shape) == 2
    }
    assert changed == {f"blk.{layer}.attn_output.weight" for layer in range(whole.config.layers)}
    assert {part.tensors[name].quant_type for name in changed} == {QuantType.F16}
    assert_parts_add_up(whole, 2, tolerance=3e-3)


def test_too_few_blocks_for_all_ranks_are_cut_in_half_precision(tmp_path: Path) -> None:
    model = TinyModel(quant_type=QuantType.Q4_K, intermediate=256)
    whole = Checkpoint.open(model.write(tmp_path / "tiny.gguf"))
    assert_parts_add_up(whole, 4, tolerance=3e-3)


def test_columns_out_of_order_are_dealt_with(tmp_path: Path) -> None:
    model = TinyModel(quant_type=QuantType.Q8_0, intermediate=512)
    whole = Checkpoint.open(model.write(tmp_path / "tiny.gguf"))
    rng = np.random.default_rng(3)
    whole.tensors = {
        name: replace(tensor, column_order=rng.permutation(tensor.columns).astype(np.int32))
        if len(tensor.shape) == 2 and name.startswith("blk.")
        else tensor
        for name, tensor in whole.tensors.items()
    }
    part = ShardedCheckpoint(whole, 1, 2)
    down = part.tensors["blk.1.ffn_down.weight"]
    assert (down.quant_type, down.column_order) == (QuantType.Q8_0, None)
    assert part.tensors["blk.1.ffn_up.weight"].column_order is not None
    assert_parts_add_up(whole, 2, tolerance=3e-3)


@pytest.mark.parametrize("ranks", [2, 4])
def test_the_parts_of_an_adapter_add_up(ranks: int, tmp_path: Path) -> None:
    whole = Checkpoint.open(TinyModel(quant_type=QuantType.F32).write(tmp_path / "tiny.gguf"))
    path = RandomAdapter.of(whole).write_gguf(tmp_path / "adapter.gguf")
    adapter = LoraAdapter.open(path, whole)
    plain = logits_of(whole, ReferenceBackend())
    adapted = assert_parts_add_up(whole, ranks, adapter)
    assert np.abs(adapted - plain).max() > 0.1 * np.abs(plain).max()


def test_every_head_and_every_channel_has_a_rank(tmp_path: Path) -> None:
    model = TinyModel(quant_type=QuantType.F32, heads=9, kv_heads=3, head_dim=32, intermediate=704)
    whole = Checkpoint.open(model.write(tmp_path / "tiny.gguf"))
    for ranks in range(1, 10):
        heads = [Heads.of(whole.config, rank, ranks) for rank in range(ranks)]
        assert [head for one in heads for head in one.query] == list(range(9))
        assert sorted({head for one in heads for head in one.kv}) == [0, 1, 2]
        assert all(one.query.start // 3 == one.kv.start for one in heads)
        parts = [ShardedCheckpoint(whole, rank, ranks) for rank in range(ranks)]
        assert sum(part.config.intermediate_size for part in parts) == 704
        assert sum(part.tensors["token_embd.weight"].rows for part in parts) == whole.config.vocab_size


def test_the_largest_part_is_the_first_one(tmp_path: Path) -> None:
    model = TinyModel(quant_type=QuantType.F32, heads=9, kv_heads=3, head_dim=32, intermediate=640)
    whole = Checkpoint.open(model.write(tmp_path / "tiny.gguf"))
    parts = [ShardedCheckpoint(whole, rank, 2) for rank in range(2)]
    assert [part.config.kv_heads for part in parts] == [2, 1]
    assert parts[0].total_bytes > parts[1].total_bytes
    assert parts[0].total_bytes < 0.7 * whole.total_bytes


@pytest.mark.parametrize("ranks", [0, 5, 10**9])
def test_more_ranks_than_heads_are_refused(ranks: int, tmp_path: Path) -> None:
    whole = Checkpoint.open(TinyModel(quant_type=QuantType.F32).write(tmp_path / "tiny.gguf"))
    with pytest.raises(InvalidRequest, match=r"4 attention heads to divide; choose 1 to 4\."):
        ShardedCheckpoint(whole, 0, ranks)


def assert_parts_add_up(
    whole: Checkpoint, ranks: int, adapter: LoraAdapter | None = None, tolerance: float = 1e-4
) -> FloatArray:
    expected = logits_of(whole, ReferenceBackend(), adapter)
    exchange = Exchange(ranks)

    def one(rank: int) -> FloatArray:
        try:
            part = ShardedCheckpoint(whole, rank, ranks)
            backend = RankBackend(exchange, rank, whole.config.vocab_size)
            return logits_of(part, backend, None if adapter is None else part.part_of_adapter(adapter))
        except BaseException:
            exchange.end()
            raise

    with ThreadPoolExecutor(ranks) as threads:
        computed = list(threads.map(one, range(ranks)))
    for logits in computed:
        np.testing.assert_allclose(logits, expected, atol=tolerance * np.abs(expected).max())
    return expected


def logits_of(checkpoint: Checkpoint, backend: ReferenceBackend, adapter: LoraAdapter | None = None) -> FloatArray:
    decoder = Decoder(checkpoint, backend)
    if adapter is not None:
        decoder.add_adapter("random", adapter)
    cache = backend.allocate_kv(decoder.kv_layout(16, "f32"), 4)
    positions = np.arange(len(PROMPT), dtype=np.int32)
    cos, sin = RopeProfile(checkpoint.config.rope).angles(positions)
    batch = Batch(
        token_ids=PROMPT,
        positions=positions,
        query_starts=np.array([0, len(PROMPT)], np.int32),
        context_lengths=np.array([len(PROMPT)], np.int32),
        block_tables=np.array([[2, 0, 3]], np.int32),
        logit_rows=np.array([0, 7, len(PROMPT) - 1], np.int32),
        rope_cos=cos,
        rope_sin=sin,
        adapters=() if adapter is None else (AdapterRun(5, len(PROMPT), "random"),),
    )
    logits: FloatArray = decoder.forward(batch, cache)
    return logits
