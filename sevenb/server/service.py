"""`Service`: what the routes serve: models by name, loaded when they are asked for, each in an engine of its own."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, TypeVar

from sevenb.engine.handle import EngineState
from sevenb.engine.messages import EngineReady, EngineStats
from sevenb.errors import SevenbError, TooManyRequests
from sevenb.host import model_budget
from sevenb.model.stored_model import StoredModel
from sevenb.server.access.principal import Principal, current_principal
from sevenb.server.fleet.holds import holding, keep_until_answered
from sevenb.server.fleet.managed_model import ManagedModel, ModelState
from sevenb.server.fleet.model_directory import Found, Listed, ModelDirectory
from sevenb.server.fleet.model_pool import ModelPool
from sevenb.server.fleet.model_source import InstalledModels, ModelSource
from sevenb.server.fleet.served_model import ModelText, ServedModel
from sevenb.server.metrics import Metrics, ModelMetrics
from sevenb.server.usage import UsageMeter

__all__ = ["ModelStatus", "ModelText", "ServedModel", "Service"]

WAIT_SECONDS = 30.0  # how long a request waits for a model that loads or restarts, before it gets a 503
KEEP_ALIVE_SECONDS = 300.0  # Ollama's default: how long a model stays that nobody uses

Health = Literal["ok", "loading", "restarting", "failed", "stopping"]

T = TypeVar("T")


@dataclass(frozen=True)
class ModelStatus:
    """One model that may be asked for, as it is now.

    ``names`` are all it answers to, ``adapters`` its LoRA adapters by name, with their files. ``memory`` is what
    weights, KV pool and remembered prompts may take in bytes, 0 while it is not loaded; ``expires_at`` is the Unix time
    at which it will be unloaded if nobody uses it, None for never. ``stored`` is its manifest, if the store has it.
    ``progress`` says how far it is loaded, from 0 to 1.
    """

    name: str
    names: tuple[str, ...]
    adapters: Mapping[str, str]
    root: str
    state: ModelState
    memory: int
    expires_at: float | None
    engine: EngineReady | None
    stored: StoredModel | None
    max_model_len: int | None = None  # also of one that is not loaded any more
    progress: float | None = None


class Service:
    """The models of one server.

    ``sources`` are those it was started with; the first one is loaded at once, is meant by requests that name none,
    and stays ``keep_first`` seconds after its last use (None: for ever). The others, and those of ``installed``, are
    loaded when they are asked for and stay ``keep_others`` seconds. All together keep to ``memory_budget`` bytes,
    or to what ``usual_budget`` says, which may take a while.
    """

    def __init__(
        self,
        sources: Sequence[ModelSource],
        *,
        installed: InstalledModels | None = None,
        keep_first: float | None = None,
        keep_others: float | None = KEEP_ALIVE_SECONDS,
        memory_budget: int | None = None,
        usual_budget: Callable[[], int] = model_budget,
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        named = [ManagedModel(source, keep_others if number else keep_first) for number, source in enumerate(sources)]
        self.main = named[0]
        self.created = int(time.time())
        self.metrics = Metrics(self._engine_stats, self._engines, self._engine_states)
        self.usage: UsageMeter | None = None  # where there is a workspace to write to
        self._wait_seconds = wait_seconds
        self._directory = ModelDirectory(named, installed, self.in_thread, keep_others)
        self._pool = ModelPool(named, self.in_thread, budget=memory_budget, usual_budget=usual_budget)
        self._model_metrics: dict[ManagedModel, ModelMetrics] = {}
        self._stopping = False
        self._failed = False
        # Templates and tokenizers of huge prompts run here: the event loop goes on serving the other streams. More
        # threads than cores, so that a short prompt need not wait for a few that take half a minute.
        self._threads = ThreadPoolExecutor(max_workers=8, thread_name_prefix="text")

    # -- life ------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin to load the first model; returns as soon as its engine process runs."""
        await self._pool.start()

    async def wait_ready(self, timeout: float | None = None) -> ServedModel:
        """The first model, as soon as it can serve.

        Raises `EngineNotReady` after ``timeout`` seconds, or why it cannot be loaded.
        """
        return await self._serve(Found(self.main, self.main.name), timeout)

    async def wait_failed(self) -> SevenbError | None:
        """Return when this service cannot go on: why, or None because it was closed."""
        failure = await self._pool.wait_failed()
        self._failed = failure is not None
        return failure

    async def close(self) -> None:
        """End open streams and the engine processes."""
        self._stopping = True
        await self._pool.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    @property
    def open_requests(self) -> int:
        """Requests whose answers are being generated, or wait for that."""
        return sum(model.client.open_requests for model in self._pool.models if model.client is not None)

    def fail_open_requests(self, error: SevenbError) -> None:
        """End every open stream with ``error``, and every wait for a model."""
        self._stopping = True
        self._pool.stop_waiting()
        for model in self._pool.models:
            if model.client is not None:
                model.client.fail_open_requests(error)

    # -- for the routes --------------------------------------------------------------------------------

    @property
    def health(self) -> Health:
        """Whether a request for the first model would be served: "ok" also where that would load it."""
        if self._stopping or self._failed:
            return "failed" if self._failed else "stopping"
        state = self.main.state
        return state if state in ("loading", "restarting") else "ok"

    @property
    def names(self) -> tuple[str, ...]:
        """All names of the models that this server was started with, adapters' included."""
        return self._directory.names

    async def model(self, name: str | None) -> ServedModel:
        """The model that ``name`` means, the first one if none is given, loaded if it is not; waits a while for that.

        It is not unloaded before the request that is being served has been answered. Raises `ModelNotFound`,
        `EngineNotReady`, `TooManyRequests`, or why it cannot be loaded.
        """
        found = await self._directory.find(name) if name else Found(self.main, self.main.name)
        return await self._serve(found, self._wait_seconds)

    async def resolve(self, name: str) -> str:
        """What a model is called by which a client's name means; nothing is loaded. Raises `ModelNotFound`."""
        return (await self._directory.find(name)).name

    async def installed(self) -> list[ModelStatus]:
        """All models that may be asked for, those first that this server was started with."""
        return [self._status(listed) for listed in await self._directory.listed()]

    async def loaded(self) -> list[ModelStatus]:
        """Those of them that take memory now."""
        return [status for status in await self.installed() if status.state != "installed"]

    async def load(self, name: str) -> None:
        """Load a model if it is not, however long that takes. Raises `ModelNotFound`, or why it cannot be loaded."""
        found = await self._directory.find(name)
        with holding():
            await self._serve(found, None)

    async def unload(self, name: str) -> None:
        """Unload a model, and wait for that, unless somebody uses it: then it goes as soon as nobody does."""
        if (task := self._pool.unload((await self._directory.find(name)).model)) is not None:
            await asyncio.shield(task)

    async def keep(self, name: str, seconds: float | None) -> None:
        """Change how long a model stays once nobody uses it, until it is unloaded: None for ever, 0 not at all."""
        self._pool.keep((await self._directory.find(name)).model, seconds)

    async def memory_budget(self) -> int:
        """Bytes that all models may take together."""
        return await self._pool.budget()

    async def in_thread(self, function: Callable[[], T]) -> T:
        """Run work that would hold up the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, function)

    def count_usage(
        self,
        model: str,
        *,
        prompt_tokens: int,
        cached_tokens: int = 0,
        completion_tokens: int = 0,
        principal: Principal | None = None,
    ) -> None:
        """Note the tokens of a request that ended, for whoever sent it: the one who asks now, unless told."""
        if self.usage is not None:
            who = current_principal() if principal is None else principal
            self.usage.count(who, model, prompt_tokens, cached_tokens, completion_tokens)

    # -- inside ----------------------------------------------------------------------------------------

    async def _serve(self, found: Found, timeout: float | None) -> ServedModel:
        model = found.model
        if model.waiting >= model.source.max_open_requests:
            raise TooManyRequests(
                f"As many requests as this server takes for {model.name} wait for it to be loaded; try again soon."
            )
        release = self._pool.hold(model)
        try:
            client, text, engine = await self._pool.loaded(model, timeout)
        except BaseException:
            release()
            raise
        keep_until_answered(release)
        if model not in self._model_metrics:
            self._model_metrics[model] = ModelMetrics(self.metrics, model.name)
        metrics = self._model_metrics[model]
        return ServedModel(text, engine, client, metrics, found.name, model.source.root, found.adapter)

    def _engine_stats(self) -> dict[str, EngineStats]:
        clients = {model.name: model.client for model in self._pool.models}
        return {name: client.stats for name, client in clients.items() if client is not None and client.stats}

    def _engines(self) -> dict[str, EngineReady]:
        clients = {model.name: model.client for model in self._pool.models}
        return {name: client.info for name, client in clients.items() if client is not None and client.info}

    def _engine_states(self) -> dict[str, Sequence[EngineState]]:
        return {model.name: model.client.states for model in self._pool.models if model.client is not None}

    def _status(self, listed: Listed) -> ModelStatus:
        model = listed.managed
        if model is None:
            return ModelStatus(listed.name, (listed.name,), {}, listed.name, "installed", 0, None, None, listed.stored)
        expires_at = progress = None
        if model.loading is not None and model.progress is not None and model.progress.total:
            progress = model.progress.done / model.progress.total
        if model.expires < float("inf"):
            idle_since = time.monotonic() if model.users else model.last_used
            expires_at = time.time() + (model.keep_alive or 0.0) + idle_since - time.monotonic()
        return ModelStatus(
            name=model.name,
            names=tuple(model.source.names),
            adapters=dict(model.source.adapters),
            root=model.source.root,
            state=model.state,
            memory=int(model.memory) if model.memory < float("inf") else 0,
            expires_at=expires_at,
            engine=model.engine,
            stored=listed.stored,
            max_model_len=model.max_model_len,
            progress=progress,
        )
