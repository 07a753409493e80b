"""The real application and the real `Server` over the fake engine, with a byte-per-token vocabulary.

Run as a program: ``fake_server.py --port 0 [--api-key KEY] [FakeConfig as JSON]``; prints its port when it listens.
With ``--workspace`` it has the console, too, and prints the token by which the first administrator is made.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, cast

import msgspec

from sevenb.engine.client import EngineClient
from sevenb.engine.starting import LocalStarter
from sevenb.model.chat_template import ChatTemplate
from sevenb.model.embedding import EmbeddingStyle
from sevenb.model.tokenizer import RenderedPrompt, Tokenizer
from sevenb.server import streaming
from sevenb.server.access.api_keys import ApiKeys
from sevenb.server.access.hosts import Hosts
from sevenb.server.access.limits import Limits
from sevenb.server.app import create_app
from sevenb.server.fleet.model_source import MemoryNeed
from sevenb.server.listener import listen
from sevenb.server.runner import Server
from sevenb.server.service import ModelText, Service
from sevenb.workspace import Workspace
from tests.server import fake_engine


class ByteTokenizer:
    """Every byte is a token; 256 is ``<|end|>``, which ends an answer."""

    vocab_size = 257
    end_ids = frozenset({fake_engine.END_TOKEN})
    special_ids = end_ids
    special_tokens: ClassVar = {"<|end|>": fake_engine.END_TOKEN}
    added_tokens = special_tokens
    bos_id = eos_id = pad_id = None

    def split_special(self, text: str) -> Iterator[str | int]:
        first, *rest = text.split("<|end|>")
        yield first
        for part in rest:
            yield fake_engine.END_TOKEN
            yield part

    def encode(self, text: str, *, parse_special: bool = False, add_bos: bool | None = None) -> list[int]:
        return self._encode_pieces(self.split_special(text) if parse_special else [text])

    def encode_chat(self, prompt: RenderedPrompt) -> list[int]:
        return self._encode_pieces(prompt.pieces)

    def _encode_pieces(self, pieces: Iterable[str | int]) -> list[int]:
        ids: list[int] = []
        for piece in pieces:
            ids += [piece] if isinstance(piece, int) else piece.encode()
        return ids

    def decode(self, ids: Iterable[int], *, skip_special_tokens: bool = True) -> str:
        kept = [i for i in ids if not (skip_special_tokens and i in self.special_ids)]
        return b"".join(map(self.token_bytes, kept)).decode(errors="replace")

    def token_bytes(self, token_id: int) -> bytes:
        return b"<|end|>" if token_id == fake_engine.END_TOKEN else bytes([token_id])

    def token_text(self, token_id: int) -> str:
        return self.token_bytes(token_id).decode(errors="replace")


# The answer is then the last message.
TEMPLATE = "{{ messages[-1].content }}"


@dataclass(frozen=True)
class FakeModel:
    """A model whose engine is the fake one; ``config`` is a `FakeConfig` as JSON."""

    config: bytes
    names: Sequence[str]
    adapters: Mapping[str, str] = field(default_factory=dict)
    max_open_requests: int = 1024
    on_engine: Callable[[int | None], None] = lambda _: None

    @property
    def root(self) -> str:
        return self.names[0]

    def prepare(self) -> MemoryNeed:
        settings = msgspec.json.decode(self.config, type=fake_engine.FakeConfig)
        return MemoryNeed(settings.weight_bytes, settings.weight_bytes + settings.kv_bytes)

    def engine(self, memory: int | None) -> EngineClient:
        self.on_engine(memory)
        starter = LocalStarter((sys.executable, fake_engine.__file__))
        return EngineClient(self.config, starter=starter, max_open_requests=self.max_open_requests)

    def load_text(self) -> ModelText:
        tokenizer = cast(Tokenizer, ByteTokenizer())
        style = EmbeddingStyle(size=fake_engine.VECTOR_SIZE)
        return ModelText(tokenizer, ChatTemplate(TEMPLATE, tokenizer), style)


async def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--api-key", action="append", default=[])
    parser.add_argument("--allowed-origin", action="append", default=[])
    parser.add_argument("--rate-limit", type=int)
    parser.add_argument("--max-concurrent", type=int)
    parser.add_argument("--max-body-bytes", type=int, default=Limits.body_bytes)
    parser.add_argument("--max-open-requests", type=int, default=1024)
    parser.add_argument("--memory-budget", type=int)
    parser.add_argument("--status-seconds", type=float, help="how long an error is told by the status of a stream")
    parser.add_argument("--wait-seconds", type=float, default=30.0)
    parser.add_argument("--workspace", action="store_true", help="with the console, over a database of its own")
    parser.add_argument("--database", help="URL of a database that stays; implies --workspace")
    parser.add_argument("--bound", default="127.0.0.1", help="the address that the server believes to be bound to")
    parser.add_argument("--allowed-host", action="append", default=[])
    parser.add_argument("--model", action="append", default=[], help="NAME=FakeConfig as JSON: one more model")
    parser.add_argument("config", nargs="?", default="{}")
    options = parser.parse_args(arguments)
    if options.status_seconds is not None:
        streaming.STATUS_SECONDS = options.status_seconds
    listener = listen("127.0.0.1", options.port)
    sources = [FakeModel(options.config.encode(), ["echo", "other-name"], max_open_requests=options.max_open_requests)]
    for model in options.model:
        name, _, config = model.partition("=")
        sources.append(FakeModel(config.encode(), [name], max_open_requests=options.max_open_requests))
    service = Service(sources, memory_budget=options.memory_budget, wait_seconds=options.wait_seconds)
    await service.start()
    folder = tempfile.TemporaryDirectory()
    workspace = None
    if options.workspace or options.database:
        workspace = Workspace.open(options.database or f"sqlite:///{folder.name}/workspace.db")
    app = create_app(
        service,
        workspace=workspace,
        hosts=Hosts(options.bound, options.allowed_host),
        keys=ApiKeys(options.api_key),
        limits=Limits(options.rate_limit, options.max_concurrent, options.max_body_bytes),
        allowed_origins=options.allowed_origin,
    )
    assert service.main.client is not None
    print(listener.getsockname()[1], service.main.client.pid, flush=True)
    if workspace is not None:
        print("setup", app.state.gate.setup_token, flush=True)
    with folder:
        await Server(app, service).serve([listener])


if __name__ == "__main__":
    asyncio.run(main())
