"""Programs that take 10 GB, by one process or by many."""

import os
import threading
import time

import psutil
import pytest

from sevenb.lab.sandbox import Limits
from sevenb.lab.sandbox.program import run
from sevenb.lab.sandbox.supervision.orders import Program
from tests.lab.sandbox.host import FOR_PROCESSES, NAMESPACES_ALONE, Host, every_way, linux_only, works

pytestmark = linux_only

LIMITS = Limits(seconds=4, memory=256 << 20)

PROGRAMS = {
    "in one piece": "x = bytearray(10 << 30)",
    "slowly": """
held = []
while True: held.append(bytearray(1 << 20))
""",
    "slowly, and it goes on": """
held = []
while True:
    try: held.append(bytearray(1 << 20))
    except MemoryError: pass
""",
    "in children": """
import os, time
for _ in range(12):
    try: child = os.fork()
    except OSError: break
    if child == 0:
        held = bytearray(b'x' * (200 << 20)); time.sleep(600)
time.sleep(600)
""",
    "in children's children": """
import os, time
for _ in range(12):
    try: child = os.fork()
    except OSError: break
    if child: break
held = bytearray(b'x' * (200 << 20)); time.sleep(600)
""",
    "mapped": """
import mmap
held = [mmap.mmap(-1, 64 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) for _ in range(160)]
""",
    "mapped and shared": """
import mmap
held = [mmap.mmap(-1, 64 << 20) for _ in range(160)]
""",
    "in /dev/shm": "open('/dev/shm/hostile', 'wb').write(bytes(1 << 20) * 10000)",
    "in memfds": """
import os
held = [os.memfd_create(str(n)) for n in range(60)]
for file in held: os.write(file, bytes(16 << 20))
""",
    "in pipes": """
import fcntl, os
held = []
while True:
    held.append(os.pipe()); fcntl.fcntl(held[-1][1], 1031, 1 << 20)
    os.set_blocking(held[-1][1], False); os.write(held[-1][1], bytes(1 << 20))
""",
    "in files": """
import os
for number in range(10000):
    with open(str(number), 'wb') as file: file.write(bytes(15 << 20))
""",
    "by the C library": """
import ctypes
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
while True:
    p = libc.malloc(ctypes.c_size_t(1 << 20))
    if p: ctypes.memset(p, 1, 1 << 20)
""",
    "as text": """
x = 'x'
while True: x += x
""",
    "as a number": """
x = 3
while True: x *= x
""",
}


@every_way(FOR_PROCESSES)
@pytest.mark.parametrize("name", PROGRAMS)
def test_the_machine_keeps_its_memory(host: Host, layers, name: str) -> None:
    done, most = threading.Event(), [0]
    others = set(psutil.Process().children(recursive=True))  # servers that earlier tests still use

    def weigh() -> None:
        while not done.is_set():
            most[0] = max(most[0], _held_below(os.getpid(), others))
            time.sleep(0.01)

    watch = threading.Thread(target=weigh)
    watch.start()
    try:
        outcome = host.run(PROGRAMS[name], layers, LIMITS)
    finally:
        done.set()
        watch.join()
    assert outcome.ended != "ok" or name in ("in pipes",)
    assert most[0] < 1 << 30  # four times what is allowed: it is looked at every 20 ms


@every_way(FOR_PROCESSES)
def test_children_together_are_held_to_what_one_may_have(host: Host, layers) -> None:
    outcome = host.run(PROGRAMS["in children"], layers, LIMITS)
    assert outcome.ended == ("memory" if layers.namespaces else "timeout")  # there it has no children


@pytest.mark.skipif(not works(NAMESPACES_ALONE), reason="it may not begin processes here")
def test_children_that_a_program_gives_to_the_supervisor_count() -> None:
    source = """
import ctypes, os, time
number = 56 if os.uname().machine == 'x86_64' else 220
CLONE_PARENT = 0x8000
for _ in range(4):
    if not ctypes.CDLL(None).syscall(ctypes.c_long(number), ctypes.c_ulong(CLONE_PARENT | 17), 0, 0, 0, 0):
        held = [bytearray(1 << 20) for _ in range(60)]
        time.sleep(600)
time.sleep(600)
"""
    # Two programs: the first of its namespace cannot do this. Without the filter, which would refuse it.
    programs = (Program("import time; time.sleep(600)"), Program(source))
    assert run(programs, Limits(seconds=10, memory=100 << 20), NAMESPACES_ALONE).ended == "memory"


def _held_below(process: int, others: set[psutil.Process]) -> int:
    """Bytes of a process's descendants but ``others``, shared pages once for each."""
    held, parent = 0, psutil.Process(process)
    for child in set(parent.children(recursive=True)) - others:
        try:
            if child.cmdline() != parent.cmdline():  # else it is only being begun, and the memory is its parent's
                held += child.memory_info().rss
        except psutil.Error:
            continue
    return held
