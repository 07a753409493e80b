"""``pull``, ``list``, ``show`` and ``rm`` on stores with real files in them."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from sevenb.cli import console
from sevenb.cli.console import count_text, download_progress, size_text
from sevenb.cli.list import age_text, list_models
from sevenb.cli.pull import pull
from sevenb.cli.rm import rm
from sevenb.cli.show import show
from sevenb.model import download_progress as download_progress_module
from tests.hub import Hub, serve

NAME = "tiny-q8_0.gguf"
CONTENT = bytes(range(256)) * 8_000


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setenv("SEVENB_HOME", str(tmp_path / "home"))
    with serve(Hub({NAME: CONTENT})) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Console:
    """Collects what verbs print on standard output."""
    recorder = Console(record=True, width=160, file=open(os.devnull, "w"), highlight=False)  # noqa: SIM115
    monkeypatch.setattr(console, "out", recorder)
    return recorder


def test_a_model_is_pulled_listed_and_deleted(hub: Hub, screen: Console) -> None:
    pull(["org/model"])
    assert "org/model pulled from Hugging Face, 2 MB, verified" in screen.export_text()
    pull(["org/model"])
    assert "org/model is already here" in screen.export_text()
    list_models()
    listed = screen.export_text()
    assert "Q8_0" in listed
    assert "just now" in listed
    rm(["org/model"])
    assert "Deleted org/model, 2 MB freed" in screen.export_text()
    list_models()
    assert "sevenb pull qwen2.5-coder:0.5b" in screen.export_text()


def test_the_catalog_is_listed_with_what_is_stored(hub: Hub, screen: Console) -> None:
    list_models(everything=True)
    text = screen.export_text()
    assert re.search(r"qwen2\.5-coder:0\.5b +494M +491 MB", text)
    assert "Qwen Research License" in text
    assert "Llama 3 Community License" in text


def test_show_tells_what_a_model_is(smollm2: Path, screen: Console) -> None:
    show("smollm2:135m")
    text = screen.export_text()
    for fact in ("llama", "134,515,008", "8,192 tokens", "Apache-2.0", "Chat template  yes", "30 layers"):
        assert fact in text
    assert "Q4_1" in text


def test_progress_without_a_terminal_is_plain_lines(hub: Hub, tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "sevenb.cli.main", "pull", "org/model"],
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert result.returncode == 0
    assert f"{NAME} · Hugging Face: 2 MB done in " in result.stderr
    assert "\x1b" not in result.stderr


def test_progress_on_a_terminal_is_a_bar_that_survives_a_failed_source(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Console(force_terminal=True, width=100, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    monkeypatch.setattr(console, "err", terminal)
    with download_progress() as progress:
        assert isinstance(progress, download_progress_module.BarProgress)
        progress.start("model.gguf · Hugging Face", 10_000_000, 0)
        progress.finish()
        progress.note("Hugging Face cannot be reached.")
        progress.start("model.gguf · ModelScope", 10_000_000, 2_000_000)
        progress.update(10_000_000)
        progress.finish()
    last_frame = terminal.export_text().rstrip().splitlines()[-1]
    assert "ModelScope" in last_frame
    assert "10.0/10.0 MB" in last_frame


def test_plain_progress_says_speed_and_time_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    progress = download_progress_module.PlainProgress(Console())
    monkeypatch.setattr(download_progress_module, "PLAIN_SECONDS", 600.0)
    monkeypatch.setattr(progress, "_print", lines.append)
    progress.start("file", 100_000_000, 50_000_000)
    progress.update(70_000_000)  # too soon for a line
    monkeypatch.setattr(download_progress_module, "PLAIN_SECONDS", 0.0)
    progress.update(75_000_000)
    assert len(lines) == 1
    assert lines[0].startswith("file:  75 % of 100 MB at ")
    assert lines[0].endswith(" s left")


@pytest.mark.parametrize(
    ("size", "text"), [(491_400_064, "491 MB"), (4_683_073_536, "4.7 GB"), (999_600_000, "1.0 GB"), (1_500, "2 kB")]
)
def test_sizes_read_as_people_write_them(size: int, text: str) -> None:
    assert size_text(size) == text


@pytest.mark.parametrize(("count", "text"), [(494_032_768, "494M"), (7_615_616_512, "7.6B"), (35_136, "35K")])
def test_counts_of_weights_read_as_people_write_them(count: int, text: str) -> None:
    assert count_text(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(5, "just now"), (90, "1 minute ago"), (7200, "2 hours ago"), (200_000, "2 days ago")]
)
def test_ages_are_rough(seconds: float, text: str) -> None:
    assert age_text(seconds) == text
