"""`Report`: everything that a report says, as `report.json` keeps it; the pages are made from it alone."""

from pathlib import Path
from typing import Any

import msgspec

from sevenb.errors import InvalidRequest
from sevenb.lab.report.verdict import Thresholds, Verdict
from sevenb.lab.results import Check, LatencySummary, LoadSummary, MemorySummary, TaskSummary
from sevenb.lab.statistics import Difference, Rate
from sevenb.lab.target.target import TargetFacts

VERSION = 1  # of the format: raised when a field changes its meaning or goes

Titles = dict[str, str]  # by language: "en", "zh"


class RunNote(msgspec.Struct, frozen=True, kw_only=True):
    """Which kept run a table comes from."""

    kind: str
    id: str
    started: str
    state: str  # "done"; else the summary lacks a part
    sevenb: str  # version, with the commit
    settings: dict[str, Any]
    machine: dict[str, Any]
    warnings: tuple[str, ...] = ()


class ReportedExchange(msgspec.Struct, frozen=True, kw_only=True):
    """One request of a scenario. ``prompt`` names an entry of `Report.prompts`, which several subjects share."""

    key: str
    title: Titles
    prompt: str
    answer: str
    checks: tuple[Check, ...]
    prompt_tokens: int | None
    completion_tokens: int | None
    finish_reason: str | None
    ttft: float | None
    seconds: float
    failure: str | None = None


class ReportedScenario(msgspec.Struct, frozen=True, kw_only=True):
    """One scenario with its whole text. ``left_out``: why it was not asked."""

    key: str
    title: Titles
    exchanges: tuple[ReportedExchange, ...]
    passed: bool
    left_out: str | None = None


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """One model on one server, with what was measured of it; None or empty where nothing was."""

    name: str
    model: str
    url: str | None  # None: our own server, started for the report
    facts: TargetFacts
    runs: tuple[RunNote, ...] = ()
    latency: LatencySummary | None = None
    memory: MemorySummary | None = None
    load: LoadSummary | None = None
    tasks: tuple[TaskSummary, ...] = ()
    scenarios: tuple[ReportedScenario, ...] = ()


class Gap(msgspec.Struct, frozen=True):
    """What was not measured. ``reason`` is empty where nobody asked for it; ``command`` measures it."""

    subject: str
    step: str
    reason: str
    command: str


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two subjects on the same items of a task."""

    task: str
    title: str
    first: str
    second: str
    items: int
    first_rate: Rate
    second_rate: Rate
    difference: Difference


class PlanRow(msgspec.Struct, frozen=True, kw_only=True):
    """A model on a device, by arithmetic alone. Bytes, tokens, tokens a second."""

    model: str
    quantization: str
    device: str
    memory: int  # that the device has for it
    context: int
    concurrency: int
    weights: int
    kv: int
    activations: int
    other: int
    fits: bool
    longest_context: int | None  # for that many at once; None where not even the weights fit
    decode_ceiling: float | None  # tokens a second of one stream, by memory bandwidth


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One report. Times are ISO 8601 in UTC."""

    version: int = VERSION
    id: str
    made: str
    sevenb: str
    quick: bool = False
    language: str = "en"  # that the page opens in
    command: str = ""  # that made it
    machine: dict[str, Any]
    sandbox: str | None = None  # in which generated code ran
    thresholds: Thresholds = Thresholds()
    subjects: tuple[Subject, ...]
    prompts: dict[str, list[dict[str, Any]]] = {}
    checks: dict[str, Titles] = {}  # what the scenarios' checks are called
    verdicts: tuple[Verdict, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    plan: tuple[PlanRow, ...] = ()
    gaps: tuple[Gap, ...] = ()
    definitions: dict[str, Titles] = {}


def read_report(path: Path) -> Report:
    """A kept ``report.json``. Raises `InvalidRequest` where the file is none, or of a newer sevenb."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidRequest(
            f"The report {path} cannot be read: {error.strerror}; name a report.json.", "from"
        ) from None
    try:
        version = msgspec.json.decode(content, type=_Versioned).version
        if version > VERSION:
            raise InvalidRequest(
                f"The report {path} was written by a newer sevenb (format {version}, this one reads up to {VERSION}); "
                "render it with that one.",
                "from",
            )
        return msgspec.json.decode(content, type=Report)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise InvalidRequest(f"{path} is no report of sevenb: {error}; name a report.json.", "from") from None


def report_json(report: Report) -> bytes:
    """The report as it is kept, for people to read, too."""
    return msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n"


class _Versioned(msgspec.Struct):
    version: int
