"""Measure speed and fidelity beside llama.cpp, print the tables and write them into docs/performance.md.

    python -m benchmarks                      # both, on both Qwen files: an hour on two cores
    python -m benchmarks speed --long         # with a prefill of 8,192 tokens
    python -m benchmarks --quick              # minutes; figures are rough and only printed

Speed wants a machine that does nothing else. Fidelity does not mind, and needs four bytes of memory a parameter.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from benchmarks import machine
from benchmarks.fidelity import fidelity_table, measure_fidelity
from benchmarks.llama_cpp import llama_cpp_python
from benchmarks.page import PAGE, replace_section
from benchmarks.speed import LONG_SCENARIOS, QUICK_SCENARIOS, SCENARIOS, measure_speed, speed_table
from sevenb.backend.native.host import usable_cores
from sevenb.errors import SevenbError
from sevenb.model.store import Store

MODELS = ["qwen2.5-coder:0.5b", "qwen2.5-coder:1.5b"]
PARTS = ("speed", "fidelity")  # fidelity would leave the machine warm and its load average high


def main() -> None:
    parser = _parser()
    options = parser.parse_args()
    if unknown := set(options.parts).difference(PARTS):
        parser.error(f"there is no part {min(unknown)}; choose from {', '.join(PARTS)}")
    load = machine.load()
    try:
        peer_python = options.peer_python or llama_cpp_python()
        models = options.models or (MODELS[:1] if options.quick else MODELS)
        paths = {name: Store().ensure(name) for name in models}
        for part in options.parts or PARTS:
            if part == "speed":
                text = _speed(options, peer_python, paths, load)
            else:
                text = _fidelity(options, peer_python, paths)
            print(f"\n{text}\n")
            if not options.quick:
                replace_section(part, text)
                print(f"Written into {PAGE}.")
    except (SevenbError, RuntimeError) as error:
        sys.exit(f"error: {error}")
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)


def _fidelity(options: argparse.Namespace, peer_python: Path, paths: dict[str, Path]) -> str:
    length, most = (64, 1) if options.quick else (512, None)
    results = [
        measure_fidelity(name, path, peer_python, options.threads, length=length, most=most)
        for name, path in paths.items()
    ]
    tokens = next(iter(results[0].engines.values())).tokens
    return (
        f"{machine.conditions(options.threads)}  \n"
        f"{tokens:,} tokens in {results[0].pieces} pieces\n\n{fidelity_table(results)}"
    )


def _speed(options: argparse.Namespace, peer_python: Path, paths: dict[str, Path], load: float) -> str:
    if load > machine.BUSY:
        print(f"The machine is busy (load average {load:.1f}): these timings will mean little.", file=sys.stderr)
    scenarios = QUICK_SCENARIOS if options.quick else LONG_SCENARIOS if options.long else SCENARIOS
    rounds = options.rounds or (1 if options.quick else 5)
    results = [
        measure_speed(name, path, peer_python, options.threads, scenarios, rounds) for name, path in paths.items()
    ]
    return (
        f"{machine.conditions(options.threads)} · load average before {load:.1f}  \n"
        f"Medians of {rounds} rounds, with the lowest and the highest\n\n{speed_table(results)}"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help="speed or fidelity; default: both")
    parser.add_argument("--models", nargs="+", metavar="MODEL", help="catalog names or paths of .gguf files")
    parser.add_argument("--threads", type=int, default=usable_cores(), help="default: the machine's cores")
    parser.add_argument("--rounds", type=int, help="of every timing; default: 5")
    parser.add_argument("--long", action="store_true", help="time a prefill of 8,192 tokens, too")
    parser.add_argument("--quick", action="store_true", help="little text, few rounds, nothing written")
    parser.add_argument(
        "--peer-python", type=Path, metavar="PATH", help="Python that has llama-cpp-python; default: one is made"
    )
    return parser


if __name__ == "__main__":
    main()
