"""Requests beyond the model's own context: each with the rotation it needs, side by side with those that need none."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sevenb import LLM, SamplingParams
from sevenb.engine.completion import Completion
from sevenb.errors import ContextOverflow, InvalidRequest
from tests.engine.fake_model import FakeRope, expected_tokens
from tests.engine.harness import Harness
from tests.model.tiny_gguf import TinyModel

OWN = 64  # tokens the tiny model was made for
PROMPT = [(7 * place) % 250 for place in range(3 * OWN)]


def stretched_by(factor: int) -> dict[str, Any]:
    """What a file says that is stretched for all requests, as most engines have it."""
    return {
        "qwen2.rope.scaling.type": "yarn",
        "qwen2.rope.scaling.factor": float(factor),
        "qwen2.rope.scaling.original_context_length": OWN,
        "qwen2.context_length": factor * OWN,
    }


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    folder = tmp_path_factory.mktemp("models")

    def write(**metadata: Any) -> Path:
        return TinyModel(context=OWN).write(folder / f"{len(list(folder.iterdir()))}.gguf", **metadata)

    return write


def answer(llm: LLM, prompt: list[int], max_tokens: int | None) -> Completion:
    params = SamplingParams(temperature=0, max_tokens=max_tokens, ignore_eos=True, logprobs=3)
    return llm.generate([prompt], params)[0]


@pytest.mark.parametrize("dtype", ["f16", "k16v8", "int8"])
def test_each_request_is_answered_as_by_a_model_stretched_for_it_alone(model: Callable[..., Path], dtype: str) -> None:
    requests = [(PROMPT[:20], 20), (PROMPT[:20], 100), (PROMPT[:100], 20), (PROMPT[:130], 30), (PROMPT[:20], 230)]
    files = [model(), model(**stretched_by(2)), model(**stretched_by(4))]
    alone = []
    for (prompt, max_tokens), file in zip(requests, [files[0], files[1], files[1], files[2], files[2]], strict=True):
        with LLM(file, kv_cache_dtype=dtype) as llm:
            alone.append(answer(llm, prompt, max_tokens).outputs)
    params = [
        SamplingParams(temperature=0, max_tokens=max_tokens, ignore_eos=True, logprobs=3) for _, max_tokens in requests
    ]
    with LLM(files[0], kv_cache_dtype=dtype, max_model_len=4 * OWN, max_num_batched_tokens=64) as llm:
        together = llm.generate([prompt for prompt, _ in requests], params)
        again = llm.generate([prompt for prompt, _ in requests], params)
    assert [completion.outputs for completion in together] == alone
    assert [completion.outputs for completion in again] == alone


def test_the_reference_backend_stretches_as_well(model: Callable[..., Path]) -> None:
    answers = []
    for backend in ("native", "reference"):
        with LLM(model(), max_model_len=2 * OWN, backend=backend, speculation=False) as llm:
            answers.append(answer(llm, PROMPT[:90], 20).outputs[0])
    fast, exact = answers
    assert fast.logprobs is not None
    assert exact.logprobs is not None
    assert fast.logprobs[0].logprob == pytest.approx(exact.logprobs[0].logprob, abs=0.1)
    with LLM(model(**stretched_by(2)), backend="reference", speculation=False) as llm:
        assert answer(llm, PROMPT[:90], 20).outputs[0] == exact


def test_the_context_stays_the_models_own_where_no_other_is_asked_for(model: Callable[..., Path]) -> None:
    with LLM(model()) as llm:
        assert llm.info.max_model_len == OWN
        with pytest.raises(ContextOverflow):
            answer(llm, PROMPT[:OWN], 1)
        assert len(answer(llm, PROMPT[: OWN - 4], None).outputs[0].token_ids) == 4


def test_a_context_beyond_the_longest_stretch_is_refused_with_the_limit(model: Callable[..., Path]) -> None:
    with pytest.raises(InvalidRequest, match=f"{4 * OWN + 1} .* at most {4 * OWN}"):
        LLM(model(), max_model_len=4 * OWN + 1)


def test_an_answer_without_a_limit_ends_with_the_context_its_prompt_chose(model: Callable[..., Path]) -> None:
    with LLM(model(), max_model_len=4 * OWN) as llm:
        for prompt_tokens, context in [(10, OWN), (OWN - 4, 2 * OWN), (2 * OWN, 4 * OWN)]:
            (output,) = answer(llm, PROMPT[:prompt_tokens], None).outputs
            assert len(output.token_ids) == context - prompt_tokens
            assert output.finish_reason == "length"


def test_keys_of_one_stretch_are_not_taken_for_those_of_another(model: Callable[..., Path]) -> None:
    with LLM(model(), max_model_len=4 * OWN, block_size=8) as llm:
        cached = []
        for max_tokens in (10, 90, 200, 10, 90, 200):
            completion = answer(llm, PROMPT[:33], max_tokens)
            assert completion.timings is not None
            cached.append(completion.timings.cached_tokens)
    assert cached == [0, 0, 0, 32, 32, 32]


def test_a_profile_is_kept_when_others_come_and_go() -> None:
    harness = Harness(blocks=64, rope=FakeRope({"": 40, "long": 200}), max_num_seqs=2, max_num_batched_tokens=8)
    prompts = {"short": list(range(5)), "long": list(range(30)), "other": list(range(9))}
    params = {name: SamplingParams(temperature=0, max_tokens=15) for name in prompts}
    for name, prompt in prompts.items():
        harness.add(prompt, params[name], request_id=name)
    harness.run()
    for name, prompt in prompts.items():
        assert harness.outcomes[name].tokens[0] == expected_tokens(prompt, params[name])
    seen = set()
    for batch in harness.decoder.batches:
        for start, stop in zip(batch.query_starts, batch.query_starts[1:], strict=False):
            multiples = {
                -sine / position
                for position, sine in zip(batch.positions[start:stop], batch.rope_sin[start:stop, 0], strict=True)
                if position
            }
            assert len(multiples) <= 1
            seen |= multiples
    assert seen == {1.0, 2.0}
