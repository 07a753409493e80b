"""Where an engine computes and by which backend: what ``device`` and ``backend`` of an `EngineConfig` come to here."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from sevenb.backend.accelerators import signs_of_accelerators
from sevenb.engine.engine_config import EngineConfig
from sevenb.errors import DeviceUnavailable, InvalidRequest

INSTALL_TORCH = "pip install 'sevenb[gpu]'"
CARDS = ("cuda", "npu", "xpu")  # devices with memory of their own


@dataclass(frozen=True)
class DeviceChoice:
    """A backend and the device it computes on; ``notes`` are sentences for whoever wonders why."""

    backend: str  # "native" | "torch" | "reference"
    device: str  # "cpu" | "cuda" | "mps" | "npu" | "xpu"
    notes: tuple[str, ...] = ()


def choose_device(config: EngineConfig, root: Path = Path("/")) -> DeviceChoice:
    """The best device that is here, or the one that was asked for. torch is imported only where it may be of use.

    ``root`` is where signs of accelerators are looked for. Raises `InvalidRequest` for settings that contradict each
    other, `DeviceUnavailable` for what this machine lacks.
    """
    if config.backend in ("native", "reference"):
        if config.device not in ("auto", "cpu"):
            raise InvalidRequest(
                f"The {config.backend} backend computes on the processor, not on {config.device}; leave --backend out, "
                "or choose --backend torch.",
                "backend",
            )
        choice = DeviceChoice(config.backend, "cpu")
    elif config.device == "auto":
        choice = _best(config.backend, root)
    elif config.device == "cpu" and config.backend == "auto":
        choice = DeviceChoice("native", "cpu")
    else:
        choice = DeviceChoice("torch", config.device)
    _check(config, choice)
    return DeviceChoice(choice.backend, choice.device, (*choice.notes, *_notes(config, choice)))


def check_device(config: EngineConfig, root: Path = Path("/")) -> None:
    """Raise what `choose_device` would, as far as that can be known without torch: before anything is downloaded."""
    undecided = config.device == "auto" and config.backend in ("auto", "torch")
    if not (undecided and find_spec("torch") is not None and signs_of_accelerators(root)):
        choose_device(config, root)


def may_use_card(config: EngineConfig, root: Path = Path("/")) -> bool:
    """Whether `choose_device` may come to a card, as far as that can be known without torch."""
    if config.backend not in ("auto", "torch") or config.device not in ("auto", *CARDS):
        return False
    return find_spec("torch") is not None and (config.device != "auto" or bool(signs_of_accelerators(root)))


def _best(backend: str, root: Path) -> DeviceChoice:
    """The device that ``auto`` stands for, where ``backend`` is ``auto`` or ``torch``."""
    signs = signs_of_accelerators(root)
    if signs and find_spec("torch") is not None:
        from sevenb.backend.torch.devices import best_device

        if (device := best_device()) != "cpu":
            return DeviceChoice("torch", device)
        seen = f"There are signs of {signs[0].title} here, but torch cannot use it; computing on the processor."
        return DeviceChoice("torch" if backend == "torch" else "native", "cpu", (seen,))
    if backend == "torch":
        return DeviceChoice("torch", "cpu")
    if signs:
        hint = f"There is {signs[0].title} here; {INSTALL_TORCH} lets sevenb use it. Computing on the processor."
        return DeviceChoice("native", "cpu", (hint,))
    return DeviceChoice("native", "cpu")


def _check(config: EngineConfig, choice: DeviceChoice) -> None:
    """Raise where the rest of a configuration asks for what the chosen backend does not have."""
    if choice.backend == "torch":
        if find_spec("torch") is None:
            raise DeviceUnavailable(
                f"Computing on {choice.device} by torch needs packages that are not installed: {INSTALL_TORCH}."
            )
        return
    if config.tensor_parallel_size > 1:
        raise InvalidRequest(
            f"tensor_parallel_size is {config.tensor_parallel_size}, but the {choice.backend} backend is one process, "
            "whose threads share the work already; leave it out (--threads says how many), or choose --backend torch.",
            "tensor_parallel_size",
        )
    if choice.backend == "native" and config.dtype == "float32":
        raise InvalidRequest(
            "The native backend rounds activations to 8 or 16 bits, so it does not compute in float32; leave --dtype "
            "out, or choose --backend reference (slow) or --backend torch.",
            "dtype",
        )


def _notes(config: EngineConfig, choice: DeviceChoice) -> list[str]:
    """What of a configuration means something else on the chosen backend than its writer may think."""
    notes = []
    if choice.backend == "native" and config.dtype != "auto":
        notes.append(
            f"dtype {config.dtype} is for cards: on the processor weights stay as the file has them, sums are float32."
        )
    if choice.device != "cpu" and (config.threads is not None or config.cpu_isa is not None):
        notes.append(f"--threads and --cpu-isa are the processor's and change nothing on {choice.device}.")
    return notes
