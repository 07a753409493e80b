"""The console's models: which there are, which fit, loading and unloading them, and deleting them."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import psutil
from fastapi import APIRouter, FastAPI, Request
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from sevenb.errors import ModelNotFound
from sevenb.model.catalog import CATALOG
from sevenb.model.store import Store
from sevenb.server.access.principal import Administrator, SignedIn, WorkspaceDependency
from sevenb.server.console.model_info import ModelInfo, catalog_info, installed_info
from sevenb.server.console.route import ConsoleRoute, problem_record, reply
from sevenb.server.dependencies import ServiceDependency
from sevenb.server.errors import HttpError
from sevenb.server.fleet.durations import parse_duration
from sevenb.server.service import Service
from sevenb.server.upstream.connection import ListedModel
from sevenb.server.upstream.directory import Upstreams, UpstreamStatus
from sevenb.workspace.records import Problem, User

router = APIRouter(route_class=ConsoleRoute)


class Loads:
    """The models that are being loaded because somebody asked the console for that, and why others could not be."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._errors: dict[str, Problem] = {}

    def begin(self, service: Service, name: str, keep: tuple[float | None] | None) -> None:
        """Load a model, unless that is going on. ``keep``: how many seconds it stays then, if not as usual."""
        if name not in self._tasks:
            self._errors.pop(name, None)
            self._tasks[name] = asyncio.create_task(self._load(service, name, keep), name=f"load {name}")

    def error(self, name: str) -> Problem | None:
        """Why a model could not be loaded, the last time."""
        return self._errors.get(name)

    def forget(self, name: str) -> None:
        """Its failure is no news any more."""
        self._errors.pop(name, None)

    def stop(self) -> None:
        """Wait for none of them."""
        for task in self._tasks.values():
            task.cancel()

    async def _load(self, service: Service, name: str, keep: tuple[float | None] | None) -> None:
        try:
            await service.load(name)
            if keep is not None:
                await service.keep(name, keep[0])
        except Exception as error:
            self._errors[name] = problem_record(error)
        finally:
            del self._tasks[name]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Keep the account of loads while the server runs."""
    app.state.loads = loads = Loads()
    yield
    loads.stop()


# -- what there is -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Memory:
    """Bytes: of the machine, those that are free, those that models may take, and those that they have."""

    total: int
    available: int
    budget: int
    used: int


@dataclass(frozen=True)
class Disk:
    """Bytes that are free where models lie; ``path`` is for administrators."""

    free: int
    path: str | None


@dataclass(frozen=True)
class ModelList:
    """All models that the page knows of. The default is the user's, else the server's, else the first model."""

    models: Sequence[ModelInfo]
    memory: Memory
    disk: Disk
    default_model: str
    server_default: str | None
    upstreams: Sequence[UpstreamStatus]


@router.get("/models")
async def list_models(
    request: Request, service: ServiceDependency, user: SignedIn, workspace: WorkspaceDependency
) -> Response:
    """All models: of this machine, of other servers, of the catalog; memory, disk and the default."""
    upstreams: Upstreams = request.app.state.upstreams
    elsewhere, statuses = await upstreams.models(), await upstreams.statuses()
    here = await local_models(request)
    budget = await service.memory_budget()
    known = {name for model in here for name in (model.info.name, model.stored_name)}

    def look() -> ModelList:
        usable = [model.info for model in here] + [_upstream_info(model) for model in elsewhere]
        catalog = [catalog_info(entry, budget=budget) for entry in CATALOG.entries if entry.name not in known]
        server_default = workspace.settings.get("default_model")
        chosen = (workspace.users.preferences(user.id).get("default_model"), server_default)
        names = {model.name for model in usable}
        return ModelList(
            models=[*usable, *catalog],
            memory=_memory(budget, sum(model.info.memory for model in here)),
            disk=_disk(user),
            default_model=next((name for name in chosen if name in names), service.main.name),
            server_default=server_default,
            upstreams=[status if user.is_admin else replace(status, url=None) for status in statuses],
        )

    return reply(await service.in_thread(look))


@dataclass(frozen=True)
class LocalModel:
    """A model of this machine, and what the store calls it, if it has it."""

    info: ModelInfo
    stored_name: str | None


async def local_models(request: Request) -> list[LocalModel]:
    """The models of this machine, adapters included."""
    service: Service = request.app.state.service
    loads: Loads = request.app.state.loads
    statuses, budget, served = await service.installed(), await service.memory_budget(), set(service.names)

    def look() -> list[LocalModel]:
        return [
            LocalModel(
                installed_info(status, name=name, budget=budget, served=name in served, error=loads.error(name)),
                status.stored.name if status.stored is not None else None,
            )
            for status in statuses
            for name in (status.name, *status.adapters)
        ]

    return await service.in_thread(look)


def _upstream_info(model: ListedModel) -> ModelInfo:
    return ModelInfo(
        name=model.name,
        source="upstream",
        upstream=model.upstream,
        state="ready",
        parameters=model.parameters,
        size=model.size,
        max_model_len=model.context_length,
        capabilities=("completion", "tools") if model.writes else ("embedding",),
    )


def _memory(budget: int, used: int) -> Memory:
    from sevenb.host import total_memory

    return Memory(total_memory(), psutil.virtual_memory().available, budget, used)


def _disk(user: User) -> Disk:
    home = Store().home
    place = next(path for path in (home, *home.parents) if path.exists())
    return Disk(shutil.disk_usage(place).free, str(home) if user.is_admin else None)


# -- changing it -------------------------------------------------------------------------------------


class LoadRequest(BaseModel):
    """Which model, and how long it stays once nobody uses it: "5m", seconds, "-1" for ever."""

    model_config = ConfigDict(strict=True)

    name: str
    keep_alive: str | int | float | None = None


class UnloadRequest(BaseModel):
    """Which model."""

    model_config = ConfigDict(strict=True)

    name: str


@router.post("/models/load")
async def load_model(
    request: Request, service: ServiceDependency, user: Administrator, workspace: WorkspaceDependency, body: LoadRequest
) -> Response:
    """Begin to load a model; the list of models tells how far it is, or why it could not be loaded."""
    keep = None if body.keep_alive is None else (parse_duration(body.keep_alive),)
    name = await service.resolve(body.name)
    loads: Loads = request.app.state.loads
    loads.begin(service, name, keep)
    await service.in_thread(lambda: workspace.audit.record(user.name, "model.load", name))
    return reply(await _one(request, name), 202)


@router.post("/models/unload")
async def unload_model(
    service: ServiceDependency,
    user: Administrator,
    workspace: WorkspaceDependency,
    request: Request,
    body: UnloadRequest,
) -> Response:
    """Unload a model, at once or, where somebody uses it, when nobody does any more."""
    name = await service.resolve(body.name)
    await service.unload(name)
    await service.in_thread(lambda: workspace.audit.record(user.name, "model.unload", name))
    return reply(await _one(request, name))


@router.delete("/models")
async def delete_model(
    request: Request, service: ServiceDependency, user: Administrator, workspace: WorkspaceDependency, name: str
) -> Response:
    """Delete a model's files from the store, once it is unloaded."""
    model = next((model for model in await local_models(request) if name == model.info.name), None)
    if model is None:
        raise ModelNotFound(f"The model {name!r:.200} is not on this machine; it may have been deleted already.")
    if model.info.served:
        raise HttpError(409, f"This server was started with {name}, which cannot be deleted while it runs.", "served")
    await service.unload(name)
    if any(status.name == name for status in await service.loaded()):
        raise HttpError(409, f"{name} is in use; stop the answers it is writing, then delete it.", "in_use")
    freed = await service.in_thread(lambda: Store().remove(name))
    loads: Loads = request.app.state.loads
    loads.forget(name)
    await service.in_thread(lambda: workspace.audit.record(user.name, "model.delete", name, bytes=freed))
    return reply({"freed": freed})


async def _one(request: Request, name: str) -> ModelInfo:
    for model in await local_models(request):
        if model.info.name == name:
            return model.info
    raise ModelNotFound(f"The model {name!r:.200} was deleted just now.")
