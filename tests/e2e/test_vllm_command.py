"""The command that people type for vLLM, word for word, on a machine without a card."""

import shlex
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import openai
import pytest

from tests.e2e.conftest import Program, serving
from tests.model.hf.folders import make_folder

MODEL = "Qwen/Qwen2.5-7B-Instruct-AWQ"
COMMAND = shlex.split(
    "--host 0.0.0.0 --tensor-parallel-size 1 --gpu-memory-utilization 0.9 --max-model-len 131072 --dtype half "
    "--quantization awq --api-key secret"
)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory, coder_05b: Path) -> Path:
    """A folder in which the model's name is a folder: the 0.5B as AutoAWQ would have written it."""
    folder = tmp_path_factory.mktemp("models")
    (folder / MODEL).parent.mkdir()
    make_folder(folder / MODEL, coder_05b, "awq")
    return folder


@pytest.fixture(scope="module")
def awq(here: Path) -> Iterator[Program]:
    with serving(MODEL, *COMMAND, "--device", "cpu", folder=here) as running:
        yield running


def test_it_says_where_it_computes_and_what_of_the_command_is_for_cards(awq: Program) -> None:
    output = "".join(awq.output)
    assert "on native (" in output
    assert "dtype half is for cards: on the processor weights stay as the file has them" in output
    assert "131,072 tokens in one conversation" in output


def test_an_openai_client_talks_to_it(awq: Program) -> None:
    client = openai.OpenAI(base_url=f"{awq.url}/v1", api_key="secret", timeout=120, max_retries=0)
    assert client.models.list().data[0].id == "Qwen2.5-7B-Instruct-AWQ"
    answer = client.chat.completions.create(
        model="Qwen2.5-7B-Instruct-AWQ",
        messages=[{"role": "user", "content": "What is the capital of France? One word."}],
        temperature=0,
        max_tokens=8,
    )
    assert answer.choices[0].message.content == "Paris"
    with pytest.raises(openai.AuthenticationError):
        openai.OpenAI(base_url=f"{awq.url}/v1", api_key="guess", max_retries=0).models.list()


REFUSED = [
    (["--quantization", "gptq"], ["as AWQ, not as GPTQ"]),
    (["--quantization", "fp4"], ["fp4"]),
    (["--tensor-parallel-size", "2", "--device", "cpu"], ["tensor_parallel_size is 2", "--backend torch"]),
    (["--device", "cuda", "--backend", "native"], ["native backend", "not on cuda"]),
    (["--dtype", "float32", "--device", "cpu"], ["float32", "--backend reference"]),
    (["--kv-cache-dtype", "fp8", "--device", "cpu"], ["no KV cache of fp8", "int8"]),
]


@pytest.fixture(scope="module")
def refusals(here: Path) -> Iterator[list[Future[subprocess.CompletedProcess[str]]]]:
    """The program once with each of the options, two at a time: nearly all of it is Python's own start."""
    command = [sys.executable, "-m", "sevenb.cli.main", "serve", MODEL, "--port", "0"]

    def start(options: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*command, *options], capture_output=True, text=True, timeout=120, cwd=here)

    with ThreadPoolExecutor(2) as pool:
        starts = [pool.submit(start, options) for options, _ in REFUSED]
        yield starts
        for one in starts:
            one.cancel()


@pytest.mark.parametrize("case", range(len(REFUSED)), ids=[" ".join(options) for options, _ in REFUSED])
def test_what_cannot_be_had_is_refused_in_one_sentence(
    refusals: list[Future[subprocess.CompletedProcess[str]]], case: int
) -> None:
    result = refusals[case].result()
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert len([line for line in result.stderr.splitlines() if line.startswith("Error:")]) == 1
    for word in REFUSED[case][1]:
        assert word in result.stderr
