"""Whether the clock can be trusted: what the client measures of a server that knows what it did."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from statistics import median

import httpx
import msgspec

from sevenb.lab.progress import Progress
from sevenb.lab.speed.self_test_scripts import SCRIPTS, Script
from sevenb.lab.speed.self_test_server import Record
from sevenb.lab.target.answer import Answer
from sevenb.lab.target.client import Client
from sevenb.lab.target.target import Target

TOLERANCE = 0.05  # of a figure
SLACK = 0.01  # seconds, of a time; a tenth of it of a time per token
_REPEATS = 3
_CROWD = 16  # streams at once


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of one script, in seconds, or tokens: medians of the repeats."""

    script: str
    trap: str
    figure: str  # "TTFT", "TPOT", "ITL", "longest gap", "E2E", "tokens"
    sent: float  # by the server's own record
    measured: float
    passed: bool


class SelfTest(msgspec.Struct, frozen=True):
    """All comparisons."""

    comparisons: tuple[Comparison, ...]

    @property
    def passed(self) -> bool:
        """Whether every figure is within the tolerance."""
        return all(comparison.passed for comparison in self.comparisons)


async def self_test(*, progress: Progress, slack: float = SLACK) -> SelfTest:
    """Measure each script, alone beside the others and as a crowd, and compare with what the server says it did."""
    async with _scripted_server() as url, Client(Target(f"{url}/v1", "scripted", "self-test"), timeout=60) as client:
        answers: dict[str, Answer] = {}

        async def ask(user: str) -> None:
            answers[user] = await client.chat([{"role": "user", "content": "Go."}], user=user)

        with progress.stage("Self-test", _REPEATS + 1) as stage:
            for repeat in range(_REPEATS):
                await asyncio.gather(*(ask(f"{script.name}/{repeat}") for script in SCRIPTS))
                stage.advance()
            crowd = [f"{SCRIPTS[0].name}/crowd {number}" for number in range(_CROWD)]
            await asyncio.gather(*(ask(user) for user in crowd))
            stage.advance()
        async with httpx.AsyncClient(trust_env=False) as http:
            records = msgspec.json.decode((await http.get(f"{url}/records")).content, type=dict[str, Record])
    groups = [(script, script.name, [f"{script.name}/{repeat}" for repeat in range(_REPEATS)]) for script in SCRIPTS]
    groups.append((SCRIPTS[0], f"{_CROWD} at once", crowd))
    return SelfTest(
        tuple(
            comparison
            for script, name, users in groups
            for comparison in compare(
                script, name, [records[user] for user in users], [answers[user] for user in users], slack
            )
        )
    )


@asynccontextmanager
async def _scripted_server() -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sevenb.lab.speed.self_test_server",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(await process.stdout.readline())}"
    finally:
        process.kill()
        await process.wait()


def compare(
    script: Script, name: str, records: Sequence[Record], answers: Sequence[Answer], slack: float
) -> list[Comparison]:
    """What a script's server did beside what was measured of it, one record and one answer a repeat."""
    sent = [_figures(record.chunks, record.last, record.end, script.tokens) for record in records]
    measured = [_measured(answer) for answer in answers]
    comparisons = []
    for figure in sent[0]:
        if figure == "longest gap" and name != "stall":  # any gap that this machine's own work has made
            continue
        true, found = median(one[figure] for one in sent), median(one[figure] for one in measured)
        allowed = {"TPOT": slack / 10, "tokens": 0.0}.get(figure, slack)
        tolerated = abs(found - true) <= max(allowed, TOLERANCE * true if allowed else 0.0)
        comparisons.append(
            Comparison(script=name, trap=script.trap, figure=figure, sent=true, measured=found, passed=tolerated)
        )
    return comparisons


def _figures(chunks: Sequence[float], last: float, end: float, tokens: int) -> dict[str, float]:
    gaps = [later - sooner for sooner, later in pairwise(chunks)]
    return {
        "TTFT": chunks[0], "TPOT": (last - chunks[0]) / (tokens - 1), "ITL": median(gaps), "longest gap": max(gaps),
        "E2E": end, "tokens": tokens,
    }  # fmt: skip


def _measured(answer: Answer) -> dict[str, float]:
    gaps = answer.gaps or [0.0]
    return {
        "TTFT": answer.ttft or 0.0, "TPOT": answer.tpot or 0.0, "ITL": median(gaps), "longest gap": max(gaps),
        "E2E": answer.seconds, "tokens": answer.completion_tokens or 0,
    }  # fmt: skip
