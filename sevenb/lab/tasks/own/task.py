"""`OwnTask`: the task that a YAML file describes."""

import hashlib
from collections.abc import Container
from pathlib import Path
from typing import Any

import msgspec

from sevenb.errors import InvalidRequest
from sevenb.lab.data.finder import DataFinder
from sevenb.lab.results import DataFacts
from sevenb.lab.target.answer import Answer
from sevenb.lab.tasks.own.description import Description, Mistakes, read_description
from sevenb.lab.tasks.own.items import PromptTemplate, Row, read_file, read_items
from sevenb.lab.tasks.own.scoring import SCORERS
from sevenb.lab.tasks.task import Item, Messages, Score, Task


def load_own_task(path: Path, taken: Container[str] = ()) -> Task:
    """Read the file, its questions and examples, and render every prompt, so that mistakes show before a model runs.

    ``taken`` are the names of other tasks. Raises `InvalidRequest` or `DataUnavailable`, naming file, line and field.
    """
    description, mistakes = read_description(path)
    task = OwnTask(path, description, mistakes)
    if task.name in taken:
        raise mistakes.at("name", f"{task.name!r} is the name of a task that sevenb has; choose another one.")
    return task


class OwnTask(Task):
    """A task of one's own; everything about it is known once it is made."""

    preset = "own"
    metric = "accuracy"

    def __init__(self, path: Path, description: Description, mistakes: Mistakes) -> None:
        self.name = description.name or path.stem
        self.title = description.title or self.name
        self.shots = description.shots
        self.max_tokens = description.max_tokens
        self.temperature = description.temperature
        self._scorer = SCORERS[description.score](description, mistakes)
        self.extraction = self._scorer.told
        system = f"system: {description.system.strip()!r}, then " if description.system else ""
        shots = f"{description.shots} examples, then " if description.shots else ""
        self.template = f"chat: {system}{shots}{description.prompt.strip()!r}"
        self._description = description
        self._prompt = PromptTemplate(description.prompt, "prompt", mistakes)
        self._system = PromptTemplate(description.system, "system", mistakes)
        rows = read_items(description, path.parent, mistakes)
        self._examples = self._read_examples(path.parent, mistakes)
        self._items = [self._item(row) for row in rows]
        self._refuse_same_keys(rows)
        digest = hashlib.sha256(msgspec.json.encode([description, [item.fields for item in self._items]])).hexdigest()
        source = str(path.parent / description.data) if description.data else str(path)
        self._facts = DataFacts(self.name, source, digest, "your own", len(self._items))

    def require(self) -> None:
        """What the way of scoring needs."""
        self._scorer.confirm_run_unsafe_code = self.confirm_run_unsafe_code
        self._scorer.require()

    def conditions(self) -> dict[str, Any]:
        """Those of the way of scoring."""
        return self._scorer.conditions()

    def load(self, data: DataFinder) -> tuple[list[Item], DataFacts]:
        """Items with the fields ``messages`` and ``expected``."""
        return self._items, self._facts

    def prompt(self, item: Item) -> Messages | str:
        """System prompt, examples as turns of the chat, the question."""
        messages: Messages = item.fields["messages"]
        return messages

    def score(self, item: Item, answer: Answer) -> Score:
        """As the file says."""
        return self._scorer.score(answer.text, item.fields["expected"])

    def _item(self, row: Row) -> Item:
        description = self._description
        key = str(row.field(description.key)) if description.key else str(row.number)
        group = str(row.field(description.group)) if description.group else ""
        return Item(key, group, {"messages": self._messages(row), "expected": self._scorer.expected(row)})

    def _messages(self, row: Row) -> Messages:
        system = self._system.render(row, self._description.choices)
        question = self._prompt.render(row, self._description.choices)
        if not question:
            raise row.wrong("the prompt is empty")
        return [
            *([{"role": "system", "content": system}] if system else []),
            *self._examples,
            {"role": "user", "content": question},
        ]

    def _read_examples(self, folder: Path, mistakes: Mistakes) -> Messages:
        description = self._description
        if not description.examples:
            return []
        rows = list(read_file(description.examples, "examples", folder, mistakes))
        if len(rows) < description.shots:
            raise mistakes.at(
                "examples",
                f"{description.examples} holds {len(rows)} examples, and {description.shots} shots are wanted.",
            )
        turns: Messages = []
        for row in rows[: description.shots]:
            answer = self._scorer.shown(self._scorer.expected(row))
            turns.append({"role": "user", "content": self._prompt.render(row, description.choices)})
            turns.append({"role": "assistant", "content": answer})
        return turns

    def _refuse_same_keys(self, rows: list[Row]) -> None:
        seen: dict[str, Row] = {}
        for item, row in zip(self._items, rows, strict=True):
            if item.key in seen:
                raise InvalidRequest(f"{row.place}: the key {item.key!r} is that of {seen[item.key].place}, too.")
            seen[item.key] = row
