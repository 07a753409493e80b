"""`Quantization`: what ``quantization_config`` says of a checkpoint's integers, and whether we read such."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

from sevenb.errors import InvalidRequest, UnsupportedModel
from sevenb.model.config import ModelConfig
from sevenb.model.hf.fields import MAX_SIZE, Fields
from sevenb.model.hf.sidecars import shown

_BLOCK = 32  # columns that share a scale in our own types
_NAMES = {"awq": "awq", "awq_marlin": "awq", "gptq": "gptq", "gptq_marlin": "gptq", "gguf": "gguf"}


@dataclass(frozen=True)
class Quantization:
    """How the linear layers of a checkpoint are quantised."""

    method: Literal["awq", "gptq"]
    bits: int
    group_size: int  # inputs that share a scale; -1: all of them
    symmetric: bool  # every zero point is the middle: 8 of 16, 128 of 256
    zeros_less_one: bool = False  # GPTQ's first checkpoint format stores zero points less one

    @property
    def label(self) -> str:
        """In the words of model names: ``AWQ``, ``GPTQ-Int4``, ``GPTQ-Int8``."""
        return "AWQ" if self.method == "awq" else f"GPTQ-Int{self.bits}"


def quantization_of(
    config: Mapping[str, Any], quantize_config: Mapping[str, Any] | None, source: str
) -> Quantization | None:
    """What ``config.json`` says, else ``quantize_config`` (a file of its own in older folders); None: plain numbers.

    A ``quantization_config`` with nothing in it says nothing, as transformers has it. Raises `UnsupportedModel` for
    other methods, widths and layouts, `CorruptModelFile` for values that make no sense.
    """
    fields = Fields(config, source).part("quantization_config")
    if fields is None or fields.empty:
        if not quantize_config:
            return None
        fields = Fields(quantize_config, source)
    method = _method(fields, source)
    return _awq(fields, source) if method == "awq" else _gptq(fields, source)


def check_quantization(config: ModelConfig, wanted: str) -> None:
    """Raise `InvalidRequest` unless a model is quantised as ``--quantization`` says; nothing is ever converted.

    ``wanted`` is ``awq``, ``gptq`` or ``gguf``; the names of vLLM's kernels for them mean the same.
    """
    method = _NAMES.get(wanted.lower())
    if method is None:
        raise InvalidRequest(
            f"There is no quantization {wanted!r:.40}; --quantization checks for awq, gptq or gguf, and without it a "
            "model runs in the form its files have.",
            parameter="quantization",
        )
    found = next((name for name in ("awq", "gptq") if config.quantization.lower().startswith(name)), "gguf")
    if found != method:
        raise InvalidRequest(
            f"{config.name} holds its weights as {config.quantization}, not as {method.upper()}; leave "
            f"--quantization out, or choose a model that is quantised so.",
            parameter="quantization",
        )


def _method(fields: Fields, source: str) -> str:
    method = fields.text("quant_method", default=_method_without_name(fields)).lower()
    if not method:
        _refuse(source, "has a quantization_config that names no quant_method")
    if method not in ("awq", "gptq"):
        _refuse(source, f"is quantised by the method {shown(method)}")
    return method


def _method_without_name(fields: Fields) -> str:
    """By the keys of files older than ``quant_method``: AutoGPTQ's, AutoAWQ's, bitsandbytes'; "" for no known one."""
    if fields.has("w_bit") or fields.has("zero_point"):
        return "awq"
    if fields.has("load_in_4bit") or fields.has("load_in_8bit"):
        return "bitsandbytes"
    return "gptq" if fields.has("bits") else ""


def _awq(fields: Fields, source: str) -> Quantization:
    version = fields.text("version", default="gemm").lower()
    if version != "gemm":
        _refuse(source, f"holds AWQ's integers in the layout {shown(version)}")
    bits = fields.integer("bits" if fields.has("bits") else "w_bit", low=1, high=64, default=4)
    if bits != 4:
        _refuse(source, f"is quantised by AWQ to {bits} bits")
    size = _group_size(fields, source, "group_size" if fields.has("group_size") else "q_group_size")
    return Quantization("awq", bits, size, symmetric=not fields.flag("zero_point", default=True))


def _gptq(fields: Fields, source: str) -> Quantization:
    layout = fields.text("checkpoint_format", default="gptq").lower()
    if fields.flag("is_marlin_format", default=False):
        layout = "marlin"
    if layout not in ("gptq", "gptq_v2"):
        _refuse(source, f"holds GPTQ's integers in the layout {shown(layout)}")
    bits = fields.integer("bits", low=1, high=64)
    symmetric = fields.flag("sym", default=True)
    if bits not in (4, 8):
        _refuse(source, f"is quantised by GPTQ to {bits} bits")
    if bits == 8 and not symmetric:
        _refuse(source, "is quantised by GPTQ to 8 bits with a zero point")
    rules = fields.get("dynamic")
    # Rules that only leave modules out show in the files.
    if isinstance(rules, dict) and not all(str(rule).startswith("-:") for rule in rules):
        _refuse(source, "is quantised by GPTQ with rules of their own for some modules")
    return Quantization("gptq", bits, _group_size(fields, source, "group_size"), symmetric, layout == "gptq")


def _group_size(fields: Fields, source: str, key: str) -> int:
    size = fields.integer(key, low=-1, high=MAX_SIZE, default=128)
    if size == 0:
        fields.corrupt(f"its groups have {key} 0")
    if size > 0 and size % _BLOCK:
        _refuse(source, f"is quantised in groups of {size} inputs")
    return size


def _refuse(source: str, what: str) -> NoReturn:
    raise UnsupportedModel(
        f"{source} {what}, which sevenb does not read; choose AWQ or GPTQ with 4 bits, GPTQ with 8 bits and no zero "
        "point, both in groups of a multiple of 32, or a GGUF file."
    )
