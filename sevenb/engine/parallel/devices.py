"""Which device and how many threads a rank has, and where ranks meet."""

from pathlib import Path

from sevenb.errors import DeviceUnavailable
from sevenb.host import usable_cores

DEVICES = ("cpu", "cuda")  # what ranks can exchange tensors of: by gloo, by NCCL


def rank_device(device: str, rank: int) -> str:
    """The device of a rank, as torch names it: each has a card of its own, and all share the processor."""
    return device if device == "cpu" else f"{device}:{rank}"


def rank_threads(threads: int | None, ranks: int) -> int:
    """Threads of the processor that one of several ranks takes."""
    return max(1, (threads or usable_cores()) // ranks)


def meeting_in(folder: str | Path) -> Path:
    """The file by which ranks find each other."""
    return Path(folder) / "meeting"


def last_word_in(folder: str | Path, rank: int) -> Path:
    """The file in which a rank that ends says why."""
    return Path(folder) / f"{rank}.failed"


def check_devices(device: str, ranks: int, cards: int) -> None:
    """Raise `DeviceUnavailable` where there are no ``ranks`` devices of a kind that can exchange tensors."""
    if device not in DEVICES:
        raise DeviceUnavailable(
            f"tensor_parallel_size is {ranks}, but sevenb shares a model only among cards of NVIDIA or AMD (cuda) and "
            f"processes (cpu), not yet on {device}; leave it out."
        )
    if device != "cpu" and cards < ranks:
        raise DeviceUnavailable(
            f"tensor_parallel_size is {ranks}, but {cards} card{'s are' if cards > 1 else ' is'} here; choose at most "
            f"{cards}, or let CUDA_VISIBLE_DEVICES show more of them."
        )
