"""The quality of two runs of one task, on the items that both answered."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from sevenb.lab.results import ScenarioSummary, TaskSummary
from sevenb.lab.runs.record import EVAL, RunRecord
from sevenb.lab.statistics import Difference, Rate, mcnemar, rate

Samples = Mapping[str, Mapping[str, Any]]

SURE = 0.05  # p below which a difference is taken for one


class Quality(msgspec.Struct, frozen=True):
    """A share of each run with its interval over all its items, and McNemar's test over ``shared`` ones."""

    name: str  # "strict", "flexible", "passed"
    first: Rate
    second: Rate
    shared: int
    difference: Difference

    @property
    def verdict(self) -> str:
        """What may be said of it, for people."""
        only = f"only the first is right on {self.difference.only_first}, only the second on "
        only += f"{self.difference.only_second} of {self.shared} items"
        if not self.shared:
            return "They have no item in common."
        if self.difference.p >= SURE:
            return f"No difference is shown (p = {self.difference.p:.2g}): {only}."
        better = "first" if self.difference.only_first > self.difference.only_second else "second"
        return f"The {better} is better (p = {self.difference.p:.2g}): {only}."


def quality_of(
    first: RunRecord, second: RunRecord, first_samples: Samples, second_samples: Samples
) -> tuple[Quality, ...]:
    """The shares of a task's two ways of reading, or of the scenarios that passed; nothing of other kinds."""
    if first.kind == "scenarios":
        passed, passed_too = _scenarios(first), _scenarios(second)
        return (_quality("passed", _share(passed), _share(passed_too), passed, passed_too),)
    if not first.kind.startswith(EVAL):
        return ()
    ours, theirs = first.result(TaskSummary), second.result(TaskSummary)
    return tuple(
        _quality(name, getattr(ours, name), getattr(theirs, name), _right(first_samples, name),
                 _right(second_samples, name))
        for name in ("strict", "flexible")
    )  # fmt: skip


def _quality(
    name: str, first: Rate, second: Rate, first_right: Mapping[str, bool], second_right: Mapping[str, bool]
) -> Quality:
    shared = [key for key in first_right if key in second_right]
    test = mcnemar([first_right[key] for key in shared], [second_right[key] for key in shared])
    return Quality(name, first, second, len(shared), test)


def _right(samples: Samples, name: str) -> dict[str, bool]:
    """By item, whether it was right; of items asked several times, the first answer, since pairs must not repeat."""
    scored = {key: sample["score"] for key, sample in samples.items() if isinstance(sample.get("score"), dict)}
    return {
        key: bool(score.get(name))
        for key, score in scored.items()
        if (repeat := re.fullmatch(r"(.+)#\d+", key)) is None or repeat[1] not in scored
    }


def _scenarios(record: RunRecord) -> dict[str, bool]:
    return {row.key: row.passed for row in record.result(ScenarioSummary).rows if not row.left_out}


def _share(right: Mapping[str, bool]) -> Rate:
    return rate(sum(right.values()), len(right))
