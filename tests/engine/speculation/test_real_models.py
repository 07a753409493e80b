"""Whole models write the same with prompt lookup as without, and repeat what is there in fewer steps."""

from pathlib import Path

import pytest

from sevenb import LLM, SamplingParams
from tests.model.tiny_gguf import TinyModel

CODE = """def total_price(items, tax):
    price = 0
    for item in items:
        price += item.price * item.amount
    return price * (1 + tax)
"""
EDIT = f"Repeat this code exactly, with the argument `tax` renamed to `vat`. Output only the code.\n\n{CODE}"


def answers(llm: LLM, prompts: list[str], params: list[SamplingParams]) -> list[list[int]]:
    return [completion.outputs[0].token_ids for completion in llm.generate(prompts, params)]


@pytest.mark.parametrize("threads", [1, 2])
def test_the_same_text_with_and_without(tmp_path: Path, threads: int) -> None:
    model = TinyModel(context=2048).write(tmp_path / "tiny.gguf")
    prompts = ["abc " * 60, "The quick brown fox. " * 9, CODE + CODE, "x"]
    wanted = [
        SamplingParams(temperature=temperature, seed=seed, max_tokens=80, ignore_eos=True)
        for seed, temperature in enumerate((0, 0.6, 0, 1.0))
    ]
    with LLM(model, threads=threads, speculation=False) as llm:
        expected = answers(llm, prompts, wanted)
        assert llm.stats().drafted_tokens == 0
    with LLM(model, threads=threads) as llm:
        assert answers(llm, prompts, wanted) == expected
        assert [answers(llm, [prompt], [params])[0] for prompt, params in zip(prompts, wanted, strict=True)] == expected
        assert llm.stats().drafted_tokens > 0


def test_a_request_of_its_own_may_do_without(tmp_path: Path) -> None:
    with LLM(TinyModel(context=2048).write(tmp_path / "tiny.gguf")) as llm:
        params = SamplingParams(temperature=0, max_tokens=60, ignore_eos=True, speculation=False)
        llm.generate("abc " * 60, params)
        assert llm.stats().drafted_tokens == 0


@pytest.mark.slow
def test_an_edit_takes_fewer_steps_than_tokens(coder_05b: Path) -> None:
    with LLM(coder_05b) as llm:
        prompt = llm.render_chat([{"role": "user", "content": EDIT}])
        texts = {}
        for speculation in (False, True):
            before = llm.stats()
            params = SamplingParams(temperature=0, max_tokens=90, speculation=speculation)
            texts[speculation] = llm.generate([prompt], params)[0].outputs[0].token_ids
            steps = llm.stats().steps - before.steps
            accepted = llm.stats().accepted_tokens - before.accepted_tokens
            assert steps >= len(texts[speculation]) - accepted
        assert texts[True] == texts[False]
        assert accepted > 10
