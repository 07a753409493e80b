"""The console's pulls: downloads that go on when the page is closed, can be stopped, and go on where they stopped."""

import asyncio
import time
import uuid
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

from fastapi import APIRouter, FastAPI, Request
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from sevenb.errors import InvalidRequest, ModelNotFound
from sevenb.model.store import Store
from sevenb.server.access.principal import Administrator, WorkspaceDependency
from sevenb.server.console.route import ConsoleRoute, problem_record, reply
from sevenb.server.dependencies import ServiceDependency
from sevenb.server.errors import HttpError
from sevenb.server.fleet.downloads import Arrival, Download, Downloads, DownloadStopped, News, Note, reference_of
from sevenb.workspace.records import Problem

KEPT = 20  # pulls that have ended and are still shown
RATE_SECONDS = 6.0  # that the rate is taken over
MAX_NOTES = 20

PullState = Literal["running", "done", "failed", "cancelled"]

router = APIRouter(route_class=ConsoleRoute)


@dataclass(frozen=True)
class Pull:
    """A pull as the page shows it; ``label``, ``completed`` and ``total`` are those of the file that arrives now."""

    id: str
    name: str
    state: PullState
    label: str
    completed: int
    total: int
    bytes_per_second: float | None
    error: Problem | None
    notes: list[str] = field(default_factory=list)


class PullJob:
    """One pull from its start to its end."""

    def __init__(self, store: Store, name: str, downloads: Downloads) -> None:
        self.id = uuid.uuid4().hex
        self.name = name
        self.state: PullState = "running"
        self._error: Problem | None = None
        self._notes: deque[str] = deque(maxlen=MAX_NOTES)
        self._arrival = Arrival("", 0, 0)
        self._marks: deque[tuple[float, int]] = deque()  # when how much of the file was there
        self._download = Download(store, name, downloads, self._hear)
        self._task = self._download.begin()
        self._task.add_done_callback(self._ended)

    def stop(self) -> None:
        """Stop it; what has arrived is kept."""
        if self.state == "running":
            self.state = "cancelled"
            self._download.stop()

    def look(self) -> Pull:
        """As it is now."""
        arrival = self._arrival
        return Pull(
            id=self.id,
            name=self.name,
            state=self.state,
            label=arrival.label,
            completed=arrival.done,
            total=arrival.total,
            bytes_per_second=self._rate() if self.state == "running" else None,
            error=self._error,
            notes=list(self._notes),
        )

    def _hear(self, news: News) -> None:
        match news:
            case Note(text):
                self._notes.append(text)
            case Arrival(label, done):
                now = time.monotonic()
                if label != self._arrival.label:
                    self._marks.clear()
                self._arrival = news
                self._marks.append((now, done))
                while now - self._marks[0][0] > RATE_SECONDS:
                    self._marks.popleft()

    def _rate(self) -> float | None:
        if len(self._marks) < 2:
            return None
        (then, before), (now, done) = self._marks[0], self._marks[-1]
        return (done - before) / max(now - then, 1e-3)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if self.state == "cancelled":
            return
        match error:
            case None:
                self.state = "done"
            case DownloadStopped() | asyncio.CancelledError():
                self.state = "cancelled"
            case Exception():
                self.state, self._error = "failed", problem_record(error)


class PullJobs:
    """All pulls since the server started, as far as they are still shown; the newest first."""

    def __init__(self) -> None:
        self._jobs: dict[str, PullJob] = {}

    def begin(self, store: Store, name: str, downloads: Downloads) -> PullJob:
        """Start a pull, or find the one of this model that runs. Raises `TooManyRequests`."""
        for job in self._jobs.values():
            if job.name == name and job.state == "running":
                return job
        job = PullJob(store, name, downloads)
        # One that goes on takes the place of those that stopped.
        self._jobs = {id: other for id, other in self._jobs.items() if other.name != name}
        self._jobs[job.id] = job
        ended = [id for id, other in self._jobs.items() if other.state != "running"]
        for id in ended[: max(0, len(ended) - KEPT)]:
            del self._jobs[id]
        return job

    def look(self) -> list[Pull]:
        """All of them."""
        return [job.look() for job in reversed(self._jobs.values())]

    def stop(self, id: str) -> PullJob:
        """Stop one that runs, forget one that has ended. Raises `HttpError` with 404."""
        job = self._jobs.get(id)
        if job is None:
            raise HttpError(404, "There is no such pull; it may have been taken from the list.", "not_found")
        if job.state == "running":
            job.stop()
        else:
            del self._jobs[id]
        return job

    def stop_all(self) -> None:
        """The server ends."""
        for job in self._jobs.values():
            job.stop()


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Keep pulls for as long as the server runs."""
    app.state.pull_jobs = jobs = PullJobs()
    yield
    jobs.stop_all()


class PullRequest(BaseModel):
    """A model of the catalog, or a repository of the hub, ``org/repo`` or ``org/repo:Q4_K_M``."""

    model_config = ConfigDict(strict=True)

    name: str


@router.get("/pulls")
async def list_pulls(request: Request, user: Administrator) -> Response:
    """The pulls that run, and those that have ended."""
    jobs: PullJobs = request.app.state.pull_jobs
    return reply(jobs.look())


@router.post("/pulls")
async def begin_pull(
    request: Request, service: ServiceDependency, user: Administrator, workspace: WorkspaceDependency, body: PullRequest
) -> Response:
    """Begin to download a model, or go on with one that was stopped."""
    if not (name := body.name.strip()):
        raise InvalidRequest("name: name a model of the catalog or a repository, org/repo.", "name")
    store = Store()
    try:
        name = await service.in_thread(lambda: reference_of(store, name))
    except ModelNotFound:
        near = store.catalog.closest(name)
        told = f"did you mean {' or '.join(near)}?" if near else "a repository is written org/repo."
        raise ModelNotFound(f"The catalog has no model {name!r:.100}; {told}") from None
    jobs: PullJobs = request.app.state.pull_jobs
    job = jobs.begin(store, name, request.app.state.pulls)
    await service.in_thread(lambda: workspace.audit.record(user.name, "model.pull", name))
    return reply(job.look(), 201)


@router.delete("/pulls/{id}")
async def stop_pull(request: Request, user: Administrator, id: str) -> Response:
    """Stop a pull that runs; take one that has ended from the list."""
    jobs: PullJobs = request.app.state.pull_jobs
    return reply(jobs.stop(id).look())
