"""How a program begins: its descriptors, and the process that turns into it."""

import fcntl
import os
import signal
import sys

from .jail import Confinement, become, confine
from .orders import Order, Program


class Channels:
    """The descriptors between the supervisor and its programs."""

    def __init__(self, order: Order) -> None:
        self.output, self.output_end = os.pipe()
        self.word, self.word_end = os.pipe()
        self.forth, self.forth_end = os.pipe()
        self.back, self.back_end = os.pipe()
        self.files = [(_file(program.stdin), _file(program.data)) for program in order.programs]

    def of_program(self, place: int) -> list[int]:
        """What becomes 0, 1, 2, … in the program."""
        stdin, data = self.files[place]
        ends = [stdin, self.output_end, self.output_end, data]
        if len(self.files) == 1:
            return ends
        return [*ends, self.back, self.forth_end, self.word_end] if place == 0 else [*ends, self.forth, self.back_end]

    def close_ends(self) -> None:
        """Leave the programs' ends to the programs."""
        for end in (self.output_end, self.word_end, self.forth, self.forth_end, self.back, self.back_end):
            os.close(end)


def _file(content: bytes) -> int:
    """An open file without a name, at its beginning."""
    if sys.platform == "linux":
        descriptor = os.memfd_create("input")
    else:
        import tempfile

        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def begin(program: Program, confinement: Confinement, descriptors: list[int]) -> int:
    """Begin one program. Raises OSError if it could not be confined."""
    complaint, complaint_end = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            os.close(complaint)
            _take(descriptors, complaint_end)
            confine(confinement)
            become(program.source)
        except BaseException as error:
            os.write(7, str(error).encode()[:500] or b"no reason given")
        finally:
            os._exit(1)
    os.close(complaint_end)
    with open(complaint, "rb") as words:
        if reason := words.read():
            raise OSError(reason.decode(errors="replace"))
    return process


def _take(descriptors: list[int], complaint: int) -> None:
    """Leave this process with these descriptors as 0, 1, 2, … and 7 for complaints, and with nothing else of ours."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    moved = [fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 64) for descriptor in [*descriptors, complaint]]
    for place, descriptor in enumerate(moved[:-1]):
        os.dup2(descriptor, place)
    os.closerange(len(descriptors), 7)
    os.dup2(moved[-1], 7, inheritable=False)
    os.closerange(8, 1 << 16)
