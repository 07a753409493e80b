"""Models of one's own in the store: names that no hub knows, files that are moved in."""

import hashlib
from pathlib import Path

import pytest

from sevenb.errors import Conflict, InvalidRequest, ModelNotFound
from sevenb.model.own_models import is_own_name
from sevenb.model.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "home")


def file(tmp_path: Path, content: bytes) -> tuple[Path, str]:
    path = tmp_path / "my.Q4_K_M.gguf"
    path.write_bytes(content)
    return path, hashlib.sha256(content).hexdigest()


def test_a_file_is_moved_in_and_found_by_its_name(store: Store, tmp_path: Path) -> None:
    added = store.add(*file(tmp_path, b"content"), "mine:v1", "mit")
    assert not (tmp_path / "my.Q4_K_M.gguf").exists()
    assert (added.name, added.size, added.license, added.quantization) == ("mine:v1", 7, "mit", "Q4_K_M")
    assert store.has("mine:v1")
    assert store.resolve("mine:v1").read_bytes() == b"content"
    assert store.ensure("mine:v1").name == "my.Q4_K_M.gguf"
    assert [model.name for model in store.models()] == ["mine:v1"]
    with pytest.raises(ModelNotFound, match="nothing to pull"):
        store.pull("mine:v1")
    assert store.remove("mine:v1") == 7
    with pytest.raises(ModelNotFound):
        store.resolve("mine:v1")


def test_names_and_files_that_are_taken_are_refused(store: Store, tmp_path: Path) -> None:
    store.add(*file(tmp_path, b"one"), "mine")
    with pytest.raises(Conflict, match="called mine"):
        store.add(*file(tmp_path, b"two"), "MINE")
    with pytest.raises(Conflict, match="under the name mine"):
        store.add(*file(tmp_path, b"one"), "another")
    with pytest.raises(Conflict, match="catalog"):
        store.add(*file(tmp_path, b"two"), "qwen2.5-coder:7b")
    assert (tmp_path / "my.Q4_K_M.gguf").exists()


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "-a", "a b", "a:", "a:b:c", "x.gguf", "x" * 121, "模" * 41])
def test_what_could_not_name_a_folder_is_no_name(store: Store, name: str) -> None:
    assert not is_own_name(name)
    with pytest.raises(InvalidRequest):
        store.check_own_name(name)


def test_names_may_be_of_any_script(store: Store) -> None:
    store.check_own_name("通义千问:7b")
