"""Standard input as a lifeline: a process ends when the one that began it does, however that went."""

import os
import threading
from collections.abc import Callable


def die_with_parent(farewell: Callable[[], object] = lambda: None) -> None:
    """From now on end this process at the end of its standard input, in whatever it is; ``farewell`` comes first."""
    threading.Thread(target=_die_at_end, args=(farewell,), name="lifeline", daemon=True).start()


def _die_at_end(farewell: Callable[[], object]) -> None:
    # os.read and not sys.stdin: a thread blocked inside a buffered reader would upset the interpreter's own exit.
    while os.read(0, 4096):
        pass
    farewell()
    os._exit(0)
