"""The application: every route, the middleware around them, and the service behind them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from fastapi import FastAPI

from sevenb import __version__
from sevenb.server import (
    anthropic,
    docs_page,
    embeddings,
    health,
    infill,
    models,
    ollama,
    ollama_embed,
    ollama_models,
    ollama_pull,
    openai_chat,
    openai_completions,
    openai_responses,
    rerank,
    tokenize,
)
from sevenb.server.api_keys import ApiKeys
from sevenb.server.errors import documented_errors, install_error_handlers
from sevenb.server.holds import HoldMiddleware
from sevenb.server.limits import BodyLimitMiddleware, LimitMiddleware, Limits
from sevenb.server.metrics import HttpMetricsMiddleware
from sevenb.server.openai_types import ErrorResponse
from sevenb.server.response_store import ResponseStore
from sevenb.server.security import ApiKeyMiddleware, allow_origins
from sevenb.server.service import Service

_DIALECTS = (
    openai_chat,
    openai_completions,
    openai_responses,
    embeddings,
    anthropic,
    ollama,
    ollama_embed,
    ollama_models,
    ollama_pull,
    infill,
    rerank,
    models,
    tokenize,
    health,
    docs_page,
)

_DESCRIPTION = """Language models on this machine, over the APIs of OpenAI, Anthropic and Ollama.

Log-probabilities are the model's own, read before any mask, penalty or temperature. A parameter that is not listed is
ignored; one that is listed with a bad value is an error of status 400 that names it."""


def create_app(
    service: Service,
    *,
    keys: ApiKeys | None = None,
    limits: Limits | None = None,
    allowed_origins: Sequence[str] = (),
) -> FastAPI:
    """Build the ASGI application over a started service, which it closes with its own shutdown.

    Without ``keys`` anybody may use it; ``limits`` hold for each client.
    """
    limits = limits or Limits()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await service.close()

    app = FastAPI(
        title="sevenb",
        version=__version__,
        description=_DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,  # FastAPI's pages load scripts from the internet; `docs_page` does not
        redoc_url=None,
        responses=documented_errors(ErrorResponse),
    )
    app.state.service = service
    app.state.responses = ResponseStore()
    for dialect in _DIALECTS:
        app.include_router(dialect.router)
    install_error_handlers(app)
    # What is added later is met earlier.
    app.add_middleware(HoldMiddleware)
    app.add_middleware(BodyLimitMiddleware, max_bytes=limits.body_bytes)
    if limits.per_client:
        app.add_middleware(LimitMiddleware, limits=limits)
    if keys:
        app.add_middleware(ApiKeyMiddleware, keys=keys)
    app.add_middleware(HttpMetricsMiddleware, metrics=service.metrics)
    allow_origins(app, allowed_origins)
    return app
