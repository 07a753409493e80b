"""`RunRecord`: what is known of a run besides its samples, as its ``run.json`` holds it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

import msgspec

from sevenb.errors import RunDamaged
from sevenb.lab.target.target import Target, TargetFacts

Summary = TypeVar("Summary", bound=msgspec.Struct)
State = Literal["running", "stopped", "done"]
FILE = "run.json"
EVAL = "eval:"  # what the kind of a task's run begins with

# How much of its memory a server gives to the context differs from start to start; what it computes does not.
_PASSING_FACTS = ("context_length",)
_LOCAL = {"127.0.0.1", "localhost", "::1"}


class RunTarget(msgspec.Struct, frozen=True):
    """What was measured, without its key."""

    name: str
    model: str
    url: str


class RunRecord(msgspec.Struct, kw_only=True):
    """One run. Times are seconds since 1970; ``summary`` is there once the run is done."""

    id: str
    kind: str  # "latency", "load", "memory", "eval:<task>", "scenarios"
    target: RunTarget
    facts: TargetFacts | None
    settings: dict[str, Any]
    machine: dict[str, Any]
    sevenb: str  # version, with the commit when run from a checkout
    started: float
    ended: float | None = None
    state: State = "running"
    summary: dict[str, Any] | None = None
    sessions: int = 1  # times that it was begun or gone on with
    warnings: tuple[str, ...] = ()  # sentences about what may have disturbed it
    folder: str = ""  # where it lies now; not in the file

    @property
    def path(self) -> Path:
        """Its folder."""
        return Path(self.folder)

    @property
    def is_own_server(self) -> bool:
        """Whether the server was sevenb's on this machine, whose port says nothing."""
        engine = (self.facts and self.facts.engine) or ""
        return engine.startswith("sevenb") and urlsplit(self.target.url).hostname in _LOCAL

    def result(self, form: type[Summary]) -> Summary:
        """The summary of a run that is done, as one of `sevenb.lab.results`; `RunDamaged` where it is none."""
        try:
            return msgspec.convert(self.summary, form)
        except msgspec.ValidationError as error:
            raise RunDamaged(f"The summary in {self.path / FILE} cannot be read ({error}); measure it anew.") from error

    def is_same_work_as(self, other: "RunRecord") -> bool:
        """Whether samples of one may stand beside samples of the other in one summary."""
        return _work(self) == _work(other)


def run_target(target: Target) -> RunTarget:
    """A target as it may be written down: no key, no password in the URL."""
    parts = urlsplit(target.url)
    host = parts.netloc.rpartition("@")[2]
    return RunTarget(target.name, target.model, parts._replace(netloc=host, query="").geturl())


def plain(value: Mapping[str, Any] | msgspec.Struct) -> dict[str, Any]:
    """A structure as JSON gives it back: lists for tuples, words for keys."""
    decoded: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(value))
    return decoded


def to_file(record: RunRecord) -> bytes:
    """The content of ``run.json``."""
    fields = plain(record)
    del fields["folder"]
    return msgspec.json.format(msgspec.json.encode(fields), indent=2) + b"\n"


def from_file(content: bytes, folder: Path) -> RunRecord:
    """The record in ``run.json``; raises `msgspec.DecodeError` where it is not one."""
    record = msgspec.json.decode(content, type=RunRecord)
    record.id, record.folder = folder.name, str(folder)
    return record


def _work(record: RunRecord) -> tuple[Any, ...]:
    facts = plain(record.facts) if record.facts else {}
    for name in _PASSING_FACTS:
        facts.pop(name, None)
    return (
        record.kind,
        record.target.model,
        None if record.is_own_server else record.target.url,
        facts,
        record.settings,
        record.machine.get("cpu"),
        record.machine.get("cores"),
        record.sevenb.partition(" ")[0],
    )
