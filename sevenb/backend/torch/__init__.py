"""The torch backend: plain torch ops on every device that torch knows, Triton kernels on NVIDIA cards.

Beside the ranks of `sevenb.engine.parallel` nothing else imports torch; it comes with ``pip install 'sevenb[gpu]'``.
"""

from sevenb.backend.torch.backend import TorchBackend

__all__ = ["TorchBackend"]
