"""Multiple choice: the letter to which a model gives the highest probability, or the one that it names in a chat."""

import math
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sevenb.errors import DataUnavailable, TargetLacks
from sevenb.lab.data.dataset import Dataset
from sevenb.lab.data.finder import DataFinder
from sevenb.lab.progress import Progress
from sevenb.lab.results import DataFacts
from sevenb.lab.statistics import Rate, macro_average, rate
from sevenb.lab.target.answer import Answer
from sevenb.lab.target.client import Client
from sevenb.lab.tasks.choice.letters import flexible_letter, strict_letter
from sevenb.lab.tasks.choice.questions import LETTERS, Question, read_questions
from sevenb.lab.tasks.choice.subjects import Subject
from sevenb.lab.tasks.task import Item, Messages, Score, Task

MOST_SHOTS = 5
MACRO = "average of subjects"


@dataclass(frozen=True)
class Wording:
    """What surrounds the questions; ``{subject}`` is the subject's name."""

    heading: str
    label: str  # before the letter
    instruction: str  # of the chat


@dataclass(frozen=True)
class Benchmark:
    """A set of questions from many subjects. ``split``: of the data that is asked; "dev" has the examples."""

    name: str
    title: str
    dataset: Dataset
    split: str
    subjects: Mapping[str, Subject]
    wording: Wording
    presets: Mapping[str, str]
    further: Mapping[str, frozenset[str]]  # categories beside those of the subjects


class ChoiceTask(Task):
    """A benchmark in one of the presets ``auto``, ``logprob`` and ``chat``.

    ``logprob`` is what lm-evaluation-harness does: up to five examples of the subject, then the question, and the
    letter of the highest probability counts. ``chat`` asks without examples and reads the answer. ``auto`` is
    ``logprob`` where the server tells probabilities, else ``chat``.
    """

    metric = "accuracy"

    def __init__(self, benchmark: Benchmark, preset: str) -> None:
        self.name = benchmark.name
        self.title = benchmark.title
        self.preset = preset
        self._benchmark = benchmark
        self._examples: dict[str, str] = {}
        self._set_shots(0)
        if preset == "chat":
            self.extraction = (
                f'strict: a last line "{benchmark.wording.label} X"; flexible: the letter that is called the answer, '
                "else the first that stands alone"
            )
            self.max_tokens = 1024
        else:
            self.extraction = "the letter of the highest probability as the next token; strict and flexible are one"
            self.max_tokens = 1

    def load(self, data: DataFinder) -> tuple[list[Item], DataFacts]:
        """Items with the fields ``question``, ``choices`` and ``answer``; the subject is the group."""
        found = data.file(self._benchmark.dataset)
        by_subject = read_questions(found.paths, self._benchmark.split)
        items = [
            Item(
                f"{subject}/{number}",
                subject,
                {"question": question.text, "choices": list(question.choices), "answer": question.answer},
            )
            for subject, questions in sorted(by_subject.items())
            for number, question in enumerate(questions, 1)
        ]
        if not items:
            raise DataUnavailable(
                f"{found.path.parent} holds no questions of the split {self._benchmark.split!r} of {self.title}: put "
                f"{self._benchmark.split}/*.csv there, and dev/*.csv for the examples."
            )
        if self.preset != "chat":
            examples = read_questions(found.paths, "dev") if self._benchmark.split != "dev" else {}
            shots = {subject: examples.get(subject, [])[:MOST_SHOTS] for subject in by_subject}
            self._examples = {subject: "".join(map(self._example, some)) for subject, some in shots.items()}
            self._set_shots(min(map(len, shots.values())))
        return items, found.facts(len(items))

    async def prepare(self, client: Client, progress: Progress) -> Task:
        """`auto` becomes one of the others. Raises `TargetLacks` where `logprob` was named and cannot be."""
        if self.preset == "chat":
            return self
        try:
            await client.choices("1 + 1 =", [" 2"])
        except TargetLacks:
            if self.preset == "logprob":
                raise
            progress.say(f"{self.title}: the server tells no log-probabilities, so the preset is chat.")
            return ChoiceTask(self._benchmark, "chat")
        return ChoiceTask(self._benchmark, "logprob")

    def prompt(self, item: Item) -> Messages | str:
        """By the preset: examples and question as one text, or one message."""
        wording, question = self._benchmark.wording, _listed(item.fields["question"], item.fields["choices"])
        subject = self._benchmark.subjects.get(item.group)
        name = subject.name if subject else item.group.replace("_", " ")
        if self.preset == "chat":
            return [{"role": "user", "content": f"{wording.instruction.format(subject=name)}\n\n{question}"}]
        heading = wording.heading.format(subject=name)
        return f"{heading}\n\n{self._examples.get(item.group, '')}{question}\n{wording.label}"

    async def ask(self, item: Item, client: Client, params: Mapping[str, Any]) -> Answer:
        """The text of the answer is the likeliest letter, or the model's own words in a chat."""
        prompt = self.prompt(item)
        if not isinstance(prompt, str):
            return await super().ask(item, client, params)
        begun = time.perf_counter()
        # After a colon the letter is a token with its blank; some tokenizers keep the blank apart.
        texts = [f"{blank}{letter}" for blank in (" ", "") for letter in LETTERS]
        logprobs = await client.choices(prompt, texts)
        best = max(logprobs[:4]) if max(logprobs[:4]) > -math.inf else max(logprobs[4:])
        letter = texts[logprobs.index(best)].strip() if best > -math.inf else ""
        return Answer(
            text=letter,
            finish_reason="stop",
            prompt_tokens=None,
            cached_tokens=None,
            completion_tokens=1,
            chunks=(),
            seconds=time.perf_counter() - begun,
        )

    def score(self, item: Item, answer: Answer) -> Score:
        """Compare letters."""
        right = item.fields["answer"]
        if self.preset != "chat":
            return Score(answer.text == right, answer.text == right, answer.text or None)
        strict = strict_letter(answer.text)
        flexible = strict or flexible_letter(answer.text, item.fields["choices"])
        return Score(strict == right, flexible == right, flexible)

    def order(self, items: Sequence[Item]) -> Sequence[Item]:
        """Subject by subject, so that the examples of each are in the server's prefix cache."""
        return sorted(items, key=lambda item: item.group)

    def groups(self, scored: Sequence[tuple[Item, Score]]) -> dict[str, Rate]:
        """By subject, by category (all questions of it alike), and the average in which every subject counts alike."""
        by_subject: dict[str, list[bool]] = defaultdict(list)
        by_category: dict[str, list[bool]] = defaultdict(list)
        for item, score in scored:
            by_subject[item.group].append(score.strict)
            subject = self._benchmark.subjects.get(item.group)
            further = [name for name, subjects in self._benchmark.further.items() if item.group in subjects]
            for category in [*([subject.category] if subject else []), *further]:
                by_category[category].append(score.strict)
        subjects = {name: rate(sum(right), len(right)) for name, right in sorted(by_subject.items())}
        if len(subjects) < 2:
            return {}
        categories = {f"category: {name}": rate(sum(right), len(right)) for name, right in by_category.items()}
        return {MACRO: macro_average(list(subjects.values())), **dict(sorted(categories.items())), **subjects}

    def _example(self, question: Question) -> str:
        return f"{_listed(question.text, question.choices)}\n{self._benchmark.wording.label} {question.answer}\n\n"

    def _set_shots(self, shots: int) -> None:
        self.shots = shots
        wording = self._benchmark.wording
        if self.preset == "chat":
            self.template = f'chat, zero-shot: "{wording.instruction}", then the question and its four choices'
        else:
            examples = f"{shots} examples of the subject" if shots else "no examples, for the data has none"
            self.template = f'text: "{wording.heading}", {examples}, the question, "{wording.label}"'


def _listed(question: str, choices: Sequence[str]) -> str:
    return "\n".join([question, *(f"{letter}. {choice}" for letter, choice in zip(LETTERS, choices, strict=True))])
