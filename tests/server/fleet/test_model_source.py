"""Models of this machine: what they need, and the options that their engines get."""

from pathlib import Path

import msgspec
import pytest

from sevenb.engine.client import EngineClient
from sevenb.engine.engine_config import EngineConfig
from sevenb.errors import CorruptModelFile, ModelNotFound
from sevenb.model.checkpoint import Checkpoint
from sevenb.model.lora import LoraAdapter
from sevenb.server.fleet.model_source import LocalModel, further_model
from tests.model.random_adapter import RandomAdapter
from tests.model.tiny_gguf import TinyModel


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return TinyModel(context=512).write(tmp_path / "tiny.gguf")


def options(client: EngineClient) -> EngineConfig:
    return msgspec.json.decode(client._config, type=EngineConfig)


def test_it_needs_its_weights_and_a_pool_of_useful_size(file: Path) -> None:
    need = LocalModel(EngineConfig(model=str(file)), ["tiny"]).prepare()
    assert 0.8 * file.stat().st_size < need.weights < file.stat().st_size
    assert need.useful > need.weights
    longer = LocalModel(EngineConfig(model=str(file), max_model_len=2048), ["tiny"]).prepare()
    assert longer.useful > need.useful


def test_it_needs_its_adapters_and_its_draft_model_too(file: Path, tmp_path: Path) -> None:
    with Checkpoint.open(file) as base:
        adapter = RandomAdapter.of(base, rank=16).write_gguf(tmp_path / "adapter.gguf")
        expected = 2 * base.total_bytes + 2 * LoraAdapter.open(adapter, base).total_bytes
    config = EngineConfig(
        model=str(file), speculative_model=str(file), lora_modules={"one": str(adapter), "two": str(adapter)}
    )
    assert LocalModel(config, ["tiny"], config.lora_modules).prepare().weights == expected


def test_an_engine_keeps_to_the_memory_that_it_is_given(file: Path) -> None:
    source = LocalModel(EngineConfig(model=str(file)), ["tiny"], max_queue=10)
    assert options(source.engine(12345)).memory_budget == 12345
    assert options(source.engine(None)).memory_budget is None
    assert source.max_open_requests == 64 + 10


def test_another_model_gets_the_options_that_are_not_the_first_ones_own(file: Path) -> None:
    first = EngineConfig(
        model="first.gguf",
        served_model_name="first",
        speculative_model="draft.gguf",
        lora_modules={"adapter": "adapter.gguf"},
        max_model_len=100_000,
        kv_cache_dtype="int8",
    )
    other = options(further_model(first, str(file), ["tiny"], 10).engine(None))
    assert other.model == str(file)
    assert other.served_model_name == "tiny"
    assert other.speculative_model is None
    assert other.lora_modules == {}
    assert other.kv_cache_dtype == "int8"
    assert other.max_model_len == 4 * 512  # what YaRN makes of its own context


def test_a_file_that_is_broken_or_gone_is_told(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF\x03\x00\x00\x00")
    with pytest.raises(CorruptModelFile, match=r"broken\.gguf"):
        LocalModel(EngineConfig(model=str(broken)), ["broken"]).prepare()
    with pytest.raises(ModelNotFound):
        LocalModel(EngineConfig(model=str(tmp_path / "gone.gguf")), ["gone"]).prepare()
