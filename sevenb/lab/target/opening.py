"""`open_target`: a client of the server that is to be measured, another's or our own, which is started for it."""

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from sevenb.errors import InvalidRequest, TargetFailed
from sevenb.lab.progress import Progress
from sevenb.lab.target.address import target_key, target_url
from sevenb.lab.target.client import Client
from sevenb.lab.target.own_server import own_server
from sevenb.lab.target.target import Target, TargetFacts

_LONGEST_NAME = 300  # characters of a model's name that a server lists


@asynccontextmanager
async def open_target(
    model: str | None,
    url: str | None,
    api_key: str | None,
    *,
    progress: Progress,
    serve_options: Sequence[str] = (),
    name: str | None = None,
    timeout: float = 600,
) -> AsyncIterator[Client]:
    """A client of ``model`` at ``url``; without ``url``, of a server of our own, started with ``serve_options``.

    Without ``model`` it is the first that the server lists. ``name`` is what tables call it. A key that is not given is
    that of the environment. Raises `TargetFailed`, and `InvalidRequest` where neither model nor address are given.
    """
    if url is None:
        if model is None:
            raise InvalidRequest("Name a model, such as qwen2.5-coder:0.5b, or a server with --target URL.", "model")
        async with (
            own_server(model, serve_options, progress) as address,
            Client(Target(address, "", ""), timeout, serve_options) as client,
        ):
            served = (await client.models())[0]["id"]
            client.target = Target(address, served, name or served)
            yield client
        return
    key = target_key(api_key)
    target = Target(target_url(url), model or "", name or "", key)
    async with Client(target, timeout) as client:
        cards = await client.models()  # also tells whether anybody is there, and whether the key opens
        listed = [id for card in cards if isinstance(id := card.get("id"), str) and _is_name(id)]
        if model is None:
            if not listed:
                raise TargetFailed(f"The server at {target.url} lists no models; name the one to measure.")
            model = listed[0]
            if len(listed) > 1:
                progress.say(f"Of the {len(listed)} models that {target.url} lists, {model} is measured.")
        client.target = msgspec.structs.replace(target, model=model, name=name or model)
        facts = await client.facts()
        if name is None:
            client.target = msgspec.structs.replace(client.target, name=_name(model, facts))
        yield client


def _is_name(id: str) -> bool:
    """Whether a terminal shows it as it is."""
    return 0 < len(id) <= _LONGEST_NAME and id.isprintable()


def _name(model: str, facts: TargetFacts) -> str:
    """What tables call a model of another's server: ``llama.cpp: qwen2.5-coder-0.5b``."""
    short = Path(model).stem if model.endswith(".gguf") else model
    engine = re.sub(r" \S*\d\S*$", "", facts.engine or "")  # without its version
    return f"{engine}: {short}" if engine and engine != "sevenb" else short
