"""Scores and sizes that others published of Qwen2.5, to stand beside what is measured: what blog posts claim, and what
the makers report.

Sources: the Qwen2.5 blog post and technical report (arXiv 2412.15115) for Instruct and base models, the Qwen2.5-Coder
technical report (arXiv 2409.12186) for Coder-Instruct, all in bf16 and greedy; Qwen's speed benchmark page.
"""

import re

import msgspec

from sevenb.lab.results import Published

_INSTRUCT = "Qwen2.5 technical report"
_CODER = "Qwen2.5-Coder technical report"


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

_SCORES: dict[tuple[str, str], dict[str, float]] = {
    ("coder", "0.5b"): {"humaneval": 61.6},
    ("coder", "1.5b"): {"humaneval": 70.7},
    ("coder", "7b"): {"humaneval": 88.4},
    ("instruct", "0.5b"): {"gsm8k": 49.6, "math": 34.4, "humaneval": 35.4},
    ("instruct", "1.5b"): {"gsm8k": 73.2, "math": 55.2, "humaneval": 61.6},
    ("instruct", "7b"): {"gsm8k": 91.6, "math": 75.5, "humaneval": 84.8},
}


def published(model: str, task: str) -> Published | None:
    """The makers' score for a model by its name, `qwen2.5-coder:0.5b` or `Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF`."""
    name = model.lower()
    size = re.search(r"qwen[-_ ]?2\.5.*?[-_:/ ](0\.5b|1\.5b|7b)(?![0-9.])", name)
    if size is None or "math" in name or re.search(r"-vl|-1m|omni|audio|base", name):
        return None
    family = "coder" if "coder" in name else "instruct"
    value = _SCORES.get((family, size[1]), {}).get(task)
    return None if value is None else Published(value, _CODER if family == "coder" else _INSTRUCT, "bf16, greedy")


def is_7b_instruct(model: str) -> bool:
    """Whether `CLAIMS_7B` are about this model."""
    found = published(model, "gsm8k")
    return found is not None and found.value == _SCORES["instruct", "7b"]["gsm8k"]
