"""`EventReader`: server-sent events out of bytes as they arrive, wherever the network cut them."""

MAX_LINE = 8 << 20  # bytes of one event


class EventReader:
    """Feeds on blocks of bytes; gives back the data of each line as soon as the line is whole.

    Comments (signs of life) and the fields ``event``, ``id`` and ``retry`` are left out; ``error``, a field of old
    llama.cpp's, becomes data as others write it. Lines end in ``\\n`` or ``\\r\\n``. Raises `ValueError` for a line
    that does not end.
    """

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, block: bytes) -> list[bytes]:
        """The data that this block completes."""
        *lines, self._rest = (self._rest + block).split(b"\n")
        if len(self._rest) > MAX_LINE:
            raise ValueError("a line without an end")
        return [data for line in lines if (data := _data(line))]

    def end(self) -> list[bytes]:
        """What came behind the last line break."""
        data, self._rest = _data(self._rest), b""
        return [data] if data else []


def _data(line: bytes) -> bytes:
    if line.startswith(b"data:"):
        return line[5:].strip()
    return b'{"error":%b}' % line[6:].strip() if line.startswith(b"error:") else b""
