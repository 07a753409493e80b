"""The process between the lab and the programs: it begins them confined, watches them, and ends them whatever they do.

It is a process of its own so that the watch goes on while the lab computes, and so that programs die with it. It reads
one `Order` from its standard input and writes one `Report` to its standard output; if the input is closed before that,
the lab is gone, and it ends everything.
"""

import os
import select
import signal
import sys
import time

from . import visible
from .beginning import Channels, begin
from .jail import Confinement
from .orders import Order, Report, read_order, write
from .processes import descendants, memory_of, tasks_of_user, threads_of

_LINUX = sys.platform == "linux"
_TICK = 0.02  # seconds between looks at the memory
_READ = 1 << 16
_OWN_USERS = 2_000_000_000  # from here on nobody has a user number

if _LINUX:
    from . import kernel, namespaces


def main() -> None:
    """Carry out one order."""
    order = read_order(sys.stdin.buffer)
    try:
        report = _carry_out(order)
    except OSError as error:
        report = Report(refused=str(error))
    write(sys.stdout.buffer, report)


def _carry_out(order: Order) -> Report:
    confinement = _confinement(order)
    if _LINUX:
        kernel.prctl(36, 1)  # PR_SET_CHILD_SUBREAPER: whoever leaves his parent comes to us
    if order.layers.namespaces:
        namespaces.leave()
    channels = Channels(order)
    ended, ended_end = os.pipe()
    os.set_blocking(ended_end, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(ended_end)
    begun: list[int] = []
    try:
        for place, program in enumerate(order.programs):
            begun.append(begin(program, confinement, channels.of_program(place)))
        channels.close_ends()
        return _watch(order, confinement, begun, channels, ended)
    finally:
        _end(begun)


def _confinement(order: Order) -> Confinement:
    """The bounds of each process, with the user that it becomes."""
    extra = len(order.programs) - 1  # the one that tests
    bounds = Confinement(
        order.layers, order.seconds, order.memory, order.processes + extra, order.files, order.file_bytes, None
    )
    if not _LINUX:
        return bounds
    if os.geteuid() == 0:
        if order.layers.namespaces or visible.open_to_all():
            return bounds._replace(user=_nobody())
        if not (order.layers.landlock and order.layers.seccomp):
            raise PermissionError(f"{visible.interpreter()} cannot be read by any user but root")
        return bounds
    release = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])
    if order.layers.namespaces and release >= (5, 14):
        return bounds._replace(processes=bounds.processes + 1)  # counted by user namespace, where we are too
    return bounds._replace(processes=bounds.processes + tasks_of_user(os.geteuid()))


def _nobody() -> int:
    """A user that nothing belongs to and that no other program runs as, where this system has so many."""
    own = _OWN_USERS + os.getpid()
    with open("/proc/self/uid_map") as lines:
        ranges = [tuple(int(number) for number in line.split()) for line in lines]
    return own if any(first <= own < first + count for first, _, count in ranges) else 65534


def _watch(order: Order, confinement: Confinement, begun: list[int], channels: Channels, ended: int) -> Report:
    """Wait for the first program's end, or for the moment at which it has had enough of something."""
    began = time.monotonic()
    streams = {channels.output: bytearray(), channels.word: bytearray()}
    ready = select.poll()
    for descriptor in (0, ended, *streams):
        os.set_blocking(descriptor, False)
        ready.register(descriptor, select.POLLIN)
    verdict, exit_code, first = "", None, begun[0]
    looked = began
    while not verdict:
        for descriptor, _ in ready.poll(_TICK * 1000):
            if descriptor == 0:
                verdict = "abandoned"
            elif descriptor in streams and not _drain(descriptor, streams[descriptor], order.output_bytes):
                ready.unregister(descriptor)
            elif descriptor == ended:
                os.read(ended, 4096)
                verdict, exit_code = _how_it_ended(begun, first)
        now = time.monotonic()
        if not verdict and now - began > order.seconds:
            verdict = "timeout"
        if not verdict and now - looked > _TICK:
            looked = now
            verdict = _excess(order, confinement)
    seconds = time.monotonic() - began
    _end(begun)
    for descriptor, kept in streams.items():
        while _drain(descriptor, kept, order.output_bytes, once=True):
            pass
    output, word = (bytes(kept) for kept in streams.values())
    if verdict == "error" and output.rstrip().rpartition(b"\n")[2].startswith(b"MemoryError"):
        verdict = "memory"
    return Report(verdict, exit_code, output, word, seconds)


def _drain(descriptor: int, kept: bytearray, most: int, *, once: bool = False) -> bool:
    """Read what is there, keep what there is room for; False at the end (with ``once``, also when nothing is there)."""
    try:
        chunk = os.read(descriptor, _READ)
    except BlockingIOError:
        return not once
    kept += chunk[: most - len(kept)]
    return bool(chunk)


def _how_it_ended(begun: list[int], first: int) -> tuple[str, int | None]:
    """Collect the dead, also from ``begun``: their numbers may soon be others'. "" as long as the first one lives."""
    for process in list(begun):
        try:
            found, status = os.waitpid(process, os.WNOHANG)
        except ChildProcessError:
            continue
        if not found:
            continue
        if _LINUX:  # elsewhere the number still finds the group that it led
            begun.remove(process)
        if process == first:
            code = os.waitstatus_to_exitcode(status)
            return ("ok" if code == 0 else "error" if code > 0 else "killed"), code
    return "", None


def _excess(order: Order, confinement: Confinement) -> str:
    """ "memory" or "killed" where all processes together hold too much or are too many."""
    if not _LINUX:
        return ""
    processes = descendants([os.getpid()])[1:]  # also those whom a program had us be the parent of
    most = order.memory * len(order.programs)
    if memory_of(processes, most) > most:
        return "memory"
    return "killed" if threads_of(processes) > confinement.processes else ""


def _end(begun: list[int]) -> None:
    """Kill every process that came of the programs, until there is none."""
    for process in begun:
        _kill(process)
    while True:
        if _LINUX:
            for process in descendants([os.getpid()])[1:]:
                _kill(process)
        try:
            if os.waitpid(-1, 0 if not _LINUX else os.WNOHANG)[0] == 0:
                time.sleep(0.0005)
        except ChildProcessError:
            return


def _kill(process: int) -> None:
    for kill in (os.killpg, os.kill):
        try:
            kill(process, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue
