"""CMATH (Wei et al. 2023, arXiv:2306.16636): word problems of Chinese primary schools, each with a number as answer."""

import re

from sevenb.errors import DataUnavailable
from sevenb.lab.data.dataset import Dataset, HubRows
from sevenb.lab.data.finder import DataFinder
from sevenb.lab.data.rows import read_rows
from sevenb.lab.results import DataFacts
from sevenb.lab.target.answer import Answer
from sevenb.lab.tasks.maths.boxed import last_boxed
from sevenb.lab.tasks.maths.quantities import last_quantity, same_quantity
from sevenb.lab.tasks.task import Item, Messages, Score, Task, TaskKind

DATASET = Dataset(
    "cmath",
    licence="CC BY 4.0",
    files=("*.jsonl*",),
    hub=(HubRows("weitianwen/cmath", "default", "validation", "validation.jsonl", 600),),
)
_REPRODUCES = "zero-shot chat with the answer in \\boxed{}, as QwenLM/Qwen2.5-Math a45202b asks Chinese problems"
_INSTRUCTION = "请逐步推理，并把最终答案放在 \\boxed{} 中。"
_STATED = re.compile(r"(?:答案|答|结果|总共|一共)[^\n]*")


class CMath(Task):
    """600 problems, grouped by the school grade."""

    name = "cmath"
    title = "CMATH"
    preset = "chat"
    metric = "exact match"
    shots = 0
    template = f'chat: the problem, then "{_INSTRUCTION}"'
    extraction = (
        r"strict: the number in the last \boxed{}; flexible: else the last number of the last line that answers"
    )
    max_tokens = 1024

    def load(self, data: DataFinder) -> tuple[list[Item], DataFacts]:
        """Items with the fields ``question`` and ``answer``, a number as text."""
        found = data.file(DATASET)
        items = []
        for index, row in enumerate(read_rows(found.path, {"question": str, "grade": int}), 1):
            answer = row.get("answer", row.get("golden"))  # the authors' name for it on the hub
            if answer is None:
                raise DataUnavailable(f"{found.path}, row {index}: there is no field 'answer'.")
            items.append(
                Item(str(index), f"grade {row['grade']}", {"question": row["question"], "answer": str(answer)})
            )
        return items, found.facts(len(items))

    def prompt(self, item: Item) -> Messages | str:
        """One message."""
        return [{"role": "user", "content": f"{item.fields['question']}\n{_INSTRUCTION}"}]

    def score(self, item: Item, answer: Answer) -> Score:
        """Compare numbers; units around a number do not matter."""
        return score_number(answer.text, item.fields["answer"])


def score_number(text: str, expected: str) -> Score:
    r"""Strict: what the last ``\boxed{}`` holds; flexible: else the last number of the last statement, or of all."""
    strict = last_quantity(last_boxed(text) or "")
    stated = _STATED.findall(text)
    flexible = strict or (last_quantity(stated[-1]) if stated else None) or last_quantity(text)
    return Score(same_quantity(strict, expected), same_quantity(flexible, expected), flexible)


KIND = TaskKind(CMath.name, CMath.title, DATASET, {CMath.preset: _REPRODUCES}, lambda preset: CMath())
