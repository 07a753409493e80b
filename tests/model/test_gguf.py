"""Reading GGUF files: what good ones hold, and what is said of bad ones."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sevenb.backend.quant_types import QuantType, RawTensor
from sevenb.errors import CorruptModelFile, ModelNotFound, SevenbError, StorageDenied, UnsupportedModel
from sevenb.model.gguf import GGUFFile
from sevenb.model.gguf_strings import StringArray
from tests.model.gguf_writer import encode, float_tensor, metadata_value, random_tensor, string, tensor_entry, u32, u64

SMALL = [float_tensor("first", np.arange(12).reshape(3, 4)), float_tensor("second", [1.0, 2.0])]


@pytest.fixture
def open_bytes(tmp_path: Path) -> Callable[[bytes], GGUFFile]:
    def open_bytes(content: bytes) -> GGUFFile:
        path = tmp_path / "model.gguf"
        path.write_bytes(content)
        return GGUFFile.open(path)

    return open_bytes


# -- good files ----------------------------------------------------------------------------------------


def test_qwen_coder_05b(coder_05b: Path) -> None:
    file = GGUFFile.open(coder_05b)

    assert file.version == 3
    assert file.total_bytes == 491_400_064
    assert file.metadata["general.architecture"] == "qwen2"
    assert file.metadata["qwen2.block_count"] == 24
    assert file.metadata["qwen2.rope.freq_base"] == 1e6
    tokens, merges = file.metadata["tokenizer.ggml.tokens"], file.metadata["tokenizer.ggml.merges"]
    assert isinstance(tokens, StringArray)
    assert isinstance(merges, StringArray)
    assert len(tokens) == 151_936
    assert tokens[151_645] == "<|im_end|>"
    assert len(merges) == 151_387
    assert merges[0] == "Ġ Ġ"
    assert sum(map(len, tokens)) > 900_000  # every one of them decodes
    kinds = Counter(tensor.quant_type.name for tensor in file.tensors.values())
    assert kinds == {"Q5_0": 133, "F32": 121, "Q8_0": 13, "Q6_K": 12, "Q4_K": 12}
    assert file.tensors["blk.0.ffn_down.weight"].shape == (896, 4864)
    assert not file.tensors["output.weight"].data.flags.writeable


def test_smollm2(smollm2: Path) -> None:
    file = GGUFFile.open(smollm2)

    kinds = Counter(tensor.quant_type.name for tensor in file.tensors.values())
    assert kinds == {"Q4_1": 210, "F32": 61, "Q8_0": 1}
    assert file.metadata["general.architecture"] == "llama"
    assert "output.weight" not in file.tensors


@pytest.mark.parametrize("version", [2, 3])
def test_tensors_keep_their_bytes_and_row_major_shapes(open_bytes: Callable[[bytes], GGUFFile], version: int) -> None:
    weight = random_tensor(np.random.default_rng(0), QuantType.Q4_K, (5, 512), name="quantised")

    file = open_bytes(encode({}, [*SMALL, weight], version=version))

    assert file.version == version
    assert list(file.tensors) == ["first", "second", "quantised"]
    for written in [*SMALL, weight]:
        read = file.tensors[written.name]
        assert (read.shape, read.quant_type) == (written.shape, written.quant_type)
        np.testing.assert_array_equal(read.data, written.data)


def test_metadata_keep_their_types(open_bytes: Callable[[bytes], GGUFFile]) -> None:
    numbers: list[np.generic] = [
        np.uint8(200),
        np.int8(-3),
        np.uint16(60_000),
        np.int16(-30_000),
        np.int32(-5),
        np.uint64(2**63),
    ]
    written = {f"number {value.dtype}": value for value in numbers} | {
        "float": 0.5, "double": np.float64(0.1), "yes": True, "no": False, "text": "千问\n", "empty": "",
    }  # fmt: skip

    metadata = open_bytes(encode(written)).metadata

    assert dict(metadata) == written
    assert {type(value) for value in metadata.values()} == {int, float, bool, str}


def test_arrays_in_metadata(open_bytes: Callable[[bytes], GGUFFile]) -> None:
    metadata = open_bytes(
        encode({"ints": [1, -2, 3], "floats": [0.5, 1.5], "flags": np.array([True, False]), "texts": ["a", "", "词"]})
    ).metadata

    np.testing.assert_array_equal(metadata["ints"], np.array([1, -2, 3], np.int32))
    np.testing.assert_array_equal(metadata["floats"], np.array([0.5, 1.5], np.float32))
    np.testing.assert_array_equal(metadata["flags"], np.array([True, False]))
    assert list(metadata["texts"]) == ["a", "", "词"]  # type: ignore[arg-type]


def test_the_files_own_alignment_is_followed(open_bytes: Callable[[bytes], GGUFFile]) -> None:
    file = open_bytes(encode({"general.alignment": 256}, SMALL, alignment=256))

    np.testing.assert_array_equal(file.tensors["second"].data, SMALL[1].data)


def test_tensors_outlive_the_file_object(open_bytes: Callable[[bytes], GGUFFile]) -> None:
    data = open_bytes(encode({}, SMALL)).tensors["first"].data

    np.testing.assert_array_equal(data, SMALL[0].data)


# -- split models --------------------------------------------------------------------------------------


def write_split(folder: Path, count: int = 3) -> list[Path]:
    """A model whose metadata lie in the first part and whose tensors are spread over all."""
    paths = []
    for index in range(count):
        metadata = {
            "split.no": np.uint16(index),
            "split.count": np.uint16(count),
            "split.tensors.count": np.int32(count),
        }
        if index == 0:
            metadata |= {"general.architecture": "qwen2"}
        path = folder / f"model-{index + 1:05}-of-{count:05}.gguf"
        path.write_bytes(encode(metadata, [float_tensor(f"tensor {index}", [float(index)])]))
        paths.append(path)
    return paths


@pytest.mark.parametrize("opened", [0, 1, 2])
def test_any_part_opens_the_whole_model(tmp_path: Path, opened: int) -> None:
    paths = write_split(tmp_path)

    file = GGUFFile.open(paths[opened])

    assert file.paths == tuple(paths)
    assert list(file.tensors) == ["tensor 0", "tensor 1", "tensor 2"]
    assert file.tensors["tensor 2"].data.view(np.float32) == [2.0]
    assert file.metadata["general.architecture"] == "qwen2"
    assert file.total_bytes == sum(path.stat().st_size for path in paths)


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    paths = write_split(tmp_path)
    paths[1].unlink()

    with pytest.raises(ModelNotFound, match=r"model-00002-of-00003\.gguf is missing"):
        GGUFFile.open(paths[0])


def test_a_renamed_part_is_refused(tmp_path: Path) -> None:
    path = write_split(tmp_path)[0].rename(tmp_path / "model.gguf")

    with pytest.raises(CorruptModelFile, match="one of 3 parts"):
        GGUFFile.open(path)


def test_parts_in_the_wrong_place_are_refused(tmp_path: Path) -> None:
    paths = write_split(tmp_path)
    paths[2].write_bytes(paths[1].read_bytes())

    with pytest.raises(CorruptModelFile, match="does not call itself part 3 of 3"):
        GGUFFile.open(paths[0])


def test_a_tensor_in_two_parts_is_refused(tmp_path: Path) -> None:
    paths = write_split(tmp_path, count=2)
    metadata = {"split.no": 1, "split.count": 2}
    paths[1].write_bytes(encode(metadata, [float_tensor("tensor 0", [0.0])]))

    with pytest.raises(CorruptModelFile, match="tensor 0"):
        GGUFFile.open(paths[0])


def test_too_few_tensors_in_all_parts_are_refused(tmp_path: Path) -> None:
    paths = write_split(tmp_path, count=2)
    paths[1].write_bytes(encode({"split.no": 1, "split.count": 2}))

    with pytest.raises(CorruptModelFile, match="2 tensors together but have 1"):
        GGUFFile.open(paths[0])


def test_one_part_of_one_is_a_whole_model(tmp_path: Path) -> None:
    for count in (0, 1):
        path = tmp_path / "model.gguf"
        path.write_bytes(encode({"split.no": 0, "split.count": count}, SMALL))
        assert len(GGUFFile.open(path).tensors) == 2


# -- files that are something else ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (bytes(4096), "zeros"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "Git LFS pointer"),
        (b"\n<!DOCTYPE html><html><title>404</title></html>", "web page"),
        (b'{"error": "Repository not found"}', "JSON"),
        (u64(60) + b'{"__metadata__":{"format":"pt"}}', "safetensors"),
        (b"PK\3\4" + bytes(100), "zip archive or a PyTorch checkpoint"),
        (b"tjgg\3\0\0\0", "GGML"),
        (b"FUGG\3\0\0\0", "big-endian"),
        (b"GG", r"begins with b'GG'"),
        (b"\x89PNG\r\n", r"begins with b'\\x89PNG'"),
    ],
)
def test_other_files_are_recognised(open_bytes: Callable[[bytes], GGUFFile], content: bytes, said: str) -> None:
    with pytest.raises(CorruptModelFile, match=rf"^model\.gguf is not a GGUF file: .*{said}"):
        open_bytes(content)


def test_a_missing_file_a_folder_and_a_device_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="no file"):
        GGUFFile.open(tmp_path / "nowhere.gguf")
    with pytest.raises(ModelNotFound, match="folder"):
        GGUFFile.open(tmp_path)
    with pytest.raises(CorruptModelFile, match="not a regular file"):
        GGUFFile.open(Path("/dev/zero"))


def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    path = tmp_path / "model.gguf"
    path.write_bytes(encode({}))
    monkeypatch.setattr(Path, "open", refuse)  # file modes do not bind a privileged user

    with pytest.raises(StorageDenied, match="permissions"):
        GGUFFile.open(path)


# -- broken and hostile files --------------------------------------------------------------------------


def header(tensors: int, metadata: int, rest: bytes = b"", version: int = 3) -> bytes:
    return b"GGUF" + u32(version) + u64(tensors) + u64(metadata) + rest


def entry(shape: tuple[int, ...] = (4,), quant_type: int = 0, offset: int = 0, name: str = "weight") -> bytes:
    """A table row with whatever numbers."""
    dimensions = b"".join(map(u64, reversed(shape)))
    return string(name) + u32(len(shape)) + dimensions + u32(quant_type) + u64(offset)


DATA = bytes(4096)

BROKEN: dict[str, tuple[bytes, type[SevenbError], str]] = {
    "version 1": (header(0, 0, version=1), UnsupportedModel, "version 1"),
    "version 4": (header(0, 0, version=4), UnsupportedModel, "version 4"),
    "big endian": (header(0, 0, version=3 << 24), UnsupportedModel, "big-endian"),
    "2**63 tensors": (header(2**63, 0), CorruptModelFile, "9,223,372,036,854,775,808 tensors"),
    "2**63 metadata": (header(0, 2**63), CorruptModelFile, "metadata entries"),
    "a tensor too many": (header(2, 0, entry()), CorruptModelFile, "bytes"),
    "key past the end": (header(0, 1, u64(2**64 - 1) + b"key"), CorruptModelFile, "metadata key"),
    "text past the end": (header(0, 1, string("k") + u32(8) + u64(999) + b"short"), CorruptModelFile, "'k'"),
    "key not UTF-8": (header(0, 1, string(b"\xff") + metadata_value(1)), CorruptModelFile, "UTF-8"),
    "text not UTF-8": (header(0, 1, string("k") + metadata_value(b"\xff")), CorruptModelFile, "UTF-8"),
    "unknown value type": (header(0, 1, string("k") + u32(13) + DATA), CorruptModelFile, "unknown type 13"),
    "unknown item type": (header(0, 1, string("k") + u32(9) + u32(99) + u64(1)), CorruptModelFile, "unknown type 99"),
    "2**61 numbers": (header(0, 1, string("k") + u32(9) + u32(10) + u64(2**61)), CorruptModelFile, "'k'"),
    "2**64-1 strings": (header(0, 1, string("k") + u32(9) + u32(8) + u64(2**64 - 1)), CorruptModelFile, "'k'"),
    "strings past the end": (
        header(0, 1, string("k") + u32(9) + u32(8) + u64(3) + string("a") + u64(900) + DATA[:64]),
        CorruptModelFile,
        "string 1 of 3",
    ),
    "nested array": (
        header(0, 1, string("k") + u32(9) + u32(9) + u64(1) + u32(4) + u64(0)),
        UnsupportedModel,
        "arrays inside",
    ),
    "key twice": (header(0, 2, 2 * (string("k") + metadata_value(1))), CorruptModelFile, "'k' occurs twice"),
    "alignment 0": (encode({"general.alignment": 0}), CorruptModelFile, "general.alignment is 0"),
    "alignment 24": (encode({"general.alignment": 24}), CorruptModelFile, "general.alignment is 24"),
    "alignment a text": (encode({"general.alignment": "32"}), CorruptModelFile, "general.alignment is '32'"),
    "alignment 2**63": (
        encode({"general.alignment": np.uint64(2**63)}, SMALL),
        CorruptModelFile,
        "multiple of the alignment|only",
    ),
    "no dimensions": (header(1, 0, entry(()) + DATA), CorruptModelFile, "0 dimensions"),
    "five dimensions": (header(1, 0, entry((1, 1, 1, 1, 1)) + DATA), CorruptModelFile, "5 dimensions"),
    "2**32-1 dimensions": (header(1, 0, string("t") + u32(2**32 - 1) + DATA), CorruptModelFile, "dimensions"),
    "dimension 0": (header(1, 0, entry((0, 4)) + DATA), CorruptModelFile, r"shape \(0, 4\)"),
    "dimensions overflow": (header(1, 0, entry((2**32, 2**32, 2**32)) + DATA), CorruptModelFile, "ends at byte"),
    "row of half a block": (header(1, 0, entry((2, 48), QuantType.Q8_0) + DATA), CorruptModelFile, "the 32 in a"),
    "unknown type": (header(1, 0, entry(quant_type=77) + DATA), CorruptModelFile, "unknown type 77"),
    "offset not aligned": (header(1, 0, entry(offset=8) + DATA), CorruptModelFile, "multiple of the alignment 32"),
    "offset past the end": (header(1, 0, entry(offset=2**63) + DATA), CorruptModelFile, "ends at byte"),
    "tensor past the end": (header(1, 0, entry((4096,)) + DATA), CorruptModelFile, "ends at byte"),
    "name twice": (header(2, 0, entry() + entry(offset=32) + DATA), CorruptModelFile, "'weight' occurs twice"),
    "overlap": (
        header(2, 0, entry((16,), name="a") + entry((16,), name="b", offset=32) + DATA),
        CorruptModelFile,
        "'a' and 'b' overlap",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("content", "error", "said"), BROKEN.values(), ids=BROKEN)
def test_broken_files_are_refused_with_the_reason(
    open_bytes: Callable[[bytes], GGUFFile], content: bytes, error: type[SevenbError], said: str
) -> None:
    with pytest.raises(error, match=said) as caught:
        open_bytes(content)

    message = str(caught.value)
    assert message.startswith("model.gguf ")
    assert message.endswith(".")
    assert "\n" not in message


@pytest.mark.parametrize(("number", "name"), [(17, "IQ2_XS"), (20, "IQ4_NL"), (34, "TQ1_0"), (39, "MXFP4"), (24, "I8")])
def test_known_types_that_are_not_supported_are_named(
    open_bytes: Callable[[bytes], GGUFFile], number: int, name: str
) -> None:
    with pytest.raises(UnsupportedModel, match=rf"'weight' as {name},.*Q4_K"):
        open_bytes(header(1, 0, entry((256,), number) + DATA))


def test_a_cut_off_tensor_is_named(open_bytes: Callable[[bytes], GGUFFile]) -> None:
    content = encode({}, [RawTensor("weight", QuantType.F32, (64, 64), np.zeros(16384, np.uint8))])

    with pytest.raises(CorruptModelFile, match=r"'weight' ends at byte 16,\d+, but the file has only 16,\d+ bytes"):
        open_bytes(content[:-1])


def test_a_hostile_name_stays_short_and_printable(open_bytes: Callable[[bytes], GGUFFile]) -> None:
    tensor = float_tensor("\x1b[31m\n" + "x" * 3000, [1.0])

    with pytest.raises(CorruptModelFile) as caught:
        open_bytes(header(1, 0, tensor_entry(tensor, offset=5) + DATA))

    assert len(str(caught.value)) < 300
    assert str(caught.value).isprintable()
