"""The real application and the real `Server` over the fake engine, with a byte-per-token vocabulary.

Run as a program: ``fake_server.py --port 0 [--api-key KEY] [FakeConfig as JSON]``; prints its port when it listens.
"""

import argparse
import asyncio
import sys
from collections.abc import Iterable, Iterator
from typing import ClassVar, cast

import msgspec

from sevenb.engine.client import EngineClient
from sevenb.model.chat_template import ChatTemplate
from sevenb.model.tokenizer import RenderedPrompt, Tokenizer
from sevenb.server.app import create_app
from sevenb.server.listener import listen
from sevenb.server.runner import Server
from sevenb.server.service import ModelText, Service
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


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--api-key")
    parser.add_argument("--allowed-origin", action="append", default=[])
    parser.add_argument("config", nargs="?", default="{}")
    options = parser.parse_args()
    listener = listen("127.0.0.1", options.port)
    client = EngineClient(
        msgspec.json.encode(msgspec.json.decode(options.config)), command=(sys.executable, fake_engine.__file__)
    )
    await client.start()
    tokenizer = cast(Tokenizer, ByteTokenizer())
    text = ModelText(tokenizer, ChatTemplate(TEMPLATE, tokenizer))
    service = Service(client, lambda: text, names=["echo", "other-name"], root="echo")
    service.start()
    app = create_app(service, api_key=options.api_key, allowed_origins=options.allowed_origin)
    print(listener.getsockname()[1], client.pid, flush=True)
    await Server(app, service).serve([listener])


if __name__ == "__main__":
    asyncio.run(main())
