"""`GGUFFile`: the metadata and tensors of a GGUF model file, in one part or several, mapped into memory."""

import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from sevenb.backend.quant_types import RawTensor
from sevenb.errors import CorruptModelFile, ModelNotFound, StorageDenied
from sevenb.model.gguf_header import MetadataValue, corrupt, quoted, read_header
from sevenb.model.mapped_file import MappedFile

_SPLIT_NAME = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf")


@dataclass(frozen=True)
class GGUFFile:
    """One model as it lies in a GGUF file, or in all parts of a split one.

    Opening reads the header only. A tensor's ``data`` is a view of the mapping, which lives as long as any view of it.
    """

    paths: tuple[Path, ...]
    version: int
    metadata: Mapping[str, MetadataValue]
    tensors: Mapping[str, RawTensor]
    total_bytes: int  # of all parts
    files: tuple[MappedFile, ...] = field(repr=False)

    @classmethod
    def open(cls, path: Path) -> "GGUFFile":
        """Read the header of ``path`` and, if it is a part ``-0000k-of-0000n`` of a split model, of its siblings.

        Raises `CorruptModelFile`, `UnsupportedModel`, `ModelNotFound` or `StorageDenied`.
        """
        part = _read_part(path)
        count = _split_field(part, "split.count", default=1)
        return part if count == 1 else _join(path, count)

    def read_ahead(self) -> None:
        """Begin to read all of it from the disk, in the background."""
        for file in self.files:
            file.read_ahead()

    def release(self, tensor: RawTensor) -> None:
        """Let go of a tensor's bytes, which are part of this process's memory once they have been read."""
        for file in self.files:
            if (start := file.offset_of(tensor.data)) is not None:
                file.release(start, tensor.nbytes)


# -- split files ---------------------------------------------------------------------------------------


def _join(path: Path, count: int) -> GGUFFile:
    """All parts of a split model as one; the first part carries the metadata."""
    name = _SPLIT_NAME.fullmatch(path.name)
    if name is None or int(name["count"]) != count:
        raise CorruptModelFile(
            f"{path.name} is one of {count} parts of a model but is not named as one; "
            f"rename the parts to NAME-00001-of-{count:05}.gguf and so on."
        )
    paths = [path.with_name(f"{name['stem']}-{number:05}-of-{count:05}.gguf") for number in range(1, count + 1)]
    for sibling in paths:
        if not sibling.exists():
            raise ModelNotFound(
                f"{path.name} is one of {count} parts of a model and {sibling.name} is missing; put it beside it."
            )
    parts = [_read_part(sibling) for sibling in paths]
    tensors: dict[str, RawTensor] = {}
    for index, part in enumerate(parts):
        part_name = part.paths[0].name
        if _split_field(part, "split.no", default=0) != index or _split_field(part, "split.count", default=1) != count:
            corrupt(part_name, f"it does not call itself part {index + 1} of {count}")
        if twice := tensors.keys() & part.tensors.keys():
            corrupt(part_name, f"an earlier part also has the tensor {quoted(min(twice))}")
        tensors.update(part.tensors)
    expected = _split_field(parts[0], "split.tensors.count", default=len(tensors))
    if expected != len(tensors):
        corrupt(paths[0].name, f"its {count} parts should have {expected} tensors together but have {len(tensors)}")
    return GGUFFile(
        paths=tuple(paths),
        version=parts[0].version,
        metadata=parts[0].metadata,
        tensors=MappingProxyType(tensors),
        total_bytes=sum(part.total_bytes for part in parts),
        files=tuple(file for part in parts for file in part.files),
    )


def _split_field(part: GGUFFile, key: str, default: int) -> int:
    value = part.metadata.get(key, default)
    if not isinstance(value, int) or value < 0:
        corrupt(part.paths[0].name, f"{key} is {value!r}")
    # Tools that write unsplit files may say 0 of 0.
    return max(value, 1) if key == "split.count" else value


# -- one file ------------------------------------------------------------------------------------------


def _read_part(path: Path) -> GGUFFile:
    file = _map(path)
    header = read_header(file.data, path.name)
    return GGUFFile(
        paths=(path,),
        version=header.version,
        metadata=MappingProxyType(header.metadata),
        tensors=MappingProxyType(header.tensors),
        total_bytes=len(file.data),
        files=(file,),
    )


def _map(path: Path) -> MappedFile:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise ModelNotFound(f"{path} is a folder; name a .gguf file in it.")
        if not stat.S_ISREG(status.st_mode):
            raise CorruptModelFile(f"{path} is not a regular file; name a .gguf file on a disk.")
        return MappedFile(path)
    except FileNotFoundError:
        raise ModelNotFound(f"There is no file {path}; check the path or name a model of the catalog.") from None
    except PermissionError:
        raise StorageDenied(f"{path} cannot be read by this user; change its permissions.") from None
    except (OSError, ValueError) as error:
        raise CorruptModelFile(f"{path} cannot be read ({error}); check the disk it lies on.") from None
