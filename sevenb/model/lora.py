"""`LoraAdapter`: what a LoRA adapter (arXiv 2106.09685) adds to the layers of one model, ready for its decoder."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sevenb.backend.quant_types import QuantType, RawTensor
from sevenb.backend.reference.dequantize import dequantize
from sevenb.errors import CorruptModelFile, UnsupportedModel
from sevenb.model.checkpoint import Checkpoint
from sevenb.model.gguf_header import quoted
from sevenb.model.lora_files import LowRankTensors, read_adapter

PARTS = {  # of a layer, as GGUF and as `sevenb.backend.protocol.LayerAdapter` name them
    "attn_q": "query",
    "attn_k": "key",
    "attn_v": "value",
    "attn_output": "output",
    "ffn_gate": "gate",
    "ffn_up": "up",
    "ffn_down": "down",
}
RANK_STEP = 32  # backends multiply by rows of whole blocks

_MATRIX = re.compile(rf"blk\.(\d+)\.({'|'.join(PARTS)})")
_BITS: dict[QuantType, type[np.unsignedinteger]] = {
    QuantType.F32: np.uint32,
    QuantType.F16: np.uint16,
    QuantType.BF16: np.uint16,
}


@dataclass(frozen=True)
class LoraAdapter:
    """For each layer what is added to which of its `PARTS`: plain numbers, of a rank in steps of `RANK_STEP`."""

    layers: tuple[Mapping[str, LowRankTensors], ...]

    @classmethod
    def open(cls, path: Path, base: Checkpoint) -> "LoraAdapter":
        """Read an adapter that was trained for ``base``: a ``.gguf`` file, or the folder that PEFT saved.

        Raises `CorruptModelFile`, `UnsupportedModel` (where it does not fit, too), `ModelNotFound`, `StorageDenied`.
        """
        layers: list[dict[str, LowRankTensors]] = [{} for _ in range(base.config.layers)]
        for name, tensors in read_adapter(path, base).items():
            matrix, target = _MATRIX.fullmatch(name), base.tensors.get(f"{name}.weight")
            if matrix is None or target is None:
                raise UnsupportedModel(
                    f"The adapter {path.name} changes {quoted(name)}, which sevenb cannot adapt in {base.name}; train "
                    "one for the projections of attention and feed-forward layers."
                )
            _check_fit(path.name, tensors, target, base.name)
            shrink, expand = (
                _in_steps(path.name, tensor, axis) for axis, tensor in enumerate((tensors.shrink, tensors.expand))
            )
            layers[int(matrix[1])][PARTS[matrix[2]]] = LowRankTensors(shrink, expand, tensors.scale)
        if not any(layers):
            raise UnsupportedModel(f"The adapter {path.name} changes nothing; check how it was saved.")
        return cls(tuple(layers))

    @property
    def total_bytes(self) -> int:
        """What all matrices take together."""
        pairs = [pair for layer in self.layers for pair in layer.values()]
        return sum(pair.shrink.nbytes + pair.expand.nbytes for pair in pairs)

    def digest(self) -> str:
        """Names the adapter by its contents."""
        digest = blake2b(digest_size=16)
        for number, layer in enumerate(self.layers):
            for part, pair in sorted(layer.items()):
                digest.update(f"{number} {part} {pair.scale!r}".encode())
                for matrix in (pair.shrink, pair.expand):
                    digest.update(f"{matrix.quant_type} {matrix.shape}".encode())
                    digest.update(matrix.data.tobytes())
        return digest.hexdigest()


def _check_fit(source: str, tensors: LowRankTensors, target: RawTensor, base: str) -> None:
    shrink, expand = tensors.shrink, tensors.expand
    if not (shrink.shape[1:] == (target.columns,) and expand.shape == (target.rows, *shrink.shape[:1]) and shrink.rows):
        raise UnsupportedModel(
            f"The adapter {source} does not fit {base}: to {target.name}, which is {_shape(target)}, it would add "
            f"{_shape(expand)} times {_shape(shrink)}; choose the model that it was trained for."
        )


def _shape(tensor: RawTensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "a number"


def _in_steps(source: str, tensor: RawTensor, axis: int) -> RawTensor:
    """The matrix as plain numbers, with zeros up to a whole step of the rank, which lies along ``axis``."""
    numbers = dequantize(tensor)
    if not np.isfinite(numbers).all():
        raise CorruptModelFile(f"The adapter {source} holds numbers that are not finite in {quoted(tensor.name)}.")
    if tensor.quant_type not in _BITS:
        tensor = _raw(tensor.name, QuantType.F32, numbers)
    missing = -tensor.shape[axis] % RANK_STEP
    if not missing:
        return tensor
    bits = tensor.data.view(_BITS[tensor.quant_type]).reshape(tensor.shape)  # those of zero are zero in every type
    return _raw(tensor.name, tensor.quant_type, np.pad(bits, [(0, missing * (axis == side)) for side in (0, 1)]))


def _raw(name: str, quant_type: QuantType, values: npt.NDArray[np.generic]) -> RawTensor:
    return RawTensor(name, quant_type, values.shape, np.ascontiguousarray(values).view(np.uint8).reshape(-1))
