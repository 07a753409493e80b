"""A server with a known pace and known faults: so long to the first word, so long for each more."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

OVERHEAD = 12  # tokens that its template adds; every word is one


@dataclass
class PacedServer:
    """``refuse`` is asked before each request that is measured: an HTTP status and a reason, or None to answer it;
    status 0 closes the connection.
    """

    ttft: float = 0.02
    tpot: float = 0.002
    slots: int = 64
    refuse: Callable[[int], tuple[int, str] | None] = lambda number: None
    honours_ignore_eos: bool = True
    cached: int = 0
    dies_at: int | None = None  # the request at which it begins to close every connection
    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)  # of requests of a whole length
    begun: threading.Event = field(default_factory=threading.Event)  # set by each of them
    at_once: int = 0
    most_at_once: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lengths = [line[16:] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length: ")]
                body = json.loads(await reader.readexactly(int(lengths[0]))) if lengths else None
                if self.dies_at is not None and len(self.bodies) >= self.dies_at:
                    break
                if b" /v1/chat/completions " in head and body:
                    await self._answer(body, writer)
                elif b" /v1/models " in head:
                    _send(writer, 200, {"data": [{"id": "paced"}]})
                else:
                    _send(writer, 404, {"error": {"message": "not here"}})
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _answer(self, body: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        tokens = body["max_tokens"]
        if tokens > 8:  # neither counting nor warming up
            self.bodies.append(body)
            self.begun.set()
            if refusal := self.refuse(len(self.bodies)):
                if not refusal[0]:
                    writer.close()
                    return
                _send(writer, refusal[0], {"error": {"message": refusal[1]}})
                return
            if not self.honours_ignore_eos:
                tokens -= 3
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        async with self._free:
            await self._stream(body, tokens, writer)
        self.at_once -= 1

    async def _stream(self, body: dict[str, Any], tokens: int, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        await asyncio.sleep(self.ttft)
        for number in range(tokens):
            await asyncio.sleep(self.tpot if number else 0)
            _event(writer, {"choices": [{"index": 0, "delta": {"content": "w "}}]})
        _event(writer, {"choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]})
        prompt = OVERHEAD + sum(len(message["content"].split()) for message in body["messages"])
        usage = {"prompt_tokens": prompt, "completion_tokens": tokens, "total_tokens": prompt + tokens}
        _event(writer, {"choices": [], "usage": {**usage, "prompt_tokens_details": {"cached_tokens": self.cached}}})
        _chunk(writer, b"data: [DONE]\n\n")
        writer.write(b"0\r\n\r\n")


@contextmanager
def paced_server(**behaviour: Any) -> Iterator[PacedServer]:
    """Serve in a thread of its own."""
    server = PacedServer(**behaviour)
    listening = threading.Event()
    ending: list[Callable[[], Any]] = []

    async def listen() -> None:
        loop, end = asyncio.get_running_loop(), asyncio.Event()
        ending.append(lambda: loop.call_soon_threadsafe(end.set))
        server._free = asyncio.Semaphore(server.slots)
        listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/v1"
        listening.set()
        await end.wait()
        listener.close()

    thread = threading.Thread(target=asyncio.run, args=(listen(),), daemon=True)
    thread.start()
    assert listening.wait(60)
    try:
        yield server
    finally:
        ending[0]()
        thread.join()


def _send(writer: asyncio.StreamWriter, status: int, content: dict[str, Any]) -> None:
    body = json.dumps(content).encode()
    writer.write(
        b"HTTP/1.1 %d Said\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body
    )


def _event(writer: asyncio.StreamWriter, content: dict[str, Any]) -> None:
    _chunk(writer, b"data: " + json.dumps(content).encode() + b"\n\n")


def _chunk(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(b"%x\r\n%b\r\n" % (len(data), data))
