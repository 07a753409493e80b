"""What blog posts claim of Qwen2.5-7B-Instruct, to stand beside what its makers published and what is measured."""

import msgspec

from sevenb.lab.results import Published
from sevenb.lab.target.target import Target
from sevenb.lab.tasks.published import model_family, published_score

_INSTRUCT, _BASE = "qwen2.5-7b-instruct", "qwen2.5-7b"


class Claim(msgspec.Struct, frozen=True):
    """What is told of a task; ``note``: what else is to be known of the official figure, by language."""

    task: str
    title: str
    claimed: str
    note: dict[str, str] = {}

    @property
    def official(self) -> Published | None:
        """The makers' score of the Instruct model, else that of the base model; None where they published neither."""
        return next(
            (found for name in (_INSTRUCT, _BASE) if (found := published_score(self.task, Target("", name, name)))),
            None,
        )


_UNPUBLISHED = {"en": "not published for 2.5-7B", "zh": "官方未公布 2.5-7B 的成绩"}

CLAIMS_7B = (
    Claim("humaneval", "HumanEval", "85.3 %"),
    Claim("math", "MATH", "80.6 %"),
    Claim(
        "mmlu",
        "MMLU",
        "82.7 %",
        {"en": "base model; MMLU-redux of Instruct: 75.4 %", "zh": "基座模型；Instruct 的 MMLU-redux：75.4 %"},
    ),
    Claim("gsm8k", "GSM8K", "78.3 %", {"en": "base model: 85.4 %", "zh": "基座模型：85.4 %"}),
    Claim("ceval", "C-Eval", "86.4 %", _UNPUBLISHED),
    Claim("cmmlu", "CMMLU", "84.9 %", _UNPUBLISHED),
)

WEIGHTS_CLAIMED = "28 GB"  # of the 7B in fp16
WEIGHTS_OFFICIAL = "15.2 GB"  # 7.6 B parameters of 2 bytes


def is_7b_instruct(model: str) -> bool:
    """Whether `CLAIMS_7B` are about the model of this name."""
    return model_family(model) == _INSTRUCT
