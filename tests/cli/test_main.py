"""The command as a user meets it: help, exit statuses, one sentence for an error."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

from sevenb import __version__
from sevenb.cli.console import print_error
from sevenb.cli.main import VERBS
from tests.model.tiny_gguf import TinyModel

Result = subprocess.CompletedProcess[str]
Sevenb = Callable[..., Result]


@pytest.fixture
def sevenb(tmp_path: Path) -> Sevenb:
    """Runs the real program on a store of its own."""

    def run(*arguments: str, stdout: int | IO[str] = subprocess.PIPE, **environment: str) -> Result:
        return subprocess.run(
            [sys.executable, "-m", "sevenb.cli.main", *arguments],
            env={**os.environ, "SEVENB_HOME": str(tmp_path / "home"), "COLUMNS": "100", **environment},
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            timeout=150,
        )

    return run


def test_help_lists_every_verb(sevenb: Sevenb) -> None:
    result = sevenb("--help")
    assert result.returncode == 0
    for name, verb in VERBS.items():
        assert name in result.stdout
        assert verb.help in result.stdout


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_examples(sevenb: Sevenb, verb: str) -> None:
    result = sevenb(verb, "--help")
    assert result.returncode == 0, result.stderr
    assert f"sevenb {verb}" in result.stdout
    assert f"$ sevenb {verb}" in result.stdout


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys; from sevenb.cli.main import main; sys.argv = ['sevenb', '--help']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print({'numpy', 'huggingface_hub', 'tokenizers', 'fastapi', 'httpx'} & set(sys.modules), file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=150)
    assert result.stderr.strip() == "set()"


def test_version(sevenb: Sevenb) -> None:
    assert sevenb("--version").stdout == f"sevenb {__version__}\n"


def test_an_error_is_one_sentence_without_a_traceback(sevenb: Sevenb) -> None:
    result = sevenb("pull", "qwen2.5-coder:05b")
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr == "Error: There is no model 'qwen2.5-coder:05b'; did you mean " + (
        "qwen2.5-coder:0.5b or qwen2.5-coder:1.5b or qwen2.5-coder:7b?\n"
    )


def test_debugging_shows_the_traceback(sevenb: Sevenb) -> None:
    assert "Traceback" in sevenb("pull", "nonsense", SEVENB_DEBUG="1").stderr


def test_an_unknown_verb_is_wrong_usage(sevenb: Sevenb) -> None:
    result = sevenb("pul")
    assert result.returncode == 2
    assert "No such command" in result.stderr
    assert "Did you mean" in result.stderr
    assert "pull" in result.stderr


def test_a_store_that_cannot_be_written_is_told_plainly(sevenb: Sevenb, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = sevenb("pull", "smollm2:135m", SEVENB_HOME=str(tmp_path / "file" / "home"))
    assert result.returncode == 1
    assert "SEVENB_HOME" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_terminal_that_cannot_show_a_sign_gets_a_question_mark(sevenb: Sevenb, tmp_path: Path) -> None:
    model = TinyModel().write(tmp_path / "模型.gguf")
    result = sevenb("show", str(model), PYTHONIOENCODING="ascii")
    assert result.returncode == 0, result.stderr
    assert "??.gguf" in result.stdout


def test_output_that_cannot_be_written_is_told_plainly(sevenb: Sevenb) -> None:
    with open("/dev/full", "w") as full:
        result = sevenb("list", stdout=full)
    assert result.returncode == 1
    assert "No space left on device" in result.stderr
    assert "Traceback" not in result.stderr


def test_what_names_of_files_hold_is_shown_and_not_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    print_error("There is no \x1b[31mred\n[bold]file[/] 模型.")
    assert capsys.readouterr().err == "Error: There is no \\x1b[31mred\\n[bold]file[/] 模型.\n"
