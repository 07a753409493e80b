"""One switch says where to compute; without it the best device is taken, and contradictions are refused."""

import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest

from sevenb.engine import device_choice
from sevenb.engine.device_choice import DeviceChoice, check_device, choose_device
from sevenb.engine.engine_config import EngineConfig
from sevenb.errors import DeviceUnavailable, InvalidRequest


def config(**settings: Any) -> EngineConfig:
    return EngineConfig(model="model", **settings)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Packages that seem to be installed; torch is not, until a test adds it."""
    names: set[str] = set()
    monkeypatch.setattr(device_choice, "find_spec", lambda name: ModuleSpec(name, None) if name in names else None)
    return names


def machine_with(root: Path, *files: str) -> Path:
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("0x8086\n")
    return root


@pytest.mark.usefixtures("installed")
class TestWithoutTorch:
    def test_a_machine_without_cards_computes_on_its_processor(self, tmp_path: Path) -> None:
        assert choose_device(config(), tmp_path) == DeviceChoice("native", "cpu")

    @pytest.mark.parametrize(
        ("sign", "title"),
        [
            ("proc/driver/nvidia/version", "an NVIDIA card"),
            ("dev/kfd", "an AMD card"),
            ("dev/davinci_manager", "an Ascend NPU"),
            ("sys/class/drm/renderD128/device/vendor", "an Intel GPU"),
        ],
    )
    def test_who_has_a_card_hears_what_would_use_it(self, tmp_path: Path, sign: str, title: str) -> None:
        choice = choose_device(config(), machine_with(tmp_path, sign))
        assert (choice.backend, choice.device) == ("native", "cpu")
        (note,) = choice.notes
        assert title in note
        assert "pip install 'sevenb[gpu]'" in note

    @pytest.mark.parametrize("settings", [{"device": "cuda"}, {"device": "mps"}, {"backend": "torch"}])
    def test_what_needs_torch_says_in_one_sentence_how_to_get_it(self, settings: dict[str, str]) -> None:
        with pytest.raises(DeviceUnavailable, match=r"not installed: pip install 'sevenb\[gpu\]'\."):
            choose_device(config(**settings))


class TestWithTorch:
    @pytest.mark.parametrize(
        ("settings", "backend", "device"),
        [
            ({"device": "cuda"}, "torch", "cuda"),
            ({"device": "cpu"}, "native", "cpu"),
            ({"device": "cpu", "backend": "torch"}, "torch", "cpu"),
            ({"backend": "torch"}, "torch", "cpu"),
            ({"backend": "reference"}, "reference", "cpu"),
            ({"backend": "native", "device": "cpu"}, "native", "cpu"),
        ],
    )
    def test_device_and_backend_go_together(
        self, tmp_path: Path, installed: set[str], settings: dict[str, str], backend: str, device: str
    ) -> None:
        installed.add("torch")
        choice = choose_device(config(**settings), tmp_path)
        assert (choice.backend, choice.device) == (backend, device)

    def test_several_cards_may_share_a_model(self, installed: set[str]) -> None:
        installed.add("torch")
        assert choose_device(config(device="cuda", tensor_parallel_size=4)).backend == "torch"

    def test_the_processors_options_do_nothing_on_a_card_and_that_is_said(self, installed: set[str]) -> None:
        installed.add("torch")
        (note,) = choose_device(config(device="cuda", threads=8)).notes
        assert note == "--threads and --cpu-isa are the processor's and change nothing on cuda."


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"backend": "native", "device": "cuda"}, "native backend computes on the processor, not on cuda"),
        ({"backend": "reference", "device": "mps"}, "reference backend computes on the processor, not on mps"),
        ({"device": "cpu", "tensor_parallel_size": 2}, r"tensor_parallel_size is 2, .* choose --backend torch"),
        ({"device": "cpu", "dtype": "float32"}, r"does not compute in float32; leave --dtype out, or choose --backend"),
    ],
)
def test_settings_that_contradict_each_other_are_refused_before_any_download(
    settings: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InvalidRequest, match=sentence):
        check_device(config(**settings))


@pytest.mark.parametrize("dtype", ["half", "float16", "bfloat16"])
def test_a_type_for_cards_is_no_obstacle_on_a_processor_but_explained(dtype: str) -> None:
    (note,) = choose_device(config(device="cpu", dtype=dtype)).notes
    assert note.startswith(f"dtype {dtype} is for cards: on the processor weights stay as the file has them")


@pytest.mark.parametrize(
    "settings", [{"device": "tpu"}, {"backend": "abacus"}, {"dtype": "int3"}, {"tensor_parallel_size": 0}]
)
def test_unknown_names_are_refused_with_those_that_there_are(settings: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        config(**settings)
    assert refusal.value.parameter == next(iter(settings))


def test_an_engine_on_the_processor_never_imports_torch() -> None:
    """It would cost each start some seconds and 200 MB."""
    program = (
        "import sys\n"
        "import sevenb.cli.main, sevenb.engine.loader, sevenb.server.app\n"
        "from sevenb.engine.device_choice import choose_device\n"
        "from sevenb.engine.engine_config import EngineConfig\n"
        "choose_device(EngineConfig(model='model', device='cpu'))\n"
        "print([name for name in ('torch', 'triton', 'ray') if name in sys.modules])"
    )
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    assert output.stdout.strip() == "[]"
