"""A step may go on with tokens that the host does not know yet: they are the same as if it did."""

from dataclasses import replace

import numpy as np
import pytest

from sevenb.backend.protocol import Choice, OverlappingBackend, SampleControl, Sampled
from sevenb.errors import DeviceLost, NumberOverflow
from tests.backend.tiny_model import Chunk, TinyLayer, make_batch
from tests.backend.torch.test_graphs import BLOCKS, TraceRecorder, prompts
from tests.torch_or_skip import torch

from sevenb.backend.torch import TorchBackend  # isort: skip
from sevenb.backend.torch.step import step_on  # isort: skip
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode  # isort: skip

CONTROLS = {
    "greedy": [SampleControl(temperature=0)] * 3,
    "mixed": [
        SampleControl(temperature=0),
        SampleControl(temperature=1.2, top_p=0.9, uniform=0.7),
        SampleControl(temperature=0.5, top_k=5, uniform=0.2, logit_bias={3: 5.0}),
    ],
    "log-probabilities": [SampleControl(temperature=0, logprobs=2), SampleControl(uniform=0.4), SampleControl()],
}


@pytest.mark.parametrize("controls", CONTROLS.values(), ids=CONTROLS)
def test_what_is_chosen_without_waiting_is_what_is_sampled(controls: list[SampleControl]) -> None:
    backend = TorchBackend("cpu")
    logits = torch.randn(3, 50, generator=torch.Generator().manual_seed(1))
    choice = backend.choose(logits, controls)
    sampled = backend.sample(logits, controls)
    assert choice.sampled() == sampled
    assert choice.token_ids[:3].tolist() == [token.token_id for token in sampled]


@pytest.mark.parametrize("controls", [CONTROLS["greedy"], CONTROLS["mixed"]], ids=["greedy", "mixed"])
def test_a_step_upon_tokens_that_are_not_known_waits_for_nothing(controls: list[SampleControl]) -> None:
    """Of torch's fake tensors there is all but the numbers: whoever asks for those fails."""
    layer = TinyLayer(TorchBackend("cpu"))
    assert isinstance(layer.backend, TorchBackend)
    with FakeTensorMode(allow_non_fake_inputs=True):
        choice = layer.backend.choose(torch.zeros(3, 301), controls)
        layer.backend.copy_blocks(layer.cache, [(BLOCKS["long"][0], 29)])
        batch = replace(make_batch(next_step([-1, -2], -3), layer.rope), earlier=choice)
        logits = layer.backend.run(batch, layer.cache, layer.compute)
        choice = layer.backend.choose(logits, controls)
        with pytest.raises(DataDependentOutputException):
            choice.sampled()


def test_the_end_of_a_step_can_be_waited_for_where_nothing_is_chosen() -> None:
    backend = TorchBackend("cpu")
    assert backend.choose(torch.zeros(0, 50), []).sampled() == []


def test_numbers_too_large_for_float16_show_when_tokens_are_read() -> None:
    logits = torch.zeros(2, 50)
    logits[1, 3] = torch.nan
    choice = TorchBackend("cpu", "float16").choose(logits, [SampleControl(temperature=0)] * 2)
    with pytest.raises(NumberOverflow, match="--dtype bfloat16"):
        choice.sampled()


def test_a_device_that_is_lost_meanwhile_shows_when_tokens_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    choice = TorchBackend("cpu").choose(torch.zeros(1, 50), [SampleControl(temperature=0)])

    def fail(numbers: list[int]) -> list[Sampled]:
        raise torch.AcceleratorError("CUDA error: unspecified launch failure")

    monkeypatch.setattr(choice, "_taken", fail)
    with pytest.raises(DeviceLost, match="launch failure"):
        choice.sampled()


def next_step(first: list[int], rest: int) -> list[Chunk]:
    """A step that decodes; the tokens of two of its sequences are given."""
    return [
        Chunk([first[0]], 40, BLOCKS["long"]),
        Chunk([rest], 9, BLOCKS["short"]),
        Chunk([first[1]], 17, BLOCKS["third"]),
    ]


@pytest.mark.parametrize("recorded", [False, True], ids=["launched", "recorded"])
@pytest.mark.parametrize("order", [[0, 2], [2, 0], [1, 1]])
def test_a_step_takes_the_tokens_that_an_earlier_one_chose(recorded: bool, order: list[int]) -> None:
    """In any order, some of them, beside tokens that are known; replayed as well as launched."""
    recorder = TraceRecorder()
    layer = TinyLayer(TorchBackend("cpu", recorder=recorder if recorded else None))
    prompts(layer)
    backend = layer.backend
    assert isinstance(backend, OverlappingBackend)
    logits = torch.randn(3, 301, generator=torch.Generator().manual_seed(2))
    choice = backend.choose(logits, [SampleControl(temperature=0)] * 3)
    chosen = [token.token_id for token in choice.sampled()]
    assert len(set(chosen)) == 3

    def computed(first: list[int], earlier: Choice | None) -> np.ndarray:
        batch = replace(make_batch(next_step(first, 7), layer.rope), earlier=earlier)
        return layer.backend.to_host(layer.backend.run(batch, layer.cache, layer.compute))

    known = computed([chosen[row] for row in order], None)
    for _ in range(2):
        np.testing.assert_array_equal(computed([-1 - row for row in order], choice), known)
    assert recorder.replayed == (3 if recorded else 0)


def test_a_choice_of_another_backend_is_refused() -> None:
    class Foreign:
        def sampled(self) -> list[Sampled]:
            return []

    layer = TinyLayer(TorchBackend("cpu"))
    batch = replace(make_batch([Chunk([-1], 0, [0])], layer.rope), earlier=Foreign())
    with pytest.raises(TypeError, match="another backend"):
        step_on(batch, torch.device("cpu"))


def test_only_a_card_that_has_the_model_to_itself_gains_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = TorchBackend("cpu")
    assert not backend.overlaps
    monkeypatch.setattr(backend, "device", torch.device("cuda"))
    assert backend.overlaps
    monkeypatch.setattr(backend, "_group", object())
    assert not backend.overlaps
