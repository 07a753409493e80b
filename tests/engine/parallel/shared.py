"""An `LLM` whose model several ranks share, in the test's own process."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from sevenb import LLM, SamplingParams

PROMPTS = ["def fib(n):", "The capital of France is"]


def open_llm(model: Path, ranks: int, **options: Any) -> LLM:
    options = {"max_model_len": 256, "threads": 2, "speculation": False} | options
    return LLM(model, backend="torch", device="cpu", tensor_parallel_size=ranks, **options)


def texts(llm: LLM, tokens: int, **options: Any) -> list[str]:
    params = SamplingParams(temperature=0, max_tokens=tokens, ignore_eos=True)
    return [completion.outputs[0].text for completion in llm.generate(PROMPTS, params, **options)]


def other_ranks() -> list[psutil.Process]:
    """Processes of ranks that this one started."""
    ranks = []
    for child in psutil.Process().children():
        with suppress(psutil.Error):  # one that is just ending
            if "sevenb.engine.parallel.worker" in child.cmdline():
                ranks.append(child)
    return ranks
