"""`ModelDirectory`: which model a name means: those the server was started with, their adapters, the local store's."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sevenb.errors import ModelNotFound
from sevenb.model.catalog import CATALOG
from sevenb.model.stored_model import StoredModel
from sevenb.server.fleet.managed_model import ManagedModel
from sevenb.server.fleet.model_source import InstalledModels, InThread

DEFAULT_TAG = ":latest"  # Ollama's: what a name without a tag means, and the other way round
NAMES_TOLD = 8  # in the message about a name that means nothing


@dataclass(frozen=True)
class Found:
    """What a name means: a model, how it is called then, and the adapter that the name stands for, if it does."""

    model: ManagedModel
    name: str
    adapter: str | None = None


@dataclass(frozen=True)
class Listed:
    """A model that may be asked for; ``managed`` is None where it has never been, ``stored`` is its manifest."""

    name: str
    managed: ManagedModel | None
    stored: StoredModel | None


class ModelDirectory:
    """Names as clients write them.

    ``named`` are the models that the server was started with, whose names count first. Those of ``installed`` may be
    asked for as well, and stay ``keep_alive`` seconds. Names are compared as Ollama does, without regard to upper and
    lower case, to a tag ``:latest``, and to a tag that is left out where the catalog or a served name shows which one
    is meant. No name ever means a path.
    """

    def __init__(
        self,
        named: Sequence[ManagedModel],
        installed: InstalledModels | None,
        in_thread: InThread,
        keep_alive: float | None,
    ) -> None:
        self._named = tuple(named)
        self._installed = installed
        self._in_thread = in_thread
        self._keep_alive = keep_alive
        self._from_store: dict[str, ManagedModel] = {}
        self._by_name: dict[str, Found] = {}
        for model in self._named:
            for name in model.source.names:
                self._by_name.setdefault(name, Found(model, name))
            for adapter in model.source.adapters:
                self._by_name.setdefault(adapter, Found(model, adapter, adapter))
        self._by_folded_name: dict[str, Found] = {}
        for name, found in self._by_name.items():
            self._by_folded_name.setdefault(_fold(name), found)

    @property
    def names(self) -> tuple[str, ...]:
        """All names of the models that the server was started with, adapters' included."""
        return tuple(self._by_name)

    def named(self, name: str) -> Found | None:
        """The model that the server was started with under this name."""
        return self._by_name.get(name) or self._by_folded_name.get(_fold(name))

    async def find(self, name: str) -> Found:
        """The model that a name means. Raises `ModelNotFound`."""
        if found := self.named(name):
            return found
        entry = CATALOG.find(name.removesuffix(DEFAULT_TAG))
        if entry is not None and (found := self.named(entry.name)):
            return found
        stored = {_fold(model.name): model for model in await self._stored()}
        wanted = stored.get(_fold(name)) or (stored.get(entry.name) if entry is not None else None)
        if wanted is not None:
            model = await self._manage(wanted)
            return Found(model, model.name)
        for served, found in self._by_folded_name.items():
            if served.partition(":")[0] == _fold(name):
                return found
        raise ModelNotFound(self._not_found(name, stored.values()))

    async def listed(self) -> list[Listed]:
        """All that may be asked for: each model that the server was started with once, then the store's."""
        stored = await self._stored()
        files = {_first_file(model): model for model in stored}
        listed = [Listed(model.name, model, files.get(name)) for model, name in (await self._real_names()).items()]
        known = {entry.stored.name for entry in listed if entry.stored is not None} | set(self.names)
        return listed + [
            Listed(model.name, self._from_store.get(model.name), model) for model in stored if model.name not in known
        ]

    async def _stored(self) -> list[StoredModel]:
        if self._installed is None:
            return []
        models: list[StoredModel] = await self._in_thread(self._installed.models)
        return models

    async def _real_names(self) -> dict[ManagedModel, str]:
        """Of the named models' files: a link in the store leads to one that is called by its SHA-256."""
        return await self._in_thread(lambda: {model: Path(model.source.root).resolve().name for model in self._named})

    async def _manage(self, stored: StoredModel) -> ManagedModel:
        """The one `ManagedModel` of a model in the store, which the server may have been started with by its path."""
        assert self._installed is not None
        if stored.name in self._from_store:
            return self._from_store[stored.name]
        for model, name in (await self._real_names()).items():
            if name == _first_file(stored):
                return model
        model = ManagedModel(self._installed.source(stored), self._keep_alive)
        return self._from_store.setdefault(stored.name, model)

    def _not_found(self, name: str, stored: Iterable[StoredModel]) -> str:
        names = list(dict.fromkeys([*self.names, *(model.name for model in stored)]))
        told = names[:NAMES_TOLD]
        more = f" and {len(names) - len(told)} more, which /v1/models lists" if len(names) > len(told) else ""
        last = told.pop() if len(told) > 1 and not more else None
        text = ", ".join(told) + (f" and {last}" if last else "") + more
        return f"The model {name!r:.200} does not exist here; this server serves {text}."


def _fold(name: str) -> str:
    return name.casefold().removesuffix(DEFAULT_TAG)


def _first_file(model: StoredModel) -> str:
    return model.files[0].sha256 if model.files else ""
