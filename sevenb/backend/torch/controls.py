"""`Edits` and `Draws`: what the `SampleControl`s of a batch ask for, as tensors on the device."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sevenb.backend.protocol import SampleControl
from sevenb.backend.torch.devices import upload

Ids = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Edits:
    """What becomes of logits [R, V] before a token is chosen: first the mask, then each edit by itself."""

    allowed: Tensor | None  # [R, V / 32] int32: bit i % 32 of word i // 32; None: all are allowed
    places: Tensor | None  # [n] int64, distinct places in the flattened logits; None: none is edited
    numbers: Tensor | None  # [3, n] float32: a bias, a repetition penalty, what is taken away, in this order


@dataclass(frozen=True)
class Draws:
    """How each row is drawn from. ``table`` [R, 6] has the columns `COLUMNS`, float64 where the device has that."""

    table: Tensor
    rows: tuple[int, ...]  # whose temperature is not 0
    widest: int  # candidates that any of them may have at most


_COLDEST = 1e-30  # a temperature that float32 can divide by
COLUMNS = ("temperature", "top_k", "top_p", "min_p", "uniform", "lowest allowed id")  # top_k of V: off


def edits_of(controls: Sequence[SampleControl], vocabulary: int, device: torch.device) -> Edits | None:
    """None where logits are taken as they are. Raises ValueError for a token outside of the vocabulary."""
    rows = [_edits_of_row(control, vocabulary) for control in controls]
    counts = [len(ids) for ids, _ in rows]
    masked = any(control.allowed is not None for control in controls)
    if not masked and not sum(counts):
        return None
    allowed = upload(_words(controls, vocabulary), device) if masked else None
    if not sum(counts):
        return Edits(allowed, None, None)
    starts = np.repeat(np.arange(len(rows), dtype=np.int64) * vocabulary, counts)
    places = np.concatenate([ids for ids, _ in rows]) + starts
    numbers = np.concatenate([numbers for _, numbers in rows], 1)
    return Edits(allowed, upload(places, device), upload(numbers, device))


def draws_of(controls: Sequence[SampleControl], vocabulary: int, device: torch.device) -> Draws:
    """Raises ValueError when a mask allows no token."""
    table = [
        (
            control.temperature and max(control.temperature, _COLDEST),
            min(control.top_k or vocabulary, vocabulary),
            control.top_p,
            control.min_p,
            control.uniform,
            0 if control.allowed is None else _first_allowed(control.allowed),
        )
        for control in controls
    ]
    drawn = tuple(row for row, control in enumerate(controls) if control.temperature > 0)
    # Apple GPUs have no float64; 32 bits add up a vocabulary to five digits.
    wide = np.float32 if device.type == "mps" else np.float64
    return Draws(
        upload(np.array(table, wide), device), drawn, widest=int(max((table[row][1] for row in drawn), default=0))
    )


def _edits_of_row(control: SampleControl, vocabulary: int) -> tuple[Ids, Numbers]:
    """Ids, each once and rising: [n]; and their numbers: [3, n]."""
    biased, biases = _arrays(control.logit_bias or {})
    counted, counts = _arrays(control.output_counts or {})
    seen = np.empty(0, np.int64)
    if control.repetition_penalty != 1.0:
        prompt = () if control.prompt_tokens is None else control.prompt_tokens
        seen = np.concatenate((np.asarray(prompt, np.int64), counted))
    if not (control.presence_penalty or control.frequency_penalty):
        counted, counts = counted[:0], counts[:0]
    named = np.concatenate((biased, seen, counted))
    if not len(named):
        return named, np.empty((3, 0), np.float32)
    ids = np.unique(named)
    if ids[0] < 0 or ids[-1] >= vocabulary:
        raise ValueError(f"a control names a token outside of the vocabulary of {vocabulary}")
    numbers = np.zeros((3, len(ids)), np.float32)
    numbers[0, np.searchsorted(ids, biased)] = biases
    numbers[1] = 1.0
    numbers[1, np.searchsorted(ids, seen)] = control.repetition_penalty
    numbers[2, np.searchsorted(ids, counted)] = control.presence_penalty + control.frequency_penalty * counts
    return ids, numbers


def _arrays(amounts: Mapping[int, float]) -> tuple[Ids, npt.NDArray[np.float64]]:
    count = len(amounts)
    return np.fromiter(amounts.keys(), np.int64, count), np.fromiter(amounts.values(), np.float64, count)


def _words(controls: Sequence[SampleControl], vocabulary: int) -> npt.NDArray[np.int32]:
    """The masks of all rows; nothing is allowed beyond the words of a mask."""
    words = np.zeros((len(controls), -(-vocabulary // 32)), np.uint32)
    for line, control in zip(words, controls, strict=True):
        if control.allowed is None:
            line[:] = ~np.uint32(0)
        else:
            count = min(len(line), len(control.allowed))
            line[:count] = control.allowed[:count]
    return words.view(np.int32)


def _first_allowed(mask: npt.NDArray[np.uint32]) -> int:
    """The lowest id that a mask allows. Raises ValueError when there is none."""
    words = np.flatnonzero(mask)
    if not len(words):
        raise ValueError("a mask allows no token")
    word = int(mask[words[0]])
    return 32 * int(words[0]) + (word & -word).bit_length() - 1
