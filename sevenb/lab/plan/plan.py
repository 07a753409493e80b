"""`plan`: whether a model runs on a device, with how much context, and how fast at best; with the arithmetic."""

from collections.abc import Callable

import msgspec

from sevenb.errors import InvalidRequest
from sevenb.lab.plan.case import BLOCK, Case, Line, lines_of
from sevenb.lab.plan.devices import Device
from sevenb.lab.plan.models import PlannedModel
from sevenb.lab.plan.quantization import USUAL, quantization_of
from sevenb.model.memory import KVType

__all__ = ["ANSWER", "DEFAULT_CONTEXT", "Line", "Plan", "plan", "usual_quantizations"]

DEFAULT_CONTEXT = 32 * 1024
ANSWER = 512  # tokens of an answer: those that beams do not share


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One model in one form on one device. Bytes are of one card where there are several.

    ``decode_rate``: tokens a second of each of ``concurrency`` answers at the end of ``context``, and ``throughput`` of
    all together, at most: what memory bandwidth allows. ``longest_context``: of each, 0 where not even the weights fit.
    """

    model: str
    device: str
    quantization: str
    kv_dtype: KVType
    context: int
    concurrency: int
    beam: int
    weights: int
    kv_per_token: float
    kv: int
    activations: int
    process: int
    needed: int
    usable: int
    fits: bool
    longest_context: int
    decode_rate: float
    throughput: float
    prefill_rate: float | None
    lines: tuple[Line, ...]


def plan(
    model: PlannedModel,
    device: Device,
    quantization: str | None = None,
    context: int | None = None,
    concurrency: int = 1,
    *,
    kv_dtype: KVType | None = None,
    beam: int = 1,
    answer: int = ANSWER,
) -> Plan:
    """Plan ``concurrency`` sequences of ``context`` tokens each, of which the last ``answer`` are its own in each beam.

    By default the model's file as it is, 32K of context or as much as the model has, and keys and values as the engine
    keeps them: k16v8 by ours on processors, f16 on cards. Raises `InvalidRequest` for what no engine could be told.
    """
    shape = model.shape
    _check(model, context, concurrency, beam)
    wanted = quantization_of(quantization) if quantization else model.quantization
    case = Case(
        shape=shape,
        device=device,
        weights=model.weights_in(wanted),
        kv_dtype=kv_dtype or ("k16v8" if device.kind == "cpu" else "f16"),
        concurrency=concurrency,
        beam=beam,
        answer=answer,
    )
    context = min(DEFAULT_CONTEXT, shape.longest_context) if context is None else context
    needed = case.needed(context)
    rate = case.decode_rate(context)
    return Plan(
        model=model.name,
        device=device.name,
        quantization=wanted,
        kv_dtype=case.kv_dtype,
        context=context,
        concurrency=concurrency,
        beam=beam,
        weights=case.weight_bytes,
        kv_per_token=case.kv_per_token,
        kv=case.kv(context),
        activations=case.activations(context),
        process=case.process(context),
        needed=needed,
        usable=device.usable,
        fits=needed <= device.usable,
        longest_context=_longest(lambda tokens: case.needed(tokens) <= device.usable, shape.longest_context),
        decode_rate=rate,
        throughput=rate * concurrency,
        prefill_rate=case.prefill_rate(context),
        lines=lines_of(case, context),
    )


def usual_quantizations(device: Device) -> tuple[str, ...]:
    """What tables show and alternatives are looked for among; our own engine reads no AWQ or GPTQ on processors."""
    return tuple(name for name in USUAL if device.kind == "gpu" or name not in ("AWQ", "GPTQ"))


def _check(model: PlannedModel, context: int | None, concurrency: int, beam: int) -> None:
    longest = model.shape.longest_context
    if context is not None and not 1 <= context <= longest:
        raise InvalidRequest(f"A context of {context:,} tokens: {model.name} takes 1 to {longest:,}.", "context")
    for name, value in (("concurrency", concurrency), ("beam", beam)):
        if not 1 <= value <= 4096:
            raise InvalidRequest(f"{name} is {value}; choose 1 to 4096.", name)


def _longest(fits: Callable[[int], bool], most: int) -> int:
    """The largest number of tokens that fits, in whole blocks."""
    if fits(most):
        return most
    low, high = 0, -(-most // BLOCK)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle * BLOCK) else (low, middle)
    return low * BLOCK
