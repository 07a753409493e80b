"""``--lora-modules``: what it takes, and what it says of anything else."""

from pathlib import Path

import pytest

from sevenb.cli.lora_modules import parse_lora_modules
from sevenb.errors import InvalidRequest


def test_adapters_are_named_as_in_vllm(tmp_path: Path) -> None:
    values = [f"sql={tmp_path}", f'{{"name": "chat", "path": "{tmp_path}", "base_model_name": "any"}}']
    assert parse_lora_modules(values) == {"sql": str(tmp_path), "chat": str(tmp_path)}
    assert parse_lora_modules([]) == {}


@pytest.mark.parametrize("value", ["sql", "=path", "sql=", '{"name": "sql"}', "{", '{"name": 3, "path": "x"}'])
def test_anything_else_is_refused(value: str) -> None:
    with pytest.raises(InvalidRequest, match="NAME=PATH"):
        parse_lora_modules([value])


def test_a_path_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="there is no such file"):
        parse_lora_modules(["sql=/nowhere/at/all"])


def test_each_name_means_one_thing(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="its own name"):
        parse_lora_modules([f"sql={tmp_path}", f"sql={tmp_path}"])
    with pytest.raises(InvalidRequest, match="its own name"):
        parse_lora_modules([f"coder={tmp_path}"], taken=["coder"])
