"""Runs a task on a server: asks many items at once, scores answers while others are computed, keeps every sample."""

import asyncio
import itertools
import os
import random
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from sevenb.errors import DataUnavailable, InvalidRequest, SevenbError, TargetRefused
from sevenb.lab.data.finder import DataFinder
from sevenb.lab.progress import Progress, Stage
from sevenb.lab.results import TaskSummary
from sevenb.lab.runs.record import EVAL
from sevenb.lab.runs.store import Run, RunStore
from sevenb.lab.target.answer import Answer
from sevenb.lab.target.asking import ask_again
from sevenb.lab.target.client import Client
from sevenb.lab.tasks.published import published_score
from sevenb.lab.tasks.summary import is_scored, summarise
from sevenb.lab.tasks.task import Item, Messages, Task

# As many as give the most tokens a second on two cores (16 and 32 are equal there) without many half-done answers being
# lost when it is stopped.
CONCURRENCY = 32
SCORERS = 8  # at once, at most: each may run a program
REFUSALS = 8  # in a row, after which the server is taken to refuse everything
SHARED_CHARACTERS = 1000  # that prompts begin with alike for the first to be computed before the others are asked


async def evaluate(
    task: Task,
    client: Client,
    run_store: RunStore,
    *,
    data: DataFinder | None = None,
    limit: int | None = None,
    concurrency: int | None = None,
    seed: int = 0,
    max_tokens: int | None = None,
    temperature: float | None = None,
    samples: int = 1,
    fresh: bool = False,
    progress: Progress,
) -> TaskSummary:
    """Run ``task`` on ``limit`` items (all without), each asked ``samples`` times, and return what it says.

    An earlier run of the same settings that was stopped is gone on with, unless ``fresh``. Raises `DataUnavailable`,
    `InvalidRequest`, and `TargetFailed` when the server ends midway: what was answered is kept.
    """
    _check(limit, concurrency, max_tokens, samples)
    await asyncio.to_thread(task.require)
    task = await task.prepare(client, progress)
    items, facts = task.load(data or DataFinder(say=progress.say))
    if not items:
        raise DataUnavailable(f"The data of {task.name} ({facts.source}) holds no items: there is nothing to measure.")
    warmth = task.temperature if temperature is None else temperature
    if samples > 1 and warmth <= 0:
        raise InvalidRequest(
            f"{samples} samples at temperature 0 would all be the same; give --temperature.", "n_samples"
        )
    limit = None if limit is None or limit >= len(items) else limit  # all are all, however they were asked for
    chosen = task.order(spread_evenly(items, limit, seed))
    target_facts = await client.facts()
    params = {"max_tokens": max_tokens or task.max_tokens, "temperature": warmth, "seed": seed}
    settings = {"preset": task.preset, "template": task.template, "limit": limit, "samples": samples, **params}
    width = concurrency or min(CONCURRENCY, target_facts.max_sequences or CONCURRENCY)
    identity = {**settings, "data": facts.sha256}
    with run_store.begin(f"{EVAL}{task.name}", client.target, target_facts, identity, fresh=fresh) as run:
        asked = {key: (item, params | {"seed": seed + n}) for item in chosen for n, key in _keys(item, samples)}
        await _Session(task, client, run).ask_all(asked, width, progress)
        summary = summarise(
            task, {key: item for key, (item, _) in asked.items()}, run.samples, facts,
            settings={**settings, "concurrency": width, **task.conditions()},
            published=published_score(task.name, client.target),
        )  # fmt: skip
        run.finish(summary)
    return summary


def spread_evenly(items: Sequence[Item], limit: int | None, seed: int) -> list[Item]:
    """``limit`` of ``items``, as evenly over their groups as it goes; the same ones for a seed, in the data's order."""
    if limit is None or limit >= len(items):
        return list(items)
    by_group: dict[str, list[int]] = defaultdict(list)
    for index, item in enumerate(items):
        by_group[item.group].append(index)
    shuffler = random.Random(seed)
    for group in by_group.values():
        shuffler.shuffle(group)
    rounds = max(len(group) for group in by_group.values())
    in_turn = [group[turn] for turn in range(rounds) for group in by_group.values() if turn < len(group)]
    return [items[index] for index in sorted(in_turn[:limit])]


def _check(limit: int | None, concurrency: int | None, max_tokens: int | None, samples: int) -> None:
    for option, value in (
        ("limit", limit),
        ("concurrency", concurrency),
        ("max-tokens", max_tokens),
        ("n-samples", samples),
    ):
        if value is not None and value < 1:
            raise InvalidRequest(f"--{option} {value} leaves nothing to ask; give 1 or more.", option)


def _keys(item: Item, samples: int) -> Iterator[tuple[int, str]]:
    yield 0, item.key
    for number in range(1, samples):
        yield number, f"{item.key}#{number + 1}"


class _Session:
    """One go at a run: what earlier ones kept counts, the rest is asked."""

    def __init__(self, task: Task, client: Client, run: Run) -> None:
        self._task = task
        self._client = client
        self._run = run
        self._began = time.perf_counter()
        self._right = 0
        self._scored = 0
        self._refusals = 0  # in a row
        self._last_refusal: TargetRefused | None = None

    async def ask_all(self, asked: Mapping[str, tuple[Item, dict[str, Any]]], width: int, progress: Progress) -> None:
        """Ask what has no answer yet, ``width`` items at once."""
        kept = [sample for key in asked if is_scored(sample := self._run.samples.get(key, {}))]
        for sample in kept:
            self._count(sample["score"]["strict"])
        waiting = iter([key for key in asked if not is_scored(self._run.samples.get(key, {}))])
        with (
            # At its end, answers that came are scored.
            ThreadPoolExecutor(min(SCORERS, os.cpu_count() or 1), "score") as scorers,
            progress.stage(self._task.title, len(asked), len(kept)) as stage,
        ):
            try:
                async with asyncio.TaskGroup() as clients:

                    async def ask(key: str) -> None:
                        answer = await self._ask(key, *asked[key], stage)
                        if answer is not None:  # the next item does not wait for this one's score
                            score = scorers.submit(self._score, key, asked[key][0], answer)
                            clients.create_task(self._await_score(score, stage))

                    async def ask_in_turn() -> None:
                        for key in waiting:
                            await ask(key)

                    if begin_alike([self._task.prompt(item) for item, _ in list(asked.values())[:2]]):
                        for key in itertools.islice(waiting, 1):
                            await ask(key)
                    for _ in range(min(width, len(asked))):
                        clients.create_task(ask_in_turn())
            except* (SevenbError, OSError) as group:
                raise group.exceptions[0] from None
        if not self._scored and self._last_refusal:
            raise self._last_refusal

    async def _ask(self, key: str, item: Item, params: Mapping[str, Any], stage: Stage) -> Answer | None:
        """The answer; None where the server refuses this request."""
        try:
            answer = await ask_again(lambda: self._task.ask(item, self._client, params))
        except TargetRefused as refusal:  # others may fare better
            self._refusals += 1
            self._last_refusal = refusal
            if self._refusals >= REFUSALS:
                raise
            self._run.keep(key, {**self._told(item), "error": str(refusal)})
            stage.advance(note=self._note())
            return None
        self._refusals = 0
        return answer

    async def _await_score(self, score: Future[bool], stage: Stage) -> None:
        # Shielded: an answer that came is scored and kept by its thread, also when all this is cancelled meanwhile.
        self._count(await asyncio.shield(asyncio.wrap_future(score)))
        stage.advance(note=self._note())

    def _told(self, item: Item) -> dict[str, Any]:
        return {
            "group": item.group,
            "messages": self._task.prompt(item),
            "session": self._run.record.sessions,
            "elapsed": time.perf_counter() - self._began,
        }

    def _score(self, key: str, item: Item, answer: Answer) -> bool:
        score = self._task.score(item, answer)
        told = {
            "answer": answer.text,
            "finish_reason": answer.finish_reason,
            "prompt_tokens": answer.prompt_tokens,
            "cached_tokens": answer.cached_tokens,
            "completion_tokens": answer.completion_tokens,
            "ttft": answer.ttft,
            "seconds": answer.seconds,
            "score": {"strict": score.strict, "flexible": score.flexible, "found": score.found, "note": score.note},
        }
        self._run.keep(key, {**self._told(item), **told})
        return score.strict

    def _count(self, right: bool) -> None:
        self._right += right
        self._scored += 1

    def _note(self) -> str:
        return f"{self._right / self._scored:.1%} right" if self._scored else ""


def begin_alike(prompts: Sequence[Messages | str]) -> bool:
    """Whether two prompts share a long beginning, such as examples, which is worth computing once."""
    texts = [prompt if isinstance(prompt, str) else "".join(m["content"] for m in prompt) for prompt in prompts]
    beginnings = {text[:SHARED_CHARACTERS] for text in texts}
    return len(texts) == 2 and len(beginnings) == 1 and len(beginnings.pop()) == SHARED_CHARACTERS
