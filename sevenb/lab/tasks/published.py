"""Scores that makers of models published, each with its source, to stand beside what is measured."""

import re

from sevenb.lab.results import Published
from sevenb.lab.target.target import Target

_CODER = "Qwen2.5-Coder Technical Report, arXiv:2409.12186"
_QWEN = "Qwen2.5 blog and Technical Report, arXiv:2412.15115"
_BF16 = "bf16, greedy"

# By task and model; percent. HumanEval is pass@1, MATH the whole test of 5,000.
_SCORES: dict[str, dict[str, Published]] = {
    "humaneval": {
        "qwen2.5-coder-0.5b-instruct": Published(61.6, _CODER, f"EvalPlus, {_BF16}"),
        "qwen2.5-coder-1.5b-instruct": Published(70.7, _CODER, f"EvalPlus, {_BF16}"),
        "qwen2.5-coder-7b-instruct": Published(88.4, _CODER, f"EvalPlus, {_BF16}"),
        "qwen2.5-0.5b-instruct": Published(35.4, _QWEN, _BF16),
        "qwen2.5-1.5b-instruct": Published(61.6, _QWEN, _BF16),
        "qwen2.5-7b-instruct": Published(84.8, _QWEN, _BF16),
    },
    "gsm8k": {
        "qwen2.5-0.5b-instruct": Published(49.6, _QWEN, _BF16),
        "qwen2.5-1.5b-instruct": Published(73.2, _QWEN, _BF16),
        "qwen2.5-7b-instruct": Published(91.6, _QWEN, _BF16),
        "qwen2.5-7b": Published(85.4, _QWEN, "base, 4-shot"),
    },
    "math": {
        "qwen2.5-0.5b-instruct": Published(34.4, _QWEN, _BF16),
        "qwen2.5-1.5b-instruct": Published(55.2, _QWEN, _BF16),
        "qwen2.5-7b-instruct": Published(75.5, _QWEN, _BF16),
    },
    "ifeval": {
        "qwen2.5-0.5b-instruct": Published(27.9, _QWEN, f"prompt-level strict, {_BF16}"),
        "qwen2.5-1.5b-instruct": Published(42.5, _QWEN, f"prompt-level strict, {_BF16}"),
        "qwen2.5-7b-instruct": Published(71.2, _QWEN, f"prompt-level strict, {_BF16}"),
    },
    "mmlu": {"qwen2.5-7b": Published(74.2, _QWEN, "base, 5-shot")},
}


def published_score(task: str, target: Target) -> Published | None:
    """What was published for the model that ``target`` serves, if its name tells which one that is."""
    model = model_family(target.model) or model_family(target.name)
    return _SCORES.get(task, {}).get(model or "")


def model_family(name: str) -> str | None:
    """The published model that a name means: ``qwen2.5-coder-0.5b-instruct`` of a catalog's, hub's or file's name.

    The catalog's ``qwen2.5-coder:0.5b`` is the instruct model; elsewhere a name that does not say so is the base model.
    """
    text = name.lower().replace("_", "-")
    found = re.search(r"qwen2\.5-(coder-)?(\d+(?:\.\d+)?b)(-instruct)?", text.replace(":", "-"))
    if not found:
        return None
    instruct = found[3] or (":" in text and "/" not in text and "base" not in text)
    return f"qwen2.5-{found[1] or ''}{found[2]}{'-instruct' if instruct else ''}"
