"""On the torch backend, too, steps that are launched ahead change nothing about the text."""

from pathlib import Path
from typing import Any

import pytest

from sevenb import LLM, SamplingParams
from sevenb.errors import NumberOverflow
from tests.engine.test_torch_engine import PROMPTS, TORCH, _Loud
from tests.model.random_adapter import RandomAdapter
from tests.model.tiny_gguf import TinyModel
from tests.torch_or_skip import torch  # noqa: F401  without it there is nothing to test

from sevenb.backend.torch import TorchBackend, choice  # isort: skip
from sevenb.model.checkpoint import Checkpoint  # isort: skip

Told = list[tuple[Any, ...]]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return TinyModel(context=2048).write(tmp_path_factory.mktemp("models") / "tiny.gguf")


@pytest.fixture
def ahead(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The processor does as a card would; how many tokens each step took from the one before."""
    taken: list[int] = []
    fill_in = choice.fill_in

    def counted(token_ids: Any, batch: Any) -> None:
        if batch.earlier is not None:
            taken.append(len(batch.token_ids))
        fill_in(token_ids, batch)

    monkeypatch.setattr(TorchBackend, "overlaps", True)
    monkeypatch.setattr("sevenb.backend.torch.step.fill_in", counted)
    return taken


def answers(llm: LLM, **more: Any) -> Told:
    params = [
        SamplingParams(temperature=0.8 * (seed % 2), top_p=0.9, seed=seed, max_tokens=(1, 12, 30, 17, 24)[seed])
        for seed in range(len(PROMPTS))
    ]
    return [
        (output.token_ids, output.finish_reason, done.timings.completion_tokens)
        for done in llm.generate(PROMPTS, params, **more)
        for output in done.outputs
    ]


def test_the_text_is_that_of_steps_one_by_one(tiny: Path, ahead: list[int]) -> None:
    with LLM(tiny, **TORCH, speculation=False, async_scheduling=False) as llm:
        expected, counted = answers(llm), llm.stats()
    assert not ahead
    with LLM(tiny, **TORCH, speculation=False) as llm:
        assert answers(llm) == expected
        assert llm.stats().generated_tokens == counted.generated_tokens
        assert len(ahead) > 20
        assert max(ahead) > 1
        assert answers(llm) == expected  # and with a warm cache
    with LLM(tiny, **TORCH) as llm:
        assert answers(llm) == expected


def test_adapters(tiny: Path, ahead: list[int], tmp_path: Path) -> None:
    with Checkpoint.open(tiny) as checkpoint:
        adapter = RandomAdapter.of(checkpoint, seed=1).write_gguf(tmp_path / "one.gguf")
    names = ["", "one", "", "one", "one"]
    texts = []
    for async_scheduling in (False, True):
        options = {"lora_modules": {"one": str(adapter)}, "async_scheduling": async_scheduling}
        with LLM(tiny, **TORCH, **options) as llm:
            texts.append(answers(llm, adapter=names))
    assert texts[0] == texts[1]
    assert ahead


@pytest.mark.usefixtures("ahead")
def test_numbers_too_large_for_float16_are_told_with_what_to_do(tmp_path: Path) -> None:
    model = _Loud(quant_type=TinyModel.quant_type).write(tmp_path / "loud.gguf")
    with LLM(model, **TORCH, dtype="half") as llm, pytest.raises(NumberOverflow, match="--dtype bfloat16"):
        llm.generate("The", SamplingParams(temperature=0, max_tokens=4))
