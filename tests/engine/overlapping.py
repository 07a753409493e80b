"""The fake model as a device that computes while the host goes on: what it chose is there long before it is read."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from sevenb.backend.protocol import Batch, FloatArray, SampleControl, Sampled
from sevenb.errors import NumberOverflow
from tests.engine import harness
from tests.engine.fake_model import FakeBackend, FakeCache, FakeDecoder

GARBAGE = 95  # what is chosen where there are no numbers to choose by


@dataclass
class Device:
    """The clocks of host and device, and in which ``order`` steps were launched and read, numbered from 0 on."""

    now: float = 0.0  # on the host
    done: float = 0.0  # when the device will have done all that was launched
    order: list[tuple[str, int]] = field(default_factory=list)
    overflows_on: int | None = None  # a token id that makes numbers too large
    overflowed: bool = False  # in the step launched last

    def wait(self, until: float) -> None:
        self.now = max(self.now, until)


class FakeChoice:
    """Keeps its tokens to itself until it is asked."""

    def __init__(self, number: int, tokens: list[Sampled], device: Device) -> None:
        self.number = number
        self.tokens = tokens
        self.error: Exception | None = None  # shows when the step is over, not before
        self._device = device
        self._done = device.done

    def sampled(self) -> list[Sampled]:
        self._device.order.append(("read", self.number))
        self._device.wait(self._done)
        if self.error is not None:
            raise self.error
        return self.tokens


class OverlappingBackend(FakeBackend):
    overlaps = True

    def __init__(self, device: Device) -> None:
        super().__init__()
        self.device = device
        self.launched = 0
        self.errors: dict[int, Exception] = {}  # of steps by number

    def choose(self, logits: FloatArray, controls: Sequence[SampleControl]) -> FakeChoice:
        choice = FakeChoice(self.launched, super().sample(logits, controls), self.device)
        choice.error = NumberOverflow("too large") if self.device.overflowed else self.errors.get(choice.number)
        if choice.error is not None:
            choice.tokens = [Sampled(GARBAGE)] * len(controls)
        self.device.order.append(("launch", choice.number))
        self.launched += 1
        return choice

    def sample(self, logits: FloatArray, controls: Sequence[SampleControl]) -> list[Sampled]:
        self.device.wait(self.device.done)
        if self.device.overflowed:
            raise NumberOverflow("too large")
        return super().sample(logits, controls)


class OverlappingDecoder(FakeDecoder):
    """Takes tokens from an earlier step's choice where a batch says so. ``now`` is the host's clock."""

    def __init__(self, device: Device) -> None:
        self.device = device
        super().__init__()

    @property
    def now(self) -> float:
        return self.device.now

    @now.setter
    def now(self, now: float) -> None:
        self.device.now = now

    def forward_with_states(
        self, batch: Batch, cache: FakeCache, state_rows: Sequence[int]
    ) -> tuple[FloatArray, FloatArray]:
        if batch.earlier is None:
            assert batch.token_ids.min() >= 0
        else:
            assert isinstance(batch.earlier, FakeChoice)
            chosen = [token.token_id for token in batch.earlier.tokens]
            known = [token if token >= 0 else chosen[-1 - token] for token in batch.token_ids.tolist()]
            batch = replace(batch, token_ids=np.array(known, np.int32), earlier=None)
        self.device.overflowed = self.device.overflows_on in batch.token_ids
        launched = self.now
        try:
            return super().forward_with_states(batch, cache, state_rows)
        finally:
            self.device.done = max(self.device.done, launched) + self.now - launched
            self.now = launched


def overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let harnesses drive engines on such a device, one for all of them."""
    device = Device()
    monkeypatch.setattr(harness, "FakeBackend", lambda: OverlappingBackend(device))
    monkeypatch.setattr(harness, "FakeDecoder", lambda: OverlappingDecoder(device))
