"""What ``sevenb show`` says of the weights is what the decoder does with them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sevenb.backend.native import NativeBackend
from sevenb.backend.quant_types import QuantType, RawTensor
from sevenb.backend.reference.dequantize import dequantize
from sevenb.model.checkpoint import Checkpoint
from sevenb.model.decoder import Decoder, is_head, is_precise
from sevenb.model.weight_table import head_repeats_embedding, weight_table
from tests.model.gguf_writer import float_tensor
from tests.model.tiny_gguf import TinyModel


def tensors_of(model: TinyModel) -> dict[str, RawTensor]:
    return {tensor.name: tensor for tensor in model.tensors()}


def test_tensors_that_are_alike_share_a_row() -> None:
    tensors = tensors_of(TinyModel(layers=3))

    rows = {row.name: row for row in weight_table(tensors, lambda tensor: "a kernel")}

    assert (rows["ffn_gate"].count, rows["ffn_gate"].shape, rows["ffn_gate"].kernel) == (3, (512, 256), "a kernel")
    assert rows["ffn_gate"].bytes == 3 * 512 * 256 // 32 * 34
    assert rows["token_embd"].kernel == "rows are looked up"
    assert rows["norms and biases"].count == 3 * 5 + 1
    assert sum(row.count for row in rows.values()) == len(tensors)
    assert sum(row.bytes for row in rows.values()) == sum(tensor.data.nbytes for tensor in tensors.values())


def test_layers_of_another_type_have_a_row_of_their_own() -> None:
    tensors = tensors_of(TinyModel(layers=2))
    other = replace(tensors["blk.1.ffn_down.weight"], quant_type=QuantType.F16)
    tensors[other.name] = other

    rows = [row for row in weight_table(tensors, lambda tensor: "a kernel") if row.name == "ffn_down"]

    assert {(row.quant_type, row.count) for row in rows} == {(QuantType.Q8_0, 1), (QuantType.F16, 1)}


def test_every_tensor_can_have_its_row() -> None:
    tensors = tensors_of(TinyModel(tied=True))

    rows = weight_table(tensors, lambda tensor: "a kernel", every_tensor=True)

    assert [row.name for row in rows] == [name.removesuffix(".weight") for name in tensors]
    assert rows[0].kernel == "a kernel"  # a tied embedding is the head, too


@pytest.mark.parametrize("quant_type", [QuantType.Q8_0, QuantType.Q4_K, QuantType.F16])
@pytest.mark.parametrize("tied", [False, True])
def test_the_kernels_are_those_of_the_loaded_weights(tmp_path: Path, quant_type: QuantType, tied: bool) -> None:
    backend = NativeBackend(threads=1, isa="portable")
    path = TinyModel(quant_type=quant_type, tied=tied).write(tmp_path / "model.gguf")
    with Checkpoint.open(path) as checkpoint:
        tensors = dict(checkpoint.tensors)
        decoder = Decoder(checkpoint, backend)

    loaded = {
        "token_embd.weight" if tied else "output.weight": decoder.head,
        "blk.1.attn_q.weight": decoder.layers[1].attention.query,
        "blk.1.attn_k.weight": decoder.layers[1].attention.key,
        "blk.1.attn_v.weight": decoder.layers[1].attention.value,
        "blk.1.attn_output.weight": decoder.layers[1].output,
        "blk.1.ffn_gate.weight": decoder.layers[1].mlp.gate,
        "blk.1.ffn_up.weight": decoder.layers[1].mlp.up,
        "blk.1.ffn_down.weight": decoder.layers[1].mlp.down,
    }
    for name, weight in loaded.items():
        tensor = tensors[name]
        said = backend.kernel_for(tensor, precise=is_precise(tensor, tensors), head=is_head(tensor, tensors))
        assert said == backend.kernel_of(weight), name


def test_a_head_that_repeats_the_embedding_is_recognised_in_another_type() -> None:
    tensors = tensors_of(TinyModel())
    assert not head_repeats_embedding(tensors)

    embedding = dequantize(tensors["token_embd.weight"])
    noise = np.random.default_rng(0).normal(0, 0.05 * embedding.std(), embedding.shape)
    head = float_tensor("output.weight", (embedding + noise).astype(np.float32))

    assert head_repeats_embedding(tensors | {"output.weight": head})
    assert not head_repeats_embedding(tensors_of(TinyModel(tied=True)))


def test_a_blank_head_repeats_nothing() -> None:
    tensors = tensors_of(TinyModel())
    blank = replace(tensors["output.weight"], stored=np.zeros_like(tensors["output.weight"].data))
    assert not head_repeats_embedding(tensors | {"output.weight": blank})
