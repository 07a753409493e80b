"""Makes a `Report` of kept runs: their summaries, what is missing, pairs of models, the plan and the verdict."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import combinations
from typing import Any

import msgspec

from sevenb.errors import InvalidRequest
from sevenb.lab.report.definitions import DEFINITIONS
from sevenb.lab.report.report import (
    Comparison,
    Gap,
    PlanRow,
    Report,
    ReportedExchange,
    ReportedScenario,
    RunNote,
    Subject,
    Titles,
)
from sevenb.lab.report.rules import verdicts
from sevenb.lab.report.verdict import Thresholds
from sevenb.lab.results import LatencySummary, LoadSummary, MemorySummary, ScenarioSummary, TaskSummary
from sevenb.lab.runs.quality import quality_of
from sevenb.lab.runs.record import EVAL
from sevenb.lab.runs.store import RunRecord, RunStore
from sevenb.lab.target.target import TargetFacts

_KINDS = ("latency", "memory", "load", "scenarios")


class Measured(msgspec.Struct, kw_only=True):
    """One model on one server, with the runs that were made of it, by step (their kind)."""

    name: str
    model: str
    url: str | None
    facts: TargetFacts = TargetFacts()
    runs: dict[str, RunRecord] = {}
    failures: dict[str, str] = {}  # by step, why there is no run of it
    planned: tuple[PlanRow, ...] = ()


def compiled(
    measured: Sequence[Measured],
    store: RunStore,
    *,
    id: str,
    machine: Mapping[str, Any],
    sevenb: str,
    steps: Iterable[str] = (),
    checks: Mapping[str, Titles] | None = None,
    sandbox: str | None = None,
    quick: bool = False,
    language: str = "en",
    command: str = "",
    thresholds: Thresholds | None = None,
) -> Report:
    """The report of what was measured.

    ``steps`` should be there for each subject: latency, memory, load, scenarios, ``eval:<task>``; those that are not
    become gaps.
    """
    prompts: dict[str, list[dict[str, Any]]] = {}
    subjects = tuple(_subject(one, prompts) for one in measured)
    limits = thresholds or Thresholds()
    memory = machine.get("memory")
    return Report(
        id=id,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        sevenb=sevenb,
        quick=quick,
        language=language,
        command=command,
        machine=dict(machine),
        sandbox=sandbox,
        thresholds=limits,
        subjects=subjects,
        prompts=prompts,
        checks=_named_checks(subjects, checks or {}),
        verdicts=verdicts(subjects, memory if isinstance(memory, int) else None, limits),
        comparisons=tuple(_pairs(measured, store)),
        plan=tuple(row for one in measured for row in one.planned),
        gaps=tuple(_gaps(measured, steps)),
        definitions=DEFINITIONS,
    )


def judged(report: Report, thresholds: Thresholds) -> Report:
    """The same figures held against other limits."""
    memory = report.machine.get("memory")
    found = verdicts(report.subjects, memory if isinstance(memory, int) else None, thresholds)
    return msgspec.structs.replace(report, thresholds=thresholds, verdicts=found)


def measured_by(records: Sequence[RunRecord]) -> list[Measured]:
    """Kept runs by what they measured, in their order; of two runs of one kind the newer counts.

    Raises `InvalidRequest` for a run that was not finished.
    """
    found: dict[tuple[str, str, str], Measured] = {}
    for record in sorted(records, key=lambda record: record.started):
        if record.state != "done":
            raise InvalidRequest(
                f"The run {record.id} ({record.kind}) was not finished; the command that began it goes on with it.",
                "runs",
            )
        own = record.is_own_server
        key = (record.target.name, record.target.model, "" if own else record.target.url)
        one = found.setdefault(
            key, Measured(name=record.target.name, model=record.target.model, url=None if own else record.target.url)
        )
        one.runs[record.kind] = record
        one.facts = record.facts or one.facts
    return with_names_apart(list(found.values()))


def with_names_apart(measured: list[Measured]) -> list[Measured]:
    """Give subjects of one name numbers: tables and plots tell them apart by name alone."""
    seen: dict[str, int] = {}
    for one in measured:
        seen[one.name] = seen.get(one.name, 0) + 1
        if seen[one.name] > 1:
            one.name = f"{one.name} ({seen[one.name]})"
    return measured


def command_for(one: Measured, step: str) -> str:
    """The command that measures a step by itself."""
    where = f" --target {one.url}" if one.url else ""
    if step.startswith(EVAL) or step == "scenarios":
        return f"sevenb eval {step.removeprefix(EVAL)} --model {one.model}{where}"
    return f"sevenb bench {'serve' if step == 'load' else step} {one.model}{where}"


# -- subjects ------------------------------------------------------------------------------------------


def _subject(one: Measured, prompts: dict[str, list[dict[str, Any]]]) -> Subject:
    done = {step: record for step, record in one.runs.items() if record.summary is not None}
    return Subject(
        name=one.name,
        model=one.model,
        url=one.url,
        facts=one.facts,
        runs=tuple(_note(record) for record in one.runs.values()),
        latency=done["latency"].result(LatencySummary) if "latency" in done else None,
        memory=done["memory"].result(MemorySummary) if "memory" in done else None,
        load=done["load"].result(LoadSummary) if "load" in done else None,
        tasks=tuple(record.result(TaskSummary) for step, record in done.items() if step.startswith(EVAL)),
        scenarios=_scenarios(done["scenarios"].result(ScenarioSummary), prompts) if "scenarios" in done else (),
    )


def _note(record: RunRecord) -> RunNote:
    return RunNote(
        kind=record.kind,
        id=record.id,
        started=datetime.fromtimestamp(record.started, UTC).isoformat(timespec="seconds"),
        state=record.state,
        sevenb=record.sevenb,
        settings=record.settings,
        machine=record.machine,
        warnings=record.warnings,
    )


def _scenarios(summary: ScenarioSummary, prompts: dict[str, list[dict[str, Any]]]) -> tuple[ReportedScenario, ...]:
    """Prompts go into ``prompts`` under their hash: the long ones are the same for every model."""
    rows = []
    for row in summary.rows:
        exchanges = []
        for exchange in row.exchanges:
            fields = msgspec.structs.asdict(exchange)
            messages = [dict(message) for message in fields.pop("prompt")]
            key = hashlib.sha256(msgspec.json.encode(messages)).hexdigest()[:12]
            prompts[key] = messages
            exchanges.append(ReportedExchange(prompt=key, **fields))
        rows.append(
            ReportedScenario(
                key=row.key,
                title=row.title,
                exchanges=tuple(exchanges),
                passed=row.passed,
                left_out=row.left_out,
            )
        )
    return tuple(rows)


def _named_checks(subjects: Iterable[Subject], named: Mapping[str, Titles]) -> dict[str, Titles]:
    used = {
        check.name
        for subject in subjects
        for scenario in subject.scenarios
        for exchange in scenario.exchanges
        for check in exchange.checks
    }
    return {name: dict(named[name]) for name in sorted(used) if name in named}


# -- what is missing, and pairs ------------------------------------------------------------------------


def _gaps(measured: Iterable[Measured], steps: Iterable[str]) -> Iterable[Gap]:
    wanted = list(dict.fromkeys([*steps, *_KINDS]))
    for one in measured:
        for step in wanted:
            if step not in one.runs or one.runs[step].summary is None:
                yield Gap(one.name, step, one.failures.get(step, ""), command_for(one, step))


def _pairs(measured: Sequence[Measured], store: RunStore) -> Iterable[Comparison]:
    """Every pair of subjects on every task that both were asked, where the data is the same."""
    kinds = dict.fromkeys(kind for one in measured for kind in one.runs if kind.startswith(EVAL))
    for kind in kinds:
        asked = [(one.name, one.runs[kind]) for one in measured if kind in one.runs and one.runs[kind].summary]
        samples = {run.id: store.samples(run) for _, run in asked}
        for (first, first_run), (second, second_run) in combinations(asked, 2):
            if first_run.settings.get("data") != second_run.settings.get("data"):
                continue
            for found in quality_of(first_run, second_run, samples[first_run.id], samples[second_run.id]):
                if found.name == "strict" and found.shared:
                    yield Comparison(
                        task=kind.removeprefix(EVAL),
                        title=str((first_run.summary or {}).get("title") or kind.removeprefix(EVAL)),
                        first=first,
                        second=second,
                        items=found.shared,
                        first_rate=found.first,
                        second_rate=found.second,
                        difference=found.difference,
                    )
