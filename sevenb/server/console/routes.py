"""Every route of the console's API, and what lives as long as the server does."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import APIRouter, FastAPI

from sevenb.server.console import (
    account,
    admin,
    answers,
    archive,
    chats,
    comparisons,
    folders,
    models,
    personas,
    pulls,
    reports,
    schema,
    search,
    session,
    uploads,
)

MODULES = (
    session,
    account,
    admin,
    chats,
    answers,
    folders,
    personas,
    search,
    archive,
    schema,
    comparisons,
    models,
    pulls,
    uploads,
    reports,
)

router = APIRouter(prefix="/console/api", include_in_schema=False)
for _module in MODULES:
    router.include_router(_module.router)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """What the modules begin when the server starts, and end when it stops."""
    async with AsyncExitStack() as stack:
        for module in MODULES:
            if hasattr(module, "lifespan"):
                await stack.enter_async_context(module.lifespan(app))
        yield
