"""The self-test's server, a program: plays `SCRIPTS` and writes down when it really sent each piece.

It prints its port and ends with its standard input. A request's ``user`` is ``SCRIPT/NAME``; ``GET /records`` gives
what was sent, by ``user``.
"""

import asyncio
import sys
import time

import msgspec

from sevenb.lab.speed.self_test_scripts import SCRIPTS

_HEADERS = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\n%b\r\n"


class Record(msgspec.Struct):
    """When a request came, and what was sent when: seconds of the server's clock, relative to the request."""

    chunks: list[float]  # events with content
    last: float = 0.0  # the answer's last token
    end: float = 0.0  # the end of the stream


class _Question(msgspec.Struct):
    user: str = ""


class ScriptedServer:
    """Serves any number of connections at once."""

    def __init__(self) -> None:
        self._scripts = {script.name: script for script in SCRIPTS}
        self._records: dict[str, Record] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """All requests of a connection."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
                body = await reader.readexactly(int(fields.get(b"content-length", b"0")))
                came = time.perf_counter()
                if body:
                    await self._play(msgspec.json.decode(body, type=_Question).user, came, writer)
                else:
                    answer = msgspec.json.encode(self._records)
                    length = b"Content-Length: %d\r\n" % len(answer)
                    writer.write(_HEADERS % (b"application/json", length) + answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _play(self, user: str, came: float, writer: asyncio.StreamWriter) -> None:
        script = self._scripts[user.partition("/")[0]]
        record = self._records[user] = Record([])
        writer.write(_HEADERS % (b"text/event-stream", b"Transfer-Encoding: chunked\r\n"))
        due = came
        for piece in script.pieces:
            due += piece.after
            if (left := due - time.perf_counter()) > 0:
                await asyncio.sleep(left)
            now = time.perf_counter() - came
            writer.write(b"%x\r\n%b\r\n" % (len(piece.data), piece.data))
            record.chunks += [now] * piece.events
            record.last = now if piece.events or piece.last else record.last
            record.end = now
        writer.write(b"0\r\n\r\n")


async def _main() -> None:
    server = await asyncio.start_server(ScriptedServer().serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(_main())
