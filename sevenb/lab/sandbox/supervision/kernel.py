"""The C library's calls that Python has no function for, each raising OSError where the kernel refuses."""

import ctypes
import errno
import os
import struct

_libc = ctypes.CDLL(None, use_errno=True)

# prctl(2)
PR_SET_PDEATHSIG = 1
PR_SET_SECCOMP = 22
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38

# unshare(2)
CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

# mount(2)
MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MNT_DETACH = 2

_MOUNT_SETATTR, _WORKING_FOLDER, _RECURSIVE = 442, -100, 0x8000


def _checked(what: str, result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def prctl(option: int, *arguments: int) -> int:
    """Set something of this process; ``arguments`` are passed as unsigned longs."""
    padded = (*arguments, 0, 0, 0, 0)[:4]
    return _checked("prctl", _libc.prctl(option, *(ctypes.c_ulong(argument) for argument in padded)))


def unshare(flags: int) -> None:
    """Leave namespaces that are shared with others for new ones."""
    _checked("unshare", _libc.unshare(flags))


def mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    """Mount a file system, or change how one is mounted."""
    texts = [text.encode() if text is not None else None for text in (source, target, kind)]
    result = _libc.mount(*texts, ctypes.c_ulong(flags), data.encode() if data is not None else None)
    _checked(f"mount {target}", result)


def restrict_mounts(path: str, flags: int) -> bool:
    """Give the mount at a path and all that lie beneath it further flags (mount_setattr(2), Linux 5.12).

    ``flags`` are of MS_RDONLY, MS_NOSUID, MS_NODEV and MS_NOEXEC, whose numbers are MOUNT_ATTR's too. False: this
    kernel cannot.
    """
    attributes = ctypes.create_string_buffer(struct.pack("=QQQQ", flags, 0, 0, 0), 32)
    place = ctypes.create_string_buffer(path.encode())
    try:
        system_call(
            "mount_setattr",
            _MOUNT_SETATTR,
            _WORKING_FOLDER,
            ctypes.cast(place, ctypes.c_void_p),
            _RECURSIVE,
            ctypes.cast(attributes, ctypes.c_void_p),
            len(attributes),
        )
    except OSError as error:
        if error.errno == errno.ENOSYS:
            return False
        raise
    return True


def pivot_root_here() -> None:
    """Make the working folder, a mount point, the root of this mount namespace and let go of the old one."""
    _checked("pivot_root", _libc.pivot_root(b".", b"."))
    _checked("umount", _libc.umount2(b".", MNT_DETACH))


def system_call(name: str, number: int, *arguments: int | ctypes.c_void_p | None) -> int:
    """Make a system call that the C library does not know."""
    longs = [ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in arguments]
    return _checked(name, _libc.syscall(ctypes.c_long(number), *longs))


def drop_capabilities() -> None:
    """Give up every capability of this process (capset(2))."""
    header = ctypes.create_string_buffer(struct.pack("=Ii", 0x20080522, 0), 8)  # _LINUX_CAPABILITY_VERSION_3
    none = ctypes.create_string_buffer(24)
    _checked("capset", _libc.capset(header, none))
