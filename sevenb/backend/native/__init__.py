"""The CPU backend: C++ kernels for the instruction set at hand, on a thread pool of their own."""

from sevenb.backend.native._kernels import available_isas
from sevenb.backend.native.backend import NativeBackend

__all__ = ["NativeBackend", "available_isas"]
