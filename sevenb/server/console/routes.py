"""Every route of the console's API, and what lives as long as the server does."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib import import_module
from types import ModuleType

from fastapi import APIRouter, FastAPI

_NAMES = "session account admin chats answers folders personas search archive schema models pulls uploads comparisons"


def _modules() -> list[ModuleType]:
    found = []
    for name in _NAMES.split():
        full = f"sevenb.server.console.{name}"
        try:
            found.append(import_module(full))
        except ModuleNotFoundError as error:
            if not (error.name or "").startswith("sevenb."):
                raise
    return found


MODULES = _modules()

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
