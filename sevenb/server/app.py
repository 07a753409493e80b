"""The application: every route, the middleware around them, and the service behind them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI

from sevenb import __version__
from sevenb.errors import SevenbError
from sevenb.server import docs_page, health, rerank, tokenize
from sevenb.server.access.api_keys import ApiKeys
from sevenb.server.access.gate import Gate
from sevenb.server.access.hosts import Hosts
from sevenb.server.access.limits import BodyLimitMiddleware, LimitMiddleware, Limits
from sevenb.server.access.security import AccessMiddleware, allow_origins
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
from sevenb.server.startup import QuietStartMiddleware
from sevenb.server.usage import UsageMeter

if TYPE_CHECKING:
    from sevenb.server.upstream.address import UpstreamAddress
    from sevenb.workspace import Workspace

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
    workspace: "Workspace | None" = None,
    hosts: Hosts | None = None,
    upstreams: "Sequence[UpstreamAddress]" = (),
) -> FastAPI:
    """Build the ASGI application over a started service, which it closes with its own shutdown.

    With a ``workspace``, which it closes, too, it has the console; `Gate` says who may use what. ``limits`` hold for
    each client. ``hosts`` tells where the server listens: unless told, on this machine alone. The console offers the
    models of ``upstreams``, too.
    """
    limits = limits or Limits()
    gate = Gate(keys or ApiKeys(), hosts or Hosts(), workspace, in_thread=service.in_thread)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        try:
            async with running(app):
                yield
        except SevenbError as error:
            app.state.startup_failure = error
            raise

    @asynccontextmanager
    async def running(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            if workspace is not None:
                from sevenb.server.console import routes

                stack.callback(workspace.close)
                stack.push_async_callback(service.close)
                stack.push_async_callback(app.state.upstreams.close)
                service.usage = UsageMeter(workspace.usage.record_all, service.in_thread)
                await stack.enter_async_context(service.usage.running())
                await stack.enter_async_context(routes.lifespan(app))
            else:
                stack.push_async_callback(service.close)
            yield

    app = FastAPI(
        title="sevenb",
        version=__version__,
        description=_DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,  # FastAPI's pages load scripts from the internet; `docs_page` does not
        redoc_url=None,
        responses=documented_errors(ErrorResponse),
    )
    app.state.startup_failure = None
    app.state.service = service
    app.state.gate = gate
    app.state.workspace = workspace
    app.state.responses = ResponseStore()
    app.state.pulls = Downloads()
    if workspace is not None:
        from sevenb.server.console import page, routes
        from sevenb.server.upstream.directory import Upstreams

        app.state.upstreams = Upstreams(upstreams)
        app.include_router(routes.router)
        app.include_router(page.router)  # before Ollama's, whose root it answers for browsers
    for dialect in _DIALECTS:
        app.include_router(dialect.router)
    install_error_handlers(app)
    # What is added later is met earlier.
    app.add_middleware(HoldMiddleware)
    app.add_middleware(BodyLimitMiddleware, max_bytes=limits.body_bytes)
    if limits.per_client:
        app.add_middleware(LimitMiddleware, limits=limits)
    app.add_middleware(AccessMiddleware, gate=gate)
    app.add_middleware(HttpMetricsMiddleware, metrics=service.metrics)
    allow_origins(app, allowed_origins)
    app.add_middleware(QuietStartMiddleware, state=app.state)
    return app
