"""Which files a program needs to see: the Python installation and the libraries that it loads."""

import os
import sys
from functools import cache

DEVICES = ("/dev/null", "/dev/urandom")


@cache
def interpreter() -> str:
    """The Python that programs run in: the one beneath a virtual environment, which has no packages but its own."""
    return os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)


def visible() -> list[str]:
    """Absolute paths, none within another; for the interpreter that calls, which is the one that programs get."""
    wanted = {interpreter(), os.path.dirname(os.__file__), os.path.join(sys.base_exec_prefix, sys.platlibdir)}
    wanted |= {"/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib32", "/usr/lib64"} | _loaded()
    wanted |= {"/etc/ld.so.cache", "/usr/share/zoneinfo"}
    real = {os.path.realpath(path) for path in wanted if os.path.exists(path)}
    return [path for path in sorted(real) if not any(path.startswith(other + "/") for other in real)]


def _loaded() -> set[str]:
    """The folders of the libraries that this process has loaded."""
    try:
        with open("/proc/self/maps") as maps:
            return {os.path.dirname(line.split(maxsplit=5)[5].strip()) for line in maps if ".so" in line}
    except OSError:
        return set()


def open_to_all() -> bool:
    """Whether another user could run the interpreter."""
    for path in (interpreter(), os.__file__):
        for folder in _upwards(path):
            if not os.stat(folder).st_mode & (0o001 if os.path.isdir(folder) else 0o004):
                return False
    return True


def _upwards(path: str) -> list[str]:
    folders = [path]
    while path != "/":
        path = os.path.dirname(path)
        folders.append(path)
    return folders
