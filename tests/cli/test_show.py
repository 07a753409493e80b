"""``sevenb show`` says which kernel runs each weight."""

import os
import re
from pathlib import Path

import pytest
from rich.console import Console

from sevenb.cli import console
from sevenb.cli.show import show
from tests.model.tiny_gguf import TinyModel


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Console:
    """Collects what the verb prints on standard output."""
    recorder = Console(record=True, width=160, file=open(os.devnull, "w"), highlight=False)  # noqa: SIM115
    monkeypatch.setattr(console, "out", recorder)
    return recorder


def test_weights_are_listed_by_role_with_their_kernels(screen: Console, tmp_path: Path) -> None:
    show(str(TinyModel(layers=3).write(tmp_path / "model.gguf")))
    text = screen.export_text()

    assert re.search(r"ffn_gate +3 +512 × 256 +418 kB +Q8_0 +int8 activations", text)
    assert re.search(r"attn_k +3 +128 × 256 +104 kB +Q8_0 +int16 activations", text)
    assert "blk." not in text


def test_every_tensor_is_listed_on_request(screen: Console, tmp_path: Path) -> None:
    show(str(TinyModel(layers=2).write(tmp_path / "model.gguf")), tensors=True)
    text = screen.export_text()

    assert re.search(r"blk\.1\.ffn_gate +1 +512 × 256", text)
    assert re.search(r"blk\.0\.attn_q\.bias +1 +256 ", text)


def test_a_head_that_is_stored_twice_counts_once(coder_05b: Path, screen: Console) -> None:
    show(str(coder_05b))
    text = screen.export_text()

    assert re.search(r"Parameters +494M \(494,032,768; the file holds the embedding twice", text)
    assert re.search(r"ffn_gate +24 +4,864 × 896 +72 MB +Q5_0 +int8 activations", text)
