"""Prompts that become vectors, beside others that are answered."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from sevenb.backend.protocol import FloatArray
from sevenb.backend.quant_types import QuantType
from sevenb.engine.engine import Engine
from sevenb.engine.engine_config import EngineConfig
from sevenb.engine.loader import load_engine
from sevenb.engine.messages import AddRequest, RequestOutput
from sevenb.engine.sampling_params import SamplingParams
from sevenb.errors import ContextOverflow
from sevenb.model.embedding import Pooling
from tests.engine.fake_model import VOCAB_SIZE, expected_tokens, logits_after
from tests.engine.harness import Harness, Outcome
from tests.model.tiny_gguf import TinyModel

RNG = np.random.default_rng(11)
GREEDY = SamplingParams(temperature=0, max_tokens=12)


def prompt(length: int) -> list[int]:
    return [int(token) for token in RNG.integers(0, VOCAB_SIZE, length)]


def ask(engine: Engine, request_id: str, tokens: Sequence[int], pooling: Pooling) -> None:
    engine.add_request(
        AddRequest(
            request_id=request_id,
            prompt_token_ids=list(tokens),
            params=SamplingParams(max_tokens=1),
            stop_token_ids=[],
            arrival=0.0,
            pooling=pooling,
        )
    )


def vectors(engine: Engine) -> dict[str, FloatArray]:
    """Step until nothing is left to do."""
    found = {}
    while engine.has_work:
        for report in engine.step():
            assert isinstance(report, RequestOutput)
            if report.embedding is not None:
                assert report.finished
                assert report.sequences[0].finish_reason == "stop"
                found[report.request_id] = np.frombuffer(report.embedding, np.float32)
    return found


def expected(tokens: Sequence[int], pooling: Pooling) -> FloatArray:
    states = [logits_after(tokens[: end + 1]) for end in range(len(tokens))]
    return states[-1] if pooling == "last" else np.mean(states, axis=0, dtype=np.float64).astype(np.float32)


@pytest.mark.parametrize("pooling", ["mean", "last"])
@pytest.mark.parametrize("length", [1, 2, 7, 8, 9, 50])
def test_a_prompt_becomes_the_mean_or_the_last_of_its_states(pooling: Pooling, length: int) -> None:
    harness, tokens = Harness(max_num_batched_tokens=8, max_num_seqs=4), prompt(length)
    ask(harness.engine, "a", tokens, pooling)
    np.testing.assert_allclose(vectors(harness.engine)["a"], expected(tokens, pooling), rtol=1e-6)
    assert harness.blocks_used == 0


@pytest.mark.parametrize("pooling", ["mean", "last"])
def test_vectors_and_answers_share_steps_and_change_nothing_for_each_other(pooling: Pooling) -> None:
    harness = Harness(max_num_batched_tokens=16, max_num_seqs=8)
    prompts, answered = [prompt(length) for length in (30, 5, 17)], prompt(9)
    request_id = harness.add(answered, GREEDY)
    for number, tokens in enumerate(prompts):
        ask(harness.engine, str(number), tokens, pooling)
        harness.outcomes[str(number)] = Outcome()
    found = {}
    mixed_steps = 0
    while harness.engine.has_work:
        for report in harness.step():
            if isinstance(report, RequestOutput) and report.embedding is not None:
                found[report.request_id] = np.frombuffer(report.embedding, np.float32)
        batch = harness.decoder.batches[-1]
        mixed_steps += len(batch.context_lengths) > 1 and len(batch.logit_rows) == 1
    for number, tokens in enumerate(prompts):
        np.testing.assert_allclose(found[str(number)], expected(tokens, pooling), rtol=1e-6)
    assert harness.outcomes[request_id].tokens[0] == expected_tokens(answered, GREEDY)
    assert mixed_steps


@pytest.mark.parametrize("pooling", ["mean", "last"])
def test_a_known_beginning_is_used_only_where_its_states_are_not_wanted(pooling: Pooling) -> None:
    harness, tokens = Harness(), prompt(40)
    harness.generate(tokens, GREEDY)
    before = sum(batch.tokens for batch in harness.decoder.batches)
    ask(harness.engine, "a", tokens, pooling)
    np.testing.assert_allclose(vectors(harness.engine)["a"], expected(tokens, pooling), rtol=1e-6)
    computed = sum(batch.tokens for batch in harness.decoder.batches) - before
    assert computed == 40 if pooling == "mean" else computed <= 4


def test_an_answer_may_use_what_a_vector_computed() -> None:
    harness, tokens = Harness(), prompt(40)
    ask(harness.engine, "a", tokens, "mean")
    vectors(harness.engine)
    assert harness.generate(tokens, GREEDY) == expected_tokens(tokens, GREEDY)
    assert next(iter(harness.outcomes.values())).cached_tokens >= 36


@pytest.mark.parametrize("pooling", ["mean", "last"])
def test_a_preempted_prompt_becomes_the_same_vector(pooling: Pooling) -> None:
    harness = Harness(blocks=16, max_num_batched_tokens=8, max_num_seqs=4)
    tokens = prompt(40)
    ask(harness.engine, "a", tokens, pooling)
    for _ in range(3):
        harness.engine.step()
    urgent = harness.add(prompt(40), GREEDY, priority=-1)
    found = {}
    while harness.engine.has_work:
        for report in harness.engine.step():
            if isinstance(report, RequestOutput) and report.embedding is not None:
                found[report.request_id] = np.frombuffer(report.embedding, np.float32)
    assert urgent
    assert harness.engine.stats().preemptions > 0
    np.testing.assert_allclose(found["a"], expected(tokens, pooling), rtol=1e-6)


def test_a_prompt_may_fill_the_context_but_no_more() -> None:
    harness = Harness(max_model_len=24)
    ask(harness.engine, "a", prompt(24), "last")
    assert "a" in vectors(harness.engine)
    with pytest.raises(ContextOverflow):
        ask(harness.engine, "b", prompt(25), "last")


def test_an_aborted_prompt_frees_its_blocks() -> None:
    harness = Harness(max_num_batched_tokens=8, max_num_seqs=4)
    ask(harness.engine, "a", prompt(40), "mean")
    harness.engine.step()
    harness.engine.abort("a")
    assert vectors(harness.engine) == {}
    assert harness.blocks_used == 0


@pytest.mark.parametrize("architecture", ["qwen2", "qwen3"])
@pytest.mark.parametrize("pooling", ["mean", "last"])
def test_chunks_and_neighbours_change_no_bit_of_a_vector(architecture: str, pooling: Pooling, tmp_path: Path) -> None:
    path = TinyModel(architecture, QuantType.Q8_0).write(tmp_path / "tiny.gguf")
    prompts = [prompt(length) for length in (70, 33, 5)]

    def run(together: bool, batch: int) -> list[FloatArray]:
        engine, _ = load_engine(
            EngineConfig(
                model=str(path), max_num_batched_tokens=batch, max_num_seqs=8, threads=2, kv_cache_memory=2**22
            )
        )
        found = {}
        for number, tokens in enumerate(prompts):
            ask(engine, str(number), tokens, pooling)
            if not together:
                found |= vectors(engine)
        found |= vectors(engine)
        return [found[str(number)] for number in range(len(prompts))]

    alone = run(together=False, batch=512)
    for vector, other in zip(alone, run(together=True, batch=24), strict=True):
        np.testing.assert_array_equal(vector, other)


def test_the_log_probabilities_of_given_tokens_are_told() -> None:
    harness, tokens = Harness(), prompt(9)
    wanted = SamplingParams(temperature=0, max_tokens=3, logprobs=0, logprob_token_ids=(7, 50))
    answer = harness.generate(tokens, wanted)
    records = next(iter(harness.outcomes.values())).records[0]
    for number, record in enumerate(records):
        logits = logits_after([*tokens, *answer[:number]]).astype(np.float64)
        logprobs = logits - np.log(np.exp(logits).sum())
        assert [token_id for token_id, _ in record.top_logprobs] == [7, 50]
        assert [value for _, value in record.top_logprobs] == pytest.approx([logprobs[7], logprobs[50]])
