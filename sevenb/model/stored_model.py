"""What a stored model consists of, as the manifest in its folder says."""

from pathlib import Path, PurePosixPath

import msgspec

from sevenb.model.whole_file import write_atomically


class StoredFile(msgspec.Struct, frozen=True):
    """One file of a stored model."""

    name: str
    size: int
    sha256: str

    @property
    def link_name(self) -> str:
        """What it is called in the model's folder."""
        # A repository may keep its files in folders, and a hostile one may send "../": only the last part is a name.
        # The one file that we read of a folder within a repository has the name of another.
        return "pooling.json" if self.name == "1_Pooling/config.json" else PurePosixPath(self.name).name


class StoredModel(msgspec.Struct, frozen=True):
    """A model on this disk, as its manifest says. ``pulled_at`` is Unix time."""

    name: str
    files: list[StoredFile]
    source: str
    repo: str
    quantization: str
    license: str
    pulled_at: float

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder of safetensors, and not a GGUF file or the parts of one."""
        return any(file.link_name == "config.json" for file in self.files)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


def read_manifest(path: Path) -> StoredModel | None:
    """The manifest at ``path``; None if there is none or it cannot be understood, which a new pull mends."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=StoredModel)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def write_manifest(path: Path, model: StoredModel) -> None:
    """Write the manifest at ``path``, whole or not at all."""
    write_atomically(path, msgspec.json.format(msgspec.json.encode(model)))
