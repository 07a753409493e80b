"""A real model finds facts anywhere in a long document, and answers the second question without reading it again."""

from pathlib import Path

import pytest

from sevenb import LLM, SamplingParams
from tests.e2e.needle import Haystack, Needle

DEPTHS = (0.1, 0.5, 0.9)
LONG_DEPTHS = (0.8, 0.3)  # one fact a document: of several alike the 0.5B takes one for another, whatever the cache
QUESTION_TOKENS = 64  # at most, with what a block rounds off


def ask(llm: LLM, haystack: Haystack, needle: Needle, tokens: int) -> tuple[int, int]:
    """See that a fact is found; the prompt's tokens, and those of them that need not be computed."""
    prompt = llm.tokenizer.encode(haystack.text + needle.question)
    assert tokens - 300 < len(prompt) < tokens
    (completion,) = llm.generate([prompt], SamplingParams(temperature=0, max_tokens=8))
    assert completion.outputs[0].text.startswith(needle.value), f"the fact at {needle.depth:.0%} was not found"
    return len(prompt), completion.cached_tokens


@pytest.mark.slow
@pytest.mark.timeout(1200)  # a busy machine
def test_facts_in_8k_tokens_are_found(coder_05b: Path) -> None:
    with LLM(coder_05b, max_model_len=8192) as llm:
        haystack = Haystack.of(llm.tokenizer, 8_000, DEPTHS)
        for number, needle in enumerate(haystack.needles):
            prompt_tokens, cached_tokens = ask(llm, haystack, needle, 8_000)
            assert cached_tokens >= (prompt_tokens - QUESTION_TOKENS if number else 0)


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
    with LLM(coder_05b, max_model_len=context) as llm:
        for depth in LONG_DEPTHS:
            haystack = Haystack.of(llm.tokenizer, tokens, (depth,))
            ask(llm, haystack, haystack.needles[0], tokens)
        prompt_tokens, cached_tokens = ask(llm, haystack, haystack.needles[0], tokens)
        assert cached_tokens >= prompt_tokens - QUESTION_TOKENS
