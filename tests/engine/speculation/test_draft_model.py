"""A draft model over the fake model, whose guesses can be told beforehand, and a whole one from a file."""

import random
from pathlib import Path

import pytest

from sevenb import LLM, SamplingParams
from sevenb.engine.model_runner import ModelRunner
from sevenb.engine.speculation.adaptive import AdaptiveSpeculator
from sevenb.engine.speculation.draft_model import DraftModel
from sevenb.engine.speculation.trial import Trial
from sevenb.errors import InvalidRequest
from tests.engine.fake_model import VOCAB_SIZE, FakeBackend, FakeCache, FakeDecoder, FakeRope, expected_tokens
from tests.engine.harness import Harness
from tests.engine.speculation.requests import append, sequence_of
from tests.engine.test_engine import prompt_of
from tests.model.tiny_gguf import TinyModel


class FakeDraft:
    """A draft model of ``blocks`` blocks of 4 positions, and the batches that it computed."""

    def __init__(self, *, blocks: int = 60, vocab_size: int = VOCAB_SIZE) -> None:
        self.decoder, backend = FakeDecoder(), FakeBackend()
        runner = ModelRunner(self.decoder, backend, FakeCache(blocks, 4), FakeRope())  # type: ignore[arg-type]
        self.model = DraftModel(runner, backend, blocks=blocks, block_size=4, vocab_size=vocab_size)  # type: ignore[arg-type]

    @property
    def computed(self) -> int:
        return sum(batch.tokens for batch in self.decoder.batches)


def continuation(history: list[int], tokens: int) -> list[int]:
    return expected_tokens(history, SamplingParams(temperature=0, max_tokens=tokens))


def test_it_goes_on_as_it_would_by_itself_whatever_became_of_its_guesses() -> None:
    chance = random.Random(1)
    draft = FakeDraft(blocks=200)
    sequences = [sequence_of(prompt_of(length, length)) for length in (1, 6, 17, 8)]
    for _ in range(20):
        writings = draft.model.write(sequences, [5] * 4, 0.0)
        for sequence, writing in zip(sequences, writings, strict=True):
            assert writing.tokens == continuation(sequence.token_ids, 5)
            assert all(0 < confidence < 1 for confidence in writing.confidences)
            append(sequence, *writing.tokens[: chance.randint(0, 5)], chance.randrange(VOCAB_SIZE))


def test_right_guesses_are_not_computed_again() -> None:
    draft, sequence = FakeDraft(), sequence_of(prompt_of(10))
    (writing,) = draft.model.write([sequence], [4], 0.0)
    assert draft.computed == 10 + 3
    append(sequence, *writing.tokens, 7)
    draft.model.write([sequence], [1], 0.0)
    assert draft.computed == 10 + 3 + 2
    assert len(draft.decoder.batches) == 5


def test_it_stops_where_it_is_not_sure() -> None:
    draft, sequence = FakeDraft(), sequence_of(prompt_of(10))
    assert len(draft.model.write([sequence], [6], 0.999)[0].tokens) == 1


def test_a_long_prompt_is_taken_in_bit_by_bit() -> None:
    draft, sequence = FakeDraft(), sequence_of(prompt_of(200))
    for _ in range(3):
        assert not draft.model.read(sequence, 50)
    assert draft.model.read(sequence, 50)
    assert draft.model.write([sequence], [3], 0.0)[0].tokens == continuation(prompt_of(200), 3)
    assert max(batch.tokens for batch in draft.decoder.batches) == 50


def test_nothing_is_written_without_room_for_it() -> None:
    draft, sequence = FakeDraft(blocks=2), sequence_of(prompt_of(7))
    assert len(draft.model.write([sequence], [2], 0.0)[0].tokens) == 2
    assert draft.model.write([sequence], [3], 0.0)[0].tokens == []
    assert draft.model.write([sequence], [0], 0.0)[0].tokens == []


def test_the_same_beginning_is_not_computed_again_for_the_next_request() -> None:
    draft, first, second = FakeDraft(blocks=12), sequence_of(prompt_of(30)), sequence_of([*prompt_of(30), 5, 6])
    draft.model.write([first], [3], 0.0)
    draft.model.forget(first.request)
    before = draft.computed
    assert draft.model.write([second], [2], 0.0)[0].tokens == continuation(second.token_ids, 2)
    assert draft.computed - before < 10


def test_tokens_that_it_does_not_know_neither_harm_it_nor_are_guessed() -> None:
    draft, sequence = FakeDraft(vocab_size=40), sequence_of([3, 90, 5, 95])
    for _ in range(10):
        (writing,) = draft.model.write([sequence], [3], 0.0)
        assert all(token < 40 for token in writing.tokens)
        append(sequence, 70)
    assert max(int(batch.token_ids.max()) for batch in draft.decoder.batches) < 40


@pytest.mark.parametrize("temperature", [0.0, 0.9])
def test_the_text_is_the_same_as_without_it(temperature: float) -> None:
    draft = FakeDraft()
    harness = Harness(blocks=80, speculator=AdaptiveSpeculator(4, draft.model, clock=lambda: 0.0))
    harness.decoder.token_seconds = 0.0
    for seed in range(4):
        params = SamplingParams(temperature=temperature, seed=seed, max_tokens=40)
        assert harness.generate(prompt_of(5 + seed, seed), params) == expected_tokens(prompt_of(5 + seed, seed), params)
    side_by_side = [harness.add(prompt_of(9, seed), SamplingParams(seed=seed, max_tokens=40)) for seed in range(4)]
    harness.run()
    for seed, request in enumerate(side_by_side):
        expected = expected_tokens(prompt_of(9, seed), SamplingParams(seed=seed, max_tokens=40))
        assert harness.outcomes[request].tokens[0] == expected
    assert harness.engine.stats().accepted_tokens > (60 if temperature == 0 else 5)


def test_a_draft_model_that_fails_is_done_without(caplog: pytest.LogCaptureFixture) -> None:
    draft = FakeDraft()
    harness = Harness(speculator=AdaptiveSpeculator(4, draft.model))
    draft.decoder.fail_on = prompt_of(8)[-1]
    for _ in range(2):
        assert harness.generate(prompt_of(8), SamplingParams(temperature=0, max_tokens=30)) == continuation(
            prompt_of(8), 30
        )
    assert len(draft.decoder.batches) == 1
    assert "goes on without it" in caplog.text


def test_where_guesses_are_a_loss_pauses_grow_longer() -> None:
    trial = Trial()
    asked = []
    for step in range(1000):
        if trial.due():
            asked.append(step)
            trial.note(-0.5)
    assert 5 < len(asked) < 12
    for _ in range(300):
        if trial.due():
            trial.note(1.0)
    assert trial.due()


def test_a_model_from_a_file_drafts_for_another(tmp_path: Path) -> None:
    model = TinyModel(context=2048, layers=3).write(tmp_path / "model.gguf")
    draft = TinyModel(context=2048).write(tmp_path / "draft.gguf")
    prompts = ["def quicksort(items):", "The capital of France", "Once upon a time there was a cache. " * 5]
    params = [SamplingParams(temperature=0.8 * seed, seed=seed, max_tokens=40, ignore_eos=True) for seed in range(3)]
    with LLM(model, speculation=False) as llm:
        expected = [completion.outputs[0].token_ids for completion in llm.generate(prompts, params)]
        kv_bytes, kv_tokens = llm.info.kv_bytes, llm.info.kv_tokens
    with LLM(model, speculative_model=str(draft), num_speculative_tokens=4) as llm:
        assert [completion.outputs[0].token_ids for completion in llm.generate(prompts, params)] == expected
        assert llm.stats().drafted_tokens > 0
        both = kv_bytes / kv_tokens * 5 / 3  # three layers, and two; the padding differs
        assert llm.info.kv_bytes / llm.info.kv_tokens == pytest.approx(both, rel=0.01)


def test_a_draft_model_of_another_family_is_refused(tmp_path: Path) -> None:
    model = TinyModel().write(tmp_path / "model.gguf")
    tokens = TinyModel().tokens()
    tokens[0], tokens[1] = tokens[1], tokens[0]
    draft = TinyModel().write(tmp_path / "draft.gguf", **{"tokenizer.ggml.tokens": tokens})
    with pytest.raises(InvalidRequest, match="draft has another tokenizer than model; choose"):
        LLM(model, speculative_model=str(draft))
