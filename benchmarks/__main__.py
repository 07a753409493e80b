"""Measure speed and fidelity beside llama.cpp and ik_llama.cpp, and tool calls; write the tables into the docs.

    python -m benchmarks                                 # all of it: about an hour
    python -m benchmarks speed --rows decode-0,edit      # some rows of it
    python -m benchmarks fidelity --long                 # what the type of the KV cache costs, too
    python -m benchmarks tools                           # how well models call tools: some minutes
    python -m benchmarks structured                      # what a guaranteed shape costs and gains: a minute
    python -m benchmarks console                         # how quick the console is, in Chromium: some minutes
    python -m benchmarks report                          # tables and plots again, from what was kept
    python -m benchmarks --quick                         # minutes; figures are rough and only printed

Speed wants a machine that does nothing else. Fidelity does not mind, and needs four bytes of memory a parameter.
Results are kept in results/figures, a file a model and row, so that a part may be measured anew.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Mapping
from pathlib import Path

from benchmarks import machine, results
from benchmarks.console import figures as console_figures
from benchmarks.console.measure import QUICK, Extent, measure_console
from benchmarks.console.report import console_report
from benchmarks.contenders import Contenders, PeerPlaces
from benchmarks.fidelity import measure_fidelity, measure_long_fidelity
from benchmarks.page import PAGE, TOOLS_PAGE, replace_section
from benchmarks.peers.environments import ik_llama_cpp_python, llama_cpp_python
from benchmarks.plots import write_plots
from benchmarks.report import fidelity_report, speed_report, structured_report, tools_report
from benchmarks.rows import LARGE_ROWS, QUICK_ROWS, ROWS, Row
from benchmarks.speed import measure_facts, measure_rows
from benchmarks.structured import measure_structured
from benchmarks.synthetic import SYNTHETIC_7B, synthetic_7b
from benchmarks.tools.measure import measure_tools
from sevenb.errors import SevenbError
from sevenb.host import usable_cores
from sevenb.model.store import Store

MODELS = ["qwen2.5-coder:0.5b", "qwen2.5-coder:1.5b", SYNTHETIC_7B]
PARTS = ("speed", "structured", "fidelity", "tools", "console", "report")
IK_SOURCE = "IK_LLAMA_SOURCE"


def main() -> None:
    parser = _parser()
    options = parser.parse_args()
    if unknown := set(options.parts).difference(PARTS):
        parser.error(f"there is no part {min(unknown)}; choose from {', '.join(PARTS)}")
    wanted = options.rows.split(",") if options.rows else None
    if unknown := set(wanted or ()).difference(row.key for row in ROWS):
        parser.error(f"there is no row {min(unknown)}; choose from {', '.join(row.key for row in ROWS)}")
    try:
        if options.quick:
            with tempfile.TemporaryDirectory() as folder:
                _measure(options, wanted or list(QUICK_ROWS), Path(folder))
                _report(Path(folder), write=False)
        else:
            _measure(options, wanted, results.FOLDER)
            _report(results.FOLDER, write=True)
    except (SevenbError, RuntimeError) as error:
        sys.exit(f"error: {error}")
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)


def _measure(options: argparse.Namespace, wanted: list[str] | None, folder: Path) -> None:
    parts = options.parts or PARTS
    if set(parts) == {"report"}:
        return
    models = options.models or (MODELS[:1] if options.quick else MODELS)
    paths = {name: synthetic_7b() if name == SYNTHETIC_7B else Store().ensure(name) for name in models}
    if "speed" in parts or "fidelity" in parts:
        _measure_beside_peers(options, parts, wanted, paths, folder)
    for name, path in paths.items():
        if "structured" in parts and name != SYNTHETIC_7B:
            rounds = options.rounds or (1 if options.quick else 5)
            results.save(measure_structured(name, path, options.threads, rounds), folder)
        if "tools" in parts and name != SYNTHETIC_7B:
            results.save(measure_tools(name, path, options.threads), folder)
    if "console" in parts:
        name, path = next(iter(paths.items()))
        extent = QUICK if options.quick else Extent()
        console_figures.save(measure_console(name, path, options.threads, extent), folder)


def _measure_beside_peers(
    options: argparse.Namespace,
    parts: Collection[str],
    wanted: list[str] | None,
    paths: Mapping[str, Path],
    folder: Path,
) -> None:
    places = PeerPlaces(llama_cpp_python(), ik_llama_cpp_python(), options.ik_source)
    for name, path in paths.items():
        if "speed" in parts:
            _measure_speed(options, name, path, places, _rows(name, wanted), folder)
    for name, path in paths.items():
        if "fidelity" in parts and name != SYNTHETIC_7B:
            length, most = (64, 1) if options.quick else (512, None)
            results.save(measure_fidelity(name, path, places, options.threads, length=length, most=most), folder)
            if options.long:
                results.save(measure_long_fidelity(name, path, places, options.threads), folder)


def _measure_speed(
    options: argparse.Namespace, name: str, path: Path, places: PeerPlaces, rows: list[Row], folder: Path
) -> None:
    if machine.load() > machine.BUSY:
        print(f"The machine is busy (load average {machine.load():.1f}): timings will mean little.", file=sys.stderr)
    rounds = options.rounds or (1 if options.quick else 1 if name == SYNTHETIC_7B else 5)
    with Contenders(path, options.threads, places) as contenders:
        if not options.rows:
            results.save(measure_facts(name, path, contenders, options.threads, rounds), folder)
        began = time.monotonic()
        for result in measure_rows(name, path, contenders, rows, options.threads, rounds):
            results.save(result, folder)
            figures = ", ".join(f"{series.engine} {series.median:.1f}" for series in result.series)
            print(f"{name}: {result.row}: {figures} ({time.monotonic() - began:.0f} s)", flush=True)
            began = time.monotonic()


def _rows(model: str, wanted: list[str] | None) -> list[Row]:
    if wanted is None and model == SYNTHETIC_7B:
        wanted = list(LARGE_ROWS)
    return [row for row in ROWS if wanted is None or row.key in wanted]


def _report(folder: Path, *, write: bool) -> None:
    rows, facts, fidelity = results.load_rows(folder), results.load_facts(folder), results.load_fidelity(folder)
    texts = {}
    if rows:
        texts["speed"] = speed_report(rows, facts, fidelity)
    if fidelity:
        texts["fidelity"] = fidelity_report(fidelity)
    if structured := results.load_structured(folder):
        texts["structured"] = structured_report(structured)
    if console := console_figures.load(folder):
        texts["console"] = console_report(console)
    for section, text in texts.items():
        print(f"\n{text}\n")
        if write:
            replace_section(section, text)
    if tools := results.load_tools(folder):
        text = tools_report(tools)
        print(f"\n{text}\n")
        if write:
            replace_section("accuracy", text, TOOLS_PAGE)
    if write and rows:
        replace_section("plots", "\n\n".join(f"![{title}]({path})" for path, title in write_plots(rows).items()))
    if write:
        print(f"Written into {PAGE} and {TOOLS_PAGE}.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; default: all")
    parser.add_argument(
        "--models", nargs="+", metavar="MODEL", help=f"catalog names or {SYNTHETIC_7B}; default: {', '.join(MODELS)}"
    )
    parser.add_argument("--rows", metavar="ROW,…", help=f"of {', '.join(row.key for row in ROWS)}")
    parser.add_argument("--threads", type=int, default=usable_cores(), help="default: the machine's cores")
    parser.add_argument("--rounds", type=int, help="at most, of every timing; default: 5, and 1 of the synthetic model")
    parser.add_argument("--long", action="store_true", help="fidelity behind 8,192 tokens, too, by type of KV cache")
    parser.add_argument("--quick", action="store_true", help="few rows, one round, nothing kept or written")
    parser.add_argument(
        "--ik-source",
        type=Path,
        metavar="FOLDER",
        default=os.environ.get(IK_SOURCE) and Path(os.environ[IK_SOURCE]),
        help="sources of ik_llama.cpp that were built for this processor in FOLDER/build; its pip package knows AVX2 "
        f"alone. Default: ${IK_SOURCE}",
    )
    return parser


if __name__ == "__main__":
    main()
