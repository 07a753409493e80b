"""Each device that cannot be used is refused in one sentence that says why and what to do."""

import pytest

from sevenb.errors import DeviceUnavailable, InvalidRequest
from tests.torch_or_skip import torch

from sevenb.backend.torch import TorchBackend, devices  # isort: skip
from sevenb.backend.torch.kernels import fast_ops  # isort: skip

CUDA = torch.device("cuda:0")


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A torch that believes in one Ampere card; tests take from it."""
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.version, "hip", None)
    monkeypatch.setattr(torch.cuda, "init", lambda: None)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (8, 0))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA A100")
    return monkeypatch


def failing(message: str) -> object:
    def fail() -> None:
        raise RuntimeError(message)

    return fail


def test_the_processor_is_always_there() -> None:
    assert devices.open_device("cpu") == torch.device("cpu")
    assert devices.total_memory(torch.device("cpu")) is None
    assert devices.free_memory(torch.device("cpu")) > 0
    assert TorchBackend("cpu").describe() == "torch (the processor, float32, plain torch)"


def test_auto_takes_the_best_that_can_be_used(card: pytest.MonkeyPatch) -> None:
    assert devices.open_device("auto") == CUDA
    card.setattr(torch.cuda, "init", failing("Found no NVIDIA driver on your system."))
    assert devices.best_device() == "cpu"


@pytest.mark.parametrize("name", ["tpu", "cuda:x", "cuda:", "cpu:1:2", ""])
def test_a_device_that_nobody_knows_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest, match=r"There is no device .*auto, cpu, cuda, mps, npu, xpu"):
        devices.open_device(name)


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ("Found no NVIDIA driver on your system. Please check that you have one", "There is no NVIDIA driver"),
        ("The NVIDIA driver on your system is too old (found version 11040).", "driver is too old .*CUDA 13.0"),
        ("No CUDA GPUs are available", "The NVIDIA driver shows no card; .*CUDA_VISIBLE_DEVICES"),
        (
            "CUDA unknown error - this may be due to\nan incorrectly set up environment",
            r"cannot be started \(CUDA unkn",
        ),
    ],
)
def test_a_driver_that_is_missing_old_or_broken_is_named(card: pytest.MonkeyPatch, message: str, sentence: str) -> None:
    card.setattr(torch.cuda, "init", failing(message))
    with pytest.raises(DeviceUnavailable, match=sentence) as raised:
        TorchBackend("cuda")
    assert "--device cpu" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_torch_without_cuda_is_named(card: pytest.MonkeyPatch) -> None:
    card.setattr(torch.version, "cuda", None)
    with pytest.raises(DeviceUnavailable, match=r"built without CUDA; install one with it .*--device cpu"):
        TorchBackend("cuda")


def test_a_card_too_old_is_named_with_its_capability(card: pytest.MonkeyPatch) -> None:
    card.setattr(torch.cuda, "get_device_capability", lambda device: (6, 1))
    with pytest.raises(DeviceUnavailable, match=r"NVIDIA A100 is too old \(compute capability 6.1, needed is 7.0\)"):
        TorchBackend("cuda")


def test_a_card_that_is_not_there_is_counted(card: pytest.MonkeyPatch) -> None:
    with pytest.raises(DeviceUnavailable, match="There is no cuda:1: this machine has 1 card, counted from 0"):
        TorchBackend("cuda:1")


@pytest.mark.parametrize(("capability", "dtype"), [((9, 0), torch.bfloat16), ((7, 5), torch.float16)])
def test_the_dtype_is_the_best_that_a_card_has(
    card: pytest.MonkeyPatch, capability: tuple[int, int], dtype: torch.dtype
) -> None:
    card.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert devices.open_dtype("auto", CUDA) == dtype
    assert devices.open_dtype("half", CUDA) == torch.float16
    assert devices.has_fp8(CUDA) == (capability == (9, 0))
    assert devices.open_dtype("auto", torch.device("cpu")) == torch.float32


def test_a_card_older_than_the_kernels_computes_in_plain_torch(card: pytest.MonkeyPatch) -> None:
    card.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    assert fast_ops(CUDA, torch.float16) is None


def test_bfloat16_on_a_card_without_it_is_refused(card: pytest.MonkeyPatch) -> None:
    card.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    with pytest.raises(DeviceUnavailable, match="does not compute in bfloat16; choose --dtype float16"):
        devices.open_dtype("bfloat16", CUDA)
    with pytest.raises(InvalidRequest, match=r"no dtype 'int4'; choose one of auto, half"):
        devices.open_dtype("int4", CUDA)


@pytest.mark.parametrize(
    ("device", "sentence"), [("mps", "no support for Apple"), ("xpu", "without Intel"), ("npu", "package torch_npu")]
)
def test_a_device_that_torch_is_not_built_for_is_named(
    monkeypatch: pytest.MonkeyPatch, device: str, sentence: str
) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_built", lambda: False)
    monkeypatch.setattr(torch.xpu, "_is_compiled", lambda: False)
    monkeypatch.setattr(devices, "find_spec", lambda name: None)
    with pytest.raises(DeviceUnavailable, match=sentence):
        TorchBackend(device)


@pytest.mark.parametrize(
    ("dtype", "kv_dtypes"),
    [
        ("float32", ("f32", "f16", "bf16", "int8", "fp8")),
        ("half", ("f16", "bf16", "f32", "int8", "fp8")),
        ("bfloat16", ("bf16", "f16", "f32", "int8", "fp8")),
    ],
)
def test_keys_and_values_have_the_dtype_of_activations_first(dtype: str, kv_dtypes: tuple[str, ...]) -> None:
    assert TorchBackend("cpu", dtype).kv_dtypes == kv_dtypes
