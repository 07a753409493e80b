"""`run_program`: a Python program in an interpreter of its own, contained as well as this system can."""

import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sevenb.errors import SandboxUnavailable
from sevenb.lab.sandbox.supervision.layers import Layers
from sevenb.lab.sandbox.supervision.orders import Order, Program, Report, read_report, write
from sevenb.lab.sandbox.supervision.visible import interpreter

_HERE = str(Path(__file__).parent)
_SUPERVISE = "import sys; sys.path.append({!r}); from supervision.supervisor import main; main()"
_READ_PROGRAM = "exec(compile(open(3, 'rb').read(), 'program.py', 'exec'))"
_PATIENCE = 30  # seconds that the supervisor may take to begin and end a program


@dataclass(frozen=True)
class Limits:
    """What a program may use; ``memory`` and ``processes`` are those of all its processes together."""

    seconds: float = 10
    memory: int = 1 << 30  # bytes
    processes: int = 16  # each thread counts as one
    files: int = 64  # open at once
    file_bytes: int = 16 << 20  # of one file
    output_bytes: int = 64 << 10  # that are kept


STANDARD = Limits()


@dataclass(frozen=True)
class Outcome:
    """What became of a program. ``ended``: "ok", "error", "timeout", "memory" or "killed"."""

    ended: str
    exit_code: int | None  # negative: the signal that ended it; None if it had to be ended
    output: str  # both streams, as they came
    seconds: float


def run_program(
    source: str, limits: Limits = STANDARD, stdin: str = "", *, confirm_run_unsafe_code: bool = False
) -> Outcome:
    """Run Python source in a fresh interpreter and wait for its end.

    Nothing of the program is left afterwards, neither processes nor files. Raises SandboxUnavailable where this system
    cannot cut it off the network and the user's files, unless that was confirmed.
    """
    program = Program(_READ_PROGRAM, _bytes(stdin), _bytes(source))
    report = run((program,), limits, layers(confirm_run_unsafe_code=confirm_run_unsafe_code))
    return Outcome(report.ended, report.exit_code, report.output.decode(errors="replace"), report.seconds)


def sandbox_kind() -> str:
    """Which layers contain a program on this system, such as "namespaces + landlock + seccomp + limits"."""
    return str(layers(confirm_run_unsafe_code=True))


def layers(*, confirm_run_unsafe_code: bool) -> Layers:
    """What this system offers. Raises SandboxUnavailable where that is too little and was not confirmed."""
    found, reason = _found()
    if not (found.contained or confirm_run_unsafe_code):
        raise SandboxUnavailable(
            f"Programs that a model writes cannot be cut off the network and your files here ({reason}): run this in "
            "a container or a virtual machine and confirm it with --confirm-run-unsafe-code."
        )
    return found


def run(programs: tuple[Program, ...], limits: Limits, layers: Layers) -> Report:
    """Have programs run under certain layers. Raises SandboxUnavailable where one of these fails."""
    order = Order(
        programs, layers, limits.seconds, limits.memory, limits.processes, limits.files, limits.file_bytes,
        limits.output_bytes,
    )  # fmt: skip
    report = _supervised(order)
    if report.refused:
        raise SandboxUnavailable(f"A program could not be contained by {layers}: {report.refused}.")
    return report


def _supervised(order: Order) -> Report:
    command = [interpreter(), "-I", "-S", "-c", _SUPERVISE.format(_HERE)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={}, cwd="/",
        start_new_session=True,
    ) as supervisor:  # fmt: skip
        assert supervisor.stdin
        assert supervisor.stdout
        hurry = threading.Timer(order.seconds + _PATIENCE, supervisor.kill)
        hurry.start()
        try:
            with suppress(BrokenPipeError):
                write(supervisor.stdin, order)  # stays open: its end would mean ours
            return read_report(supervisor.stdout)
        except EOFError:
            return Report(refused="its supervisor ended")
        finally:
            hurry.cancel()
            with suppress(BrokenPipeError):
                supervisor.stdin.close()


@cache
def _found() -> tuple[Layers, str]:
    """The layers that work here, tried out, and why one of them does not."""
    if sys.platform == "win32":
        raise SandboxUnavailable(
            "Programs that a model writes cannot be contained on Windows: use WSL, or a machine with Linux."
        )
    if sys.platform != "linux":
        return Layers(), f"{sys.platform} has neither namespaces nor seccomp"
    from sevenb.lab.sandbox.supervision import landlock, seccomp

    reasons = ""
    for namespaces in (True, False):
        tried = Layers(namespaces, landlock.version() > 0, seccomp.supported())
        report = _supervised(
            Order((Program(_READ_PROGRAM, b"", b"pass"),), tried, 30, STANDARD.memory, 16, 64, 1 << 20, 1 << 16)
        )
        if report.ended == "ok" and not report.refused:
            return tried, reasons
        reasons += (", " if reasons else "") + (report.refused or report.output.decode(errors="replace").strip()[-200:])
    return Layers(), reasons


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")
