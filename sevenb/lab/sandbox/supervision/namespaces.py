"""Namespaces: a program sees no process but its own, no network, and of the files only the Python installation.

Works for an ordinary user where the system lets him make user namespaces, and for root (namespaces(7)).
"""

import os
import stat
from collections.abc import Iterable

from . import kernel

SCRATCH = "/tmp"  # in the program's own root
_SCRATCH_BYTES = 64 << 20
_SCRATCH_FILES = 4096
_BASE = "/proc"  # the new root is put together here, since nothing that is shown to a program lies beneath
_NOBODY = 65534


def leave() -> None:
    """Let the processes that this one begins live in namespaces of their own; its own files stay as they are.

    Raises OSError where the system does not allow it.
    """
    apart = kernel.CLONE_NEWPID | kernel.CLONE_NEWNET | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS
    if os.geteuid() == 0:
        kernel.unshare(apart)
        return
    user, group = os.geteuid(), os.getegid()
    kernel.unshare(kernel.CLONE_NEWUSER | apart)
    for name, value in (("setgroups", "deny"), ("uid_map", f"{_NOBODY} {user} 1"), ("gid_map", f"{_NOBODY} {group} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(value)


def enter_root(visible: Iterable[str], devices: Iterable[str]) -> None:
    """Swap the root of this process for one that holds ``visible``, read-only, and an empty folder for scratch.

    ``visible`` are absolute paths of folders and files, none within another. Raises OSError.
    """
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    quiet = kernel.MS_NOSUID | kernel.MS_NODEV
    kernel.mount("tmpfs", _BASE, "tmpfs", quiet, "size=1m,mode=755")
    os.mkdir(_BASE + SCRATCH)
    limits = f"size={_SCRATCH_BYTES},nr_inodes={_SCRATCH_FILES},mode=1777"
    kernel.mount("tmpfs", _BASE + SCRATCH, "tmpfs", quiet | kernel.MS_NOEXEC, limits)
    for path in visible:
        _show(path, quiet)
    for path in devices:
        _show(path, kernel.MS_NOSUID)
    _show_links()
    kernel.mount("none", _BASE, None, kernel.MS_REMOUNT | kernel.MS_RDONLY | quiet)
    os.chdir(_BASE)
    kernel.pivot_root_here()
    os.chdir(SCRATCH)


def _show(path: str, flags: int) -> None:
    """Bind a folder or file to the same place in the new root."""
    place = _BASE + path
    if stat.S_ISDIR(os.stat(path).st_mode):
        os.makedirs(place, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(place), exist_ok=True)
        os.close(os.open(place, os.O_CREAT | os.O_WRONLY, 0o444))
    kernel.mount(path, place, None, kernel.MS_BIND | kernel.MS_REC)
    if kernel.restrict_mounts(place, kernel.MS_RDONLY | flags):
        return
    # An older kernel changes the one mount, and leaves alone what is mounted beneath it.
    # What the original mount already forbids stays forbidden: a user namespace could not take it off.
    kept = os.statvfs(place).f_flag & (kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC | 0x1C00)  # *atime
    kernel.mount("none", place, None, kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY | flags | _mounting(kept))


def _mounting(flags: int) -> int:
    """statvfs's flags as mount's: they differ for access times."""
    times = {0x400: 1024, 0x800: 2048, 0x1000: 1 << 21}  # ST_NOATIME, ST_NODIRATIME, ST_RELATIME
    kept = flags & (kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
    for told, meant in times.items():
        kept |= meant if flags & told else 0
    return kept


def _show_links() -> None:
    """The old names of /usr's folders, under which programs name their loader."""
    for name in ("/lib", "/lib32", "/lib64"):
        if os.path.islink(name) and not os.path.lexists(_BASE + name):
            os.symlink(os.readlink(name), _BASE + name)
