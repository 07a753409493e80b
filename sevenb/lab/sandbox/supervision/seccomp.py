"""seccomp-BPF: the system calls of a program, filtered by the kernel (seccomp(2), `linux/seccomp.h`).

Everything that is not allowed is refused, with EPERM, or with ENOSYS for calls that are new enough that programs are
written to do without. A filter is inherited by every process that the program begins, and cannot be taken off.
"""

import ctypes
import errno
import os
import struct
import sys
from collections.abc import Iterable, Sequence

from . import kernel
from .syscalls import EXAMINED, HARMLESS, INSIDE

_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # column in the tables, AUDIT_ARCH

Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, constant

_LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_EQUAL, _GREATER, _AT_LEAST, _ANY_BIT = 0x15, 0x25, 0x35, 0x45  # BPF_JMP | BPF_J… | BPF_K
_AND = 0x54  # BPF_ALU | BPF_AND | BPF_K
_RETURN = 0x06
_NUMBER, _ARCHITECTURE = 0, 4  # offsets in struct seccomp_data
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_FIRST_NEW_CALL = 424  # from here on, numbers are the same everywhere

_STRANGE_CHILDREN = 0x7E028000  # CLONE_NEW* and CLONE_PARENT in clone(2)'s flags
_THREAD = 0x00010000  # CLONE_THREAD
_WRITING = 0x1 | 0x2 | 0x40 | 0x200 | 0x400000  # O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | __O_TMPFILE
_TERMINAL_QUESTIONS = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)  # TCGETS TIOCGWINSZ FIONREAD FIONBIO FIO[N]CLEX
_FILE_CONTROLS = (0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030, 1032, 1034)  # no owner, signal, lease or pipe size
_NAMES = (15, 16)  # PR_SET_NAME, PR_GET_NAME


def supported() -> bool:
    """Whether this machine's system calls are known and its kernel filters them."""
    if os.uname().machine not in _ARCHITECTURES or sys.maxsize < 2**32:
        return False
    try:
        kernel.prctl(21)  # PR_GET_SECCOMP
    except OSError:
        return False
    return True


def refuse(*, alone: bool) -> None:
    """Filter the calls of this process from now on; it must have given up gaining privileges.

    ``alone``: for a program without namespaces of its own. It may then begin no further process, signal nobody but
    itself, and neither open a file for writing nor change anything of one.
    """
    install(program(alone=alone, own_process=os.getpid()))


def install(instructions: Sequence[Instruction]) -> None:
    """Hand a filter to the kernel. Raises OSError where it does not take it."""
    code = b"".join(struct.pack("=HBBI", *instruction) for instruction in instructions)
    buffer = ctypes.create_string_buffer(code, len(code))
    header = ctypes.create_string_buffer(struct.pack("@HP", len(instructions), ctypes.addressof(buffer)))
    kernel.prctl(kernel.PR_SET_SECCOMP, 2, ctypes.addressof(header))


def denial(denied: Iterable[tuple[int, int]]) -> list[Instruction]:
    """A filter that refuses a few calls (number, errno) and nothing else: what a container's may look like."""
    instructions: list[Instruction] = [(_LOAD, 0, 0, _NUMBER)]
    for number, error in denied:
        instructions += [(_EQUAL, 0, 1, number), _error(error)]
    return [*instructions, (_RETURN, 0, 0, _ALLOW)]


def program(*, alone: bool, own_process: int) -> list[Instruction]:
    """The filter as instructions, see `refuse`."""
    column, architecture = _ARCHITECTURES[os.uname().machine]
    instructions: list[Instruction] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
    ]
    for name, block in _examinations(alone, own_process).items():
        number = {**EXAMINED, **INSIDE}[name][column]
        if number is not None:
            instructions += [(_EQUAL, 0, len(block), number), *block]
    allowed = {numbers[column] for numbers in (HARMLESS if alone else {**HARMLESS, **INSIDE}).values()}
    for low, high in _ranges(sorted(number for number in allowed if number is not None)):
        instructions += [(_AT_LEAST, 0, 2, low), (_GREATER, 1, 0, high), (_RETURN, 0, 0, _ALLOW)]
    return [*instructions, (_AT_LEAST, 0, 1, _FIRST_NEW_CALL), _error(errno.ENOSYS), _error(errno.EPERM)]


def _examinations(alone: bool, own_process: int) -> dict[str, list[Instruction]]:
    """What is looked at in the arguments of a call, each block ending in a verdict."""
    refused, allowed = _error(errno.EPERM), (_RETURN, 0, 0, _ALLOW)
    blocks: dict[str, list[Instruction]] = {
        # Shared memory without a file would be held by nobody's account once it is no longer touched.
        "mmap": [_load(3), (_AND, 0, 0, 0x23), (_EQUAL, 0, 1, 0x21), refused, allowed],
        "clone": [_load(0), (_ANY_BIT, 0, 1, _STRANGE_CHILDREN), refused, allowed],
        "clone3": [_error(errno.ENOSYS)],  # its flags lie in memory, where no filter can look; libraries fall back
        # A pair of connected streams as asyncio has it; datagrams could be sent to others' sockets.
        "socketpair": [_load(0), (_EQUAL, 0, 3, 1), _load(1), (_AND, 0, 0, 0xFF), (_EQUAL, 1, 0, 1), refused, allowed],
        "prctl": _one_of(0, _NAMES),
        "ioctl": _one_of(1, _TERMINAL_QUESTIONS),
        "fcntl": _one_of(1, _FILE_CONTROLS),
        "prlimit64": _one_of(0, (0,)),  # of nobody else
        "open": [allowed],
        "openat": [allowed],
    }
    if alone:
        own = _one_of(0, (own_process,))
        read_only = [(_ANY_BIT, 0, 1, _WRITING), _error(errno.EROFS), allowed]
        blocks |= {
            "clone": [_load(0), (_ANY_BIT, 1, 0, _STRANGE_CHILDREN), (_ANY_BIT, 1, 0, _THREAD), refused, allowed],
            "kill": own,
            "tgkill": own,
            "open": [_load(1), *read_only],
            "openat": [_load(2), *read_only],
        }
    return blocks


def _one_of(argument: int, values: Sequence[int]) -> list[Instruction]:
    """Allow a call if one of its arguments has one of these values."""
    questions = [(_EQUAL, len(values) - place, 0, value) for place, value in enumerate(values)]
    return [_load(argument), *questions, _error(errno.EPERM), (_RETURN, 0, 0, _ALLOW)]


def _load(argument: int) -> Instruction:
    return (_LOAD, 0, 0, 16 + 8 * argument)  # the low half; both machines are little-endian


def _error(number: int) -> Instruction:
    return (_RETURN, 0, 0, _ERRNO | number)


def _ranges(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Neighbouring numbers together: (first, last)."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found
