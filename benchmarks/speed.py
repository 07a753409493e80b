"""Speed: sevenb and its peers in turns on the same file, tokens and threads, each peer at its best setting."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

from rich.progress import Progress

from benchmarks import machine
from benchmarks.contenders import OURS, Contenders, PeerDied
from benchmarks.peers.setting import Setting
from benchmarks.results import ModelFacts, RowResult, Series
from benchmarks.rows import Row
from benchmarks.texts import PromptSource, Request, requests, tokenized_texts
from sevenb.model.checkpoint import Checkpoint

Measure = Callable[[str, Setting | None], float]  # an engine's name and how it is set up


def measure_rows(
    name: str, path: Path, contenders: Contenders, rows: Sequence[Row], threads: int, most_rounds: int
) -> Iterator[RowResult]:
    """Every row in turn: a round that does not count and chooses the peers' settings, then up to ``most_rounds``."""
    with Checkpoint.open(path) as checkpoint:
        prompts = PromptSource(tokenized_texts(checkpoint))
        asked = requests(checkpoint)
    with Progress(transient=True) as progress:
        for row in rows:
            rounds = min(row.rounds, most_rounds)
            task = progress.add_task(f"{name}: {row.title}", total=1 + rounds)
            load = machine.load()
            with _busy_core() if row.busy else nullcontext():
                series = _compare(row, contenders, prompts, asked, rounds, lambda: progress.advance(task))  # noqa: B023
            progress.remove_task(task)
            yield RowResult(name, row.key, machine.conditions(threads), load, series)


def measure_facts(name: str, path: Path, contenders: Contenders, threads: int, rounds: int) -> ModelFacts:
    """What concerns sevenb alone, while it is fresh: its memory is that of little more than loading."""
    with Checkpoint.open(path) as checkpoint:
        source = PromptSource(tokenized_texts(checkpoint))
    ours = contenders.ours()
    ours.call("prefill", tokens=source.take(512))
    memory = ours.call("memory")
    bandwidth, shares = [], []
    for _ in range(rounds):
        shares.append(ours.call("python_share", prompt=source.take(8), steps=32))
        bandwidth.append(machine.memory_bandwidth(threads))
    return ModelFacts(
        model=name,
        conditions=machine.conditions(threads),
        first_token=[_seconds_to_first_token(path, threads) for _ in range(1 + rounds)][1:],
        python_share=sorted(shares)[len(shares) // 2],
        weight_bytes=memory["weights"],
        bandwidth=bandwidth,
        kv_bytes_per_token=memory["kv_token"],
        overhead_bytes=memory["overhead"],
    )


def _compare(
    row: Row,
    contenders: Contenders,
    prompts: PromptSource,
    asked: dict[str, Request],
    rounds: int,
    advance: Callable[[], None],
) -> list[Series]:
    names = contenders.names(row)
    tried = {name: _try_settings(row, contenders, name, prompts, asked) for name in names}
    best = {name: max(figures, key=lambda setting: figures[setting]) for name, figures in tried.items()}
    advance()
    values: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(rounds):
        measure = _measure(row, contenders, prompts, asked)
        for name in names:
            values[name].append(_or_nothing(measure, name, best[name]))
        advance()
    return [
        Series(
            name,
            contenders.describe(name, row),
            str(best[name] or "defaults"),
            [value for value in values[name] if value] or [0.0],  # a round that a peer died in tells no speed
            {str(setting): figure for setting, figure in tried[name].items() if setting},
        )
        for name in names
    ]


def _try_settings(
    row: Row, contenders: Contenders, name: str, prompts: PromptSource, asked: dict[str, Request]
) -> dict[Setting | None, float]:
    """A peer's speed with each of its settings; of a long prefill, that of one part in the middle."""
    if name == OURS:
        return {
            None: 0.0 if row.steps == 0 and row.prompt > 4096 else _measure(row, contenders, prompts, asked)(name, None)
        }
    if row.steps == 0 and row.prompt > 4096:
        history = prompts.beginning(row.prompt // 2)
        return {
            setting: contenders.prefill(name, row, prompts.take(512), setting, history)
            for setting in row.settings(name)
        }
    measure = _measure(row, contenders, prompts, asked)
    return {setting: _or_nothing(measure, name, setting) for setting in row.settings(name)}


def _or_nothing(measure: Measure, name: str, setting: Setting | None) -> float:
    """The figure, or 0 of a peer that died: ik_llama.cpp's flash attention does with some numbers of sequences."""
    try:
        return measure(name, setting)
    except PeerDied as error:
        print(f"{name} with {setting}: {error}", file=sys.stderr)
        return 0.0


def _measure(row: Row, contenders: Contenders, prompts: PromptSource, asked: dict[str, Request]) -> Measure:
    """One round's measurement, with tokens that are the same for everyone and that no one saw before."""
    if row.rewrite:
        request = asked[row.rewrite]
        return lambda name, setting: contenders.rewrite(name, row, request, setting)
    taken = [prompts.take(row.prompt) for _ in range(row.sequences)]
    history = prompts.beginning(row.depth)
    if row.steps:
        return lambda name, setting: contenders.decode(name, row, taken, setting, history)
    return lambda name, setting: contenders.prefill(name, row, taken[0], setting, history)


@contextmanager
def _busy_core() -> Iterator[None]:
    """Another process that computes all the time."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _seconds_to_first_token(path: Path, threads: int) -> float:
    """The whole of ``sevenb run`` with an answer of one token; modules are compiled, as where it is installed."""
    command = [sys.executable, "-c", "from sevenb.cli.main import main; main()"]
    arguments = ["run", str(path), "hi", "--max-tokens", "1", "--threads", str(threads)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    done = subprocess.run(
        [*command, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment
    )
    if done.returncode != 0:
        raise RuntimeError(f"sevenb run failed: {done.stderr.strip()}")
    return time.perf_counter() - start
