"""`plan`: whether a model runs on a device, with how much context, and how fast at best; with the arithmetic."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec

from sevenb.errors import InvalidRequest
from sevenb.lab.plan.devices import GPU_UTILIZATION, Device
from sevenb.lab.plan.models import PlannedModel
from sevenb.lab.plan.overhead import CUDA_BYTES, card_activations
from sevenb.lab.plan.quantization import USUAL, Weights, quantization_of
from sevenb.model.memory import KVType, activation_bytes, kv_block_bytes, process_bytes
from sevenb.model.shape import ModelShape

DEFAULT_CONTEXT = 32 * 1024
BLOCK = 32  # positions of a KV block
ANSWER = 512  # tokens of an answer: those that beams do not share


class Line(msgspec.Struct, frozen=True):
    """One step of the arithmetic. ``unit``: "B", "tokens" or "tokens/s"."""

    name: str
    arithmetic: str
    value: float
    unit: str


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
    case = _Case(
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
        lines=_lines(case, context),
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


@dataclass(frozen=True)
class _Case:
    """The arithmetic of one plan, as functions of the context; bytes of one card."""

    shape: ModelShape
    device: Device
    weights: Weights
    kv_dtype: KVType
    concurrency: int
    beam: int
    answer: int

    @property
    def is_ours(self) -> bool:
        """Whether our own CPU engine is planned, whose memory is known exactly."""
        return self.device.kind == "cpu"

    @property
    def sequences(self) -> int:
        return self.concurrency * self.beam

    @property
    def weight_bytes(self) -> int:
        return self.weights.packed if self.is_ours else -(-self.weights.stored // self.device.cards)

    @property
    def read_bytes(self) -> float:
        """Of weights, by one card for one step."""
        return self.weights.packed_read if self.is_ours else self.weights.read / self.device.cards

    @property
    def kv_shards(self) -> int:
        """Cards among which KV heads are divided; those beyond hold copies."""
        return min(self.device.cards, self.shape.kv_heads)

    @property
    def kv_per_token(self) -> float:
        """Of all cards together, without copies."""
        shape = self.shape
        return kv_block_bytes(shape.layers, shape.kv_heads, shape.head_dim, BLOCK, self.kv_dtype) / BLOCK

    def cached_tokens(self, context: int) -> int:
        """In the pool; beams share all but the end of their answers."""
        own = (self.beam - 1) * -(-min(context, self.answer) // BLOCK)
        return self.concurrency * (-(-context // BLOCK) + own) * BLOCK

    def kv(self, context: int) -> int:
        return round(self.kv_per_token * self.cached_tokens(context) / self.kv_shards)

    def activations(self, context: int) -> int:
        if self.is_ours:
            floats = self.weights.quantization in ("bf16", "fp16")
            return activation_bytes(self.shape, rows=self.sequences, context=context, floats=floats)
        return card_activations(self.shape, rows=self.sequences, cards=self.device.cards)

    def process(self, context: int) -> int:
        return process_bytes(self.shape, cached_tokens=self.cached_tokens(context)) if self.is_ours else CUDA_BYTES

    def needed(self, context: int) -> int:
        return self.weight_bytes + self.kv(context) + self.activations(context) + self.process(context)

    def step_bytes(self, context: int) -> float:
        """What one card reads to give each sequence one token more."""
        return self.read_bytes + self.sequences * self.kv_per_token * context / self.kv_shards

    def decode_rate(self, context: int) -> float:
        return self.device.bandwidth / self.step_bytes(context)

    @property
    def matrix_parameters(self) -> int:
        """Weights that each token is multiplied by; the head is for the last token of a prompt alone."""
        return sum(matrix.rows * matrix.columns for matrix in self.shape.matrices() if matrix.layer is not None)

    def prefill_flops(self, context: int) -> float:
        """Of one token of a prompt, on average: two a weight, and attention over half of the prompt."""
        shape = self.shape
        return 2 * self.matrix_parameters + 2 * shape.layers * shape.heads * shape.head_dim * context

    def prefill_rate(self, context: int) -> float | None:
        device = self.device
        return None if device.compute is None else device.compute * device.cards / self.prefill_flops(context)


def _lines(case: _Case, context: int) -> tuple[Line, ...]:
    """The arithmetic, one step a line."""
    return (*_memory_lines(case, context), *_speed_lines(case, context))


def _memory_lines(case: _Case, context: int) -> Iterator[Line]:
    shape, device, weights = case.shape, case.device, case.weights
    tensors = f"{shape.parameters:,} parameters in {weights.quantization}, tensor by tensor: {weights.stored:,} B"
    packed = ", as our engine packs them" if case.is_ours else _divided(device.cards)
    yield Line("weights", tensors + packed, case.weight_bytes, "B")
    values = f"2 × {shape.layers} layers × {shape.kv_heads} KV heads × {shape.head_dim} in {case.kv_dtype}"
    yield Line("KV of a token", values, case.kv_per_token, "B")
    beams = f" and {case.beam - 1} × {min(context, case.answer):,} of further beams" if case.beam > 1 else ""
    sequences = f" × {case.concurrency}" if case.concurrency > 1 else ""
    each = f"({context:,} tokens{beams})" if beams else f"{context:,} tokens"
    tokens = f"{case.kv_per_token:,.0f} B × {each}{sequences}{_divided(case.kv_shards)}"
    yield Line("KV cache", tokens, case.kv(context), "B")
    if case.is_ours:
        yield Line("activations", "buffers of a step of 512 tokens; logits", case.activations(context), "B")
        yield Line("process", "Python, libraries, vocabulary, notes of tokens", case.process(context), "B")
        usable = f"{device.memory:,} B less a tenth for all else"
    else:
        yield Line("activations", "allowance: 16 bits, steps of 2,048 tokens; logits", case.activations(context), "B")
        yield Line("process", "allowance: CUDA, libraries and kernels", case.process(context), "B")
        usable = f"{device.memory:,} B × {GPU_UTILIZATION}"
    each = ", on each card" if device.cards > 1 else ""
    yield Line("needed", f"all of these{each}", case.needed(context), "B")
    yield Line("usable", usable, device.usable, "B")


def _speed_lines(case: _Case, context: int) -> Iterator[Line]:
    device = case.device
    several = f"{device.cards} × " if device.cards > 1 else ""
    weights = case.read_bytes * device.cards
    kv = case.kv_per_token * context * device.cards / case.kv_shards
    sequences = f"{case.sequences} × " if case.sequences > 1 else ""
    read = f"({weights / 1e9:.2f} GB of weights + {sequences}{kv / 1e9:.2f} GB of KV)"
    bandwidth = f"{several}{device.bandwidth / 1e9:,.1f} GB/s ÷ {read}"
    yield Line("decode, at most", bandwidth, case.decode_rate(context), "tokens/s")
    if device.compute is not None and (rate := case.prefill_rate(context)) is not None:
        flops = case.prefill_flops(context)
        compute = f"{several}{device.compute / 1e12:,.1f} TFLOP/s ÷ {flops / 1e9:,.1f} GFLOP a token"
        yield Line("prefill, at most", compute, rate, "tokens/s")


def _divided(cards: int) -> str:
    return f" ÷ {cards} cards" if cards > 1 else ""
