"""Landlock: which files a process may read, and that it may touch no other (landlock(7), Linux 5.13)."""

import ctypes
import os
import struct
from collections.abc import Iterable

from . import kernel

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE = 1 << 14
_MAKE_SPECIAL = 1 << 6 | 1 << 9 | 1 << 11  # character devices, sockets, block devices
_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}  # handled, by version

READ = _EXECUTE | _READ_FILE | _READ_DIR


def version() -> int:
    """Of the kernel's Landlock; 0 where there is none."""
    try:
        return kernel.system_call("landlock", _CREATE_RULESET, None, 0, 1)
    except OSError:
        return 0


def restrict(readable: Iterable[str], written: Iterable[str] = ()) -> None:
    """Let this process read and execute what lies under ``readable`` and also write under ``written``, no more.

    No TCP, and neither signals nor abstract sockets across, where the kernel's Landlock knows these. The process must
    have given up gaining privileges. Raises OSError.
    """
    known = version()
    files = _RIGHTS[max(number for number in _RIGHTS if number <= known)]
    attributes = struct.pack("=QQQ", files, 3, 3)[: 8 if known < 4 else 16 if known < 6 else 24]
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    ruleset = kernel.system_call("landlock", _CREATE_RULESET, ctypes.cast(buffer, ctypes.c_void_p), len(attributes), 0)
    for path in readable:
        _allow(ruleset, path, READ)
    for path in written:
        _allow(ruleset, path, files & ~_EXECUTE & ~_MAKE_SPECIAL)
    kernel.system_call("landlock", _RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    if not os.path.isdir(path):
        rights &= _EXECUTE | _READ_FILE | _WRITE_FILE | _TRUNCATE
    rule = ctypes.create_string_buffer(struct.pack("=Qi", rights, place), 12)
    kernel.system_call("landlock", _ADD_RULE, ruleset, 1, ctypes.cast(rule, ctypes.c_void_p), 0)
    os.close(place)
