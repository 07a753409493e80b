"""The `Store`: which models lie on this disk, every file verified by its SHA-256 before it is used.

Layout below ``$SEVENB_HOME`` (default ``$XDG_CACHE_HOME/sevenb``, that is ``~/.cache/sevenb``)::

    blobs/<sha256>                 whole, verified files
    blobs/<sha256>.verified        their size and mtime when they were last verified
    partial/<sha256>.part          files on their way; .bad: arrived whole but with the wrong hash
    models/<model>/manifest.json   what a model consists of
    models/<model>/<file name>     links to its blobs under the names that split GGUF files and model folders refer to

A file gets its name by an atomic rename once it is whole, so a crash leaves a model present or absent, never half.
"""

import os
import re
import shutil
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from pathlib import Path
from typing import TypeAlias

from sevenb.errors import (
    Conflict,
    CorruptModelFile,
    DownloadFailed,
    HashMismatch,
    InvalidRequest,
    ModelNotFound,
    UnsupportedModel,
)
from sevenb.model.blobs import Blobs
from sevenb.model.catalog import CATALOG, Catalog, CatalogEntry, HubName, Reference
from sevenb.model.download import Progress, Silent, Source, SourceUnavailable, storage_errors
from sevenb.model.hf.folder import CONFIG, check_config, is_model_folder, stated_numbers
from sevenb.model.origins import ModelFile, Origin, choose_files, quantization_of
from sevenb.model.own_models import OWN_SOURCE, OwnModel, is_own_name
from sevenb.model.sources import open_sources
from sevenb.model.stored_model import StoredFile, StoredModel, read_manifest, write_manifest

StoreReference: TypeAlias = Reference | OwnModel


class Store:
    """The models on this disk. Safe to use from several processes at once."""

    def __init__(
        self,
        home: Path | None = None,
        catalog: Catalog = CATALOG,
        open_sources: Callable[[Iterable[Origin]], Iterator[Source]] = open_sources,
    ) -> None:
        self.home = home or default_home()
        self._blobs = Blobs(self.home)
        self.catalog = catalog
        self._open_sources = open_sources

    # -- finding ---------------------------------------------------------------------------------------

    def reference(self, name: str) -> StoreReference:
        """What a user's name means; names of `OwnModel` count beside those of the catalog. Raises `ModelNotFound`."""
        try:
            return self.catalog.reference(name)
        except ModelNotFound:
            if is_own_name(name) and (own := self._read_manifest(name)) is not None and own.source == OWN_SOURCE:
                return OwnModel(own.name)
            raise

    def resolve(self, name: str, progress: Progress | None = None) -> Path:
        """Path of a model's (first) GGUF file or of its folder, verified.

        The parts of a split GGUF file lie beside it under their own names; a folder is one as Hugging Face has them.

        ``name`` is a catalog name, a hub name or a local path, which has no hash to compare with and is returned as it
        is. Raises `ModelNotFound` when the model is not on this disk, `HashMismatch` when its file was damaged.
        """
        reference = self.reference(name)
        if isinstance(reference, Path):
            return _model_at(reference)
        model = self._read_manifest(reference.name)
        if model is None:
            raise ModelNotFound(f"{reference.name} is not on this machine yet; get it with `sevenb pull {name}`.")
        for file in model.files:
            self._blobs.verify(file, reference.name, progress or Silent())
        folder = self._folder(reference.name)
        return folder if model.is_folder else folder / model.files[0].link_name

    def ensure(self, name: str, progress: Progress | None = None) -> Path:
        """`resolve`, after `pull` if the model is not here yet."""
        reference = self.reference(name)
        if not isinstance(reference, Path) and not self.has(name):
            self.pull(name, progress)
        return self.resolve(name, progress)

    def has(self, name: str) -> bool:
        """Whether all files of this model are on this disk."""
        reference = self.reference(name)
        if isinstance(reference, Path):
            return True
        model = self._read_manifest(reference.name)
        return model is not None and all(self._blobs.has(file.sha256) for file in model.files)

    def stored(self, name: str) -> StoredModel | None:
        """What is stored under this name; None for local paths and models that are not here."""
        reference = self.reference(name)
        return None if isinstance(reference, Path) else self._read_manifest(reference.name)

    def models(self) -> list[StoredModel]:
        """All stored models, by name."""
        with storage_errors(self.home):
            folders = sorted((self.home / "models").glob("*/manifest.json"))
        found = [read_manifest(path) for path in folders]
        return sorted((model for model in found if model is not None), key=lambda model: model.name)

    def disk_use(self) -> int:
        """Bytes that the store takes on disk, partial and bad files included."""
        return self._blobs.disk_use()

    # -- changing --------------------------------------------------------------------------------------

    def check_own_name(self, name: str) -> None:
        """Raise `InvalidRequest` for what cannot be the name of an `OwnModel`, `Conflict` for one that is taken."""
        if not is_own_name(name):
            raise InvalidRequest(
                f"{name!r:.80} cannot be a model's name; use letters, digits, '.', '_' and '-', with a tag behind ':' "
                "if you like.",
                "name",
            )
        taken = [model.name for model in self.models() if model.name.casefold() == name.casefold()]
        if taken:
            raise Conflict(f"There is a model called {taken[0]} here already; choose another name.")
        if self.catalog.find(name) is not None:
            raise Conflict(f"{name} is a name of the catalog; choose another one.")

    def add(self, path: Path, sha256: str, name: str, license: str = "") -> StoredModel:
        """Move a user's own file, which is a whole model of this hash, into the store under a name of its own.

        Raises as `check_own_name` does, and `Conflict` where the file is here under another name.
        """
        file = StoredFile(path.name, path.stat().st_size, sha256)
        with self._blobs.lock("own names"), self._blobs.lock(sha256), storage_errors(self.home):
            self.check_own_name(name)
            if self._blobs.has(sha256):
                holders = [
                    model.name for model in self.models() if any(known.sha256 == sha256 for known in model.files)
                ]
                if holders:
                    raise Conflict(f"This file is here already, under the name {holders[0]}.")
            self._blobs.take(path, sha256)
            return self._commit(OwnModel(name, license), [ModelFile(file.name, file.size, sha256)], OWN_SOURCE)

    def pull(self, name: str, progress: Progress | None = None) -> StoredModel:
        """Download what is missing of a model and verify it; sources are tried in the order of its origins.

        Raises `DownloadFailed` with each source's reason, `HashMismatch`, `StorageFull` or `StorageDenied`. Partial
        files are kept in every case, and the next pull goes on where this one stopped.
        """
        reference = self.reference(name)
        if isinstance(reference, Path | OwnModel):
            raise ModelNotFound(f"{name} is already a file of this machine; there is nothing to pull.")
        progress = progress or Silent()
        reasons: list[str] = []
        mismatch: HashMismatch | None = None
        for source in self._open_sources(reference.origins):
            try:
                files = []
                for file in source.files():
                    files.append(self._blobs.fetch(file, source, progress))
                    if file.name == CONFIG:  # the first of a folder; nobody wants gigabytes of what does not run
                        self._check_config(files[-1].sha256 or "", reference.name)
                return self._commit(reference, files, source.label)
            except SourceUnavailable as error:
                reasons.append(f"{source.label} {error}")
                progress.note(f"{source.label} {error}.")
            except HashMismatch as error:
                mismatch = error
                progress.note(str(error))
        if mismatch:
            raise mismatch
        raise DownloadFailed(
            f"{reference.name} could not be downloaded: {'; '.join(reasons)}. "
            f"Check the network and run `sevenb pull {name}` again; what arrived is kept."
        )

    def remove(self, name: str) -> int:
        """Delete a model and those of its files that no other model shares; returns the bytes freed."""
        reference = self.reference(name)
        if isinstance(reference, Path):
            raise ModelNotFound(f"{name} is a file of your own, which sevenb does not delete.")
        with self._blobs.lock("store"):
            model = self._read_manifest(reference.name)
            if model is None:
                raise ModelNotFound(f"{reference.name} is not on this machine; `sevenb list` shows what is.")
            with storage_errors(self.home):
                (self._folder(model.name) / "manifest.json").unlink()
                shutil.rmtree(self._folder(model.name))
                unshared = self._unshared({file.sha256 for file in model.files})
                for sha256 in unshared:
                    self._blobs.remove(sha256)
            return sum({file.sha256: file.size for file in model.files if file.sha256 in unshared}.values())

    # -- one model -------------------------------------------------------------------------------------

    def _check_config(self, sha256: str, name: str) -> None:
        """Raise where a configuration describes no model that we could run; nothing is kept of such a one."""
        try:
            check_config(self._blobs.path(sha256), name)
        except (CorruptModelFile, UnsupportedModel):
            with self._blobs.lock("store"), storage_errors(self.home):
                for unshared in self._unshared({sha256}):
                    self._blobs.remove(unshared)
            raise

    def _unshared(self, hashes: Set[str]) -> list[str]:
        """Those of some files that are here and that no stored model needs."""
        shared = {file.sha256 for model in self.models() for file in model.files}
        return [sha256 for sha256 in hashes - shared if self._blobs.has(sha256)]

    def _commit(
        self, reference: CatalogEntry | HubName | OwnModel, files: Iterable[ModelFile], source: str
    ) -> StoredModel:
        stored = [StoredFile(file.name, file.size or 0, file.sha256 or "") for file in files]
        entry = reference if isinstance(reference, CatalogEntry) else None
        model = StoredModel(
            name=reference.name,
            files=stored,
            source=source,
            repo="" if isinstance(reference, OwnModel) else getattr(reference.origins[0], "repo", ""),
            quantization=entry.quantization if entry else self._quantization(stored, reference.name),
            license="" if isinstance(reference, HubName) else reference.license,
            pulled_at=time.time(),
        )
        folder = self._folder(model.name)
        with self._blobs.lock("store"), storage_errors(folder):
            if not all(self._blobs.has(file.sha256) for file in stored):
                raise DownloadFailed(f"{model.name} was removed while it was being pulled; pull it again.")
            folder.mkdir(parents=True, exist_ok=True)
            for file in stored:
                link = folder / file.link_name
                link.unlink(missing_ok=True)
                link.symlink_to(Path("../../blobs") / file.sha256)
            names = {file.link_name for file in stored}
            for left in [path for path in folder.iterdir() if path.is_symlink() and path.name not in names]:
                left.unlink()  # what an earlier version of the model consisted of
            before = self._read_manifest(reference.name)
            if before is not None and before.files == stored:
                return before
            write_manifest(folder / "manifest.json", model)
        return model

    def _quantization(self, files: Sequence[StoredFile], name: str) -> str:
        """What the name of a GGUF file says, or the configuration of a folder."""
        config = next((file for file in files if file.link_name == CONFIG), None)
        if config is None:
            return quantization_of(files[0].name)
        return stated_numbers(self._blobs.path(config.sha256), name)

    def _read_manifest(self, name: str) -> StoredModel | None:
        with storage_errors(self.home):
            return read_manifest(self._folder(name) / "manifest.json")

    def _folder(self, name: str) -> Path:
        return self.home / "models" / name.replace("/", "--").replace(":", "@")


def default_home() -> Path:
    """``$SEVENB_HOME``, or ``sevenb`` in the user's cache folder (XDG Base Directory Specification)."""
    if home := os.environ.get("SEVENB_HOME"):
        return Path(home).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "sevenb"


def size_and_time(path: Path) -> tuple[int, int]:
    """Bytes of a model's file, or of all files of its folder, and when the last of them was changed, in ns."""
    files = [path, *path.iterdir()] if path.is_dir() else [path]
    states = [file.stat() for file in files if file.exists()]
    size = sum(state.st_size for state in states if stat.S_ISREG(state.st_mode))
    return size, max((state.st_mtime_ns for state in states), default=0)


def _model_at(path: Path) -> Path:
    """What a local path means: itself, or the one (perhaps split) GGUF model in a folder, which goes first."""
    if path.is_file():
        return path
    files = [ModelFile(found.name, found.stat().st_size) for found in path.glob("*.gguf")]
    if not files and is_model_folder(path):
        return path
    wholes = {re.sub(r"-\d{5}-of-\d{5}(?=\.gguf$)", "", file.name) for file in files}
    if len(wholes) > 1:
        example = path / min(file.name for file in files)
        raise ModelNotFound(f"{path} holds {len(wholes)} models; name one of its files, such as {example}.")
    if not files:
        raise ModelNotFound(
            f"{path} holds neither a .gguf file nor the config.json of a Hugging Face model; name the folder of one."
        )
    return path / choose_files(files, None)[0].name
