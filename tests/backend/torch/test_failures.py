"""What fails on a device is told as an error that says what to do."""

import pytest

from sevenb.errors import DeviceLost, OutOfMemory, SevenbError
from tests.backend.tiny_model import Chunk, TinyLayer, make_batch
from tests.torch_or_skip import torch

from sevenb.backend.protocol import SampleControl  # isort: skip
from sevenb.backend.torch import TorchBackend  # isort: skip
from sevenb.backend.torch import backend as backend_module  # isort: skip
from sevenb.backend.torch.plain import PlainOps  # isort: skip

FAILURES = pytest.mark.parametrize(
    ("failure", "told", "sentence"),
    [
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
            OutOfMemory,
            "--gpu-memory-utilization",
        ),
        (torch.AcceleratorError("CUDA error: unspecified launch failure\nmore"), DeviceLost, r"failure\) and must be"),
    ],
    ids=["memory", "card"],
)


@FAILURES
def test_a_step_that_fails_says_why(failure: Exception, told: type[SevenbError], sentence: str) -> None:
    layer = TinyLayer(TorchBackend("cpu"))

    def fail(step: object, cache: object) -> object:
        raise failure

    with pytest.raises(told, match=sentence):
        layer.backend.run(make_batch([Chunk([1], 0, [0])], layer.rope), layer.cache, fail)


@FAILURES
def test_what_a_step_left_behind_shows_when_tokens_are_chosen(
    monkeypatch: pytest.MonkeyPatch, failure: Exception, told: type[SevenbError], sentence: str
) -> None:
    def fail(*arguments: object) -> object:
        raise failure

    monkeypatch.setattr(PlainOps, "overflowed", fail)
    backend = TorchBackend("cpu")
    with pytest.raises(told, match=sentence):
        backend.sample(torch.zeros(1, 5), [SampleControl()])
    with pytest.raises(told, match=sentence):
        backend.token_logprobs(torch.zeros(1, 5), [0], [1], 1)


@FAILURES
def test_what_a_step_left_behind_shows_when_the_next_one_is_prepared(
    monkeypatch: pytest.MonkeyPatch, failure: Exception, told: type[SevenbError], sentence: str
) -> None:
    layer = TinyLayer(TorchBackend("cpu"))

    def fail(*arguments: object) -> object:
        raise failure

    monkeypatch.setattr(backend_module, "step_on", fail)
    with pytest.raises(told, match=sentence):
        layer.backend.prepare(make_batch([Chunk([1], 0, [0])], layer.rope))


def test_a_cache_that_does_not_fit_says_what_to_lower(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = TinyLayer(TorchBackend("cpu"))
    with pytest.raises(OutOfMemory, match="lower --max-model-len"):
        layer.backend.allocate_kv(layer.layout, 1 << 40)
