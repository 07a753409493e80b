"""The manual is truthful: commands are understood, links lead somewhere, and lists of the lab's parts are whole."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from sevenb.cli.main import app
from sevenb.lab.plan.devices import DEVICES
from sevenb.lab.tasks.registry import TASKS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def _commands(page: Path) -> Iterator[list[str]]:
    """Those in blocks of a shell and, of the lab, in tables."""
    text = page.read_text(encoding="utf-8")
    lines = [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    if page.stem.startswith(("lab", "report", "own-tasks")):
        lines += re.findall(r"\| `(sevenb [^`]+)` \|", text)
    yield from (shlex.split(line, comments=True)[1:] for line in lines if line.startswith("sevenb "))


COMMANDS = {" ".join(words): words for page in PAGES for words in _commands(page)}


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_a_command_is_understood(words: list[str]) -> None:
    command = typer.main.get_command(app)
    context = command.make_context("sevenb", list(words))
    while isinstance(command, TyperGroup) and (rest := [*context._protected_args, *context.args]):
        name, command, rest = command.resolve_command(context, rest)
        assert command is not None, f"there is no {name}"
        context = command.make_context(name, rest, parent=context)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in _anchors(target), link


def _anchors(page: Path) -> set[str]:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_manual_has_every_task_and_preset() -> None:
    text = (ROOT / "docs" / "lab-quality.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([\w.-]+)`", text))
    assert set(TASKS) <= named
    assert {preset for kind in TASKS.values() for preset in kind.presets} <= named


def test_the_manual_has_every_device() -> None:
    text = (ROOT / "docs" / "lab.md").read_text(encoding="utf-8")
    assert set(DEVICES) <= set(re.findall(r"`([\w-]+)`", text))
