"""The machine is described as this process may use it."""

import os
from pathlib import Path

import msgspec
import psutil
import pytest

from sevenb.lab.runs.machine import sevenb_version, this_machine


@pytest.fixture(scope="module")
def machine() -> object:
    return this_machine()


def test_this_machine_is_described(machine: object) -> None:
    facts = msgspec.to_builtins(machine)
    assert facts["cpu"]
    assert 0 < facts["cores"] <= os.cpu_count()
    assert 0 < facts["memory"] <= psutil.virtual_memory().total
    assert 0 <= facts["free_cores"] <= facts["cores"]


def test_the_processor_is_named(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text("processor\t: 0\nmodel name\t: Abacus 9000 @ 1 Hz\n")
    assert this_machine(tmp_path).cpu == "Abacus 9000 @ 1 Hz"


def test_a_gpu_is_named_where_its_tool_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA GeForce RTX 4090, 24564 MiB'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    from sevenb.lab.runs import machine

    machine._gpus.cache_clear()
    try:
        assert this_machine().gpus == ("NVIDIA GeForce RTX 4090, 24564 MiB",)
    finally:
        machine._gpus.cache_clear()


def test_a_busy_machine_is_told() -> None:
    calm = msgspec.structs.replace(this_machine(), cores=4, free_cores=3.9, load=0.2)
    assert calm.warning is None
    assert msgspec.structs.replace(calm, free_cores=1.5, load=3.1).warning == (
        "The machine was busy when this run began: 1.5 of 4 cores were free (load 3.1); "
        "timings may be slower than they would be."
    )


def test_a_checkout_names_its_commit() -> None:
    assert sevenb_version().startswith("0.1.0")
    if (Path(__file__).parents[3] / ".git").exists():
        assert "(" in sevenb_version()
