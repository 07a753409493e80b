"""What tests ask of a fake engine, or of several of them, and how they wait for it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from sevenb.engine.handle import EngineHandle
from sevenb.engine.messages import AddRequest
from sevenb.engine.sampling_params import SamplingParams
from tests.server.fake_engine import END_TOKEN


def ask(prompt: bytes, name: str = "r", **params: Any) -> AddRequest:
    return AddRequest(
        request_id=name,
        prompt_token_ids=list(prompt),
        params=SamplingParams(**{"max_tokens": None, **params}),
        stop_token_ids=[END_TOKEN],
        arrival=time.monotonic(),
    )


async def answer(engine: EngineHandle, request: AddRequest) -> bytes:
    async with engine.submit(request) as stream:
        tokens = [token.token_id async for output in stream for s in output.sequences for token in s.tokens]
    return bytes(token for token in tokens if token != END_TOKEN)


async def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


def run(test: Awaitable[None], seconds: float = 240.0) -> None:
    asyncio.run(asyncio.wait_for(test, seconds))
