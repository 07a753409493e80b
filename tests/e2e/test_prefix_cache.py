"""A server that is started again knows the documents that the one before has read."""

import random
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.e2e.conftest import Program

StartProgram = Callable[..., AbstractContextManager[Program]]

chance = random.Random(2)
DOCUMENT = "\n".join(f"Item {number}: {chance.randrange(10**6)} of {chance.randrange(10**6)}." for number in range(40))


def ask(program: Program) -> tuple[str, int, int]:
    """The answer to a question about the document, the prompt's tokens and how many of them were not computed."""
    body = {"prompt": f"{DOCUMENT}\nItem 7 again:", "max_tokens": 12, "temperature": 0}
    with program.http as http:
        answer = http.post("/v1/completions", json=body).json()
    timings = answer["timings"]
    return answer["choices"][0]["text"], timings["prompt_tokens"], timings["cached_tokens"]


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_a_restart_is_warm(start_program: StartProgram, tmp_path: Path, end: signal.Signals) -> None:
    folder = tmp_path / "cache"
    with start_program("--prefix-cache-dir", str(folder), "--max-model-len", "4096") as program:
        text, length, cached = ask(program)
        assert cached == 0
        blocks = (length - 1) // 32
        program.until(lambda: len(list(folder.rglob("*.kv"))) >= blocks)
        program.process.send_signal(end)
        program.process.wait(60)
    with start_program("--prefix-cache-dir", str(folder), "--max-model-len", "4096") as program:
        assert ask(program) == (text, length, 32 * blocks)
        assert program.http.get("/health").status_code == 200
