"""What Ollama's routes have in common: how their bodies are read, how models are loaded, and the shape of a line."""

import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from fastapi import Request
from pydantic import BaseModel
from starlette.responses import Response

from sevenb.errors import ModelNotFound
from sevenb.server.errors import HttpError, Problem, documented_errors, ollama_error
from sevenb.server.fleet.durations import parse_duration
from sevenb.server.json_body import JsonRoute
from sevenb.server.ollama.types import OllamaErrorResponse
from sevenb.server.service import ServedModel, Service

NDJSON = "application/x-ndjson"

ERRORS = documented_errors(OllamaErrorResponse)


class OllamaRoute(JsonRoute):
    """A route that takes a JSON body whatever its Content-Type, as Ollama does: its users write ``curl -d '{…}'``.

    Not so from a web page, which a browser would let send such a request to any server without asking.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the handler of the class above."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            if "origin" not in request.headers:
                others = [(name, value) for name, value in request.scope["headers"] if name != b"content-type"]
                scope = {**request.scope, "headers": [*others, (b"content-type", b"application/json")]}
                request = Request(scope, request.receive)
            return await handler(request)

        return handle


@dataclass(frozen=True)
class Loaded:
    """A model that is ready, under the name that the client gave it; when it was asked for, and how long that took."""

    model: ServedModel
    name: str
    started: int  # time.monotonic_ns()
    load_duration: int  # nanoseconds

    @property
    def total_duration(self) -> int:
        """Nanoseconds since it was asked for."""
        return time.monotonic_ns() - self.started


async def load(service: Service, name: str, keep_alive: float | str | None) -> Loaded:
    """The model of this name, to be kept as long as the client wishes. Raises `HttpError` 404 in Ollama's words."""
    started = time.monotonic_ns()
    seconds = None if keep_alive is None else parse_duration(keep_alive)
    try:
        model = await service.model(name)
    except ModelNotFound as error:
        raise not_found(name, error) from None
    if keep_alive is not None:
        await service.keep(name, seconds)
    return Loaded(model, name, started, time.monotonic_ns() - started)


async def unload(service: Service, name: str) -> None:
    """Let go of a model, now or when its last request has been answered."""
    try:
        await service.unload(name)
    except ModelNotFound as error:
        raise not_found(name, error) from None


def asks_to_unload(keep_alive: float | str | None) -> bool:
    """Whether a request that generates nothing wants the model gone rather than loaded."""
    return keep_alive is not None and parse_duration(keep_alive) == 0


def not_found(name: str, error: ModelNotFound) -> HttpError:
    """Ollama's own words, which clients look for to offer a download, and what there is instead."""
    return HttpError(404, f"model '{name:.200}' not found, try pulling it first. {error}", "model_not_found")


def timestamp(seconds: float | None = None) -> str:
    """A Unix time, or now, as Ollama writes it: RFC 3339 in UTC."""
    moment = datetime.now(UTC) if seconds is None else datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def line(data: BaseModel) -> bytes:
    """One line of a stream, with the fields that were set."""
    return data.model_dump_json(exclude_unset=True).encode() + b"\n"


def error_line(problem: Problem) -> bytes:
    """The last line of a stream that failed."""
    return msgspec.json.encode(ollama_error(problem)) + b"\n"
