"""torch, which the default install lacks: tests that need it are left out without it, and fail on CI.

``from tests.torch_or_skip import torch`` leaves out a whole module of tests; `torch_backend` a single test.
"""

import os
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import pytest

from sevenb.backend.protocol import Backend, FloatArray, Tensor
from tests.needed import leave_out

_MISSING = "torch is not installed: pip install 'sevenb[gpu]'"


def __getattr__(name: str) -> ModuleType:
    if name != "torch":
        raise AttributeError(name)
    if find_spec("torch") is None:
        if os.environ.get("CI"):
            pytest.fail(_MISSING)
        pytest.skip(_MISSING, allow_module_level=True)
    import torch

    return torch


def torch_backend(*arguments: Any, **options: Any) -> Backend:
    """A `TorchBackend`, or the test is left out."""
    if find_spec("torch") is None:
        leave_out(_MISSING)
    from sevenb.backend.torch import TorchBackend

    return TorchBackend(*arguments, **options)


def tensor_of(backend: Backend, values: FloatArray) -> Tensor:
    """An array as the backend's own ops would have made it."""
    if backend.name != "torch":
        return values
    import torch

    return torch.from_numpy(values)
