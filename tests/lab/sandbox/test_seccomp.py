"""The filter of system calls decides alike on both architectures, seen by an interpreter of its instructions."""

import errno
import os
from types import SimpleNamespace

import pytest

from sevenb.lab.sandbox.supervision import seccomp
from sevenb.lab.sandbox.supervision.syscalls import EXAMINED, HARMLESS, INSIDE

ALLOWED = "allowed"
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
OWN = 4242

CASES = [  # call, arguments, verdict in namespaces, verdict alone
    ("read", (), ALLOWED, ALLOWED),
    ("execve", (), ALLOWED, ALLOWED),
    ("openat", (0, 0, os.O_RDONLY), ALLOWED, ALLOWED),
    ("openat", (0, 0, os.O_WRONLY), ALLOWED, errno.EROFS),
    ("openat", (0, 0, os.O_RDWR | 0o2000000), ALLOWED, errno.EROFS),
    ("openat", (0, 0, 0o100), ALLOWED, errno.EROFS),
    ("openat", (0, 0, 0o1000), ALLOWED, errno.EROFS),
    ("unlinkat", (), ALLOWED, errno.EPERM),
    ("fchmodat", (), ALLOWED, errno.EPERM),
    ("kill", (OWN, 9), ALLOWED, ALLOWED),
    ("kill", (1, 9), ALLOWED, errno.EPERM),
    ("kill", (2**32 - 1, 9), ALLOWED, errno.EPERM),
    ("clone", (0x3D0F00,), ALLOWED, ALLOWED),
    ("clone", (17,), ALLOWED, errno.EPERM),
    ("clone", (0x10000000 | 17,), errno.EPERM, errno.EPERM),
    ("clone", (0x8000 | 17,), errno.EPERM, errno.EPERM),
    ("clone", (0x00020000 | 0x3D0F00,), errno.EPERM, errno.EPERM),
    ("clone3", (), errno.ENOSYS, errno.ENOSYS),
    ("mmap", (0, 0, 0, 0x22), ALLOWED, ALLOWED),
    ("mmap", (0, 0, 0, 0x01), ALLOWED, ALLOWED),
    ("mmap", (0, 0, 0, 0x21), errno.EPERM, errno.EPERM),
    ("mmap", (0, 0, 0, 0x4021), errno.EPERM, errno.EPERM),
    ("socketpair", (1, 1 | 0o2000000), ALLOWED, ALLOWED),
    ("socketpair", (1, 2), errno.EPERM, errno.EPERM),
    ("socketpair", (2, 1), errno.EPERM, errno.EPERM),
    ("prctl", (15,), ALLOWED, ALLOWED),
    ("prctl", (1,), errno.EPERM, errno.EPERM),
    ("fcntl", (0, 1030), ALLOWED, ALLOWED),
    ("fcntl", (0, 8), errno.EPERM, errno.EPERM),
    ("ioctl", (0, 0x5412), errno.EPERM, errno.EPERM),
    ("prlimit64", (0,), ALLOWED, ALLOWED),
    ("prlimit64", (7,), errno.EPERM, errno.EPERM),
]


def decide(instructions: list[tuple[int, int, int, int]], number: int, architecture: int, arguments=()) -> object:
    """What the kernel would do: a verdict, an errno or "killed" (the classic BPF that the filter uses)."""
    data = {0: number, 4: architecture} | {16 + 8 * place: value & 0xFFFFFFFF for place, value in enumerate(arguments)}
    place, value = 0, 0
    while True:
        code, yes, no, constant = instructions[place]
        place += 1
        if code == 0x20:
            value = data.get(constant, 0)
        elif code == 0x54:
            value &= constant
        elif code == 0x06:
            return {0x7FFF0000: ALLOWED, 0x80000000: "killed"}.get(constant, constant & 0xFFFF)
        else:
            holds = {0x15: value == constant, 0x25: value > constant, 0x35: value >= constant}
            place += yes if holds.get(code, bool(value & constant)) else no


@pytest.fixture(params=ARCHITECTURES)
def machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(seccomp.os, "uname", lambda: SimpleNamespace(machine=request.param))
    return request.param


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}{case[1]}")
def test_a_call_is_decided_by_its_arguments(machine: str, case, alone: bool) -> None:
    name, arguments, inside, by_itself = case
    number = {**HARMLESS, **INSIDE, **EXAMINED}[name][list(ARCHITECTURES).index(machine)]
    filtered = seccomp.program(alone=alone, own_process=OWN)
    assert decide(filtered, number, ARCHITECTURES[machine], arguments) == (by_itself if alone else inside)


@pytest.mark.parametrize("alone", [False, True])
def test_nothing_is_allowed_that_is_not_in_the_tables(machine: str, alone: bool) -> None:
    column = list(ARCHITECTURES).index(machine)
    named = {numbers[column] for numbers in {**HARMLESS, **EXAMINED, **({} if alone else INSIDE)}.values()}
    named |= {INSIDE[name][column] for name in ("kill", "tgkill")}
    filtered = seccomp.program(alone=alone, own_process=OWN)
    for number in {*range(700), 0x40000000, 0x40000027, 2**32 - 1} - named:
        assert decide(filtered, number, ARCHITECTURES[machine]) == (errno.ENOSYS if number >= 424 else errno.EPERM)


def test_calls_of_another_architecture_kill(machine: str) -> None:
    other = next(number for name, number in ARCHITECTURES.items() if name != machine)
    assert decide(seccomp.program(alone=False, own_process=OWN), 0, other) == "killed"


def test_the_filter_is_short_enough_for_the_kernel(machine: str) -> None:
    assert len(seccomp.program(alone=True, own_process=OWN)) < 4096
