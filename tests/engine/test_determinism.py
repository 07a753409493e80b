"""The same text from the native backend: alone, in company, cached, cut anyhow, preempted, on any number of threads."""

from pathlib import Path

import pytest

from sevenb import LLM, SamplingParams
from sevenb.engine.kv_sizing import LEAST_CONTEXT
from tests.model.tiny_gguf import TinyModel

STEM = "You are a careful engineer who answers in few words and shows the code that matters. " * 4
PROMPTS = [
    "def quicksort(items):",
    STEM + "What is a heap?",
    STEM + "用三句话介绍一下长城。",
    "The",
    "请写一个函数，判断一个数是不是素数。",
    "import numpy as np\n\ndef softmax(x):\n    ",
    STEM + STEM + "Explain the difference between a list and a tuple.",
    "Once upon a time there was a cache that forgot nothing, and " * 3,
]
Texts = list[list[int]]


def params(seed: int, max_tokens: int) -> SamplingParams:
    """Every third request greedy, the others sampled."""
    return SamplingParams(temperature=0.8 if seed % 3 else 0, seed=seed, max_tokens=max_tokens, ignore_eos=True)


def together(llm: LLM, max_tokens: int) -> Texts:
    wanted = [params(seed, max_tokens) for seed in range(len(PROMPTS))]
    return [completion.outputs[0].token_ids for completion in llm.generate(PROMPTS, wanted)]


def alone(llm: LLM, max_tokens: int) -> Texts:
    return [
        llm.generate(prompt, params(seed, max_tokens))[0].outputs[0].token_ids for seed, prompt in enumerate(PROMPTS)
    ]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return TinyModel(context=2048).write(tmp_path_factory.mktemp("models") / "tiny.gguf")


@pytest.fixture(scope="module")
def expected(tiny: Path) -> Texts:
    with LLM(tiny, threads=1, enable_prefix_caching=False) as llm:
        return alone(llm, 40)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_in_a_batch_of_eight_and_with_a_warm_cache(tiny: Path, expected: Texts, threads: int) -> None:
    with LLM(tiny, threads=threads) as llm:
        assert together(llm, 40) == expected
        shared = llm.stats().cached_tokens  # by the prompts that begin alike
        assert together(llm, 40) == expected
        assert llm.stats().cached_tokens > 2 * shared > 0
        assert alone(llm, 40) == expected


@pytest.mark.parametrize("budget", [8, 9, 31, 100, 4096])
def test_for_any_chunk_size(tiny: Path, expected: Texts, budget: int) -> None:
    with LLM(tiny, threads=2, max_num_batched_tokens=budget, max_num_seqs=8) as llm:
        assert together(llm, 40) == expected


def test_when_preempted(tiny: Path, expected: Texts) -> None:
    with LLM(tiny, block_size=4) as roomy:
        token_bytes = roomy.info.kv_bytes // roomy.info.kv_tokens
    small = {"threads": 2, "max_model_len": 740, "block_size": 4, "kv_cache_memory": 848 * token_bytes}
    with LLM(tiny, **small, enable_prefix_caching=False) as llm:
        assert llm.info.kv_tokens == 848
        assert together(llm, 40) == expected
        assert llm.stats().preemptions > 0
    with LLM(tiny, **small) as llm:
        assert together(llm, 40) == expected
        assert llm.stats().cached_tokens > 0


def test_on_a_processor_without_vector_extensions(smollm2: Path) -> None:
    wanted = SamplingParams(temperature=0, max_tokens=12)
    texts = []
    for isa in (None, "portable"):
        with LLM(smollm2, cpu_isa=isa) as llm:
            texts.append(llm.generate("The capital of France is", wanted)[0].outputs[0].text)
            device = llm.info.device
    assert "portable" in device
    assert texts[0] == texts[1]
    assert "Paris" in texts[1]


@pytest.mark.slow
def test_on_the_real_model(coder_05b: Path) -> None:
    with LLM(coder_05b, enable_prefix_caching=False) as llm:
        expected = alone(llm, 12)
        assert together(llm, 12) == expected
    with LLM(coder_05b, max_num_batched_tokens=64) as llm:
        assert together(llm, 12) == expected
        assert together(llm, 12) == expected
        assert llm.stats().cached_tokens >= LEAST_CONTEXT
