"""A mapped file is read when it is touched, and takes no memory once it is let go of."""

from pathlib import Path

import numpy as np
import psutil
import pytest

from sevenb.backend.quant_types import QuantType
from sevenb.backend.reference import ReferenceBackend
from sevenb.model.checkpoint import Checkpoint
from sevenb.model.decoder import Decoder
from sevenb.model.gguf import GGUFFile
from sevenb.model.mapped_file import MappedFile
from tests.model.tiny_gguf import TinyModel

MEGABYTE = 1 << 20


def resident(path: Path) -> int:
    """Bytes of the file that are in this process's memory."""
    return sum(part.rss for part in psutil.Process().memory_maps(grouped=False) if part.path == str(path))


def test_bytes_let_go_of_take_no_memory_and_can_be_read_again(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(np.arange(MEGABYTE, dtype=np.uint32).tobytes())
    file = MappedFile(path)
    before = file.data.sum(dtype=np.int64)
    assert resident(path) == 4 * MEGABYTE

    file.release(100, 4 * MEGABYTE - 200)

    assert resident(path) < MEGABYTE // 4
    assert file.data.sum(dtype=np.int64) == before


def test_offsets_are_those_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(1000))
    file = MappedFile(path)

    assert file.offset_of(file.data[300:400]) == 300
    assert file.offset_of(np.zeros(10, np.uint8)) is None


@pytest.mark.parametrize("size", [0, 1, 5 * MEGABYTE])
def test_reading_ahead_changes_nothing(tmp_path: Path, size: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(size))
    file = MappedFile(path)

    file.read_ahead()
    file.release(0, size)

    assert file.data.nbytes == size
    assert not file.data.any()


def test_a_loaded_model_leaves_none_of_its_file_in_memory(tmp_path: Path) -> None:
    path = TinyModel(layers=4, quant_type=QuantType.F32).write(tmp_path / "model.gguf")
    with Checkpoint.open(path) as checkpoint:
        Decoder(checkpoint, ReferenceBackend())

        assert resident(path) < path.stat().st_size - checkpoint.total_bytes + MEGABYTE // 4
        assert checkpoint.total_bytes > MEGABYTE


def test_a_tensor_of_another_file_is_none_of_ours(tmp_path: Path) -> None:
    ours = GGUFFile.open(TinyModel().write(tmp_path / "ours.gguf"))
    theirs = GGUFFile.open(TinyModel(seed=1).write(tmp_path / "theirs.gguf"))
    tensor = theirs.tensors["token_embd.weight"]
    before = tensor.data.copy()

    ours.release(tensor)

    np.testing.assert_array_equal(tensor.data, before)
