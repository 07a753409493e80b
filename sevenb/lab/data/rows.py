"""Reading the rows of a data file: JSON lines, JSON or CSV, packed or not; what is wrong is named by file and line."""

import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sevenb.errors import DataUnavailable

MAX_UNPACKED = 1 << 30  # bytes
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def read_rows(
    path: Path, fields: Mapping[str, type | tuple[type, ...]], columns: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """The rows of ``path`` as dictionaries, each holding at least ``fields`` with values of their types.

    ``columns`` name those of a CSV file that has no line of names. Raises `DataUnavailable`.
    """
    text = _text(path)
    rows = list(_rows(path, text, columns))
    if not rows:
        raise DataUnavailable(f"{path} holds no rows; delete it, or put the whole file there.")
    for line, row in rows:
        for name, kind in fields.items():
            if name not in row:
                raise DataUnavailable(f"{path}, line {line}: there is no field {name!r}; the file is of another form.")
            if not isinstance(row[name], kind):
                raise DataUnavailable(
                    f"{path}, line {line}: the field {name!r} is {_kind(row[name])}, where {_expected(kind)} belongs."
                )
    return [row for _, row in rows]


def numbered_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of ``path``, whatever their fields, each with its line. Raises `DataUnavailable`."""
    yield from _rows(path, _text(path), ())


def _text(path: Path) -> str:
    try:
        if path.suffix == ".gz":
            with gzip.open(path) as packed:
                content = packed.read(MAX_UNPACKED + 1)
            if len(content) > MAX_UNPACKED:
                raise DataUnavailable(f"{path} unpacks to more than {MAX_UNPACKED >> 20} MiB, which no task has.")
        else:
            content = path.read_bytes()
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise DataUnavailable(f"{path}, line {line}: this is not UTF-8 text.") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataUnavailable(f"{path} is not a whole gzip file; delete it, or put the whole file there.") from error
    except OSError as error:
        raise DataUnavailable(f"{path} cannot be read ({error.strerror}).") from error


def _rows(path: Path, text: str, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    name = path.name.removesuffix(".gz")
    if name.endswith(".csv"):
        yield from _csv(path, text, columns)
    elif name.endswith(".json"):
        yield from _json(path, text)
    else:
        yield from _json_lines(path, text)


def _json_lines(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    # Not splitlines(): JSON strings may hold other line separators of Unicode as they are.
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataUnavailable(f"{path}, line {number}: this is not JSON ({error}).") from error
        if not _is_text(line, row):
            raise DataUnavailable(f"{path}, line {number}: half of a character (a lone surrogate) is no text.")
        if not isinstance(row, dict):
            raise DataUnavailable(f"{path}, line {number}: this is {_kind(row)}, where an object belongs.")
        yield number, row


def _json(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise DataUnavailable(f"{path}, line {error.lineno}: this is not JSON ({error.msg}).") from error
    except (ValueError, RecursionError) as error:
        raise DataUnavailable(f"{path}: this is not JSON ({error}).") from error
    if not _is_text(text, document):
        raise DataUnavailable(f"{path}: half of a character (a lone surrogate) is no text.")
    if not isinstance(document, list) or not all(isinstance(row, dict) for row in document):
        raise DataUnavailable(f"{path}: this is not a list of objects.")
    yield from enumerate(document, 1)


def _is_text(written: str, value: Any) -> bool:
    """Whether every string of ``value`` can be sent: JSON can name what no text holds."""
    if not _SURROGATE.search(written):
        return True
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _csv(path: Path, text: str, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    names = list(columns)
    try:
        for values in reader:
            if not values:
                continue
            if not names:
                names = values
            elif len(values) != len(names):
                raise DataUnavailable(
                    f"{path}, line {reader.line_num}: there are {len(values)} columns, where {len(names)} belong."
                )
            else:
                yield reader.line_num, dict(zip(names, values, strict=True))
    except csv.Error as error:
        raise DataUnavailable(f"{path}, line {reader.line_num}: this is not CSV ({error}).") from error


def _kind(value: object) -> str:
    names = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list", dict: "an object"}
    return names.get(type(value), "null")


def _expected(kind: type | tuple[type, ...]) -> str:
    kinds = kind if isinstance(kind, tuple) else (kind,)
    return " or ".join(dict.fromkeys(_kind(each()) for each in kinds))
