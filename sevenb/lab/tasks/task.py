"""`Task`: items with known answers, how each is put to a model, and how what it says is scored."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec

from sevenb.errors import InvalidRequest
from sevenb.lab.data.dataset import Dataset
from sevenb.lab.data.finder import DataFinder
from sevenb.lab.progress import Progress
from sevenb.lab.results import DataFacts
from sevenb.lab.statistics import Rate, rate
from sevenb.lab.target.answer import Answer
from sevenb.lab.target.client import Client

Messages: TypeAlias = list[dict[str, str]]


class Item(msgspec.Struct, frozen=True):
    """One question. ``key`` is its own for ever; ``group`` is its subject, empty where there is one alone."""

    key: str
    group: str
    fields: dict[str, Any]


class Score(msgspec.Struct, frozen=True):
    """Right by the form that was asked for (``strict``), right wherever the answer stands (``flexible``).

    ``found``: the answer as it was read, None where there was none; ``note``: what else is to be known.
    """

    strict: bool
    flexible: bool
    found: str | None
    note: str = ""


class Task(ABC):
    """One task in one preset. Whoever makes one sets the attributes."""

    name: str
    title: str
    preset: str
    metric: str  # "pass@1", "exact match", "accuracy"
    shots: int
    template: str  # how the prompt is put, for people
    extraction: str  # how the answer is read, for people
    max_tokens: int
    temperature: float = 0.0
    confirm_run_unsafe_code: bool = False  # run programs of the model also where nothing can contain them

    @abstractmethod
    def load(self, data: DataFinder) -> tuple[list[Item], DataFacts]:
        """All items, in the data's order. Raises `DataUnavailable`."""

    @abstractmethod
    def prompt(self, item: Item) -> Messages | str:
        """What is put to the model: messages, or a text to go on with."""

    @abstractmethod
    def score(self, item: Item, answer: Answer) -> Score:
        """Read the answer; called in a thread."""

    def require(self) -> None:  # noqa: B027  (most tasks need nothing)
        """Raise a `SevenbError` if this machine lacks what scoring needs; asked for before a model is loaded."""

    def conditions(self) -> dict[str, Any]:
        """What else the score depends on and a report must say, such as in what programs were run."""
        return {}

    async def prepare(self, client: Client, progress: Progress) -> "Task":
        """The task that is really run on this server, asked for once before the run begins."""
        return self

    async def ask(self, item: Item, client: Client, params: Mapping[str, Any]) -> Answer:
        """Put the prompt to the model; ``params`` hold max_tokens, temperature and seed. Raises `TargetFailed`."""
        prompt = self.prompt(item)
        if isinstance(prompt, str):
            return await client.complete(prompt, **params)
        return await client.chat(prompt, **params)

    def order(self, items: Sequence[Item]) -> Sequence[Item]:
        """The order in which to ask: prompts that begin alike belong together, so that a prefix cache helps."""
        return items

    def groups(self, scored: Sequence[tuple[Item, Score]]) -> dict[str, Rate]:
        """Shares (strict) by subject, where there are several."""
        by_group: dict[str, list[bool]] = {}
        for item, score in scored:
            by_group.setdefault(item.group, []).append(score.strict)
        if len(by_group) < 2:
            return {}
        return {name: rate(sum(right), len(right)) for name, right in sorted(by_group.items())}


@dataclass(frozen=True)
class TaskKind:
    """A task of the registry: its presets (the first is the default), each with what it reproduces."""

    name: str
    title: str
    dataset: Dataset
    presets: Mapping[str, str]
    make: Callable[[str], Task]

    def __call__(self, preset: str | None = None) -> Task:
        """The task in ``preset``. Raises `InvalidRequest` for one that it does not have."""
        if preset is not None and preset not in self.presets:
            raise InvalidRequest(f"{self.name} has no preset {preset!r}; it has {', '.join(self.presets)}.", "preset")
        return self.make(preset or next(iter(self.presets)))
