"""An engine on the torch backend answers as on the reference: alone, in company, cached, cut, preempted, guessed ahead.

The reference computes in float32 without rounding anything else; so does torch on the processor.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sevenb import LLM, SamplingParams
from sevenb.backend.reference import ReferenceBackend
from sevenb.engine.sampling_params import BeamSearch
from sevenb.errors import NumberOverflow
from sevenb.model.checkpoint import Checkpoint
from sevenb.model.decoder import Decoder
from sevenb.model.rope import RopeProfile
from tests.backend.tiny_model import Chunk, make_batch
from tests.model.random_adapter import RandomAdapter
from tests.model.tiny_gguf import TinyModel
from tests.torch_or_skip import torch  # noqa: F401  without it there is nothing to test

from sevenb.backend.torch import TorchBackend  # isort: skip

STEM = "You are a careful engineer who answers in few words. "
PROMPTS = [
    "def quicksort(items):",
    STEM + "What is a heap?",
    STEM + "用三句话介绍一下长城。",
    "The",
    STEM + "Why? Why? Why?",
]
ADAPTERS = ["", "one", "", "one", "one"]
TORCH = {"backend": "torch", "device": "cpu", "max_model_len": 256, "kv_cache_memory": 2**24}
Texts = list[list[int]]


def params(seed: int) -> SamplingParams:
    """Greedy and sampled ones in turn."""
    return SamplingParams(temperature=0.8 * (seed % 2), top_p=0.9, seed=seed, max_tokens=16, ignore_eos=True)


PARAMS = [params(seed) for seed in range(len(PROMPTS))]


def together(llm: LLM, **more: Any) -> Texts:
    return [completion.outputs[0].token_ids for completion in llm.generate(PROMPTS, PARAMS, **more)]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return TinyModel(context=2048).write(tmp_path_factory.mktemp("models") / "tiny.gguf")


@pytest.fixture(scope="module")
def modules(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    adapter = RandomAdapter.of(Checkpoint.open(tiny), seed=1)
    return {"one": str(adapter.write_gguf(tmp_path_factory.mktemp("adapters") / "one.gguf"))}


@pytest.fixture(scope="module")
def reference(tiny: Path, modules: dict[str, str]) -> Iterator[LLM]:
    with LLM(tiny, backend="reference", max_model_len=256, speculation=False, lora_modules=modules) as llm:
        yield llm


@pytest.fixture(scope="module")
def expected(reference: LLM) -> Texts:
    return together(reference)


def test_in_company_and_with_a_warm_cache(tiny: Path, expected: Texts) -> None:
    with LLM(tiny, **TORCH) as llm:
        assert "torch (the processor, float32" in llm.info.device
        assert together(llm) == expected
        shared = llm.stats().cached_tokens  # by the prompts that begin alike
        assert together(llm) == expected
        assert llm.stats().cached_tokens > 2 * shared > 0


@pytest.mark.parametrize("budget", [8, 33])
def test_for_any_chunk_size(tiny: Path, expected: Texts, budget: int) -> None:
    with LLM(tiny, **TORCH, max_num_batched_tokens=budget, max_num_seqs=8, enable_prefix_caching=False) as llm:
        assert together(llm) == expected


def test_when_preempted(tiny: Path, expected: Texts) -> None:
    with LLM(tiny, **TORCH | {"block_size": 4}) as roomy:
        token_bytes = roomy.info.kv_bytes // roomy.info.kv_tokens
    with LLM(
        tiny, **TORCH | {"block_size": 4, "kv_cache_memory": 272 * token_bytes}, enable_prefix_caching=False
    ) as llm:
        assert together(llm) == expected
        assert llm.stats().preemptions > 0


def test_what_is_spilled_to_the_host_comes_back(tiny: Path, expected: Texts) -> None:
    with LLM(tiny, **TORCH | {"block_size": 4}) as roomy:
        token_bytes = roomy.info.kv_bytes // roomy.info.kv_tokens
    small = {"block_size": 4, "kv_cache_memory": 272 * token_bytes, "swap_space": 2**24}
    with LLM(tiny, **TORCH | small) as llm:
        assert together(llm) == expected
        assert together(llm) == expected
        assert llm.stats().cached_tokens > 0


def test_with_guesses_and_without(tiny: Path, reference: LLM) -> None:
    wanted = SamplingParams(temperature=0, max_tokens=60, ignore_eos=True)
    answers = [completion.outputs[0].token_ids for completion in reference.generate(PROMPTS, wanted)]
    for speculation in (False, True):
        with LLM(tiny, **TORCH, speculation=speculation) as llm:
            completions = llm.generate(PROMPTS, wanted)
        assert [completion.outputs[0].token_ids for completion in completions] == answers
        assert (sum(completion.timings.accepted_tokens for completion in completions) > 0) == speculation


def test_beams_and_several_answers(tiny: Path, reference: LLM) -> None:
    beams = SamplingParams(max_tokens=8, n=2, beam=BeamSearch(width=3, length_penalty=1.0, early_stopping=False))
    several = SamplingParams(max_tokens=8, n=3, temperature=1.0, seed=5, logprobs=2)
    with LLM(tiny, **TORCH) as llm:
        for wanted in (beams, several):
            theirs = reference.generate(PROMPTS[1], wanted)[0].outputs
            mine = llm.generate(PROMPTS[1], wanted)[0].outputs
            assert [output.token_ids for output in mine] == [output.token_ids for output in theirs]
            for one, other in zip(mine, theirs, strict=True):
                assert one.cumulative_logprob == pytest.approx(other.cumulative_logprob, abs=1e-3)


def test_adapters(tiny: Path, modules: dict[str, str], reference: LLM, expected: Texts) -> None:
    adapted = together(reference, adapter=ADAPTERS)
    assert adapted != expected
    with LLM(tiny, **TORCH, lora_modules=modules) as llm:
        assert together(llm, adapter=ADAPTERS) == adapted
        assert together(llm) == expected


def test_hidden_states(tiny: Path) -> None:
    states = []
    for backend in (ReferenceBackend(), TorchBackend("cpu")):
        with Checkpoint.open(tiny) as checkpoint:
            decoder = Decoder(checkpoint, backend)
        batch = make_batch([Chunk([5, 77, 3, 9], 0, [0])], RopeProfile(decoder.config.rope))
        cache = backend.allocate_kv(decoder.kv_layout(32, "f32"), 1)
        states.append(decoder.forward_with_states(batch, cache, [1, 3])[1])
    np.testing.assert_allclose(states[1], states[0], atol=1e-5)


@pytest.mark.parametrize("options", [{"dtype": "bfloat16"}, {"dtype": "half"}, {"kv_cache_dtype": "fp8"}], ids=str)
def test_fewer_bits_answer_too(tiny: Path, options: dict[str, str]) -> None:
    with LLM(tiny, **TORCH, **options) as llm:
        assert [len(answer) for answer in together(llm)] == [16] * len(PROMPTS)


def test_numbers_too_large_for_float16_are_told_with_what_to_do(tmp_path: Path) -> None:
    model = _Loud(quant_type=TinyModel.quant_type).write(tmp_path / "loud.gguf")
    wanted = SamplingParams(temperature=0, max_tokens=4)
    with LLM(model, **TORCH, dtype="half") as llm, pytest.raises(NumberOverflow, match="--dtype bfloat16"):
        llm.generate("The", wanted)
    with LLM(model, **TORCH, dtype="bfloat16") as llm:
        assert llm.generate("The", wanted)[0].outputs[0].token_ids


class _Loud(TinyModel):
    """Its feed-forward part gives numbers beyond 65504."""

    def tensors(self) -> list[Any]:
        return [_louder(tensor) if "ffn_norm" in tensor.name else tensor for tensor in super().tensors()]


def _louder(tensor: Any) -> Any:
    values = tensor.data.view(np.float32) * np.float32(1e4)
    return type(tensor)(tensor.name, tensor.quant_type, tensor.shape, values.view(np.uint8))


@pytest.mark.slow
def test_the_real_model_has_the_reference_s_logits(coder_05b: Path) -> None:
    """Q4_K_M of a 0.5B: Q5_0, Q8_0, Q4_K and Q6_K, each layer with outliers."""
    logits = []
    tokens = [750, 3974, 6860, 24337, 982, 262, 421, 2422, 24337, 8, 2651, 220]
    for backend in (ReferenceBackend(), TorchBackend("cpu")):
        with Checkpoint.open(coder_05b) as checkpoint:
            decoder = Decoder(checkpoint, backend)
        cache = backend.allocate_kv(decoder.kv_layout(32, "f32"), 1)
        batch = make_batch([Chunk(tokens, 0, [0])], RopeProfile(decoder.config.rope))
        logits.append(backend.to_host(decoder.forward(batch, cache)).astype(np.float64))
    logprobs = [rows - np.logaddexp.reduce(rows, axis=1, keepdims=True) for rows in logits]
    divergence = (np.exp(logprobs[0]) * (logprobs[0] - logprobs[1])).sum(axis=1)
    assert divergence.max() < 1e-8
