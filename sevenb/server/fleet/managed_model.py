"""`ManagedModel`: one model that can be loaded: its engine while there is one, who uses it, how long it stays."""

import asyncio
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from sevenb.engine.handle import EngineHandle
from sevenb.engine.messages import EngineReady, LoadPlan, LoadProgress
from sevenb.server.fleet.model_source import ModelSource
from sevenb.server.fleet.served_model import ModelText

ModelState = Literal["installed", "loading", "ready", "restarting", "unloading"]


class ManagedModel:
    """What the server knows of one model. Only the `ModelPool` loads and unloads it.

    ``keep_alive`` is how many seconds it stays once nobody uses it, None for ever. ``memory`` are the bytes that are
    set aside for it: all there is, until its engine has said what it takes.
    """

    def __init__(self, source: ModelSource, keep_alive: float | None) -> None:
        self.source = source
        self.keep_alive = self._usual_keep_alive = keep_alive
        self.users = 0
        self.waiting = 0  # of these, who waits for it to be loaded
        self.memory: float = 0.0
        self.client: EngineHandle | None = None
        self.text: ModelText | None = None
        self.max_model_len: int | None = None  # of its newest engine
        self.wants_room = False  # it waits for memory that others have
        self.loading: asyncio.Task[None] | None = None
        self.unloading: asyncio.Task[None] | None = None
        self._last_used = time.monotonic()

    @property
    def name(self) -> str:
        """What it is called first."""
        return self.source.names[0]

    @property
    def state(self) -> ModelState:
        """How far it is."""
        if self.unloading is not None:
            return "unloading"
        if self.loading is not None:
            return "loading"
        if self.client is None:
            return "installed"
        return "ready" if self.client.state == "ready" else "restarting"

    @property
    def engine(self) -> EngineReady | None:
        """The engine's own account of itself, while it runs."""
        return self.client.info if self.client is not None else None

    @property
    def plan(self) -> LoadPlan | None:
        """What memory it takes, as soon as its engine knows."""
        return self.client.plan if self.client is not None else None

    @property
    def progress(self) -> LoadProgress | None:
        """How far the weights are loaded."""
        return self.client.progress if self.client is not None else None

    # -- use -------------------------------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """Whether it is loaded and nobody would miss it now."""
        return self.client is not None and self.loading is None and self.unloading is None and not self.users

    @property
    def last_used(self) -> float:
        """When somebody used it last, on the monotonic clock."""
        return self._last_used

    @property
    def expires(self) -> float:
        """When it is to be unloaded, on the monotonic clock, if nobody uses it until then; infinity for never."""
        return math.inf if self.keep_alive is None or self.client is None else self._last_used + self.keep_alive

    def touch(self) -> None:
        """Note that it is used just now."""
        self._last_used = time.monotonic()

    @property
    def abandoned(self) -> bool:
        """Whether it wants room that nobody waits for any more."""
        return self.wants_room and not self.waiting

    @contextmanager
    def being_waited_for(self) -> Iterator[None]:
        """Count somebody who waits until it is loaded."""
        self.waiting += 1
        try:
            yield
        finally:
            self.waiting -= 1

    # -- for the pool ----------------------------------------------------------------------------------

    def note_plan(self) -> bool:
        """Set aside what the engine plans to take and no more; False while it has not said."""
        if (plan := self.plan) is None:
            return False
        self.memory = plan.taken_bytes
        return True

    def forget_engine(self) -> None:
        """It is not loaded any more."""
        self.client = self.text = None
        self.memory = 0.0

    def keep_as_usual(self) -> None:
        """Take back what somebody said about how long it is to stay."""
        self.keep_alive = self._usual_keep_alive
