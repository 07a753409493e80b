"""Published scores are found by any name that a model goes by, and never for another model."""

import pytest

from sevenb.lab.target.target import Target
from sevenb.lab.tasks.published import model_family, published_score


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("qwen2.5-coder:0.5b", "qwen2.5-coder-0.5b-instruct"),
        ("qwen2.5:7b", "qwen2.5-7b-instruct"),
        ("Qwen/Qwen2.5-7B-Instruct", "qwen2.5-7b-instruct"),
        ("Qwen/Qwen2.5-7B", "qwen2.5-7b"),
        ("/models/qwen2.5-coder-1.5b-instruct-q4_k_m.gguf", "qwen2.5-coder-1.5b-instruct"),
        ("Qwen/Qwen2.5-0.5B-Instruct-GGUF:Q4_K_M", "qwen2.5-0.5b-instruct"),
        ("smollm2:135m", None),
        ("qwen3:0.6b", None),
    ],
)
def test_names_tell_the_model(name: str, model: str | None) -> None:
    assert model_family(name) == model


def test_a_score_is_that_of_the_task_and_model() -> None:
    coder = Target("http://x/v1", "qwen2.5-coder:0.5b", "ours")
    score = published_score("humaneval", coder)
    assert score is not None
    assert score.value == 61.6
    assert score.source
    assert published_score("gsm8k", coder) is None
    assert published_score("humaneval", Target("http://x/v1", "m", "smollm2")) is None
