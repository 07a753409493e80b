"""The supervisor remembers no number of a process that is gone: it may be another's by now."""

import os
import signal
import time

from sevenb.lab.sandbox.supervision.supervisor import _how_it_ended
from tests.lab.sandbox.host import linux_only

pytestmark = linux_only


def _child(seconds: float) -> int:
    process = os.fork()
    if process == 0:
        time.sleep(seconds)
        os._exit(0)
    return process


def test_whoever_has_ended_is_not_killed_later() -> None:
    tester, solution = _child(600), _child(0)
    try:
        os.waitid(os.P_PID, solution, os.WEXITED | os.WNOWAIT)
        begun = [tester, solution]
        assert _how_it_ended(begun, tester) == ("", None)
        assert begun == [tester]
    finally:
        os.kill(tester, signal.SIGKILL)
        os.waitid(os.P_PID, tester, os.WEXITED | os.WNOWAIT)
    assert _how_it_ended(begun, tester) == ("killed", -signal.SIGKILL)
    assert begun == []
