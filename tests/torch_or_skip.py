"""torch, which the default install lacks: tests that need it are left out without it, and fail on CI."""

from importlib.util import find_spec

from sevenb.backend.protocol import Backend, FloatArray, Tensor
from tests.needed import leave_out


def need_torch() -> None:
    """Leave the test out where torch is missing."""
    if find_spec("torch") is None:
        leave_out("torch is not installed: pip install 'sevenb[gpu]'")


def torch_backend(*arguments: object, **options: object) -> Backend:
    """A `TorchBackend`, or the test is left out."""
    need_torch()
    from sevenb.backend.torch import TorchBackend

    return TorchBackend(*arguments, **options)


def tensor_of(backend: Backend, values: FloatArray) -> Tensor:
    """An array as the backend's own ops would have made it."""
    if backend.name != "torch":
        return values
    import torch

    return torch.from_numpy(values)
