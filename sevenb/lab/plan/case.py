"""The arithmetic of one plan, as functions of the context, and as lines for people."""

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from sevenb.lab.plan.devices import GPU_UTILIZATION, Device
from sevenb.lab.plan.overhead import CUDA_BYTES, card_activations
from sevenb.lab.plan.quantization import Weights
from sevenb.model.memory import KVType, activation_bytes, kv_block_bytes, process_bytes
from sevenb.model.shape import ModelShape

BLOCK = 32  # positions of a KV block


class Line(msgspec.Struct, frozen=True):
    """One step of the arithmetic. ``unit``: "B", "tokens" or "tokens/s"."""

    name: str
    arithmetic: str
    value: float
    unit: str


@dataclass(frozen=True)
class Case:
    """What is planned: answers of one model on one device. Bytes are of one card where there are several."""

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
        """That are computed at once."""
        return self.concurrency * self.beam

    @property
    def weight_bytes(self) -> int:
        """Of all weights, or of a card's share."""
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
        """Of the blocks that all answers need."""
        return round(self.kv_per_token * self.cached_tokens(context) / self.kv_shards)

    def activations(self, context: int) -> int:
        """Of the largest step."""
        if self.is_ours:
            floats = self.weights.quantization in ("bf16", "fp16")
            return activation_bytes(self.shape, rows=self.sequences, context=context, floats=floats)
        return card_activations(self.shape, rows=self.sequences, cards=self.device.cards)

    def process(self, context: int) -> int:
        """Of what is neither weights, nor keys and values, nor activations."""
        return process_bytes(self.shape, cached_tokens=self.cached_tokens(context)) if self.is_ours else CUDA_BYTES

    def needed(self, context: int) -> int:
        """Of all together."""
        return self.weight_bytes + self.kv(context) + self.activations(context) + self.process(context)

    def step_bytes(self, context: int) -> float:
        """What one card reads to give each sequence one token more."""
        return self.read_bytes + self.sequences * self.kv_per_token * context / self.kv_shards

    def decode_rate(self, context: int) -> float:
        """Tokens a second of each answer, at most."""
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
        """Prompt tokens a second, at most; None where nobody states how fast the device computes."""
        device = self.device
        return None if device.compute is None else device.compute * device.cards / self.prefill_flops(context)


def lines_of(case: Case, context: int) -> tuple[Line, ...]:
    """The arithmetic, one step a line."""
    return (*_memory_lines(case, context), *_speed_lines(case, context))


def _memory_lines(case: Case, context: int) -> Iterator[Line]:
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
        yield Line("process", "Python, libraries, vocabulary, records of cached tokens", case.process(context), "B")
        usable = f"{device.memory:,} B less a tenth for all else"
    else:
        yield Line("activations", "allowance: 16 bits, steps of 2,048 tokens; logits", case.activations(context), "B")
        yield Line("process", "allowance: CUDA, libraries and kernels", case.process(context), "B")
        usable = f"{device.memory:,} B × {GPU_UTILIZATION}"
    each = ", on each card" if device.cards > 1 else ""
    yield Line("needed", f"all of these{each}", case.needed(context), "B")
    yield Line("usable", usable, device.usable, "B")


def _speed_lines(case: Case, context: int) -> Iterator[Line]:
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
