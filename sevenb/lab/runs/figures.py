"""The figures of two runs of one kind, side by side."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, TypeVar

import msgspec

from sevenb.lab.results import LatencyRow, LatencySummary, LoadRow, LoadSummary, MemoryRow, MemorySummary
from sevenb.lab.runs.record import RunRecord
from sevenb.lab.statistics import Spread

Better = Literal["higher", "lower"]
Row = TypeVar("Row")
Values = dict[str, tuple[float | None, str, Better]]  # name: value, unit, which is better


class Figure(msgspec.Struct, frozen=True):
    """One figure of both runs. ``row``: at which context, load or mode; ``ratio``: the second's to the first's."""

    row: str
    name: str
    unit: str  # "s", "bytes", "tokens/s", "requests/s"
    better: Better
    first: float | None
    second: float | None
    ratio: float | None


def figures_of(first: RunRecord, second: RunRecord) -> tuple[Figure, ...]:
    """What both measured of speed or memory; nothing of other kinds, and of rows that only one of them has."""
    match first.kind:
        case "latency":
            latencies = _pairs(first, second, LatencySummary, lambda row: (row.context, row.warm))
            return tuple(_compared(latencies, _latency_title, _latency_values))
        case "load":
            loads = _pairs(first, second, LoadSummary, lambda row: (row.offered_rate, row.offered_rate or row.clients))
            return tuple(_compared(loads, lambda row: row.title, _load_values))
        case "memory":
            modes = _pairs(first, second, MemorySummary, lambda row: (row.mode, row.context, row.beam))
            return tuple(_compared(modes, _memory_title, _memory_values))
    return ()


def _pairs(first: RunRecord, second: RunRecord, form: type[Any], key: Callable[[Any], object]) -> list[tuple[Any, Any]]:
    """Rows of both that stand for the same."""
    others = {key(row): row for row in second.result(form).rows}
    return [(row, others[key(row)]) for row in first.result(form).rows if key(row) in others]


def _compared(
    rows: Sequence[tuple[Row, Row]], title: Callable[[Row], str], values: Callable[[Row], Values]
) -> Iterator[Figure]:
    for one, other in rows:
        ours, theirs = values(one), values(other)
        for name, (first, unit, better) in ours.items():
            second = theirs[name][0]
            if first is None and second is None:
                continue
            ratio = second / first if first and second is not None else None
            yield Figure(title(one), name, unit, better, first, second, ratio)


def _latency_title(row: LatencyRow) -> str:
    return f"{row.context:,} tokens{', warm' if row.warm else ''}"


def _latency_values(row: LatencyRow) -> Values:
    return {
        "TTFT": (_median(row.ttft), "s", "lower"),
        "TPOT": (_median(row.tpot), "s", "lower"),
        "E2E": (_median(row.e2e), "s", "lower"),
        "prefill": (_median(row.prefill_rate), "tokens/s", "higher"),
        "decode": (_median(row.decode_rate), "tokens/s", "higher"),
    }


def _load_values(row: LoadRow) -> Values:
    return {
        "throughput": (row.output_rate, "tokens/s", "higher"),
        "goodput": (row.goodput, "requests/s", "higher"),
        "TTFT p95": (_p95(row.ttft), "s", "lower"),
        "TPOT p95": (_p95(row.tpot), "s", "lower"),
        "E2E p95": (_p95(row.e2e), "s", "lower"),
    }


def _memory_title(row: MemoryRow) -> str:
    beam = f", beam {row.beam}" if row.beam > 1 and "beam" not in row.mode else ""
    return f"{row.mode}, {row.context:,} tokens{beam}"


def _memory_values(row: MemoryRow) -> Values:
    return {
        "weights": (row.weights, "bytes", "lower"),
        "KV used": (row.kv_used, "bytes", "lower"),
        "KV reserved": (row.kv_reserved, "bytes", "lower"),
        "activations": (row.activations, "bytes", "lower"),
        "process peak": (row.process_peak, "bytes", "lower"),
    }


def _median(figures: Spread | None) -> float | None:
    return figures.median if figures else None


def _p95(figures: Spread | None) -> float | None:
    return figures.p95 if figures else None
