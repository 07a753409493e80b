"""What blog posts claim of Qwen2.5-7B-Instruct, and what its makers published, to stand beside what is measured.

Official figures: the Qwen2.5 blog post and technical report (arXiv:2412.15115), in bf16 and greedy.
"""

import msgspec

from sevenb.lab.tasks.published import model_family


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What is told of a model; ``official`` is None where its makers published nothing."""

    task: str
    title: str
    claimed: str
    official: float | None  # percent; of "weights" GB
    note: dict[str, str] = {}


_UNPUBLISHED = {"en": "not published for 2.5-7B", "zh": "官方未公布 2.5-7B 的成绩"}

# Of Qwen2.5-7B-Instruct, which most posts are about.
CLAIMS_7B = (
    Claim(task="humaneval", title="HumanEval", claimed="85.3 %", official=84.8),
    Claim(task="math", title="MATH", claimed="80.6 %", official=75.5),
    Claim(
        task="mmlu",
        title="MMLU",
        claimed="82.7 %",
        official=74.2,
        note={
            "en": "base model, 5-shot; MMLU-redux of Instruct: 75.4 %",
            "zh": "基座模型，5-shot；Instruct 的 MMLU-redux：75.4 %",
        },
    ),
    Claim(
        task="gsm8k",
        title="GSM8K",
        claimed="78.3 %",
        official=91.6,
        note={"en": "base model: 85.4 %", "zh": "基座模型：85.4 %"},
    ),
    Claim(task="ceval", title="C-Eval", claimed="86.4 %", official=None, note=_UNPUBLISHED),
    Claim(task="cmmlu", title="CMMLU", claimed="84.9 %", official=None, note=_UNPUBLISHED),
    Claim(
        task="weights",
        title="",
        claimed="28 GB",
        official=15.2,
        note={"en": "7.6 B parameters of 2 bytes", "zh": "76 亿参数，每个 2 字节"},
    ),
)


def is_7b_instruct(model: str) -> bool:
    """Whether `CLAIMS_7B` are about the model of this name."""
    return model_family(model) == "qwen2.5-7b-instruct"
