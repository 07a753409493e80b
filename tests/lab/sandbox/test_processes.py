"""Who descends from whom, and what they hold, as /proc tells."""

import os
import subprocess
import sys

import pytest

from sevenb.lab.sandbox.supervision import processes
from tests.lab.sandbox.host import linux_only

pytestmark = linux_only

_CHILD_AND_GRANDCHILD = """
import subprocess, sys
source = "held = b'x' * (50 << 20); print('x', flush=True); input()"
below = subprocess.Popen([sys.executable, "-c", source])
below.wait()
"""


@pytest.mark.parametrize("told", [True, False], ids=["by children", "by parents"])
def test_descendants_and_their_memory_are_found(told: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not told:
        monkeypatch.setattr(processes.os.path, "exists", lambda path: False)
    command = [sys.executable, "-c", _CHILD_AND_GRANDCHILD]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout
        assert child.stdin
        child.stdout.readline()
        found = processes.descendants([child.pid])
        assert len(found) == 2
        assert found[0] == child.pid
        assert processes.memory_of(found, 1 << 40) > 50 << 20
        assert 50 << 20 < processes.memory_of(found, 1) <= processes.memory_of(found, 1 << 40)
        assert processes.threads_of(found) == 2
        child.stdin.write(b"\n")
        child.stdin.close()
    assert processes.memory_of(found, 1) == 0


def test_a_users_tasks_are_counted() -> None:
    assert processes.tasks_of_user(os.getuid()) >= 1
    assert processes.tasks_of_user(4_000_000_000) == 0
