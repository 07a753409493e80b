"""Systems that offer less: what is then used, and when nothing is run at all."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

import sevenb
from sevenb.errors import SandboxUnavailable
from sevenb.lab.sandbox import program, run_program, sandbox_kind
from sevenb.lab.sandbox.supervision.layers import Layers
from tests.lab.sandbox.host import NOBODY, linux_only, python_for, without_root
from tests.processes import children_of, left_after

_ASK = """
import json, os, sys
from sevenb.errors import SandboxUnavailable
from sevenb.lab.sandbox import run_program, sandbox_kind, check_solution
from sevenb.lab.sandbox.supervision import kernel, seccomp
refused = json.loads(sys.argv[1])
column = 0 if os.uname().machine == "x86_64" else 1
kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
seccomp.install(seccomp.denial([(numbers[column], error) for *numbers, error in refused]))
try:
    ended = [run_program("print(1)").output, check_solution("def f(): return 1", "assert f() == 1").passed]
except SandboxUnavailable as error:
    ended = str(error)
print(json.dumps([sandbox_kind(), ended]))
"""
_UNSHARE = (272, 97, 1)
_LANDLOCK = (444, 444, 38)


def ask(*refused: tuple[int, int, int], user: int | None = None) -> list[object]:
    """What a process says for which the kernel refuses some calls, as it does in many containers."""
    command = [python_for(user), "-c", _ASK, json.dumps(refused)]
    environment = {"PYTHONPATH": str(Path(sevenb.__file__).parents[1]), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=150, env=environment, user=user, check=False)
    assert done.returncode == 0, done.stderr
    said: list[object] = json.loads(done.stdout)
    return said


@linux_only
@pytest.mark.parametrize("user", [None, NOBODY] if hasattr(os, "geteuid") and os.geteuid() == 0 else [None])
def test_where_namespaces_are_refused_the_other_layers_contain(user: int | None) -> None:
    if "landlock + seccomp" not in sandbox_kind():
        pytest.skip("no other layers here")
    assert ask(_UNSHARE, user=user) == ["landlock + seccomp + limits", ["1\n", True]]


@linux_only
def test_where_landlock_is_missing_too_seccomp_contains_or_it_is_refused() -> None:
    if "seccomp" not in sandbox_kind():
        pytest.skip("no seccomp here")
    kind, ended = ask(_UNSHARE, _LANDLOCK)
    assert kind in ("seccomp + limits", "limits")
    assert ended == ["1\n", True] if kind == "seccomp + limits" else "--confirm-run-unsafe-code" in str(ended)


@linux_only
def test_where_namespaces_work_landlock_is_no_condition() -> None:
    if "namespaces" not in sandbox_kind():
        pytest.skip("no namespaces here")
    assert ask(_LANDLOCK) == ["namespaces + seccomp + limits", ["1\n", True]]


def test_what_cannot_be_contained_is_refused_unless_it_was_confirmed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "_found", lambda: (Layers(), "no system is like this"))
    with pytest.raises(SandboxUnavailable, match="--confirm-run-unsafe-code"):
        run_program("print(1)")
    assert sandbox_kind() == "limits"


@linux_only
def test_a_confirmed_program_runs_within_limits_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "_found", lambda: (Layers(), "no system is like this"))
    assert without_root(lambda: run_program("print(1)", confirm_run_unsafe_code=True)).output == "1\n"


def test_windows_is_told_to_use_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "_found", program._found.__wrapped__)
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(SandboxUnavailable, match="WSL"):
        run_program("print(1)", confirm_run_unsafe_code=True)


@linux_only
def test_programs_end_with_the_lab() -> None:
    source = "import time, sys; print('begun', flush=True); time.sleep(600)"
    lab = subprocess.Popen(
        [sys.executable, "-c", f"from sevenb.lab.sandbox import *; run_program({source!r}, Limits(seconds=600))"],
        env={"PYTHONPATH": str(Path(sevenb.__file__).parents[1])},
    )
    children = _wait_for_children(lab.pid)
    lab.kill()
    lab.wait()
    assert left_after(children) == []


def _wait_for_children(process: int) -> list[psutil.Process]:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        below = children_of(process, recursive=True)
        if any("open(3, 'rb')" in _command(child) for child in below):
            return below
        time.sleep(0.01)
    raise AssertionError("the program did not begin")


def _command(process: psutil.Process) -> str:
    """Its command line; nothing of one that has ended meanwhile, as those do that try which layers there are."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""
