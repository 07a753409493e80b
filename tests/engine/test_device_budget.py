"""What all models of a server may take together is the card's memory where they compute there, else the host's."""

from pathlib import Path
from typing import Any

import pytest

from sevenb.engine import device_budget as module
from sevenb.engine.device_budget import device_budget
from sevenb.engine.engine_config import EngineConfig
from sevenb.host import model_budget
from tests.torch_or_skip import torch


def config(**settings: Any) -> EngineConfig:
    return EngineConfig(model="model", **settings)


@pytest.mark.parametrize("settings", [{}, {"device": "cpu"}, {"device": "mps"}, {"backend": "native"}])
def test_the_hosts_memory_counts_where_there_is_no_card_and_nothing_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str]
) -> None:
    monkeypatch.setattr(module.subprocess, "run", None)
    assert device_budget(config(**settings), tmp_path) == model_budget()


def test_a_card_that_cannot_be_used_leaves_the_hosts_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert device_budget(config(device="cuda")) == model_budget()


def test_a_card_is_asked_for_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    from sevenb.backend.torch import devices

    monkeypatch.setattr(devices, "open_device", lambda name: torch.device("cpu"))
    monkeypatch.setattr(devices, "total_memory", lambda device: 80 * 10**9)
    assert module._tell(config(device="cuda")) == 72 * 10**9
    assert module._tell(config(device="cuda", memory_utilization=0.5)) == 40 * 10**9
