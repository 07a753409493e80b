"""`Upstreams`: the other servers behind this one, which of them answer, and what models they have."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from sevenb.errors import SevenbError
from sevenb.server.upstream.address import UpstreamAddress
from sevenb.server.upstream.connection import Connection, ListedModel
from sevenb.server.upstream.model import UpstreamModel

FRESH_SECONDS = 10.0  # how long a list counts as new; an older one is told while a newer one is on its way


@dataclass(frozen=True)
class UpstreamStatus:
    """One server: whether it answers, and if not, why. ``url`` is for administrators."""

    name: str
    url: str | None
    reachable: bool
    error: str | None


class Upstreams:
    """The servers that this one was started with. Nothing is asked of them before somebody asks here."""

    def __init__(self, addresses: Sequence[UpstreamAddress] = ()) -> None:
        self._upstreams = [_Upstream(address) for address in addresses]

    async def models(self) -> list[ListedModel]:
        """The models of all servers that answer; waits for a server the first time only."""
        await self._look()
        return [model for upstream in self._upstreams for model in upstream.models]

    async def statuses(self) -> list[UpstreamStatus]:
        """How each server is."""
        await self._look()
        return [upstream.status for upstream in self._upstreams]

    def find(self, name: str) -> UpstreamModel | None:
        """The model called ``UPSTREAM/ID``, whether it is listed or not; None for names that are no server's."""
        prefix, slash, id = name.partition("/")
        for upstream in self._upstreams:
            if slash and id and upstream.address.name.casefold() == prefix.casefold():
                return upstream.model(id)
        return None

    async def close(self) -> None:
        """End all connections."""
        await asyncio.gather(*(upstream.close() for upstream in self._upstreams))

    async def _look(self) -> None:
        await asyncio.gather(*(upstream.look() for upstream in self._upstreams))


class _Upstream:
    """One server and what it said last."""

    def __init__(self, address: UpstreamAddress) -> None:
        self.address = address
        self.models: list[ListedModel] = []
        self._error: str | None = None
        self._connection = Connection(address)
        self._looked: float | None = None
        self._looking: asyncio.Task[None] | None = None

    @property
    def status(self) -> UpstreamStatus:
        """How it was when it was asked last."""
        return UpstreamStatus(self.address.name, self.address.url, self._error is None, self._error)

    def model(self, id: str) -> UpstreamModel:
        """One of its models."""
        listed = next((model for model in self.models if model.id == id), None)
        return UpstreamModel(self._connection, id, listed.context_length if listed is not None else None)

    async def look(self) -> None:
        """Ask it for its models if that was some time ago."""
        if self._looked is None or time.monotonic() - self._looked >= FRESH_SECONDS:
            if self._looking is None:
                self._looking = asyncio.create_task(self._ask(), name=f"models of {self.address.name}")
            if self._looked is None:
                await asyncio.shield(self._looking)

    async def close(self) -> None:
        """End its connections."""
        if self._looking is not None:
            self._looking.cancel()
        await self._connection.close()

    async def _ask(self) -> None:
        try:
            self.models, self._error = await self._connection.models(), None
        except SevenbError as error:
            self.models, self._error = [], str(error)
        finally:
            self._looked, self._looking = time.monotonic(), None
