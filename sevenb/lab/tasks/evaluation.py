"""Runs a task on a server: asks many items at once, scores answers while others are computed, keeps every sample."""

import asyncio
import os
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from sevenb.errors import DataUnavailable, InvalidRequest
from sevenb.lab.data.finder import DataFinder
from sevenb.lab.progress import Progress, Stage
from sevenb.lab.results import DataFacts, TaskSummary
from sevenb.lab.runs.store import Run, RunStore
from sevenb.lab.statistics import rate
from sevenb.lab.target.answer import Answer
from sevenb.lab.target.client import Client
from sevenb.lab.tasks.task import Item, Score, Task

CONCURRENCY = 16  # where the server does not say how many sequences it computes at once


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
    fresh: bool = False,
    progress: Progress,
) -> TaskSummary:
    """Run ``task`` on ``limit`` items (all without) and return what it says.

    An earlier run of the same settings that was stopped is gone on with, unless ``fresh``. Raises `DataUnavailable`,
    `InvalidRequest`, and `TargetFailed` when the server ends midway: what was answered is kept.
    """
    if limit is not None and limit < 1:
        raise InvalidRequest(f"--limit {limit} leaves no items to ask; give 1 or more.", "limit")
    task = await task.prepare(client, progress)
    items, facts = task.load(data or DataFinder(say=progress.say))
    if not items:
        raise DataUnavailable(f"The data of {task.name} ({facts.source}) holds no items; nothing can be measured.")
    chosen = task.order(spread_evenly(items, limit, seed))
    target_facts = await client.facts()
    params = {
        "max_tokens": max_tokens or task.max_tokens,
        "temperature": task.temperature if temperature is None else temperature,
        "seed": seed,
    }
    settings = {"preset": task.preset, "limit": limit, "data": facts.sha256, "template": task.template, **params}
    width = concurrency or target_facts.max_sequences or CONCURRENCY
    with run_store.begin(f"eval:{task.name}", client.target, target_facts, settings, fresh=fresh) as run:
        session = _Session(task, client, run, params, {item.key: item for item in chosen})
        await session.ask_all(chosen, width, progress)
        summary = session.summary(facts, {**params, "concurrency": width, "limit": limit})
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


class _Session:
    """One go at a run: what was kept of earlier ones counts, the rest is asked."""

    def __init__(
        self, task: Task, client: Client, run: Run, params: Mapping[str, Any], items: Mapping[str, Item]
    ) -> None:
        self._task = task
        self._client = client
        self._run = run
        self._params = params
        self._items = items
        self._right = 0
        self._scored = 0

    async def ask_all(self, items: Sequence[Item], width: int, progress: Progress) -> None:
        """Ask what has no answer yet, ``width`` items at once."""
        kept = {key: sample for key, sample in self._run.samples.items() if key in self._items and "score" in sample}
        for sample in kept.values():
            self._count(sample["score"]["strict"])
        waiting = iter([item for item in items if item.key not in kept])
        with (
            ThreadPoolExecutor(os.cpu_count() or 1, "score") as scorers,
            progress.stage(self._task.title, len(items), len(kept)) as stage,
        ):
            async with asyncio.TaskGroup() as clients:
                for _ in range(min(width, len(items))):
                    clients.create_task(self._ask_in_turn(waiting, scorers, stage))

    async def _ask_in_turn(self, waiting: Any, scorers: ThreadPoolExecutor, stage: Stage) -> None:
        for item in waiting:
            sample: dict[str, Any] = {"group": item.group, "messages": self._task.prompt(item)}
            answer = await self._task.ask(item, self._client, self._params)
            score = await asyncio.get_running_loop().run_in_executor(scorers, self._task.score, item, answer)
            self._run.keep(item.key, {**sample, **_told(answer), "score": msgspec.to_builtins(score)})
            self._count(score.strict)
            stage.advance(note=f"{self._right / self._scored:.1%} so far")

    def _count(self, right: bool) -> None:
        self._right += right
        self._scored += 1

    def summary(self, data: DataFacts, settings: dict[str, Any]) -> TaskSummary:
        """What all samples say, of this and of earlier sessions."""
        samples = {key: self._run.samples[key] for key in self._items}
        scores = {key: msgspec.convert(sample["score"], Score) for key, sample in samples.items()}
        task = self._task
        return TaskSummary(
            task=task.name, title=task.title, preset=task.preset, metric=task.metric, shots=task.shots,
            template=task.template, extraction=task.extraction, data=data, of=data.items,
            strict=rate(sum(score.strict for score in scores.values()), len(scores)),
            flexible=rate(sum(score.flexible for score in scores.values()), len(scores)),
            truncated=sum(sample["finish_reason"] == "length" for sample in samples.values()),
            unparsed=sum(score.found is None for score in scores.values()),
            failed=0,
            output_tokens=sum(sample["completion_tokens"] or 0 for sample in samples.values()),
            seconds=sum(sample["seconds"] for sample in samples.values()),
            settings=settings,
            groups=task.groups([(self._items[key], score) for key, score in scores.items()]),
        )  # fmt: skip


def _told(answer: Answer) -> dict[str, Any]:
    return {
        "answer": answer.text,
        "finish_reason": answer.finish_reason,
        "prompt_tokens": answer.prompt_tokens,
        "cached_tokens": answer.cached_tokens,
        "completion_tokens": answer.completion_tokens,
        "ttft": answer.ttft,
        "seconds": answer.seconds,
    }
