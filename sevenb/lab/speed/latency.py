"""Latency by length of context: one request at a time, the first token, each further one and the whole apart."""

import secrets
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from sevenb.errors import TargetRefused
from sevenb.lab.progress import Progress, Stage
from sevenb.lab.results import LatencyRow, LatencySummary
from sevenb.lab.runs.store import Run, RunStore
from sevenb.lab.speed.latency_rows import LatencySample, row_of
from sevenb.lab.speed.prompts import Messages, prompt_of
from sevenb.lab.target.answer import Answer
from sevenb.lab.target.asking import SERVERS_OWN
from sevenb.lab.target.client import Client

CONTEXTS = (4096, 8192, 16384, 32768)
OUTPUT_TOKENS = 128
REPEATS = 3
_WARM_UP_TOKENS = 8  # of the answers that are not measured
_DECODE_COST = 16  # tokens of a prompt that take about as long as one of an answer


async def measure_latency(
    client: Client,
    run_store: RunStore,
    *,
    contexts: Sequence[int] = CONTEXTS,
    output_tokens: int = OUTPUT_TOKENS,
    repeats: int = REPEATS,
    warm: bool = False,
    fresh: bool = False,
    progress: Progress,
) -> LatencySummary:
    """Measure each length ``repeats`` times, after one request of that length that does not count.

    ``contexts`` are tokens of the prompt after templating. Each prompt begins with random words of its own; with
    ``warm`` each is sent a second time, so that the server can take it from its cache, and gets rows of its own.
    Answers are greedy, ``output_tokens`` long by ``ignore_eos``. Every sample is kept at once; what an earlier run of
    the same work left is gone on with. Raises `TargetFailed` where the server is gone; a length that it refuses becomes
    a row.
    """
    facts = await client.facts()
    settings = {
        "contexts": list(contexts), "output_tokens": output_tokens, "repeats": repeats, "warm": warm, "temperature": 0,
    }  # fmt: skip
    with run_store.begin("latency", client.target, facts, settings, fresh=fresh) as run:
        work = _Work(client, run, output_tokens, repeats, warm, facts.context_length)
        costs = {context: work.cost(context) for context in contexts}
        done = sum(cost for context, cost in costs.items() if work.is_done(context))
        with progress.stage(f"Latency of {client.target.name}", sum(costs.values()), done) as stage:
            for context in contexts:
                if not work.is_done(context):
                    await work.measure(context, stage)
        summary = LatencySummary(tuple(row for context in contexts for row in work.rows(context)))
        run.finish(summary)
    return summary


class _Work:
    """The lengths of one run, measured or still to be measured."""

    def __init__(
        self, client: Client, run: Run, output_tokens: int, repeats: int, warm: bool, context_length: int | None
    ) -> None:
        self._client = client
        self._run = run
        self._output_tokens = output_tokens
        self._repeats = repeats
        self._modes = ("cold", "warm") if warm else ("cold",)
        self._context_length = context_length

    def cost(self, context: int) -> int:
        """How long a length takes, in tokens of a prompt."""
        answers = len(self._modes) * self._repeats
        return (self._repeats + 1) * context + answers * self._output_tokens * _DECODE_COST

    def is_done(self, context: int) -> bool:
        """Whether nothing is left to measure."""
        kept = self._run.samples
        return _refusal(context) in kept or all(
            _key(context, mode, repeat) in kept for mode in self._modes for repeat in range(self._repeats)
        )

    async def measure(self, context: int, stage: Stage) -> None:
        """All repeats that are missing, or the refusal."""
        share = self.cost(context) / (self._repeats + 1)
        made = 0
        try:
            stage.advance(0, f"{context:,} tokens, warming up")
            await self._ask(await self._prompt(context, _seed()), min(_WARM_UP_TOKENS, self._output_tokens))
            stage.advance(share, f"{context:,} tokens")
            for made in range(1, self._repeats + 1):
                await self._repeat(context, made - 1)
                stage.advance(share, f"{context:,} tokens, {made} of {self._repeats}")
        except TargetRefused as refusal:
            if refusal.status >= SERVERS_OWN:  # a server that is gone says so now, which is no matter of the length
                await self._ask([{"role": "user", "content": "Hi"}], 1)
            self._run.keep(_refusal(context), {"context": context, "refused": refusal.reason})
            stage.advance(share * (self._repeats - made), f"{context:,} tokens: refused")

    async def _repeat(self, context: int, repeat: int) -> None:
        """One prompt: cold, and where asked for once more. An earlier session may have got as far as the first."""
        if all(_key(context, mode, repeat) in self._run.samples for mode in self._modes):
            return
        seed = _seed()
        prompt = await self._prompt(context, seed)
        for mode in self._modes:
            started = time.time()
            answer = await self._ask(prompt, self._output_tokens)
            sample = LatencySample(context, mode, repeat, seed, started, answer)
            self._run.keep(_key(context, mode, repeat), msgspec.structs.asdict(sample))

    async def _prompt(self, context: int, seed: int) -> Messages:
        """Of ``context`` tokens; of so many fewer as the answer needs, where the two together do not fit otherwise."""
        limit = self._context_length
        fits_alone = limit is not None and context <= limit < context + self._output_tokens
        tokens = limit - self._output_tokens if limit is not None and fits_alone else context
        return await prompt_of(self._client, tokens, seed)

    async def _ask(self, prompt: Messages, tokens: int) -> Answer:
        return await self._client.chat(prompt, max_tokens=tokens, temperature=0, ignore_eos=True)

    def rows(self, context: int) -> list[LatencyRow]:
        """What was measured at this length: a row for cold prompts, and one for warm ones."""
        kept = self._run.samples
        if _refusal(context) in kept:
            return [LatencyRow(context=context, refused=kept[_refusal(context)]["refused"])]
        return [
            row_of(
                context,
                mode,
                [_sample(kept[_key(context, mode, i)]) for i in range(self._repeats)],
                self._output_tokens,
            )
            for mode in self._modes
        ]


def _seed() -> int:
    """Never the same, in no run: a server may keep what it has read for long."""
    return secrets.randbits(48)


def _key(context: int, mode: str, repeat: int) -> str:
    return f"{context}/{mode}/{repeat}"


def _refusal(context: int) -> str:
    return f"{context}/refused"


def _sample(kept: dict[str, Any]) -> LatencySample:
    return msgspec.convert(kept, LatencySample)
