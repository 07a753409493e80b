"""Two runs, or all that two models were measured in, side by side."""

from collections.abc import Sequence

import msgspec

from sevenb.errors import InvalidRequest, NotFound
from sevenb.lab.runs.figures import Figure, figures_of
from sevenb.lab.runs.likeness import differences, warnings
from sevenb.lab.runs.quality import Quality, quality_of
from sevenb.lab.runs.record import RunRecord
from sevenb.lab.runs.store import RunStore


class Side(msgspec.Struct, frozen=True):
    """One of the two runs."""

    run: str
    name: str
    model: str
    engine: str | None
    started: float


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two runs of one kind. ``differences`` are what is compared; ``warnings`` why it may not be like with like."""

    kind: str
    first: Side
    second: Side
    figures: tuple[Figure, ...]
    quality: tuple[Quality, ...]
    differences: tuple[str, ...]
    warnings: tuple[str, ...]


def compare(store: RunStore, first: str, second: str) -> list[Comparison]:
    """Compare two runs by their ids, or two models or targets by name: the newest finished runs of each shared kind.

    Raises `NotFound` where a name is known of no finished run, `InvalidRequest` where they share no kind.
    """
    records = [record for record in store.records() if record.state == "done"]
    ours, theirs = _runs_of(store, records, first), _runs_of(store, records, second)
    shared = [(run, theirs[kind]) for kind, run in ours.items() if kind in theirs]
    if not shared:
        raise InvalidRequest(
            f"{first} was measured in {', '.join(sorted(ours))}, {second} in {', '.join(sorted(theirs))}: there is "
            "nothing to compare; measure the same of both."
        )
    if any(run.id == other.id for run, other in shared):
        raise InvalidRequest(f"{first} and {second} mean the same runs; give the ids that sevenb runs shows.")
    return [compare_runs(store, *pair) for pair in sorted(shared, key=lambda pair: pair[0].kind)]


def compare_runs(store: RunStore, first: RunRecord, second: RunRecord) -> Comparison:
    """Compare two finished runs of the same kind."""
    return Comparison(
        kind=first.kind,
        first=_side(first),
        second=_side(second),
        figures=figures_of(first, second),
        quality=quality_of(first, second, store.samples(first), store.samples(second)),
        differences=tuple(differences(first, second)),
        warnings=tuple(warnings(first, second)),
    )


def _runs_of(store: RunStore, finished: Sequence[RunRecord], name: str) -> dict[str, RunRecord]:
    """By kind, the newest of a model or target, or the one run with that id."""
    named = [record for record in finished if name in (record.target.name, record.target.model, record.target.url)]
    if named:
        return {record.kind: record for record in reversed(named)}
    try:
        record = store.find(name)
    except NotFound:
        names = ", ".join(sorted({record.target.name for record in finished})) or "none yet"
        raise NotFound(
            f"{name!r} is neither a run nor a model with a finished run; there are: {names}. See sevenb runs."
        ) from None
    if record.state != "done":
        raise InvalidRequest(f"The run {record.id} is not finished; give the command that began it again to go on.")
    return {record.kind: record}


def _side(record: RunRecord) -> Side:
    engine = record.facts.engine if record.facts else None
    return Side(record.id, record.target.name, record.target.model, engine, record.started)
