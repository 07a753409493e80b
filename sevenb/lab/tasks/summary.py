"""What all samples of a task come to: shares with their intervals, and how many answers were cut, unread or missing."""

import math
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import msgspec

from sevenb.lab.results import DataFacts, Published, TaskSummary
from sevenb.lab.statistics import rate
from sevenb.lab.tasks.task import Item, Score, Task

Sample = Mapping[str, Any]


def is_scored(sample: Sample) -> bool:
    """Whether a kept sample has an answer; one that the server refused is asked again."""
    return "score" in sample


def summarise(
    task: Task,
    items: Mapping[str, Item],
    kept: Mapping[str, Sample],
    data: DataFacts,
    *,
    settings: dict[str, Any],
    published: Published | None,
) -> TaskSummary:
    """The summary of the samples with the keys of ``items``. A request without an answer counts as wrong."""
    answered = {key: kept[key] for key in items if is_scored(kept.get(key, {}))}
    scores = {key: msgspec.convert(sample["score"], Score) for key, sample in answered.items()}
    questions = len({item.key for item in items.values()})
    return TaskSummary(
        task=task.name, title=task.title, preset=task.preset, metric=task.metric, shots=task.shots,
        template=task.template, extraction=task.extraction, data=data, of=data.items,
        strict=rate(sum(score.strict for score in scores.values()), len(items), questions),
        flexible=rate(sum(score.flexible for score in scores.values()), len(items), questions),
        truncated=sum(sample["finish_reason"] == "length" for sample in answered.values()),
        unparsed=sum(score.found is None for score in scores.values()),
        failed=len(items) - len(answered),
        output_tokens=sum(sample["completion_tokens"] or 0 for sample in answered.values()),
        seconds=_wall_seconds({key: kept[key] for key in items if key in kept}),
        settings=settings,
        groups=task.groups([(items[key], score) for key, score in scores.items()]),
        pass_at=_pass_at(items, scores),
        published=published,
    )  # fmt: skip


def pass_at_k(samples: int, right: int, k: int) -> float:
    """The chance that one of ``k`` samples is right, estimated without bias from ``samples`` (Chen et al. 2021)."""
    return 1.0 - math.comb(samples - right, k) / math.comb(samples, k)


def _pass_at(items: Mapping[str, Item], scores: Mapping[str, Score]) -> dict[str, float]:
    """By "pass@k", over items that were asked several times; nothing where each was asked once."""
    by_item: dict[str, list[bool]] = defaultdict(list)
    for key, item in items.items():
        by_item[item.key].append(key in scores and scores[key].strict)
    fewest = min(len(right) for right in by_item.values())
    if fewest < 2:
        return {}
    numbers = [k for k in (1, 2, 5, 10, 100) if k <= fewest]
    chances = {k: [pass_at_k(len(right), sum(right), k) for right in by_item.values()] for k in numbers}
    return {f"pass@{k}": sum(values) / len(values) for k, values in chances.items()}


def _wall_seconds(samples: Mapping[str, Sample]) -> float:
    """The time that was spent, over all sessions: each lasted until its last sample."""
    ends: dict[int, float] = {}
    for sample in samples.values():
        ends[sample["session"]] = max(ends.get(sample["session"], 0.0), sample["elapsed"])
    return sum(ends.values())
