"""A real model finds facts anywhere in a long document, and answers the second question without reading it again."""

from pathlib import Path

import pytest

from sevenb import LLM, SamplingParams
from tests.e2e.needle import Haystack

DEPTHS = (0.1, 0.5, 0.9)
QUESTION_TOKENS = 64  # at most, with what a block rounds off


def ask_all(model: Path, *, tokens: int, context: int) -> None:
    """Hide facts in a document of just under ``tokens`` tokens and ask for each."""
    with LLM(model, max_model_len=context) as llm:
        haystack = Haystack.of(llm.tokenizer, tokens, DEPTHS)
        for number, needle in enumerate(haystack.needles):
            prompt = llm.tokenizer.encode(haystack.text + needle.question)
            prompt_tokens = len(prompt)
            assert tokens - 300 < prompt_tokens < tokens
            (completion,) = llm.generate([prompt], SamplingParams(temperature=0, max_tokens=8))
            assert completion.outputs[0].text.startswith(needle.value), f"the fact at {needle.depth:.0%} was not found"
            assert completion.timings is not None
            assert completion.timings.cached_tokens >= (prompt_tokens - QUESTION_TOKENS if number else 0)


@pytest.mark.slow
@pytest.mark.timeout(1200)  # a busy machine
def test_facts_in_8k_tokens_are_found(coder_05b: Path) -> None:
    ask_all(coder_05b, tokens=8_000, context=8192)


@pytest.mark.long
@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize(
    ("tokens", "context"),
    [
        pytest.param(32_000, 32_768, id="32K"),
        pytest.param(64_000, 65_536, id="64K-by-YaRN"),
    ],
)
def test_facts_in_very_long_documents_are_found(coder_05b: Path, tokens: int, context: int) -> None:
    ask_all(coder_05b, tokens=tokens, context=context)
