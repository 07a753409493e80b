"""The reference backend: NumPy, float32, weights dequantised exactly; slow, and what every test compares with."""

from sevenb.backend.reference.backend import ReferenceBackend

__all__ = ["ReferenceBackend"]
