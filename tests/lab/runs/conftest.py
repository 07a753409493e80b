"""A lab folder of the test's own."""

from pathlib import Path

import pytest

from sevenb.lab.runs import machine
from sevenb.lab.runs.store import RunStore


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    monkeypatch.setattr(machine, "_LOOK_SECONDS", 0.01)  # these runs measure nothing
    return RunStore(tmp_path / "lab")
