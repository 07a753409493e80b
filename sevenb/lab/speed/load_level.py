"""One level of load: the clients that ask in turn, or the requests that come by chance, each kept as it ends."""

import asyncio
import random
import secrets
import time
from collections.abc import Coroutine, Iterable
from typing import Any

import msgspec

from sevenb.errors import SevenbError, TargetFailed, TargetRefused
from sevenb.lab.progress import Stage
from sevenb.lab.runs.store import Run
from sevenb.lab.speed.load_rows import Lengths, LoadSample
from sevenb.lab.speed.prompts import prompt_of
from sevenb.lab.target.asking import SERVERS_OWN
from sevenb.lab.target.client import Client

_FAILURES = 8  # in a row, and none between, after which the server is given up


class Level(msgspec.Struct, frozen=True):
    """So many clients, or so many requests a second."""

    clients: int | None = None
    rate: float | None = None

    @property
    def key(self) -> str:
        """What its samples' keys begin with."""
        return f"clients {self.clients}" if self.rate is None else f"rate {self.rate:g}"

    @property
    def title(self) -> str:
        """For people."""
        if self.rate is not None:
            return f"{self.rate:g} requests/s"
        return "1 client" if self.clients == 1 else f"{self.clients} clients"


class LevelSession:
    """The requests of one level."""

    def __init__(self, client: Client, run: Run, lengths: Lengths, level: Level, stage: Stage) -> None:
        self._client = client
        self._run = run
        self._lengths = lengths
        self._level = level
        self._stage = stage
        self._begun = time.perf_counter()
        self._shown = 0.0  # of the level's seconds, in the progress
        self._output_tokens = 0
        self._failures = 0  # in a row
        self.sent = 0
        self.answered = 0
        self.last_failure = ""
        self.lost = False  # whether the server may be gone: the last request got no answer, not even a refusal

    async def by_clients(self, clients: int, count: int, seconds: float | None) -> None:
        """Each of ``clients`` asks again as soon as it is answered, while there is time or something left to ask."""

        async def ask_in_turn() -> None:
            while self._now() < seconds if seconds else self.sent < count:
                await self._request(seconds)

        self._begun = time.perf_counter()
        await together(ask_in_turn() for _ in range(clients))

    async def by_rate(self, rate: float, count: int, seconds: float | None, seed: int) -> None:
        """Requests begin when their time has come, whatever became of those before."""
        draw = random.Random(seed)
        arrivals = [0.0]
        while arrivals[-1] < seconds if seconds else len(arrivals) < count:
            arrivals.append(arrivals[-1] + draw.expovariate(rate))

        async def ask_at(arrival: float) -> None:
            await asyncio.sleep(arrival - self._now())
            await self._request(seconds)

        self._begun = time.perf_counter()
        await together(ask_at(arrival) for arrival in arrivals if not seconds or arrival < seconds)

    def _now(self) -> float:
        return time.perf_counter() - self._begun

    async def _request(self, seconds: float | None) -> None:
        number, self.sent = self.sent, self.sent + 1
        prompt = await prompt_of(self._client, self._lengths.input, secrets.randbits(48))
        answer, failure = None, None
        started = self._now()
        try:
            answer = await self._client.chat(prompt, max_tokens=self._lengths.output, temperature=0, ignore_eos=True)
        except TargetFailed as error:
            failure = error
        sample = LoadSample(self._run.record.sessions, started, self._now(), answer, str(failure) if failure else None)
        self._run.keep(f"{self._level.key}/{number}", msgspec.structs.asdict(sample))
        if answer is not None:
            self.answered += 1
            self._failures = 0
            self.lost = False
            self._output_tokens += answer.completion_tokens or 0
        elif failure is not None:
            self._failures += 1
            self.last_failure = str(failure)
            # Also what is broken off may be the last word of a server that shuts down.
            self.lost = not isinstance(failure, TargetRefused) or failure.status >= SERVERS_OWN
            if self._failures >= max(_FAILURES, self._level.clients or 0):
                raise failure
        self._show(seconds)

    def _show(self, seconds: float | None) -> None:
        note = f"{self._level.title}: {self._output_tokens / self._now():.1f} tokens/s"
        if seconds is None:
            self._stage.advance(1, note)
        else:
            shown = min(self._now(), seconds)
            self._stage.advance(max(0.0, shown - self._shown), note)
            self._shown = max(self._shown, shown)


async def together(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Do all at once; the first error ends the others."""
    try:
        async with asyncio.TaskGroup() as group:
            for each in work:
                group.create_task(each)
    except* (SevenbError, OSError) as errors:
        raise errors.exceptions[0] from None
