"""Speed: sevenb and llama.cpp in turns on the same file, tokens and threads; medians, and their ratio first."""

import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from rich.progress import track

from benchmarks.machine import memory_bandwidth
from benchmarks.remote import Remote
from benchmarks.texts import PromptSource, tokenized_texts
from sevenb.model.checkpoint import Checkpoint


@dataclass(frozen=True)
class Scenario:
    """What is timed: the prompt of one request, or ``steps`` of decoding after it in each of ``sequences``."""

    name: str
    prompt: int  # tokens
    steps: int = 0
    sequences: int = 1


SCENARIOS = (
    Scenario("prefill of 512 tokens", 512),
    Scenario("decode, nothing before", 8, steps=128),
    Scenario("decode after 4,096 tokens", 4096, steps=64),
    Scenario("8 sequences decoding together", 64, steps=64, sequences=8),
)
LONG_SCENARIOS = (*SCENARIOS, Scenario("prefill of 8,192 tokens", 8192))
QUICK_SCENARIOS = (
    Scenario("prefill of 128 tokens", 128),
    Scenario("decode, nothing before", 8, steps=16),
    Scenario("8 sequences decoding together", 16, steps=8, sequences=8),
)


@dataclass(frozen=True)
class Comparison:
    """Tokens a second in one scenario, a figure for each round."""

    scenario: Scenario
    ours: list[float]
    peers: dict[str, list[float]]  # by flash attention, "off" or "on"

    @property
    def ratio(self) -> float:
        """Our median to the best of the peer's settings."""
        return median(self.ours) / max(map(median, self.peers.values()))


@dataclass(frozen=True)
class ModelSpeed:
    """One model file."""

    model: str
    ours: str  # what ran, in words
    peer: str
    comparisons: list[Comparison]
    weight_bytes: int
    bandwidth: float  # of the memory, in bytes a second
    python_share: float
    first_token: list[float]  # seconds from the command to the end of an answer of one token

    @property
    def weight_rate(self) -> float:
        """Bytes of weights a second in the fastest decoding of one sequence."""
        rates = [median(c.ours) for c in self.comparisons if c.scenario.steps and c.scenario.sequences == 1]
        return self.weight_bytes * max(rates)


def measure_speed(
    name: str, path: Path, peer_python: Path, threads: int, scenarios: tuple[Scenario, ...], rounds: int
) -> ModelSpeed:
    """Run every scenario ``rounds`` times on each engine, in turns, after one round that does not count."""
    with Checkpoint.open(path) as checkpoint:
        prompts = PromptSource(tokenized_texts(checkpoint))
    bandwidth = memory_bandwidth(threads)
    with ExitStack() as stack:
        ours = stack.enter_context(Remote(sys.executable, "benchmarks.sevenb_process", path, threads))
        peers = {
            flash: stack.enter_context(Remote(peer_python, "benchmarks.llama_cpp_process", path, threads, flash))
            for flash in ("off", "on")
        }
        comparisons = [_compare(name, scenario, ours, peers, prompts, rounds) for scenario in scenarios]
        python_share = median(ours.call("python_share", prompt=prompts.take(8), steps=32) for _ in range(rounds))
        weight_bytes = ours.call("weight_bytes")
        descriptions = ours.call("describe"), peers["off"].call("describe")
    first_token = [_seconds_to_first_token(path, threads) for _ in range(1 + rounds)][1:]
    return ModelSpeed(name, *descriptions, comparisons, weight_bytes, bandwidth, python_share, first_token)


def speed_table(results: list[ModelSpeed]) -> str:
    """Markdown."""
    lines = [
        "| tokens a second | sevenb ÷ llama.cpp | sevenb | llama.cpp, flash attention off | flash attention on |",
        "|---|--:|--:|--:|--:|",
    ]
    for result in results:
        lines.append(f"| **{result.model}** | | | | |")
        for comparison in result.comparisons:
            figures = " | ".join(map(_figure, (comparison.ours, comparison.peers["off"], comparison.peers["on"])))
            lines.append(f"| {comparison.scenario.name} | **{comparison.ratio:.2f}×** | {figures} |")
    lines += ["", "| | " + " | ".join(result.model for result in results) + " |", "|---|" + "--:|" * len(results)]
    lines += [
        f"| {title} | " + " | ".join(cells) + " |"
        for title, cells in {
            "from command to first token": [f"{median(result.first_token):.2f} s" for result in results],
            "outside of the kernels, of a decode step": [f"{100 * result.python_share:.1f} %" for result in results],
            "weights read while decoding": [
                f"{result.weight_rate / 1e9:.1f} of {result.bandwidth / 1e9:.1f} GB/s" for result in results
            ],
        }.items()
    ]
    engines = dict.fromkeys(engine for result in results for engine in (result.ours, result.peer))
    return "\n".join([*lines, "", *(f"- {engine}" for engine in engines)])


def _compare(
    model: str, scenario: Scenario, ours: Remote, peers: dict[str, Remote], prompts: PromptSource, rounds: int
) -> Comparison:
    comparison = Comparison(scenario, [], {flash: [] for flash in peers})
    decoded = [prompts.take(scenario.prompt) for _ in range(scenario.sequences)]
    for round_ in track(range(1 + rounds), f"{model}: {scenario.name}"):
        tokens = prompts.take(scenario.prompt)
        for remote, figures in [(ours, comparison.ours), *((peers[f], comparison.peers[f]) for f in peers)]:
            if scenario.steps:
                figure = remote.call("decode", prompts=decoded, steps=scenario.steps)
            else:
                figure = remote.call("prefill", tokens=tokens)
            if round_ > 0:
                figures.append(figure)
    return comparison


def _seconds_to_first_token(path: Path, threads: int) -> float:
    """The whole of ``sevenb run`` with an answer of one token."""
    command = [sys.executable, "-c", "from sevenb.cli.main import main; main()"]
    arguments = ["run", path, "hi", "--max-tokens", "1", "--threads", str(threads)]
    start = time.perf_counter()
    done = subprocess.run([*command, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"sevenb run failed: {done.stderr.strip()}")
    return time.perf_counter() - start


def _figure(rates: list[float]) -> str:
    """Median, and the range of all rounds."""
    return f"{median(rates):.1f} ({min(rates):.0f}–{max(rates):.0f})"
