"""`Sources`: the models that can answer, by name, on this server or on another one."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from sevenb.errors import ModelNotFound
from sevenb.server.console.running.source import AnswerSource, LocalSource
from sevenb.server.service import ModelStatus, Service


class Upstreams(Protocol):
    """Other servers whose models can be asked for."""

    def find(self, name: str) -> AnswerSource | None:
        """The model of that name, if it is one of theirs; asks nobody."""
        ...


class Sources:
    """The models of this server and of the others behind it."""

    def __init__(self, service: Service, upstreams: Upstreams | None) -> None:
        self._service = service
        self._upstreams = upstreams

    async def choose(self, name: str | None, *defaults: str | None) -> str:
        """What the model is called that ``name`` means; without one, the first of the defaults that is still there.

        Raises `ModelNotFound`.
        """
        if name:
            return await self._resolved(name)
        for default in defaults:
            if default:
                try:
                    return await self._resolved(default)
                except ModelNotFound:
                    continue
        return self._service.main.name

    async def find(self, name: str) -> AnswerSource:
        """The model, loaded if it is not, however long that takes."""
        if (upstream := self._upstream(name)) is not None:
            return upstream
        await self._service.load(name)
        return LocalSource(self._service, await self._service.model(name))

    def is_elsewhere(self, name: str) -> bool:
        """Whether another server has the model."""
        return self._upstream(name) is not None

    async def is_ready(self, name: str) -> bool:
        """Whether the model need not be loaded."""
        if self._upstream(name) is not None:
            return True
        status = await self._status(name)
        return status is not None and status.state == "ready"

    async def context_length(self, name: str) -> int | None:
        """Tokens that a model has, or had when it was loaded the last time."""
        if (upstream := self._upstream(name)) is not None:
            return upstream.max_model_len
        status = await self._status(name)
        return None if status is None else status.max_model_len

    def finder(self, name: str) -> Callable[[], Awaitable[AnswerSource]]:
        """`find` for later."""
        return lambda: self.find(name)

    async def _resolved(self, name: str) -> str:
        return name if self._upstream(name) is not None else await self._service.resolve(name)

    def _upstream(self, name: str) -> AnswerSource | None:
        return self._upstreams.find(name) if self._upstreams is not None else None

    async def _status(self, name: str) -> ModelStatus | None:
        for status in await self._service.loaded():
            if name in (status.name, *status.names, *status.adapters):
                return status
        return None
