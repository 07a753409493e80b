"""Load: many clients at once, or requests that come by chance, and how many a second are answered in time."""

import contextlib
import math
import secrets
from collections.abc import Sequence

import msgspec

from sevenb.errors import InvalidRequest, TargetFailed, TargetRefused
from sevenb.lab.progress import Progress, Stage
from sevenb.lab.results import LoadRow, LoadSummary, ServiceLevel
from sevenb.lab.runs.store import Run, RunStore
from sevenb.lab.speed.load_level import Level, LevelSession, together
from sevenb.lab.speed.load_rows import Lengths, LoadSample, row_of
from sevenb.lab.speed.prompts import prompt_of
from sevenb.lab.target.client import Client

CLIENTS = (1, 2, 4, 8, 16)
INPUT_TOKENS = 512
OUTPUT_TOKENS = 128
LEVEL = ServiceLevel(ttft=2.0, tpot=0.2)  # of MLPerf Inference's server scenario for chat (Llama 2 70B)
ROUNDS = 4  # requests of each client, where nothing else is asked for
LEAST_PROMPTS = 8  # of a level
_WARM_UP_INPUT, _WARM_UP_OUTPUT = 64, 8  # tokens: enough to open connections and to compute as many at once


async def measure_load(
    client: Client,
    run_store: RunStore,
    *,
    clients: Sequence[int] = CLIENTS,
    request_rates: Sequence[float] = (),
    num_prompts: int | None = None,
    seconds: float | None = None,
    input_tokens: int = INPUT_TOKENS,
    output_tokens: int = OUTPUT_TOKENS,
    level: ServiceLevel = LEVEL,
    seed: int = 0,
    fresh: bool = False,
    progress: Progress,
) -> LoadSummary:
    """Measure one level of load after the other.

    ``clients``: each asks again as soon as it has its answer. ``request_rates``: requests a second that come by a
    Poisson process drawn from ``seed``, however many are under way. A level has ``num_prompts`` requests, or begins
    new ones for ``seconds``. Each prompt begins with random words of its own; each answer is ``output_tokens`` long by
    ``ignore_eos``. A level that was not measured to its end is measured anew by the next session. Raises
    `TargetFailed` where the server is gone; requests that fail beside others are counted.
    """
    levels = [*(Level(clients=count) for count in clients), *(Level(rate=rate) for rate in request_rates)]
    _check(levels, num_prompts, seconds)
    facts = await client.facts()
    settings = {
        "clients": list(clients), "request_rates": list(request_rates), "num_prompts": num_prompts, "seconds": seconds,
        "input_tokens": input_tokens, "output_tokens": output_tokens, "level": level, "seed": seed, "temperature": 0,
    }  # fmt: skip
    with run_store.begin("load", client.target, facts, settings, fresh=fresh) as run:
        work = _Work(client, run, Lengths(input_tokens, output_tokens), num_prompts, seconds, seed)
        sizes = {level: work.size(level) for level in levels}
        done = sum(size for level, size in sizes.items() if work.is_done(level))
        with progress.stage(f"Load of {client.target.name}", sum(sizes.values()), done) as stage:
            for each in levels:
                if not work.is_done(each):
                    await work.measure(each, stage)
        rows = tuple(work.row(each, level) for each in levels)
        summary = LoadSummary(level, rows, input_tokens, output_tokens)
        run.finish(summary)
    return summary


def _check(levels: Sequence[Level], num_prompts: int | None, seconds: float | None) -> None:
    if not levels:
        raise InvalidRequest("There is no load to measure; give --clients or --request-rate.", "clients")
    if num_prompts is not None and seconds is not None:
        raise InvalidRequest("A level ends after --num-prompts or after --seconds; give one of them.", "seconds")
    for option, value in (("--num-prompts", num_prompts), ("--seconds", seconds)):
        if value is not None and not 0 < value < math.inf:
            raise InvalidRequest(f"{option} {value} is no number of them; give one above 0.", option)
    if any((level.clients or level.rate or 0) <= 0 for level in levels):
        raise InvalidRequest("Clients and request rates are numbers above 0.", "clients")


class _Work:
    """The levels of one run, measured or still to be measured."""

    def __init__(
        self, client: Client, run: Run, lengths: Lengths, num_prompts: int | None, seconds: float | None, seed: int
    ) -> None:
        self._client = client
        self._run = run
        self._lengths = lengths
        self._num_prompts = num_prompts
        self._seconds = seconds
        self._seed = seed
        self._is_warm = False

    def size(self, level: Level) -> float:
        """Steps of progress: its requests, or its seconds."""
        return self._seconds or self._count(level)

    def is_done(self, level: Level) -> bool:
        """Whether it was measured to its end, in whichever session."""
        return level.key in self._run.samples

    async def measure(self, level: Level, stage: Stage) -> None:
        """All requests of a level."""
        stage.advance(0, f"{level.title}, warming up")
        await self._warm_up(level)
        session = LevelSession(self._client, self._run, self._lengths, level, stage)
        if level.clients is not None:
            await session.by_clients(level.clients, self._count(level), self._seconds)
        else:
            await session.by_rate(level.rate or 0, self._count(level), self._seconds, self._seed)
        if session.lost:  # requests that fail for a server that is gone are no measurement
            with contextlib.suppress(TargetRefused):  # it lives
                await self._ask(self._lengths.input)
        if not session.answered:
            raise TargetFailed(f"At {level.title} no request was answered: {session.last_failure}")
        self._run.keep(level.key, {"session": self._run.record.sessions, "requests": session.sent})

    def row(self, level: Level, service: ServiceLevel) -> LoadRow:
        """What was measured at it."""
        kept = self._run.samples
        end = kept[level.key]
        samples = [msgspec.convert(kept[f"{level.key}/{number}"], LoadSample) for number in range(end["requests"])]
        return row_of(samples, service, self._lengths, level.clients, level.rate)

    def _count(self, level: Level) -> int:
        return self._num_prompts or max(LEAST_PROMPTS, ROUNDS * (level.clients or LEAST_PROMPTS))

    async def _warm_up(self, level: Level) -> None:
        """One whole request at the start; before each level, short ones, as many at once as there will be."""
        if not self._is_warm:
            await self._ask(self._lengths.input)
            self._is_warm = True
        with contextlib.suppress(TargetFailed, InvalidRequest):  # the level itself will tell
            await together(self._ask(min(_WARM_UP_INPUT, self._lengths.input)) for _ in range(level.clients or 1))

    async def _ask(self, tokens: int) -> None:
        prompt = await prompt_of(self._client, tokens, secrets.randbits(48))
        await self._client.chat(prompt, max_tokens=_WARM_UP_OUTPUT, temperature=0, ignore_eos=True)
