"""The console's figures as Markdown tables."""

from statistics import median

from benchmarks.console.figures import ConsoleResult, Memory, Motion, Streamed

_KINDS = {"script": "JavaScript", "stylesheet": "CSS", "document": "HTML", "font": "fonts"}


def console_report(result: ConsoleResult) -> str:
    """All of the console's section."""
    heading = [result.conditions, result.browser, f"Load average before: {result.load:.1f}"]
    parts = ["  \n".join(heading), _times(result), _motions(result), _memory(result.memory)]
    return "\n\n".join(parts)


def _times(result: ConsoleResult) -> str:
    first = result.first_load
    sizes = [f"{_KINDS.get(kind, kind)} {size / 1e3:.1f} KB" for kind, size in sorted(first.gzipped.items())]
    long = f"a chat of {result.messages:,} messages ({result.characters:,} characters)"
    lines = [
        f"| | seconds, median of {len(first.takes_text)} |",
        "|---|--:|",
        f"| first load, nothing in a cache, gzipped: {', '.join(sizes)} | |",
        f"| – something is painted | {_spread(first.first_paint)} |",
        f"| – the composer takes text | {_spread(first.takes_text)} |",
        f"| {long}, from the click in the sidebar | |",
        f"| – its last message is painted | {_spread(result.clicked.painted)} |",
        f"| – with all colours and formulas in sight | {_spread(result.clicked.settled)} |",
        "| the same chat by its address, nothing in a cache | |",
        f"| – its last message is painted | {_spread(result.direct.painted)} |",
        f"| – with all colours and formulas in sight | {_spread(result.direct.settled)} |",
    ]
    return "\n".join(lines)


def _motions(result: ConsoleResult) -> str:
    columns: dict[str, Motion] = {f"scrolling at {result.speed:,.0f} pixels a second": result.scrolled}
    columns |= {_streamed(one): one.motion for one in result.streamed}
    lines = [f"| | {' | '.join(columns)} |", "|---|" + "--:|" * len(columns)]
    cells = [_cells(motion) for motion in columns.values()]
    lines += [f"| {title} | {' | '.join(column[title] for column in cells)} |" for title in cells[0]]
    return "\n".join(lines)


def _streamed(one: Streamed) -> str:
    return f"{one.tokens:,} tokens streamed: {one.title} ({one.rate:.0f} came)"


def _cells(motion: Motion) -> dict[str, str]:
    frames, trace = motion.frames, motion.trace
    compositor = trace.presented + trace.partial + trace.dropped
    return {
        "**requestAnimationFrame**: frames a second": f"**{frames.rate:.1f}**",
        "interval, p50 / p95 / p99": " / ".join(_ms(value) for value in (frames.p50, frames.p95, frames.p99)) + " ms",
        "longest interval": f"{_ms(frames.longest)} ms",
        "late frames": f"{frames.late} of {frames.count:,}",
        "**trace**: main thread busy": f"{trace.busy:.0%}",
        "tasks over 16 ms / over 50 ms": f"{trace.over_16_ms} / {trace.over_50_ms} in {trace.seconds:.0f} s",
        "longest task": f"{_ms(trace.longest)} ms",
        "frames presented whole": f"{trace.presented:,} of {compositor:,}",
        "without the main thread's part": f"{trace.partial:,}",
        "dropped (of these, counted against smoothness)": f"{trace.dropped:,} ({trace.noticed:,})",
        "with places not painted yet": f"{trace.unpainted:,}",
    }


def _memory(memory: list[Memory]) -> str:
    lines = ["| memory of the page | JavaScript heap | nodes |", "|---|--:|--:|"]
    lines += [f"| {one.title} | {one.heap / 1e6:.1f} MB | {one.nodes:,} |" for one in memory]
    return "\n".join(lines)


def _spread(seconds: list[float]) -> str:
    """Median, and the range where there is one."""
    span = f" ({min(seconds):.2f}–{max(seconds):.2f})" if len(seconds) > 1 else ""
    return f"{median(seconds):.2f}{span}"


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.1f}"
