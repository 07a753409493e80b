"""The application: every route, the middleware around them, and the service behind them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from fastapi import FastAPI

from sevenb import __version__
from sevenb.server import docs_page, health, rerank, tokenize
from sevenb.server.access.api_keys import ApiKeys
from sevenb.server.access.limits import BodyLimitMiddleware, LimitMiddleware, Limits
from sevenb.server.access.security import ApiKeyMiddleware, allow_origins
from sevenb.server.anthropic import messages
from sevenb.server.errors import documented_errors, install_error_handlers
from sevenb.server.fleet.downloads import Downloads
from sevenb.server.fleet.holds import HoldMiddleware
from sevenb.server.infill import routes as infill
from sevenb.server.metrics import HttpMetricsMiddleware
from sevenb.server.ollama import chat as ollama_chat
from sevenb.server.ollama import embed as ollama_embed
from sevenb.server.ollama import models as ollama_models
from sevenb.server.ollama import pull as ollama_pull
from sevenb.server.openai import chat, completions, embeddings, models, responses
from sevenb.server.openai.response_store import ResponseStore
from sevenb.server.openai.types import ErrorResponse
from sevenb.server.service import Service

_DIALECTS = (
    chat,
    completions,
    responses,
    embeddings,
    messages,
    ollama_chat,
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
    app.state.pulls = Downloads()
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
