"""Linear layers that AWQ or GPTQ quantised, as matrices in our own weight types: exactly the numbers they mean."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from sevenb.backend.quant_types import QuantType, RawTensor
from sevenb.errors import CorruptModelFile, UnsupportedModel
from sevenb.model.gguf_header import quoted
from sevenb.model.hf.awq import unpack_awq
from sevenb.model.hf.gptq import act_order, unpack_inputs, unpack_zeros
from sevenb.model.hf.packed_blocks import eight_bit_blocks, four_bit_blocks
from sevenb.model.hf.quantization_config import Quantization
from sevenb.model.safetensors import SafetensorsEntry

# How NumPy reads each type that a part may have.
_WORDS = {"I32": "<u4", "U32": "<u4"}
_SCALES = {"F16": "<f2", "F32": "<f4", "BF16": "<u2"}

Bytes = npt.NDArray[np.uint8]


def is_quantized(module: str, entries: Mapping[str, SafetensorsEntry]) -> bool:
    """Whether the linear layer ``module`` (``model.layers.0.mlp.up_proj``) is stored in integers."""
    return f"{module}.qweight" in entries


def quantized_parts(module: str) -> tuple[str, ...]:
    """The names of the tensors that `read_quantized` reads for a module; the last may be absent."""
    return tuple(f"{module}.{part}" for part in ("qweight", "qzeros", "scales", "g_idx"))


def read_quantized(
    name: str, module: str, entries: Mapping[str, SafetensorsEntry], quantization: Quantization
) -> RawTensor:
    """The matrix [outputs, inputs] of a linear layer under our ``name``, converted when its bytes are asked for.

    Four bits become Q4_0 (symmetric) or Q4_Z, eight become Q8_0. Raises `CorruptModelFile` for tensors that are
    missing or do not fit together, here or when they are converted, `UnsupportedModel` for odd shapes.
    """
    layer = _Layer(module, entries, quantization)
    inputs, outputs = layer.check()
    if inputs % QuantType.Q4_Z.block_size:
        raise UnsupportedModel(
            f"{layer.file} holds {quoted(module)} for {inputs} inputs, no multiple of {QuantType.Q4_Z.block_size}, "
            "which sevenb does not read; choose the model in plain numbers or as a GGUF file."
        )
    quant_type = QuantType.Q8_0 if quantization.bits == 8 else QuantType.Q4_Z
    if quant_type is QuantType.Q4_Z and quantization.symmetric:
        quant_type = QuantType.Q4_0
    return RawTensor(name, quant_type, (outputs, inputs), layer.blocks, layer.column_order())


@dataclass(frozen=True)
class _Layer:
    module: str
    entries: Mapping[str, SafetensorsEntry]
    quantization: Quantization

    @property
    def file(self) -> str:
        return self.entries[f"{self.module}.qweight"].file

    def check(self) -> tuple[int, int]:
        """Inputs and outputs, once all parts are known to have the shapes that these give, and types that we read."""
        rows, columns = self._shape("qweight")
        per_word = 32 // self.quantization.bits
        along_outputs = self.quantization.method == "awq"
        inputs, outputs = (rows, columns * per_word) if along_outputs else (rows * per_word, columns)
        groups = -(-inputs // self._group_size(inputs))
        for part, shape in {"scales": (groups, outputs), "qzeros": (groups, outputs // per_word)}.items():
            if self._shape(part) != shape or outputs % per_word:
                self._corrupt(part, f"has the shape {self._shape(part)}, and {inputs} inputs, {outputs} outputs and "
                              f"a group_size of {self.quantization.group_size} need {shape}")  # fmt: skip
        for part, dtypes in {"qweight": _WORDS, "qzeros": _WORDS, "scales": _SCALES}.items():
            self._array(part, dtypes)
        return inputs, outputs

    def column_order(self) -> npt.NDArray[np.int32] | None:
        """Which input each column meets, where they do not stand in order."""
        if f"{self.module}.g_idx" not in self.entries:
            return None
        inputs, _ = self.check()
        groups = self._array("g_idx", {"I32": "<i4"})
        if groups.shape != (inputs,):
            self._corrupt("g_idx", f"has the shape {groups.shape}, not {(inputs,)}")
        try:
            return act_order(groups, self._group_size(inputs))
        except ValueError:
            self._corrupt("g_idx", f"does not put {self._group_size(inputs)} inputs into each group")

    def blocks(self) -> Bytes:
        """The matrix in the bytes of our type."""
        quantization = self.quantization
        words, zero_words = (self._array(part, _WORDS) for part in ("qweight", "qzeros"))
        if quantization.method == "awq":
            codes, zeros = unpack_awq(words), unpack_awq(zero_words)
        else:
            codes = unpack_inputs(words, quantization.bits)
            zeros = unpack_zeros(zero_words, quantization.bits, less_one=quantization.zeros_less_one)
        if (order := self.column_order()) is not None:
            codes = codes[order]
        group_size = self._group_size(len(codes))
        middle = 1 << (quantization.bits - 1)
        if quantization.symmetric and (zeros != middle).any():
            self._corrupt("qzeros", f"holds zero points other than {middle}, and the configuration calls it symmetric")
        if quantization.bits == 8:
            return eight_bit_blocks(codes, self._scales(), group_size)
        return four_bit_blocks(codes, self._scales(), None if quantization.symmetric else zeros, group_size)

    def _scales(self) -> npt.NDArray[np.float16]:
        """In half precision: others are rounded, as by the kernels that such files are made for."""
        numbers = self._array("scales", _SCALES)
        if self._entry("scales").dtype == "BF16":
            numbers = (numbers.astype(np.uint32) << 16).view(np.float32)
        with np.errstate(over="ignore"):
            scales: npt.NDArray[np.float16] = numbers.astype(np.float16)
        if not np.isfinite(scales).all():
            self._corrupt("scales", "holds numbers that are not finite in half precision")
        return scales

    def _group_size(self, inputs: int) -> int:
        return inputs if self.quantization.group_size == -1 else self.quantization.group_size

    def _entry(self, part: str) -> SafetensorsEntry:
        entry = self.entries.get(f"{self.module}.{part}")
        if entry is None:
            _corrupt(self.file, f"{quoted(self.module)} has qweight and lacks {part}")
        return entry

    def _shape(self, part: str) -> tuple[int, int]:
        shape = self._entry(part).shape
        if len(shape) != 2 or 0 in shape:
            self._corrupt(part, f"has the shape {shape}")
        return shape[0], shape[1]

    def _array(self, part: str, dtypes: Mapping[str, str]) -> npt.NDArray[Any]:
        entry = self._entry(part)
        if entry.dtype not in dtypes:
            self._corrupt(part, f"is of the type {entry.dtype}, not {' or '.join(dtypes)}")
        return entry.data.view(dtypes[entry.dtype]).reshape(entry.shape)

    def _corrupt(self, part: str, reason: str) -> NoReturn:
        entry = self._entry(part)
        _corrupt(entry.file, f"{quoted(entry.name)} {reason}")


def _corrupt(file: str, reason: str) -> NoReturn:
    raise CorruptModelFile(
        f"{file} does not hold the layers that its quantization_config describes: {reason}; download the model again."
    )
