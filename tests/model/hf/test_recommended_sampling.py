"""How a model's makers advise to sample: read from its folder, and what counts where nobody says otherwise."""

from dataclasses import replace
from pathlib import Path

import pytest

from sevenb import LLM, SamplingParams
from sevenb.cli.chat_settings import Settings
from sevenb.engine.engine_config import EngineConfig
from sevenb.model.checkpoint import Checkpoint
from sevenb.model.recommended_sampling import recommended_sampling
from sevenb.server.fleet.model_source import LocalModel
from tests.model.hf.tiny_folder import write_tiny_folder

_QWEN = {
    "do_sample": True,
    "temperature": 0.7,
    "top_k": 20,
    "top_p": 0.8,
    "repetition_penalty": 1.1,
    "eos_token_id": [258, 256],
}


def recommended(folder: Path, generation_config: object) -> dict[str, float]:
    write_tiny_folder(folder, generation_config__json=generation_config)
    with Checkpoint.open(folder) as checkpoint:
        return recommended_sampling(checkpoint.metadata)


def test_the_values_of_generation_config_are_read(tmp_path: Path) -> None:
    expected = {"temperature": 0.7, "top_k": 20, "top_p": 0.8, "repetition_penalty": 1.1}
    assert recommended(tmp_path, _QWEN) == expected


@pytest.mark.parametrize(
    "senseless",
    [
        {"temperature": -1, "top_p": 0, "top_k": -1, "min_p": 2, "repetition_penalty": 0},
        {"temperature": "hot", "top_p": [0.5], "top_k": True, "min_p": None, "repetition_penalty": {}},
        {"temperature": float("nan"), "top_p": float("inf"), "top_k": 10**400},
        {"temperature": 0.7, "do_sample": False},
        {},
    ],
)
def test_values_that_make_no_sense_do_not_count(tmp_path: Path, senseless: object) -> None:
    assert recommended(tmp_path, senseless) == {}


def test_a_model_without_recommendations_is_sampled_plainly(smollm2: Path) -> None:
    with Checkpoint.open(smollm2) as checkpoint:
        assert recommended_sampling(checkpoint.metadata) == {}


def test_a_server_may_let_no_recommendation_count(tmp_path: Path) -> None:
    write_tiny_folder(tmp_path, generation_config__json=_QWEN)
    model = LocalModel(EngineConfig(model=str(tmp_path)), ["tiny"])
    assert model.load_text().sampling["repetition_penalty"] == 1.1
    assert replace(model, as_recommended=False).load_text().sampling == {}


def test_the_library_samples_so_where_no_parameters_are_given(tmp_path: Path) -> None:
    write_tiny_folder(tmp_path, generation_config__json=_QWEN | {"top_k": 1})
    with LLM(str(tmp_path), max_model_len=64) as llm:
        assert llm.default_sampling_params(5) == SamplingParams(
            temperature=0.7, top_k=1, top_p=0.8, repetition_penalty=1.1, max_tokens=5
        )
        texts = {llm.generate("hi")[0].outputs[0].text for _ in range(4)}
        bold = SamplingParams(temperature=3.0, max_tokens=16)
        others = {llm.generate("hi", bold)[0].outputs[0].text for _ in range(4)}
    assert len(texts) == 1
    assert len(others) > 1


def test_what_a_person_sets_goes_before_what_the_model_recommends() -> None:
    settings = Settings(temperature=0.2)
    settings.recommend({"temperature": 0.6, "top_p": 0.95})
    assert (settings["temperature"], settings["top_p"], settings["top_k"]) == (0.2, 0.95, 20)
    assert settings.sampling_params.top_p == 0.95
