"""What a process does to itself between its birth and the program that it becomes: it gives everything up."""

import math
import os
import resource
import signal
import sys
from typing import NamedTuple

from . import visible
from .layers import Layers

_ENVIRONMENT = {"PYTHONHASHSEED": "0", "MALLOC_ARENA_MAX": "2"}  # the same answer gets the same verdict
_LINUX = sys.platform == "linux"

if _LINUX:
    from . import kernel, landlock, namespaces, seccomp


class Confinement(NamedTuple):
    """All that one process is bound by; ``user``: whom it becomes, where root began it."""

    layers: Layers
    seconds: float
    memory: int
    processes: int
    files: int
    file_bytes: int
    user: int | None


def confine(confinement: Confinement) -> None:
    """Bind this process, for good. Raises OSError where the system refuses a layer; then it must end."""
    layers = confinement.layers
    shown = visible.visible() if _LINUX else []
    if _LINUX:
        with open("/proc/self/oom_score_adj", "w") as score:
            score.write("1000")  # if memory runs out in spite of all, this one goes first
    if layers.namespaces:
        namespaces.enter_root(shown, visible.DEVICES)
    _limit(confinement)
    if _LINUX:
        _become_nobody(confinement.user)
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    if layers.landlock:
        readable = ["/"] if layers.namespaces else [*shown, *visible.DEVICES]
        landlock.restrict(readable, [namespaces.SCRATCH] if layers.namespaces else [])
    if layers.seccomp:
        seccomp.refuse(alone=not layers.namespaces)


def become(program: str) -> None:
    """Turn into a fresh interpreter that runs ``program``, a Python source text; nothing of this process is left."""
    path = visible.interpreter()
    # As with -I, but for PYTHONHASHSEED: nothing else is in the environment that could be read.
    os.execve(path, [path, "-s", "-S", "-P", "-B", "-X", "utf8", "-c", program], _ENVIRONMENT)


def _limit(confinement: Confinement) -> None:
    processor_time = math.ceil(confinement.seconds) + 1
    limits = {
        "RLIMIT_AS": confinement.memory,
        "RLIMIT_CPU": processor_time,
        "RLIMIT_FSIZE": confinement.file_bytes,
        "RLIMIT_NOFILE": confinement.files,
        "RLIMIT_NPROC": confinement.processes,
        "RLIMIT_CORE": 0,
        "RLIMIT_MEMLOCK": 0,
        "RLIMIT_MSGQUEUE": 0,
        "RLIMIT_RTPRIO": 0,
        "RLIMIT_STACK": 64 << 20,
    }
    for name, value in limits.items():
        if (number := getattr(resource, name, None)) is None:
            continue
        most = resource.getrlimit(number)[1]
        value = value if most == resource.RLIM_INFINITY else min(value, most)
        soft = min(value, 8 << 20) if name == "RLIMIT_STACK" else value  # what a thread takes of the memory
        try:
            resource.setrlimit(number, (soft, value))
        except (ValueError, OSError):
            if _LINUX:
                raise  # elsewhere some limits only exist by name


def _become_nobody(user: int | None) -> None:
    """Drop root's powers; all of them also where root has to stay itself to reach the interpreter."""
    if os.geteuid() != 0:
        return
    for capability in range(64):
        try:
            kernel.prctl(kernel.PR_CAPBSET_DROP, capability)
        except OSError:
            break  # past the last that this kernel knows
    if user is None:
        kernel.drop_capabilities()
        return
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
