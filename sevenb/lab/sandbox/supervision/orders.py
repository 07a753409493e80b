"""What the lab and the supervisor say to each other: an order, and the report on it."""

import marshal
from typing import IO, Any, NamedTuple

from .layers import Layers


class Program(NamedTuple):
    """One process to begin: a Python source, what it reads as its input, and bytes that it finds at descriptor 3."""

    source: str
    stdin: bytes = b""
    data: bytes = b""


class Order(NamedTuple):
    """What the lab asks for: one program, or two that talk over descriptors 4 and 5.

    The first one's end is the end of both, and it alone has descriptor 6, for a word to the lab. Bytes and seconds.
    """

    programs: tuple[Program, ...]
    layers: Layers
    seconds: float
    memory: int
    processes: int
    files: int
    file_bytes: int
    output_bytes: int


class Report(NamedTuple):
    """How it ended: "ok", "error", "timeout", "memory" or "killed"; or why it could not begin."""

    ended: str = ""
    exit_code: int | None = None
    output: bytes = b""
    word: bytes = b""
    seconds: float = 0
    refused: str = ""


def write(stream: IO[bytes], message: Order | Report) -> None:
    """Send a message, its length before it."""
    packed = marshal.dumps(_plain(message))
    stream.write(len(packed).to_bytes(8, "little") + packed)
    stream.flush()


def read_order(stream: IO[bytes]) -> Order:
    """Receive an order; raises EOFError where the lab is gone."""
    programs, layers, *limits = _read(stream)
    return Order(tuple(Program(*program) for program in programs), Layers(*layers), *limits)


def read_report(stream: IO[bytes]) -> Report:
    """Receive a report; raises EOFError where the supervisor is gone."""
    return Report(*_read(stream))


def _read(stream: IO[bytes]) -> Any:
    length = int.from_bytes(stream.read(8), "little")
    packed = stream.read(length)
    if not length or len(packed) < length:
        raise EOFError
    return marshal.loads(packed)


def _plain(value: Any) -> Any:
    """Named tuples as tuples."""
    return tuple(_plain(part) for part in value) if isinstance(value, tuple) else value
