"""`Layers`: the ways to contain a program that this system has."""

from typing import NamedTuple


class Layers(NamedTuple):
    """Each as the kernel offers it. The limits on time, memory, processes, files and output are always there."""

    namespaces: bool = False  # no network, no processes and no files but its own
    landlock: bool = False  # no files but Python's, to read
    seccomp: bool = False  # few system calls: no network, and without namespaces no writing and no new process

    @property
    def contained(self) -> bool:
        """Whether a program can neither reach the network nor change the user's files."""
        return self.namespaces or self.seccomp

    def __str__(self) -> str:
        names = [name for name in ("namespaces", "landlock", "seccomp") if getattr(self, name)]
        return " + ".join([*names, "limits"])
