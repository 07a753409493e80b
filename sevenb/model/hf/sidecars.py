"""The small files of a model folder: JSON objects and texts, read whole, with a limit to what they may be."""

import json
import stat
from pathlib import Path
from typing import Any, NoReturn

from sevenb.errors import CorruptModelFile, StorageDenied, UnsupportedModel

# A tokenizer of 262,144 tokens takes 33 MB; all other files are below one.
LARGEST_TOKENIZER = 200_000_000
LARGEST_INDEX = 100_000_000
_LARGEST = 20_000_000


def corrupt(source: str, reason: str) -> NoReturn:
    """Raise `CorruptModelFile` for the folder ``source``."""
    raise CorruptModelFile(f"{source} is not a whole, valid model folder: {reason}; download it again.")


def unsupported(source: str, reason: str) -> NoReturn:
    """Raise `UnsupportedModel` for the folder ``source``."""
    raise UnsupportedModel(
        f"{source} {reason}, which sevenb does not run; choose a model of the kinds qwen2, qwen3, llama or mistral: "
        "Qwen2.5, Qwen3, Llama 3, Mistral, Yi, SmolLM2."
    )


def shown(value: object) -> str:
    """A value out of a file that may be hostile, for an error message: on one line and never long."""
    text = " ".join(ascii(value).split())
    return text if len(text) <= 80 else text[:77] + "..."


def read_bytes(path: Path, largest: int = _LARGEST, source: str | None = None) -> bytes | None:
    """A file's content; None where there is no such file. Raises `CorruptModelFile` or `StorageDenied`.

    ``source`` names the model in errors: without it, the file's folder does.
    """
    source = source or path.parent.name
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            corrupt(source, f"{path.name} is not a regular file")
        if status.st_size > largest:
            corrupt(source, f"{path.name} has {status.st_size:,} bytes, more than the {largest:,} it could need")
        with path.open("rb") as file:
            return file.read(largest)
    except FileNotFoundError:
        if path.is_symlink():
            corrupt(source, f"{path.name} is a link to a file that is not there")
        return None
    except NotADirectoryError:
        return None
    except PermissionError:
        raise StorageDenied(f"{path} cannot be read by this user; change its permissions.") from None
    except (OSError, ValueError) as error:
        raise CorruptModelFile(f"{path} cannot be read ({error}); check the disk it lies on.") from None


def read_text(path: Path) -> str | None:
    """A text file's content; None where there is no such file."""
    content = read_bytes(path)
    try:
        return None if content is None else content.decode()
    except UnicodeDecodeError:
        corrupt(path.parent.name, f"{path.name} is not UTF-8 text")


def read_object(path: Path, largest: int = _LARGEST, source: str | None = None) -> dict[str, Any] | None:
    """The JSON object in a file; None where there is no such file. ``source`` as in `read_bytes`."""
    content = read_bytes(path, largest, source)
    if content is None:
        return None
    name, source = path.name if source is None else "config.json", source or path.parent.name
    if content.startswith(b"version https://git-lfs"):
        corrupt(source, f"{name} is a Git LFS pointer, and `git lfs pull` fetches what it stands for")
    try:
        document = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        corrupt(source, f"{name} is no JSON ({shown(str(error))[1:-1]})")
    if not isinstance(document, dict):
        corrupt(source, f"{name} is no JSON object")
    return document
