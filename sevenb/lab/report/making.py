"""Makes reports from beginning to end: measured, or of runs that are kept."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from sevenb.errors import InvalidRequest
from sevenb.lab.data.finder import DataFinder
from sevenb.lab.folder import lab_folder
from sevenb.lab.progress import Progress
from sevenb.lab.report.compiling import compiled, measured_by
from sevenb.lab.report.measuring.draft import draft_for
from sevenb.lab.report.measuring.scope import Scope
from sevenb.lab.report.measuring.session import Wanted, measure_all, steps_of
from sevenb.lab.report.page.writing import write_report
from sevenb.lab.report.planned import planned_model, planned_rows
from sevenb.lab.report.report import Report
from sevenb.lab.report.verdict import Thresholds
from sevenb.lab.runs.files import require_writable
from sevenb.lab.runs.machine import sevenb_version, this_machine
from sevenb.lab.runs.store import RunStore
from sevenb.lab.sandbox import sandbox_kind
from sevenb.lab.scenarios.words import CHECKS

_SMALL = 0.5e9  # parameters of the model that `scope.seconds_of` is about


class Made(msgspec.Struct, frozen=True):
    """A report that is written. ``folder``: where; ``failed``: whether something that was asked for is missing."""

    report: Report
    folder: str
    failed: bool


async def make_report(
    wanted: Sequence[Wanted],
    scope: Scope,
    *,
    data: DataFinder,
    api_key: str | None = None,
    serve_options: Sequence[str] = (),
    timeout: float = 600,
    fresh: bool = False,
    quick: bool = False,
    language: str = "en",
    command: str = "",
    thresholds: Thresholds | None = None,
    progress: Progress,
) -> Made:
    """Measure, and write the report into the lab's folder; go on with one that was stopped or lacks something."""
    require_writable(lab_folder(), 0o700)  # told before a quarter of an hour of measuring, not after it
    draft = draft_for({"wanted": wanted, "scope": scope, "serve_options": serve_options}, fresh=fresh)
    store = RunStore()
    machine = msgspec.to_builtins(this_machine())  # before anything keeps it busy
    plans = {index: planned_model(one.model) for index, one in enumerate(wanted) if one.model and not one.url}
    subjects = await measure_all(
        wanted, scope, draft, store, data=data, api_key=api_key, serve_options=serve_options, timeout=timeout,
        fresh=fresh, weights={index: plan.shape.parameters / _SMALL for index, plan in plans.items() if plan},
        progress=progress,
    )  # fmt: skip
    for index, plan in plans.items():
        subjects[index].planned = planned_rows(plan) if plan else ()
    report = compiled(
        subjects, store, id=draft.id, machine=machine, sevenb=sevenb_version(), steps=steps_of(scope), checks=CHECKS,
        sandbox=sandbox_kind(), quick=quick, language=language, command=command, thresholds=thresholds,
    )  # fmt: skip
    write_report(report, draft.folder)
    failed = any(one.failures for one in subjects)
    if not failed:
        draft.close()
    return Made(report, str(draft.folder), failed)


def report_of_runs(
    names: Sequence[str], *, language: str = "en", command: str = "", thresholds: Thresholds | None = None
) -> Made:
    """Write a report of kept runs, by ids or beginnings of them. Raises `NotFound`, and `InvalidRequest` for none."""
    if not names:
        raise InvalidRequest("Name the runs to make the report of; sevenb runs lists them.", "runs")
    store = RunStore()
    records = [store.find(name) for name in names]
    subjects = measured_by(records)
    for one in subjects:
        plan = planned_model(one.model) if one.url is None else None
        one.planned = planned_rows(plan) if plan else ()
    machines: list[Mapping[str, Any]] = [record.machine for record in records if record.machine]
    draft = draft_for({"runs": names}, fresh=True)
    report = compiled(
        subjects, store, id=draft.id, machine=machines[-1] if machines else {}, sevenb=sevenb_version(), checks=CHECKS,
        language=language, command=command, thresholds=thresholds,
    )  # fmt: skip
    write_report(report, draft.folder)
    return Made(report, str(draft.folder), failed=False)
