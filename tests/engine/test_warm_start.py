"""A document that left the pool, or was read before a restart, costs a second question nothing, and changes nothing."""

from pathlib import Path
from typing import Any

import pytest

from sevenb import LLM, SamplingParams
from tests.model.tiny_gguf import TinyModel

DOCUMENT = "The quick brown fox jumps over the lazy dog while 12 engineers watch and say nothing. " * 12
OTHERS = [f"Chapter {number}. " + "Nothing of what follows was ever read by anybody else. " * 18 for number in range(3)]
PARAMS = SamplingParams(temperature=0.8, seed=3, max_tokens=24, ignore_eos=True)
POOL_TOKENS = 1472


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return TinyModel(context=1440).write(tmp_path_factory.mktemp("models") / "tiny.gguf")


def ask(llm: LLM, prompt: str) -> tuple[list[int], int]:
    """The answer, and how many tokens of the prompt were not computed."""
    stream = llm.stream(prompt, PARAMS)
    for _ in stream:
        pass
    assert stream.completion.timings is not None
    return stream.completion.outputs[0].token_ids, stream.completion.timings.cached_tokens


@pytest.mark.parametrize("dtype", ["f16", "f32", "k16v8", "int8"])
def test_from_memory_and_from_disk_in_every_form_of_the_cache(tiny: Path, tmp_path: Path, dtype: str) -> None:
    options: dict[str, Any] = {"kv_cache_dtype": dtype}
    with LLM(tiny, enable_prefix_caching=False, **options) as llm:
        expected, _ = ask(llm, DOCUMENT)
        pool = POOL_TOKENS * llm.info.kv_bytes // llm.info.kv_tokens
        length = len(llm.tokenizer.encode(DOCUMENT))
    whole = (length - 1) // 32 * 32
    options |= {"kv_cache_memory": pool}
    with LLM(tiny, swap_space=10 * pool, prefix_cache_dir=str(tmp_path), **options) as llm:
        assert ask(llm, DOCUMENT) == (expected, 0)
        for other in OTHERS:
            ask(llm, other)
        assert ask(llm, DOCUMENT) == (expected, whole)
        assert llm.stats().kv_blocks_restored > 0
    with LLM(tiny, swap_space=0, prefix_cache_dir=str(tmp_path), **options) as llm:
        assert ask(llm, DOCUMENT) == (expected, whole)
        assert llm.stats().kv_blocks_restored == whole // 32


def test_another_model_finds_nothing_in_the_folder(tiny: Path, tmp_path: Path) -> None:
    other = TinyModel(context=1440, seed=5).write(tmp_path / "other.gguf")
    folder = str(tmp_path / "cache")
    with LLM(tiny, prefix_cache_dir=folder) as llm:
        ask(llm, DOCUMENT)
    with LLM(other, prefix_cache_dir=folder) as llm:
        assert ask(llm, DOCUMENT)[1] == 0
    with LLM(tiny, prefix_cache_dir=folder, block_size=64) as llm:
        assert ask(llm, DOCUMENT)[1] == 0
    with LLM(tiny, prefix_cache_dir=folder) as llm:
        assert ask(llm, DOCUMENT)[1] > 0
