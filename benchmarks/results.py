"""What was measured, as JSON in the results folder: tables and plots are made from it, so that no run is lost."""

import re
from pathlib import Path
from statistics import median

import msgspec

from benchmarks.divergence import Fidelity
from benchmarks.remote import ROOT

FOLDER = ROOT / "results" / "figures"


class Series(msgspec.Struct, frozen=True):
    """One engine's figures in one row, in tokens a second."""

    engine: str
    description: str  # version, instruction set, threads
    setting: str  # options beside the defaults
    values: list[float]
    tried: dict[str, float] = {}  # other settings, in the round that does not count

    @property
    def median(self) -> float:
        """The figure to compare."""
        return median(self.values)


class RowResult(msgspec.Struct, frozen=True):
    """One row of the comparison; sevenb's series is the first."""

    model: str
    row: str
    conditions: str  # date, machine, threads, commit
    load: float  # average of the minute before
    series: list[Series]

    def ratio(self, peer: str) -> float | None:
        """Our median to a peer's; None where it did not run or died."""
        theirs = self.of(peer)
        return self.series[0].median / theirs.median if theirs and theirs.median else None

    def of(self, engine: str) -> Series | None:
        """An engine's series."""
        return next((series for series in self.series if series.engine == engine), None)


class ModelFacts(msgspec.Struct, frozen=True):
    """What concerns sevenb alone, of one model."""

    model: str
    conditions: str
    first_token: list[float]  # seconds from the command to the end of an answer of one token
    python_share: float  # of a decode step, outside of the kernels
    weight_bytes: int
    bandwidth: list[float]  # bytes a second that plain reads reach, between rounds of decoding
    kv_bytes_per_token: int
    overhead_bytes: int  # highest memory of the process, without weights and the KV cache in use


class FidelityResult(msgspec.Struct, frozen=True):
    """Engines against the reference on one model, over pieces of ``length`` tokens of which ``scored`` count."""

    model: str
    conditions: str
    length: int
    pieces: int
    engines: dict[str, Fidelity]


class ToolKind(msgspec.Struct, frozen=True):
    """Of the answers to cases of one kind, how many were well-formed and how many right; free to call, then not."""

    kind: str
    cases: int
    well_formed: int
    right: int
    right_tools: int  # whatever their arguments
    unaided: int  # right without a grammar
    demanded: int
    demanded_well_formed: int
    demanded_right: int


class ToolResult(msgspec.Struct, frozen=True):
    """How one model calls tools."""

    model: str
    conditions: str
    kinds: list[ToolKind]


class FormFigures(msgspec.Struct, frozen=True):
    """One form: its tokens, the steps they take, and tokens a second of it and of free text that is as long."""

    form: str
    tokens: int
    steps: int
    rates: list[float]
    free_rates: list[float]

    @property
    def speedup(self) -> float:
        """Median of the rounds' ratios: the two of a round are measured one after the other."""
        return median(ours / free for ours, free in zip(self.rates, self.free_rates, strict=True))


class StructuredResult(msgspec.Struct, frozen=True):
    """What a guaranteed shape costs and gains on one model."""

    model: str
    conditions: str
    load: float
    forms: list[FormFigures]
    mask_costs: list[float]  # of a step, as a share; one a round


Result = RowResult | ModelFacts | FidelityResult | ToolResult | StructuredResult


def save(result: Result, folder: Path = FOLDER) -> None:
    """Keep a result; an older one of the same kind, model and row is replaced."""
    path = _path(result, folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(result)))


def load_rows(folder: Path = FOLDER) -> list[RowResult]:
    """Every kept row."""
    return [msgspec.json.decode(path.read_bytes(), type=RowResult) for path in sorted(folder.glob("*/row-*.json"))]


def load_facts(folder: Path = FOLDER) -> list[ModelFacts]:
    """Every model's own facts."""
    return [msgspec.json.decode(path.read_bytes(), type=ModelFacts) for path in sorted(folder.glob("*/facts.json"))]


def load_fidelity(folder: Path = FOLDER) -> list[FidelityResult]:
    """Every kept measure of fidelity, short pieces first."""
    paths = sorted(folder.glob("*/fidelity-*.json"))
    results = [msgspec.json.decode(path.read_bytes(), type=FidelityResult) for path in paths]
    return sorted(results, key=lambda result: (result.length, result.model))


def load_tools(folder: Path = FOLDER) -> list[ToolResult]:
    """Every model's tool calls."""
    return [msgspec.json.decode(path.read_bytes(), type=ToolResult) for path in sorted(folder.glob("*/tools.json"))]


def load_structured(folder: Path = FOLDER) -> list[StructuredResult]:
    """Every model's figures with a guaranteed shape."""
    paths = sorted(folder.glob("*/structured.json"))
    return [msgspec.json.decode(path.read_bytes(), type=StructuredResult) for path in paths]


def _path(result: Result, folder: Path) -> Path:
    match result:
        case RowResult():
            name = f"row-{result.row}.json"
        case ModelFacts():
            name = "facts.json"
        case FidelityResult():
            name = f"fidelity-{result.length}.json"
        case ToolResult():
            name = "tools.json"
        case StructuredResult():
            name = "structured.json"
    return folder / re.sub(r"[^\w.-]+", "-", result.model) / name
