"""A server that sends exactly the bytes that a test writes, so that every dialect and every fault can be played."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from sevenb.lab.target.answer import Answer
from sevenb.lab.target.client import Client
from sevenb.lab.target.target import Target

Reply = Callable[["Connection"], Awaitable[None]]

EVENTS = "text/event-stream"
MESSAGES = [{"role": "user", "content": "Hi"}]
MODELS = {"object": "list", "data": [{"id": "coder", "object": "model", "owned_by": "vllm", "max_model_len": 4096}]}


@dataclass
class Connection:
    """One request as it came, and the way back."""

    writer: asyncio.StreamWriter
    path: str
    headers: dict[str, str]
    body: Any

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(self, status: str = "200 OK", kind: str = EVENTS, **headers: str) -> None:
        """The head of an answer whose end is that of the connection."""
        extra = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        await self.send(f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nConnection: close\r\n{extra}\r\n".encode())

    def reset(self) -> None:
        """Break the connection, as a process that dies."""
        self.writer.transport.abort()


@dataclass
class RawServer:
    """Gives its replies one after the other, the last one for ever; ``GET /v1/models`` has an answer of its own."""

    replies: Sequence[Reply]
    models: Any = field(default_factory=lambda: MODELS)
    others: dict[str, Any] = field(default_factory=dict)  # JSON by path
    requests: list[Connection] = field(default_factory=list)
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.splitlines()
            headers = dict(line.lower().split(": ", 1) for line in lines if line)
            text = await reader.readexactly(int(headers.get("content-length", 0)))
            connection = Connection(writer, first.split()[1], headers, json.loads(text) if text else None)
            if connection.path == "/v1/models":
                await json_reply(self.models)(connection)
            elif connection.path in self.others:
                await json_reply(self.others[connection.path])(connection)
            elif "completions" not in connection.path:
                await json_reply({"detail": "Not Found"}, "404 Not Found")(connection)
            else:
                self.requests.append(connection)
                await self.replies[min(len(self.requests), len(self.replies)) - 1](connection)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def raw_server(*replies: Reply, **fields: Any) -> AsyncIterator[RawServer]:
    """Run one on a free port."""
    raw = RawServer(replies, **fields)
    async with await asyncio.start_server(raw.serve, "127.0.0.1", 0) as server:
        raw.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        yield raw


@asynccontextmanager
async def client_of(*replies: Reply, timeout: float = 60, api_key: str | None = None) -> AsyncIterator[Client]:
    """A client of a server that replies so."""
    async with (
        raw_server(*replies) as raw,
        Client(Target(raw.url, "coder", "coder", api_key), timeout=timeout) as client,
    ):
        yield client


def answer_of(*replies: Reply, timeout: float = 60, api_key: str | None = None) -> Answer:
    """What such a client makes of the reply to a chat."""

    async def ask() -> Answer:
        async with client_of(*replies, timeout=timeout, api_key=api_key) as client:
            return await client.chat(MESSAGES)

    return asyncio.run(ask())


# -- replies -----------------------------------------------------------------------------------------


def stream(*pieces: bytes, pause: float = 0.001) -> Reply:
    """Server-sent events, each piece in a packet of its own; then the end of the connection."""

    async def reply(connection: Connection) -> None:
        await connection.head()
        for piece in pieces:
            await connection.send(piece)
            await asyncio.sleep(pause)

    return reply


def json_reply(body: Any, status: str = "200 OK", **headers: str) -> Reply:
    return text_reply(json.dumps(body), status, "application/json", **headers)


def text_reply(body: str, status: str = "200 OK", kind: str = "text/html", **headers: str) -> Reply:
    async def reply(connection: Connection) -> None:
        await connection.head(status, kind, **headers)
        await connection.send(body.encode())

    return reply


def chunk(text: str | None = None, finish: str | None = None, **delta: Any) -> bytes:
    """An event of a chat."""
    if text is not None:
        delta["content"] = text
    return event({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


def event(body: Any) -> bytes:
    return f"data: {json.dumps(body, ensure_ascii=False)}\n\n".encode()


USAGE = event({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}})
DONE = b"data: [DONE]\n\n"
ANSWER = (chunk("", role="assistant"), chunk("Hello"), chunk(" there"), chunk(finish="length"), USAGE, DONE)


@contextmanager
def raw_server_beside(*replies: Reply, **fields: Any) -> Iterator[RawServer]:
    """Run one in a thread, for programs that a test starts."""
    loop = asyncio.new_event_loop()
    running = raw_server(*replies, **fields)
    raw = loop.run_until_complete(running.__aenter__())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield raw
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0.01))
        loop.close()
