"""Which model a name means."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sevenb.errors import ModelNotFound
from sevenb.model.stored_model import StoredFile, StoredModel
from sevenb.server.fleet.managed_model import ManagedModel
from sevenb.server.fleet.model_directory import ModelDirectory
from tests.server.fake_server import FakeModel


def stored(name: str, sha256: str = "0") -> StoredModel:
    return StoredModel(name, [StoredFile(f"{name}.gguf", 1, sha256)], "hub", "repo", "Q4_K_M", "free", 1.0)


@dataclass(frozen=True)
class Installed:
    names: tuple[str, ...]

    def models(self) -> list[StoredModel]:
        return [stored(name, name) for name in self.names]

    def source(self, model: StoredModel) -> FakeModel:
        return FakeModel(b"{}", [model.name])


async def in_thread(function: Callable[[], Any]) -> Any:
    return function()


def directory(*served: str, installed: tuple[str, ...] | None = None, **adapters: str) -> ModelDirectory:
    named = [
        ManagedModel(FakeModel(b"{}", [name], adapters if not number else {}), None)
        for number, name in enumerate(served)
    ]
    return ModelDirectory(named, None if installed is None else Installed(installed), in_thread, 300.0)


def find(models: ModelDirectory, name: str) -> str:
    return asyncio.run(models.find(name)).name


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("coder", "coder"),
        ("Coder", "coder"),
        ("coder:latest", "coder"),
        ("qwen2.5-coder:1.5b", "qwen2.5-coder:1.5b"),
        ("QWEN2.5-Coder:1.5B", "qwen2.5-coder:1.5b"),
        ("qwen2.5-coder", "qwen2.5-coder:1.5b"),  # the only one of its family here
        ("qwen2.5-coder:latest", "qwen2.5-coder:1.5b"),
        ("smollm2:135m", "smollm2:135m"),  # installed
        ("smollm2", "smollm2:135m"),
        ("org/repo:Q4_K_M", "org/repo:Q4_K_M"),
        ("ORG/repo:q4_k_m", "org/repo:Q4_K_M"),
        ("sql", "sql"),  # an adapter
    ],
)
def test_names_are_found_as_clients_write_them(asked: str, meant: str) -> None:
    models = directory("coder", "qwen2.5-coder:1.5b", installed=("smollm2:135m", "org/repo:Q4_K_M"), sql="sql.gguf")
    assert find(models, asked) == meant


def test_a_family_means_what_the_catalog_says_where_that_is_here() -> None:
    assert (
        find(directory("qwen2.5-coder:1.5b", installed=("qwen2.5-coder:0.5b",)), "qwen2.5-coder")
        == "qwen2.5-coder:0.5b"
    )
    assert find(directory("qwen2.5-coder:1.5b", "qwen2.5-coder:0.5b"), "qwen2.5-coder") == "qwen2.5-coder:0.5b"


@pytest.mark.parametrize("name", ["", "gpt-4o", "smollm2:7b", "latest", ":latest", "/etc/passwd", "../coder", "code"])
def test_other_names_mean_nothing_and_the_error_tells_which_do(name: str) -> None:
    with pytest.raises(ModelNotFound, match=r"coder and smollm2:135m\.$"):
        find(directory("coder", installed=("smollm2:135m",)), name)


def test_no_name_means_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret.gguf").touch()
    monkeypatch.chdir(tmp_path)
    for name in ("secret.gguf", "./secret.gguf", str(tmp_path / "secret.gguf")):
        with pytest.raises(ModelNotFound):
            find(directory("coder", installed=()), name)


def test_a_server_may_be_told_to_serve_only_what_was_named() -> None:
    with pytest.raises(ModelNotFound):
        find(directory("coder"), "smollm2:135m")


def test_an_adapters_name_is_its_model_with_the_adapter() -> None:
    found = asyncio.run(directory("coder", sql="sql.gguf").find("sql"))
    assert (found.model.name, found.adapter) == ("coder", "sql")


def test_a_stored_model_that_is_served_under_another_name_is_not_loaded_twice(tmp_path: Path) -> None:
    (tmp_path / "abc123").touch()
    (tmp_path / "model.gguf").symlink_to(tmp_path / "abc123")

    class Linked(FakeModel):
        root = property(lambda _: str(tmp_path / "model.gguf"))

    class Store(Installed):
        def models(self) -> list[StoredModel]:
            return [stored("qwen2.5-coder:0.5b", "abc123")]

    served = ManagedModel(Linked(b"{}", ["coder"]), None)
    models = ModelDirectory([served], Store(()), in_thread, 300.0)
    assert asyncio.run(models.find("qwen2.5-coder:0.5b")).model is served
    assert [entry.name for entry in asyncio.run(models.listed())] == ["coder"]


def test_all_that_may_be_asked_for_is_listed_once() -> None:
    models = directory("coder", "smollm2:135m", installed=("smollm2:135m", "qwen2.5:3b"))
    assert [entry.name for entry in asyncio.run(models.listed())] == ["coder", "smollm2:135m", "qwen2.5:3b"]
