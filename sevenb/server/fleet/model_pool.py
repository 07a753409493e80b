"""`ModelPool`: which models are loaded: on first use, within a budget of memory, and no longer than they are wanted."""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

from sevenb.engine.handle import EngineHandle
from sevenb.engine.messages import EngineReady
from sevenb.errors import EngineDied, EngineNotReady, OutOfMemory, SevenbError
from sevenb.host import model_budget
from sevenb.server.fleet.managed_model import ManagedModel
from sevenb.server.fleet.model_source import InThread, MemoryNeed
from sevenb.server.fleet.served_model import ModelText

logger = logging.getLogger(__name__)

T = TypeVar("T")

PLAN_SECONDS = 0.05  # how often a loading engine is asked whether it knows what it will take
CLOSE_SECONDS = 1.0  # what tasks get to end by themselves once the engines are gone


class ModelPool:
    """The models of one server and the memory they share.

    ``named`` are those that the server was started with: the first is loaded at once and as large as it likes when it
    is alone and ``budget`` is None, otherwise each gets its share of the budget, which is ``usual_budget`` unless told.
    A model that needs room takes that of the least recently used idle ones; it never takes it from a model that
    somebody uses, but waits.
    """

    def __init__(
        self,
        named: Iterable[ManagedModel],
        in_thread: InThread,
        *,
        budget: int | None,
        usual_budget: Callable[[], int] = model_budget,
    ) -> None:
        self.models = list(named)
        self._named = tuple(self.models)
        self._in_thread = in_thread
        self._budget = budget
        self._usual_budget = usual_budget
        self._usual: int | None = None  # what that said
        self._needs: dict[ManagedModel, MemoryNeed] = {}
        self._changed = asyncio.Event()  # set, and replaced by a new one, whenever memory or users change
        self._tasks: set[asyncio.Task[Any]] = set()
        self._patience: set[asyncio.Timeout] = set()  # of those who wait for a model
        self._closing = False
        self._started = asyncio.Event()  # set once an engine process runs
        self._begun = False  # the first model was loaded once
        self._failure: asyncio.Future[SevenbError | None] | None = None

    # -- life ------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin to load the first model, and to unload idle ones; returns once the first engine process runs."""
        self._failure = asyncio.get_running_loop().create_future()
        self._spawn(self._unload_idle(), "unload idle models")
        loading = self._begin_loading(self._named[0])
        running = self._spawn(self._started.wait(), "first engine process")
        await asyncio.wait({loading, running}, return_when=asyncio.FIRST_COMPLETED)
        running.cancel()

    async def wait_failed(self) -> SevenbError | None:
        """Return when there is nothing left to serve: why, or None because the pool was closed."""
        assert self._failure is not None
        return await asyncio.shield(self._failure)

    async def close(self) -> None:
        """End all engines."""
        self.stop_waiting()
        clients = [model.client for model in self.models if model.client is not None]
        await asyncio.gather(*(client.close() for client in clients))
        if self._failure is not None and not self._failure.done():
            self._failure.set_result(None)
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=CLOSE_SECONDS)  # threads cannot be hurried
            for task in late:
                task.cancel()

    def stop_waiting(self) -> None:
        """Let those who wait for a model hear that the server ends, and load none any more."""
        self._closing = True
        self._notify()
        for patience in self._patience:
            patience.reschedule(asyncio.get_running_loop().time())

    # -- for requests ----------------------------------------------------------------------------------

    def hold(self, model: ManagedModel) -> Callable[[], None]:
        """Keep a model from being unloaded until what this returns is called, once."""
        model.users += 1
        model.touch()

        def release() -> None:
            model.users -= 1
            model.touch()
            self._notify()

        return release

    async def loaded(self, model: ManagedModel, timeout: float | None) -> tuple[EngineHandle, ModelText, EngineReady]:
        """A model's engine and words, loaded if they are not.

        All who ask at once share one load. Raises why it cannot be loaded, or `EngineNotReady` after ``timeout``
        seconds.
        """
        with model.being_waited_for():
            try:
                async with asyncio.timeout(timeout) as patience:
                    self._patience.add(patience)
                    while True:
                        if model.unloading is not None:
                            await asyncio.shield(model.unloading)
                        elif model.loading is not None:
                            await asyncio.shield(model.loading)
                        elif model.client is None or model.text is None:
                            if self._failure is not None and self._failure.done() and (why := self._failure.result()):
                                raise why  # the server ends for it, and begins nothing any more
                            self._begin_loading(model)
                        else:
                            client, text = model.client, model.text
                            return client, text, await client.wait_ready()
            except TimeoutError:
                raise EngineNotReady(_ENDING if self._closing else _describe_wait(model)) from None
            finally:
                self._patience.discard(patience)

    def unload(self, model: ManagedModel) -> asyncio.Task[None] | None:
        """Unload a model as soon as nobody uses it; the task that does it, where that is now."""
        if model.idle:
            return self._begin_unloading(model)
        if model.client is not None or model.loading is not None:
            model.keep_alive = 0.0
        return model.unloading

    def keep(self, model: ManagedModel, seconds: float | None) -> None:
        """Change how long a model stays once nobody uses it, until it is unloaded; None is for ever."""
        model.keep_alive = seconds
        self._notify()

    async def budget(self) -> int:
        """Bytes that all models may take together."""
        return self._budget if self._budget is not None else await self._usual_bytes()

    # -- loading ---------------------------------------------------------------------------------------

    def _begin_loading(self, model: ManagedModel) -> asyncio.Task[None]:
        if model not in self.models:
            self.models.append(model)
        model.loading = self._spawn(self._load(model), f"load {model.name}")
        return model.loading

    async def _load(self, model: ManagedModel) -> None:
        started = time.monotonic()
        try:
            memory = await self._make_room(model)
            reading = self._spawn(self._in_thread(model.source.load_text), f"read {model.name}")
            while (shortage := await self._start_engine(model, memory)) is not None:
                # Other programs have what the budget would allow.
                if memory is None or not (idle := self._idle_models()):
                    raise shortage
                await self._begin_unloading(idle[0])
                memory = await self._make_room(model)
            model.text = await reading
            model.touch()
        except BaseException as error:
            await self._stop_engine(model)
            model.keep_as_usual()
            self._note_failure(model, error)
            raise
        finally:
            model.loading = None
            self._notify()
        self._begun = self._begun or model is self._named[0]
        logger.info("%s is loaded after %.1f s", model.name, time.monotonic() - started)
        if model.client is not None:
            self._spawn(self._watch(model, model.client), f"watch {model.name}")

    async def _start_engine(self, model: ManagedModel, memory: int | None) -> OutOfMemory | None:
        """Start it and wait until it is ready; returns what it says when there is not memory enough."""
        if self._closing:
            raise EngineNotReady(_ENDING)
        model.client = client = await self._in_thread(lambda: model.source.engine(memory))
        try:
            await client.start()
        except OSError as error:
            raise EngineDied(f"The engine of {model.name} could not be started: {error}; try again soon.") from error
        self._started.set()
        if self._closing:
            raise EngineNotReady(_ENDING)
        ready = self._spawn(client.wait_ready(), f"wait for {model.name}")
        while not ready.done() and not model.note_plan():
            await asyncio.wait({ready}, timeout=PLAN_SECONDS)
        self._notify()
        try:
            model.max_model_len = (await ready).max_model_len
        except OutOfMemory as error:
            await self._stop_engine(model)
            return error
        model.note_plan()
        return None

    async def _watch(self, model: ManagedModel, client: EngineHandle) -> None:
        """Forget an engine that will not come back; the next request may load it anew."""
        failure = await client.wait_failed()
        if failure is not None and model.client is client:
            await self._stop_engine(model)
            self._notify()
            if model is self._named[0] and not any(other.client for other in self.models):
                self._fail(failure)
            else:
                logger.error("%s is not served for now: %s", model.name, failure)

    def _note_failure(self, model: ManagedModel, error: BaseException) -> None:
        if self._closing:
            return
        if self._begun or model is not self._named[0]:
            logger.warning("%s could not be loaded: %s", model.name, error)
        elif isinstance(error, SevenbError):
            self._fail(error)
        else:
            self._fail(SevenbError(f"{model.name} could not be loaded: {error}."))

    def _fail(self, error: SevenbError) -> None:
        if self._failure is not None and not self._failure.done():
            self._failure.set_result(error)

    # -- room ------------------------------------------------------------------------------------------

    async def _make_room(self, model: ManagedModel) -> int | None:
        """Set memory aside for a model, once others have gone that are idle; None: whatever it likes."""
        model.wants_room = False
        if self._budget is None and self._named == (model,) and not self._others_with_memory(model):
            model.memory = math.inf
            return None
        need = await self._in_thread(model.source.prepare)
        budget = await self._budget_bytes()
        if need.weights > budget:
            raise OutOfMemory(
                f"The weights of {model.name} take {need.weights / 1e9:.1f} GB of memory, but all models together may "
                f"take {budget / 1e9:.1f} GB; choose a smaller model or start the server with a larger --memory-budget."
            )
        share = await self._share(model, need, budget)
        wanted = min(need.useful, budget)
        while not self._closing and not model.abandoned:
            changed = self._changed
            room = budget - sum(other.memory for other in self.models if other is not model)
            if room >= wanted or not self._others_with_memory(model):
                memory = int(min(room, max(wanted, share)))
                model.memory, model.wants_room = memory, False
                return memory
            room += sum(other.memory for other in self.models if other.unloading is not None)
            idle = self._idle_models()
            if room < wanted <= room + sum(other.memory for other in idle):
                logger.info("Unloading %s to make room for %s", idle[0].name, model.name)
                self._begin_unloading(idle[0])
                continue
            model.wants_room = True
            await changed.wait()
        raise EngineNotReady(_ENDING if self._closing else _describe_wait(model))

    async def _budget_bytes(self) -> int:
        if self._budget is None:
            self._budget = await self._usual_bytes()
        return self._budget

    async def _usual_bytes(self) -> int:
        if self._usual is None:
            self._usual = await self._in_thread(self._usual_budget)
        return self._usual

    async def _share(self, model: ManagedModel, need: MemoryNeed, budget: int) -> float:
        """What a model may take: one that was named with others leaves their weights and equal pools to them."""
        if model not in self._named:
            return math.inf
        self._needs[model] = need
        for other in self._named:
            if other not in self._needs:
                try:
                    self._needs[other] = await self._in_thread(other.source.prepare)
                except SevenbError:
                    self._needs[other] = MemoryNeed(0, 0)  # it will say so to whoever asks for it
        spare = budget - sum(self._needs[other].weights for other in self._named)
        return need.weights + spare / len(self._named)

    def _others_with_memory(self, model: ManagedModel) -> bool:
        return any(other.memory for other in self.models if other is not model)

    def _idle_models(self) -> list[ManagedModel]:
        """Models that could be unloaded now, the one that was used longest ago first."""
        return sorted((model for model in self.models if model.idle), key=lambda model: model.last_used)

    # -- unloading -------------------------------------------------------------------------------------

    def _begin_unloading(self, model: ManagedModel) -> asyncio.Task[None]:
        model.unloading = self._spawn(self._unload(model), f"unload {model.name}")
        return model.unloading

    async def _unload(self, model: ManagedModel) -> None:
        try:
            await self._stop_engine(model)
            logger.info("%s is unloaded", model.name)
            model.keep_as_usual()
        finally:
            model.unloading = None
            self._notify()

    async def _stop_engine(self, model: ManagedModel) -> None:
        if model.client is not None:
            await model.client.close()
        model.forget_engine()

    async def _unload_idle(self) -> None:
        """Unload each model when its time has come."""
        while not self._closing:
            changed, now = self._changed, time.monotonic()
            upcoming = math.inf
            for model in self._idle_models():
                if model.expires <= now:
                    self._begin_unloading(model)
                else:
                    upcoming = min(upcoming, model.expires)
            try:
                async with asyncio.timeout(None if upcoming == math.inf else upcoming - now):
                    await changed.wait()
            except TimeoutError:
                pass

    # -- small things ----------------------------------------------------------------------------------

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _spawn(self, work: Coroutine[Any, Any, T], name: str) -> "asyncio.Task[T]":
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._forget_task)
        return task

    def _forget_task(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waits for it has heard it; where nobody did, it is no news


def _describe_wait(model: ManagedModel) -> str:
    if model.state == "restarting":
        return f"The engine of {model.name} is restarting after a failure; try again in a few seconds."
    if model.wants_room:
        return (
            f"{model.name} has no room beside the models that are answering now; try again in a while, or start the "
            "server with a larger --memory-budget."
        )
    progress = model.progress
    done = f" ({progress.done / progress.total:.0%})" if progress is not None and progress.total else ""
    return f"The model {model.name} is still loading{done}; try again in a few seconds."


_ENDING = "The server is shutting down; send the request later."
