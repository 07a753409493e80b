"""MATH (Hendrycks et al. 2021, arXiv:2103.03874) and its subset MATH-500: competition problems with exact answers."""

from sevenb.errors import DataUnavailable
from sevenb.lab.data.dataset import Dataset, HubFile, HubRows
from sevenb.lab.data.finder import DataFinder
from sevenb.lab.data.rows import read_rows
from sevenb.lab.results import DataFacts
from sevenb.lab.target.answer import Answer
from sevenb.lab.tasks.maths.boxed import last_boxed
from sevenb.lab.tasks.maths.equality import equal_to, require_math_verify
from sevenb.lab.tasks.maths.gsm8k import BOXED
from sevenb.lab.tasks.task import Item, Messages, Score, Task, TaskKind

# Subjects of the test with their numbers of problems: 5,000 together.
_SUBJECTS = {
    "algebra": 1187,
    "counting_and_probability": 474,
    "geometry": 479,
    "intermediate_algebra": 903,
    "number_theory": 540,
    "prealgebra": 871,
    "precalculus": 546,
}
MATH = Dataset(
    "math",
    licence="MIT",
    files=("*.jsonl",),
    hub=tuple(
        HubRows("EleutherAI/hendrycks_math", subject, "test", f"{subject}.jsonl", rows)
        for subject, rows in _SUBJECTS.items()
    ),
)
MATH_500 = Dataset(
    "math500",
    licence="MIT",
    files=("*.jsonl",),
    hub=(
        HubFile(
            "HuggingFaceH4/MATH-500",
            "6e4ed1a2a79af7d8630a6b768ec859cb5af4d3be",
            "test.jsonl",
            "35dc41080a3680858b27fa7e0533d2d547825316fc5dafe5d316f4ccc5a06132",
        ),
    ),
)
_PRESETS = {
    "qwen2.5": "Qwen2.5-Instruct (arXiv:2412.15115) by QwenLM/Qwen2.5-Math a45202b, qwen-boxed, zero-shot",
}


class MathTask(Task):
    """Problems with their solutions, compared by math-verify."""

    metric = "exact match"
    shots = 0
    max_tokens = 2048
    template = f'chat: the problem, a new line, "{BOXED}"'
    extraction = (
        "strict: the last \\boxed{} equals the answer by math-verify; "
        "flexible: so does the last formula that math-verify finds"
    )

    def __init__(self, preset: str, name: str, title: str, dataset: Dataset) -> None:
        self.preset = preset
        self.name = name
        self.title = title
        self._dataset = dataset

    def require(self) -> None:
        """Needs math-verify."""
        require_math_verify()

    def load(self, data: DataFinder) -> tuple[list[Item], DataFacts]:
        """Items by file and row, grouped by subject; fields ``problem`` and ``answer``, in LaTeX."""
        found = data.file(self._dataset)
        items = []
        for path in found.paths:
            for number, row in enumerate(read_rows(path, {"problem": str}), 1):
                answer = row.get("answer") or last_boxed(row.get("solution") or "")
                if not isinstance(answer, str):
                    raise DataUnavailable(
                        f"{path}, item {number}: there is neither an answer nor a solution with a \\boxed{{}}."
                    )
                subject = row.get("subject") or row.get("type") or ""
                items.append(Item(f"{path.stem}/{number}", subject, {"problem": row["problem"], "answer": answer}))
        return items, found.facts(len(items))

    def prompt(self, item: Item) -> Messages | str:
        """One message."""
        return [{"role": "user", "content": f"{item.fields['problem']}\n{BOXED}"}]

    def score(self, item: Item, answer: Answer) -> Score:
        """Compare as mathematics."""
        expected = item.fields["answer"]
        boxed = last_boxed(answer.text)
        if boxed is not None and equal_to(expected, f"$\\boxed{{{boxed}}}$").equal:
            return Score(True, True, boxed)
        anywhere = equal_to(expected, answer.text)
        return Score(False, anywhere.equal, boxed if boxed is not None else anywhere.found)


KIND = TaskKind("math", "MATH", MATH, _PRESETS, lambda preset: MathTask(preset, "math", "MATH", MATH))
KIND_500 = TaskKind(
    "math500", "MATH-500", MATH_500, _PRESETS, lambda preset: MathTask(preset, "math500", "MATH-500", MATH_500)
)
