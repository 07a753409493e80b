"""``sevenb`` as a child of the lab: ends when its standard input does, so that it never outlives whoever started it."""

import os
import runpy
import signal
import sys
import threading
import time

_GRACE_SECONDS = 5.0  # to end in order


def _end_with_standard_input() -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_end_with_standard_input, daemon=True).start()
    sys.argv[0] = "sevenb"
    runpy.run_module("sevenb.cli.main", run_name="__main__")
