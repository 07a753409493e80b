"""Who in the lab may know whom: every import of the code, held against the lab's plan."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import sevenb

HOUSE = Path(sevenb.__file__).parent
LAB = HOUSE / "lab"

# By a part of the lab, the other parts that it may import. Arrows go one way only: nobody stands in a circle.
PARTS = {
    "folder": set(),
    "progress": set(),
    "statistics": set(),
    "sandbox": set(),
    "results": {"statistics"},
    "plan": set(),
    "target": {"progress"},
    "data": {"results"},
    "runs": {"folder", "results", "statistics", "target"},
    "speed": {"plan", "progress", "results", "runs", "statistics", "target"},
    "scenarios": {"progress", "results", "runs", "target"},
    "tasks": {"data", "progress", "results", "runs", "sandbox", "statistics", "target"},
    "report": {
        "data", "folder", "plan", "progress", "results", "runs", "sandbox", "scenarios", "speed", "statistics",
        "target", "tasks",
    },
}  # fmt: skip

# What the lab may know of the house. It speaks HTTP with servers: nothing of the engine, the backends or the server.
# Models' shapes, files and downloads are read, and the numeric types of their tensors with them.
OF_THE_HOUSE = ("sevenb.errors", "sevenb.host", "sevenb.model", "sevenb.backend.quant_types")

# What the house may know of the lab, besides the command line: where reports lie, for the console.
OF_THE_LAB = {"server": {"sevenb.lab.report.places"}}


@pytest.mark.parametrize("part", sorted(PARTS))
def test_a_part_of_the_lab_knows_those_below_it_alone(part: str) -> None:
    allowed = PARTS[part] | {part}
    for path, module in imports_of(part):
        if module.startswith("sevenb.lab."):
            assert module.split(".")[2] in allowed, f"{path} imports {module}"


def test_every_part_of_the_lab_has_its_place() -> None:
    assert {path.stem for path in LAB.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()} == {
        *PARTS, "__init__",
    }  # fmt: skip


def test_no_two_parts_know_each_other() -> None:
    def below(part: str) -> set[str]:
        return PARTS[part].union(*(below(other) for other in PARTS[part]))

    assert [part for part in PARTS if part in below(part)] == []


@pytest.mark.parametrize("part", sorted(PARTS))
def test_the_lab_knows_nothing_of_the_engine_or_the_server(part: str) -> None:
    for path, module in imports_of(part):
        if module.startswith("sevenb.") and not module.startswith("sevenb.lab."):
            assert module.startswith(OF_THE_HOUSE), f"{path} imports {module}"


def test_only_the_command_line_and_the_consoles_reports_know_the_lab() -> None:
    for folder in sorted(path for path in HOUSE.iterdir() if path.is_dir() and path.name not in ("lab", "cli")):
        for path, module in imports_below(folder):
            if module.startswith("sevenb.lab"):
                assert module in OF_THE_LAB.get(folder.name, ()), f"{path} imports {module}"


def imports_of(part: str) -> Iterator[tuple[Path, str]]:
    """The modules that a part of the lab imports, each with the file that does."""
    file = LAB / f"{part}.py"
    yield from imports_in(file) if file.exists() else imports_below(LAB / part)


def imports_below(folder: Path) -> Iterator[tuple[Path, str]]:
    for path in sorted(folder.rglob("*.py")):
        yield from imports_in(path)


def imports_in(path: Path) -> Iterator[tuple[Path, str]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((path, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:  # within a package, so within its part of the lab
                continue
            # A package's name may stand for any of its modules.
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                is_module = (HOUSE.parent / Path(*name.split("."))).with_suffix(".py").exists()
                yield path, name if is_module else str(node.module)
