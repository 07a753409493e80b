"""Grammars over the fake model's vocabulary: tokens 0 and 1 end an answer, each other one is a character.

`expected_tokens` makes a constrained text with no engine: one mask, one token at a time.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
from llguidance import LLMatcher

from sevenb.backend.protocol import SampleControl
from sevenb.engine.sampling_params import SamplingParams
from sevenb.structured.compiler import GrammarCompiler, fill_masks
from tests.engine.fake_model import VOCAB_SIZE, logits_after, sample_row

END_TOKENS = [0, 1]
FIRST = 30  # token 2 is the space


@cache
def _compiler() -> GrammarCompiler:
    return fake_compiler()


def fake_compiler() -> GrammarCompiler:
    tokens = [b"<end>", b"<over>", *(bytes([FIRST + token]) for token in range(2, VOCAB_SIZE))]
    return GrammarCompiler(tokens, special=END_TOKENS, end_ids=END_TOKENS, encode=encode)


def encode(text: str) -> list[int]:
    return [ord(character) - FIRST for character in text]


def decode(tokens: Sequence[int]) -> str:
    return "".join(chr(FIRST + token) for token in tokens if token not in END_TOKENS)


def regex(pattern: str) -> str:
    return LLMatcher.grammar_from_regex(pattern)


def lark(source: str) -> str:
    return LLMatcher.grammar_from_lark(source)


def expected_tokens(
    prompt: Sequence[int], params: SamplingParams, *, index: int = 0, stop_token_ids: Sequence[int] = ()
) -> list[int]:
    """What a constrained request must generate, one token at a time."""
    assert params.grammar is not None
    matcher = _compiler().compile(params.grammar)
    seeds = np.random.SeedSequence((params.seed or 0) % 2**64, spawn_key=(index,))
    generator = np.random.Generator(np.random.PCG64(seeds))
    output: list[int] = []
    while len(output) < (params.max_tokens or 10**9):
        mask = np.empty((1, VOCAB_SIZE // 32), dtype=np.uint32)
        fill_masks([(matcher, [])], mask)
        if len(output) < params.min_tokens:
            kept = mask[0].copy()
            kept[0] &= ~np.uint32(sum(1 << token_id for token_id in stop_token_ids))
            mask[0] = kept if kept.any() else mask[0]
        control = SampleControl(
            temperature=params.temperature,
            top_p=params.top_p,
            uniform=generator.random() if params.temperature > 0 else 0.0,
            presence_penalty=params.presence_penalty,
            frequency_penalty=params.frequency_penalty,
            output_counts={token_id: output.count(token_id) for token_id in output},
            logit_bias=params.logit_bias,
            allowed=mask[0],
        )
        token_id = sample_row(logits_after([*prompt, *output]), control).token_id
        output.append(token_id)
        if token_id in stop_token_ids:
            break
        matcher.accept([token_id])
        if matcher.finished:
            break
    return output
