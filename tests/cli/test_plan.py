"""``sevenb plan``: one model with its arithmetic, tables, JSON, and mistakes told in a sentence."""

import json

import pytest
from typer.testing import CliRunner

from sevenb.cli.main import app
from sevenb.errors import InvalidRequest, ModelNotFound, SevenbError


def planned(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["plan", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_one_model_is_shown_with_its_arithmetic_and_its_other_forms() -> None:
    shown = planned("qwen2.5:7b", "--device", "h100", "--quantization", "fp16")
    assert "fits" in shown
    assert "56.0 KiB" in shown
    assert "2 × 28 layers × 4 KV heads × 128 in f16" in shown
    assert "3,350.0 GB/s ÷ (14.14 GB of weights + 1.88 GB of KV)" in shown
    assert "Q4_K_M" in shown


def test_where_it_does_not_fit_what_would_is_shown() -> None:
    shown = planned("qwen2.5:7b", "--device", "3060", "--quantization", "fp16")
    assert "does not fit" in shown
    assert "Not even the weights fit" in shown
    assert "What would fit instead" in shown
    assert "weights in Q8_0" in shown


def test_without_a_model_the_whole_catalog_is_planned_for_each_device() -> None:
    shown = planned("--device", "rtx-4090,mac-16gb", "--quantization", "Q4_K_M", "--context", "8K,32K")
    for name in ("qwen2.5:7b", "llama3:8b", "mistral:7b", "NVIDIA RTX 4090", "Mac with M4"):
        assert name in shown


def test_plans_are_given_as_json() -> None:
    rows = json.loads(planned("qwen2.5:7b", "--device", "4x4090", "--concurrency", "1,4", "--json"))
    assert {row["concurrency"] for row in rows} == {1, 4}
    assert all(row["fits"] and row["lines"] for row in rows)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["no-such-model:7b"], ModelNotFound),
        (["qwen2.5:7b", "--device", "abacus"], InvalidRequest),
        (["qwen2.5:7b", "--device", "4090", "--context", "0"], InvalidRequest),
        (["qwen2.5:7b", "--device", "4090", "--concurrency", "many"], InvalidRequest),
        (["qwen2.5:7b", "--device", "4090", "--quantization", "Q9_X"], InvalidRequest),
    ],
)
def test_mistakes_are_told_in_one_sentence(arguments: list[str], error: type[SevenbError]) -> None:
    result = CliRunner().invoke(app, ["plan", *arguments])
    assert isinstance(result.exception, error)
    assert str(result.exception).endswith((".", "?"))
