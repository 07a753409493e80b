"""Processes as /proc tells of them: who descends from whom, and what they hold."""

import os
from collections.abc import Callable, Iterable, Sequence

_KIB = 1024


def descendants(roots: Sequence[int]) -> list[int]:
    """``roots`` and every process that came of them and has not left to another parent."""
    found = list(roots)
    children = _children if os.path.exists("/proc/thread-self/children") else _all_children()
    for process in found:  # which grows on the way
        found += children(process)
    return found


def _children(process: int) -> list[int]:
    numbers: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{process}/task"):
            with open(f"/proc/{process}/task/{thread}/children") as line:
                numbers += [int(number) for number in line.read().split()]
    except OSError:
        pass  # it ended meanwhile
    return numbers


def _all_children() -> Callable[[int], list[int]]:
    """The same from everybody's parent, for kernels that keep no list of children."""
    by_parent: dict[int, list[int]] = {}
    for process in _everybody():
        by_parent.setdefault(int(_status(process).get("PPid", "0")), []).append(process)
    return lambda process: by_parent.get(process, [])


def memory_of(processes: Iterable[int], enough: int) -> int:
    """Bytes that these hold together, in memory or swapped out.

    What they share is counted for each as long as it stays below ``enough``; beyond, proportionally, which takes the
    kernel longer to tell.
    """
    processes = list(processes)
    fields = [_status(process) for process in processes]
    held = sum(_bytes(field.get("VmRSS", "0")) + _bytes(field.get("VmSwap", "0")) for field in fields)
    return held if held <= enough else sum(_proportional(process) for process in processes)


def _proportional(process: int) -> int:
    fields = _status(process, "smaps_rollup") or _status(process)
    return _bytes(fields.get("Pss", fields.get("VmRSS", "0"))) + _bytes(fields.get("SwapPss", "0"))


def threads_of(processes: Iterable[int]) -> int:
    """How many threads these have together, each process having at least one."""
    return sum(int(_status(process).get("Threads", "0")) for process in processes)


def tasks_of_user(user: int) -> int:
    """How many threads a user has in all, as RLIMIT_NPROC counts them."""
    owned = [fields for fields in map(_status, _everybody()) if fields.get("Uid", "").split()[:1] == [str(user)]]
    return sum(int(fields.get("Threads", "1")) for fields in owned)


def _everybody() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _status(process: int, name: str = "status") -> dict[str, str]:
    """The fields of a file "name: value"; none of a process that is gone."""
    try:
        with open(f"/proc/{process}/{name}") as lines:
            return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}
    except (OSError, ValueError):
        return {}


def _bytes(value: str) -> int:
    return int(value.split()[0]) * _KIB
