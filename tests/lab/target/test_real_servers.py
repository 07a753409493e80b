"""Our own server, started for the lab and ended with it, and llama.cpp's."""

import asyncio
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from sevenb.errors import TargetFailed
from sevenb.lab.progress import silent_progress
from sevenb.lab.target.opening import open_target
from tests.console.llama_cpp_server import CONTEXT, llama_cpp_serving
from tests.processes import children_of, left_after

MESSAGES = [{"role": "user", "content": "Write a long poem about ships."}]


@pytest.fixture(scope="module")
def llama_cpp(smollm2: Path) -> Iterator[str]:
    """The address of llama.cpp's server."""
    with llama_cpp_serving(smollm2) as address:
        yield address


def children_now() -> set[psutil.Process]:
    """This process's children and theirs: also servers that other tests of the run hold."""
    return set(children_of(os.getpid(), recursive=True))


def test_our_own_server_is_started_measured_and_ended(smollm2: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEVENB_API_KEY", "a key that the child must not want")

    async def measure() -> list[psutil.Process]:
        others = children_now()
        options = ["--max-model-len", "1024", "--max-num-seqs", "3"]
        async with open_target(str(smollm2), None, None, progress=silent_progress(), serve_options=options) as client:
            facts = await client.facts()
            assert facts.engine is not None
            assert facts.engine.startswith("sevenb ")
            assert (facts.context_length, facts.max_sequences, facts.quantization) == (1024, 3, "Q4_1")
            assert facts.device
            assert facts.serve_options == tuple(options)
            assert facts.parameters == pytest.approx(135e6, rel=0.01)
            assert facts.template_sha256
            assert client.target.name == smollm2.stem
            answer = await client.chat(MESSAGES, max_tokens=12, temperature=0, ignore_eos=True)
            assert (answer.completion_tokens, answer.finish_reason) == (12, "length")
            assert answer.server_ttft is not None
            assert answer.ttft is not None
            assert 0 < answer.server_ttft < answer.ttft < answer.seconds
            paris, nonsense = await client.choices("The capital of France is", [" Paris", " zzzz"])
            assert -1 < paris < 0
            assert nonsense == -math.inf
            return sorted(children_now() - others, key=lambda process: process.pid)

    children = asyncio.run(measure())
    assert len(children) >= 2, "the server and its engine"
    assert left_after(children) == []


@pytest.mark.skipif(sys.platform == "win32", reason="kills as POSIX does")
def test_our_own_server_that_dies_midway_tells_how(smollm2: Path) -> None:
    async def measure() -> None:
        others = children_now()
        async with open_target(str(smollm2), None, None, progress=silent_progress()) as client:
            (server,) = set(children_of(os.getpid())) - others
            server.kill()
            await client.chat(MESSAGES, max_tokens=500)

    with pytest.raises(TargetFailed, match=r"was killed by signal 9, .* midway; run the same command again to go on\."):
        asyncio.run(measure())


@pytest.mark.skipif(sys.platform == "win32", reason="kills as POSIX does")
def test_our_own_server_ends_when_the_lab_is_killed(smollm2: Path) -> None:
    program = (
        "import asyncio, sys\n"
        "from sevenb.lab.progress import silent_progress\n"
        "from sevenb.lab.target.opening import open_target\n"
        "async def main():\n"
        "    async with open_target(sys.argv[1], None, None, progress=silent_progress()):\n"
        "        print('open', flush=True)\n"
        "        await asyncio.sleep(600)\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(smollm2)], stdout=subprocess.PIPE, text=True) as lab:
        assert lab.stdout is not None
        assert lab.stdout.readline() == "open\n"
        children = children_of(lab.pid, recursive=True)
        os.kill(lab.pid, signal.SIGKILL)
    assert len(children) >= 2, "the server and its engine"
    assert left_after(children) == []


def test_llama_cpps_server(llama_cpp: str) -> None:
    async def measure() -> None:
        async with open_target(None, llama_cpp, None, progress=silent_progress()) as client:
            facts = await client.facts()
            assert facts.engine is not None
            assert facts.engine.startswith("llama.cpp")
            assert (facts.context_length, facts.max_sequences) == (CONTEXT // 2, 2)
            assert facts.parameters == pytest.approx(135e6, rel=0.01)
            assert client.target.name == "llama.cpp: coder"
            began = time.perf_counter()
            answer = await client.chat(MESSAGES, max_tokens=12, temperature=0, ignore_eos=True)
            assert answer.seconds <= time.perf_counter() - began
            assert (answer.completion_tokens, answer.finish_reason) == (12, "length")
            assert answer.prompt_tokens is not None
            assert answer.ttft is not None
            assert answer.tpot is not None
            assert answer.server_ttft is not None
            assert 0 < answer.server_ttft < answer.ttft
            again = await client.chat(MESSAGES, max_tokens=2, temperature=0)
            assert again.cached_tokens is not None
            assert again.cached_tokens > 0
            paris, nonsense = await client.choices("The capital of France is", [" Paris", " zzzz"])
            assert -1 < paris < 0
            assert nonsense == -math.inf
            assert (await client.complete([504, 3575, 282], max_tokens=3)).completion_tokens == 3

    asyncio.run(measure())
