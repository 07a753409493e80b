"""LoRA adapters of the real 0.5B, served under names of their own by the real program."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import openai
import pytest

from sevenb.model.checkpoint import Checkpoint
from tests.e2e.conftest import Program, serving
from tests.model.random_adapter import RandomAdapter

QUESTIONS = ["What is a heap?", "Write a haiku about rivers.", "Name three cities."]
NAMES = ("coder", "as-gguf", "as-peft", "mild")


@pytest.fixture(scope="module")
def program(coder_05b: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    folder = tmp_path_factory.mktemp("adapters")
    with Checkpoint.open(coder_05b) as base:
        adapter = RandomAdapter.of(base, rank=8, strength=0.15)
        gguf, peft = adapter.write_gguf(folder / "adapter.gguf"), adapter.write_peft(folder / "adapter")
        mild = RandomAdapter.of(base, rank=40, strength=0.1, parts=("attn_q", "attn_v")).write_gguf(
            folder / "mild.gguf"
        )
    modules = [f"--lora-modules={name}={path}" for name, path in zip(NAMES[1:], (gguf, peft, mild), strict=True)]
    with serving(coder_05b, "--served-model-name", "coder", "--max-model-len", "2048", *modules) as running:
        yield running


def answer(program: Program, model: str, question: str) -> str:
    completion = program.openai.chat.completions.create(
        model=model, messages=[{"role": "user", "content": question}], temperature=0, max_tokens=24
    )
    assert completion.model == model
    return completion.choices[0].message.content or ""


def test_adapters_are_listed_as_models(program: Program) -> None:
    with program.http as http:
        cards = {card["id"]: card for card in http.get("/v1/models").json()["data"]}
    assert cards["coder"].get("parent") is None
    for name in NAMES[1:]:
        assert cards[name]["parent"] == "coder"
        assert cards[name]["max_model_len"] == 2048
    with pytest.raises(openai.NotFoundError):
        answer(program, "another", QUESTIONS[0])


def test_each_name_answers_alike_alone_and_in_company(program: Program) -> None:
    asked = [(name, question) for question in QUESTIONS for name in NAMES]
    alone = {pair: answer(program, *pair) for pair in asked}
    answers = {name: tuple(alone[name, question] for question in QUESTIONS) for name in NAMES}
    assert answers["as-gguf"] == answers["as-peft"]
    assert len(set(answers.values())) == 3
    with ThreadPoolExecutor(len(asked)) as threads:
        together = dict(zip(asked, threads.map(lambda pair: answer(program, *pair), asked), strict=True))
    assert together == alone
