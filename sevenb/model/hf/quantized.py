"""Checkpoints quantised by AWQ or GPTQ: what their configuration says, and their matrices in our own weight types."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from sevenb.backend.quant_types import RawTensor
from sevenb.model.config import ModelConfig

Bytes = npt.NDArray[np.uint8]


class StoredTensor(Protocol):
    """A tensor as it lies in a safetensors file."""

    @property
    def dtype(self) -> str:
        """The file's own name of the type: ``I32``, ``F16``."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Row-major."""
        ...

    @property
    def data(self) -> Bytes:
        """A view of the file, one dimension."""
        ...


@dataclass(frozen=True)
class Quantization:
    """How the linear layers of a checkpoint are quantised, as ``quantization_config`` states it."""

    method: Literal["awq", "gptq"]
    bits: int
    group_size: int  # input features that share a scale; -1: all of them
    symmetric: bool  # every zero point is the middle, 8 of 16 or 128 of 256
    zeros_less_one: bool = False  # GPTQ's first checkpoint format stores zero points less one

    @property
    def label(self) -> str:
        """For people, in the words of model names: ``AWQ``, ``GPTQ-Int4``, ``GPTQ-Int8``."""
        return "AWQ" if self.method == "awq" else f"GPTQ-Int{self.bits}"


def is_quantized(module: str, entries: Mapping[str, StoredTensor]) -> bool:
    """Whether the linear layer ``module`` (``model.layers.0.mlp.up_proj``) is stored in integers."""
    return f"{module}.qweight" in entries


def quantization_of(
    config: Mapping[str, object], quantize_config: Mapping[str, object] | None, source: str
) -> Quantization | None:
    """What ``config.json`` (else ``quantize_config.json``, as AutoGPTQ wrote it) says; None: plain numbers.

    Raises `UnsupportedModel` for other methods, widths and layouts, `CorruptModelFile` for values that make no sense.
    """
    raise NotImplementedError


def read_quantized(
    name: str, module: str, entries: Mapping[str, StoredTensor], quantization: Quantization
) -> RawTensor:
    """The matrix [outputs, inputs] of a linear layer under our ``name``, converted when its bytes are asked for.

    Four bits become Q4_0 (symmetric) or Q4_Z, eight bits Q8_0: exactly the numbers that the file means. Raises
    `CorruptModelFile` for tensors that are missing or do not fit together.
    """
    raise NotImplementedError


def quantized_parts(module: str) -> tuple[str, ...]:
    """The names of the tensors that `read_quantized` reads for a module; the last may be absent."""
    return tuple(f"{module}.{part}" for part in ("qweight", "qzeros", "scales", "g_idx"))


def check_quantization(config: ModelConfig, wanted: str) -> None:
    """Raise `InvalidRequest` unless the model is quantised as ``--quantization`` says; nothing is converted."""
    raise NotImplementedError
