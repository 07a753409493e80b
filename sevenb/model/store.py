"""The `Store`: which models lie on this disk, every file verified by its SHA-256 before it is used.

Layout below ``$SEVENB_HOME`` (default ``$XDG_CACHE_HOME/sevenb``, that is ``~/.cache/sevenb``)::

    blobs/<sha256>                 whole, verified files
    blobs/<sha256>.verified        their size and mtime when they were last verified
    partial/<sha256>.part          files on their way; .bad: arrived whole but with the wrong hash
    models/<model>/manifest.json   what a model consists of
    models/<model>/<file name>     links to its blobs under the names that split GGUF files refer to

A file gets its name by an atomic rename once it is whole, so a crash leaves a model present or absent, never half.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import TypeAlias

import msgspec

from sevenb.errors import Conflict, DownloadFailed, HashMismatch, InvalidRequest, ModelNotFound, StorageFull
from sevenb.model.catalog import CATALOG, Catalog, CatalogEntry, HubName, Reference
from sevenb.model.download import (
    CHUNK_BYTES,
    PartialFile,
    Progress,
    Silent,
    Source,
    SourceUnavailable,
    storage_errors,
)
from sevenb.model.origins import ModelFile, Origin, choose_files, quantization_of
from sevenb.model.own_models import OWN_SOURCE, OwnModel, is_own_name
from sevenb.model.sources import open_sources

SPARE_BYTES = 64 << 20  # disk that a download leaves free

StoreReference: TypeAlias = Reference | OwnModel


class StoredFile(msgspec.Struct, frozen=True):
    """One file of a stored model."""

    name: str
    size: int
    sha256: str


class StoredModel(msgspec.Struct, frozen=True):
    """A model on this disk, as its manifest says. ``pulled_at`` is Unix time."""

    name: str
    files: list[StoredFile]
    source: str
    repo: str
    quantization: str
    license: str
    pulled_at: float

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


class Store:
    """The models on this disk. Safe to use from several processes at once."""

    def __init__(
        self,
        home: Path | None = None,
        catalog: Catalog = CATALOG,
        open_sources: Callable[[Iterable[Origin]], Iterator[Source]] = open_sources,
    ) -> None:
        self.home = home or default_home()
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
        """Path of a model's (first) GGUF file, verified; the parts of a split one lie beside it under their own names.

        ``name`` is a catalog name, a hub name or a local path. A local file has no hash to compare with and is returned
        as it is. Raises `ModelNotFound` when the model is not on this disk, `HashMismatch` when its file was damaged.
        """
        reference = self.reference(name)
        if isinstance(reference, Path):
            return _first_gguf(reference)
        model = self._read_manifest(reference.name)
        if model is None:
            raise ModelNotFound(f"{reference.name} is not on this machine yet; get it with `sevenb pull {name}`.")
        for file in model.files:
            self._verify(file, reference.name, progress or Silent())
        return self._folder(reference.name) / _link_name(model.files[0])

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
        return model is not None and all(self._blob(file.sha256).exists() for file in model.files)

    def stored(self, name: str) -> StoredModel | None:
        """What is stored under this name; None for local paths and models that are not here."""
        reference = self.reference(name)
        return None if isinstance(reference, Path) else self._read_manifest(reference.name)

    def models(self) -> list[StoredModel]:
        """All stored models, by name."""
        with storage_errors(self.home):
            folders = sorted((self.home / "models").glob("*/manifest.json"))
        found = [_decode_manifest(path) for path in folders]
        return sorted((model for model in found if model is not None), key=lambda model: model.name)

    def disk_use(self) -> int:
        """Bytes that the store takes on disk, partial and bad files included."""
        with storage_errors(self.home):
            files = [path for folder in ("blobs", "partial") for path in (self.home / folder).glob("*")]
            return sum(path.stat().st_size for path in files if path.is_file())

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
        with self._lock("own names"), self._lock(sha256), storage_errors(self.home):
            self.check_own_name(name)
            if self._blob(sha256).exists():
                holders = [
                    model.name for model in self.models() if any(known.sha256 == sha256 for known in model.files)
                ]
                if holders:
                    raise Conflict(f"This file is here already, under the name {holders[0]}.")
            self._blob(sha256).parent.mkdir(parents=True, exist_ok=True)
            path.replace(self._blob(sha256))
            self._remember(sha256)
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
                files = source.files()
                for file in files:
                    self._fetch(file, source, progress)
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
        with self._lock("store"):
            model = self._read_manifest(reference.name)
            if model is None:
                raise ModelNotFound(f"{reference.name} is not on this machine; `sevenb list` shows what is.")
            with storage_errors(self.home):
                (self._folder(model.name) / "manifest.json").unlink()
                shutil.rmtree(self._folder(model.name))
                shared = {file.sha256 for other in self.models() for file in other.files}
                freed = 0
                for file in model.files:
                    if file.sha256 not in shared and self._blob(file.sha256).exists():
                        freed += file.size
                        self._blob(file.sha256).unlink()
                        self._stamp(file.sha256).unlink(missing_ok=True)
            return freed

    # -- one file --------------------------------------------------------------------------------------

    def _fetch(self, file: ModelFile, source: Source, progress: Progress) -> None:
        if file.sha256 is None or file.size is None:
            raise SourceUnavailable(f"states no SHA-256 for {file.name}, so it could not be verified")
        with self._lock(file.sha256, progress):
            if self._blob(file.sha256).exists():
                return
            partial = PartialFile(self._partial(file.sha256, "part"), file.size, progress)
            try:
                self._check_room(partial, source)
                progress.start(f"{file.name} · {source.label}", file.size, partial.length)
                if not partial.complete:
                    source.fetch(file, partial)
                partial.flush()
            finally:
                progress.finish()
                partial.close()
            if partial.sha256 != file.sha256:
                self._set_aside(partial.path, file.name, f"{source.label} sent")
            with storage_errors(self.home):
                self._blob(file.sha256).parent.mkdir(parents=True, exist_ok=True)
                partial.path.replace(self._blob(file.sha256))
            self._remember(file.sha256)

    def _check_room(self, partial: PartialFile, source: Source) -> None:
        missing = partial.size - partial.length
        needed = missing + (source.scratch_bytes if missing else 0) + SPARE_BYTES
        with storage_errors(self.home):
            free = shutil.disk_usage(self.home).free
        if free < needed:
            raise StorageFull(
                f"{needed / 1e6:,.0f} MB are needed on the disk that holds {self.home}, {free / 1e6:,.0f} MB are free; "
                "make room (`sevenb rm` helps) or set SEVENB_HOME to a larger disk."
            )

    def _verify(self, file: StoredFile, model: str, progress: Progress) -> None:
        """Hash a blob unless it is, by size and mtime, the one that was verified before."""
        blob = self._blob(file.sha256)
        if not blob.exists():
            raise ModelNotFound(f"A file of {model} is missing; get it again with `sevenb pull {model}`.")
        with storage_errors(blob):
            if self._stamp(file.sha256).exists() and self._stamp(file.sha256).read_text() == _fingerprint(blob):
                return
            progress.start(f"Verifying {file.name}", file.size, 0)
            try:
                digest = _sha256(blob, progress)
            finally:
                progress.finish()
        if digest != file.sha256:
            with self._lock(file.sha256):
                self._set_aside(blob, file.name, "This disk now holds")
        self._remember(file.sha256)

    def _set_aside(self, path: Path, name: str, whence: str) -> None:
        bad = self._partial(path.name.removesuffix(".part"), "bad")
        with storage_errors(bad):
            bad.parent.mkdir(parents=True, exist_ok=True)
            path.replace(bad)
        raise HashMismatch(
            f"{whence} a {name} with the wrong SHA-256; it was set aside as {bad} and not used. "
            "Pull the model again, and delete that file when you have no use for it."
        )

    def _remember(self, sha256: str) -> None:
        with storage_errors(self.home):
            _write_atomically(self._stamp(sha256), _fingerprint(self._blob(sha256)).encode())

    # -- one model -------------------------------------------------------------------------------------

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
            quantization=entry.quantization if entry else quantization_of(stored[0].name),
            license="" if isinstance(reference, HubName) else reference.license,
            pulled_at=time.time(),
        )
        folder = self._folder(model.name)
        with self._lock("store"), storage_errors(folder):
            if not all(self._blob(file.sha256).exists() for file in stored):
                raise DownloadFailed(f"{model.name} was removed while it was being pulled; pull it again.")
            folder.mkdir(parents=True, exist_ok=True)
            for file in stored:
                link = folder / _link_name(file)
                link.unlink(missing_ok=True)
                link.symlink_to(Path("../../blobs") / file.sha256)
            before = self._read_manifest(reference.name)
            if before is not None and before.files == stored:
                return before
            _write_atomically(folder / "manifest.json", msgspec.json.format(msgspec.json.encode(model)))
        return model

    def _read_manifest(self, name: str) -> StoredModel | None:
        with storage_errors(self.home):
            return _decode_manifest(self._folder(name) / "manifest.json")

    # -- places ----------------------------------------------------------------------------------------

    def _blob(self, sha256: str) -> Path:
        return self.home / "blobs" / sha256

    def _stamp(self, sha256: str) -> Path:
        return self.home / "blobs" / f"{sha256}.verified"

    def _partial(self, sha256: str, suffix: str) -> Path:
        return self.home / "partial" / f"{sha256}.{suffix}"

    def _folder(self, name: str) -> Path:
        return self.home / "models" / name.replace("/", "--").replace(":", "@")

    @contextlib.contextmanager
    def _lock(self, name: str, progress: Progress | None = None) -> Iterator[None]:
        """Hold a lock between processes; it is gone when its holder dies. Lock files are kept: deleting them races."""
        path = self.home / "locks" / name
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if progress:
                    progress.note("Another sevenb is downloading this file; waiting for it.")
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def default_home() -> Path:
    """``$SEVENB_HOME``, or ``sevenb`` in the user's cache folder (XDG Base Directory Specification)."""
    if home := os.environ.get("SEVENB_HOME"):
        return Path(home).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "sevenb"


def _first_gguf(path: Path) -> Path:
    """The GGUF file that a local path means: itself, or the one (perhaps split) model in a folder."""
    if path.is_file():
        return path
    files = [ModelFile(found.name, found.stat().st_size) for found in path.glob("*.gguf")]
    wholes = {re.sub(r"-\d{5}-of-\d{5}(?=\.gguf$)", "", file.name) for file in files}
    if len(wholes) > 1:
        example = path / min(file.name for file in files)
        raise ModelNotFound(f"{path} holds {len(wholes)} models; name one of its files, such as {example}.")
    if not files:
        raise ModelNotFound(f"{path} holds no .gguf file; sevenb runs GGUF models.")
    return path / choose_files(files, None)[0].name


def _link_name(file: StoredFile) -> str:
    # A repository may keep its files in folders, and a hostile one may send "../": only the last part is a name.
    return PurePosixPath(file.name).name


def _decode_manifest(path: Path) -> StoredModel | None:
    """The manifest at ``path``; None if there is none or it cannot be understood, which a new pull mends."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=StoredModel)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def _fingerprint(path: Path) -> str:
    stat = path.stat()
    return f"{stat.st_size} {stat.st_mtime_ns}"


def _sha256(path: Path, progress: Progress) -> str:
    digest = hashlib.sha256()
    done = 0
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
            done += len(chunk)
            progress.update(done)
    return digest.hexdigest()


def _write_atomically(path: Path, content: bytes) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    temporary.write_bytes(content)
    temporary.replace(path)
