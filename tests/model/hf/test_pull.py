"""Repositories without GGUF files: pulled as the folders they are, verified, listed and removed as any model."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sevenb.errors import DownloadFailed, HashMismatch, UnsupportedModel
from sevenb.model.checkpoint import Checkpoint
from sevenb.model.origins import ModelFile, choose_folder
from sevenb.model.store import Store
from sevenb.model.stored_model import StoredFile
from tests.hub import Hub, serve
from tests.model.hf.tiny_folder import config, write_tiny_folder

NAME = "org/model"
GIT = {"config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A whole model, and files that repositories have beside it."""
    folder = write_tiny_folder(tmp_path_factory.mktemp("hub") / "model", generation_config__json={"temperature": 0.7})
    model = {path.name: path.read_bytes() for path in folder.iterdir()}
    return model | {"README.md": b"# Model", "pytorch_model.bin": b"pickle", "original/consolidated.00.pth": b"pickle"}


@pytest.fixture
def hub(files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Both hubs on this machine; Hugging Face goes first."""
    with serve(Hub(dict(files), in_git=GIT)) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("MODELSCOPE_DOMAIN", hub.url)
        yield hub


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "home")


def test_a_repository_of_safetensors_is_pulled_as_a_folder_that_opens(hub: Hub, store: Store) -> None:
    model = store.pull(NAME)
    path = store.resolve(NAME)
    with Checkpoint.open(path) as checkpoint:
        assert checkpoint.name == "model"
        assert checkpoint.config.quantization == "F32"
    assert path.is_dir()
    assert model.quantization == "F32"
    assert [stored.name for stored in store.models()] == [NAME]


def test_only_what_is_read_is_downloaded(hub: Hub, store: Store) -> None:
    model = store.pull(NAME)
    assert {file.name for file in model.files} == GIT | {"model.safetensors"}
    assert model.size == sum(len(hub.files[file.name]) for file in model.files)


@pytest.mark.parametrize(
    ("weights", "chosen"),
    [
        ("model.safetensors model.safetensors.index.json model-00001-of-00002.safetensors", "model.safetensors"),
        ("4bit-00001-of-00002.safetensors 4bit-00002-of-00002.safetensors", None),
        ("a.safetensors b.safetensors", ""),
        ("a.safetensors a-00001-of-00001.safetensors", ""),
        ("model.safetensors deep/config.json", "model.safetensors"),
    ],
)
def test_the_files_that_belong_together_are_chosen(weights: str, chosen: str | None) -> None:
    files = [ModelFile(name) for name in ("config.json", *weights.split())]
    wanted = weights.split() if chosen is None else chosen.split()
    assert [file.name for file in choose_folder(files)] == (["config.json", *wanted] if wanted else [])


def test_how_vectors_are_made_is_pulled_under_a_name_of_its_own() -> None:
    files = [ModelFile(name) for name in ("1_Pooling/config.json", "config.json", "model.safetensors")]
    links = [StoredFile(file.name, 1, "").link_name for file in choose_folder(files)]
    assert links == ["config.json", "pooling.json", "model.safetensors"]


def test_a_second_pull_fetches_no_weights_again(hub: Hub, store: Store) -> None:
    first = store.pull(NAME)
    sent = hub.bytes_sent
    assert store.pull(NAME) == first
    assert hub.bytes_sent - sent < 20_000 + len(hub.files["tokenizer.json"])


def test_a_cut_download_goes_on_where_it_stopped(hub: Hub, store: Store) -> None:
    hub.ends_at = 30_000
    with pytest.raises(DownloadFailed):
        store.pull(NAME)
    hub.ends_at = None
    sent = hub.bytes_sent
    store.pull(NAME)
    weights = len(hub.files["model.safetensors"])
    assert 30_000 in hub.ranges()
    assert hub.bytes_sent - sent <= weights - 30_000 + sum(len(hub.files[name]) for name in GIT)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_file_that_is_not_what_the_hub_states_is_not_used(hub: Hub, store: Store, name: str) -> None:
    hub.stated_hashes[name] = "0" * (40 if name in GIT else 64)
    hub.in_git = GIT
    with pytest.raises(HashMismatch, match=f"{name} with the wrong"):
        store.pull(NAME)
    assert not store.has(NAME)


def test_a_file_that_was_damaged_on_the_disk_is_not_loaded(hub: Hub, store: Store) -> None:
    store.pull(NAME)
    with (store.resolve(NAME) / "tokenizer.json").open("r+b") as file:
        file.write(b"{ ")
    with pytest.raises(HashMismatch):
        store.resolve(NAME)


def test_gguf_files_of_a_repository_go_first(hub: Hub, store: Store) -> None:
    hub.files["model-Q4_K_M.gguf"] = b"GGUF" * 100
    assert [file.name for file in store.pull(NAME).files] == ["model-Q4_K_M.gguf"]
    assert store.resolve(NAME).suffix == ".gguf"


def test_a_model_that_does_not_run_is_refused_before_its_weights_are_fetched(hub: Hub, store: Store) -> None:
    hub.files["config.json"] = json.dumps(config(model_type="deepseek_v3")).encode()
    with pytest.raises(UnsupportedModel, match="'deepseek_v3'"):
        store.pull(NAME)
    assert not any("safetensors" in path for path, _ in hub.requests)
    assert store.disk_use() == 0


def test_a_model_that_was_pulled_keeps_its_configuration_when_it_is_refused_under_another_name(
    hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.pull(NAME)

    def refuse(path: Path, source: str) -> None:
        raise UnsupportedModel(f"{source} is refused.")

    monkeypatch.setattr("sevenb.model.store.check_config", refuse)
    with pytest.raises(UnsupportedModel):
        store.pull("other/model")
    assert store.resolve(NAME).is_dir()


def test_weights_that_may_run_code_are_refused(hub: Hub, store: Store) -> None:
    del hub.files["model.safetensors"]
    with pytest.raises(DownloadFailed, match="PyTorch's format, which may run code"):
        store.pull(NAME)


def test_a_quantization_of_a_repository_without_gguf_files_is_told(hub: Hub, store: Store) -> None:
    with pytest.raises(DownloadFailed, match="has no GGUF files; name it without 'Q4_K_M'"):
        store.pull(f"{NAME}:Q4_K_M")


def test_removing_frees_what_was_pulled(hub: Hub, store: Store) -> None:
    model = store.pull(NAME)
    assert store.remove(NAME) == model.size
    assert store.disk_use() < 1000
    assert not store.has(NAME)


def test_a_hub_that_lists_nonsense_is_given_up(hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = {"rfilename": "model-Q4_K_M.gguf", "lfs": {"size": 3, "sha256": "../../elsewhere"}}
    listings: list[object] = [
        [],
        {"siblings": 3},
        {"siblings": [{"rfilename": "model.gguf", "lfs": {"size": "x"}}]},
        {"siblings": [entry]},
    ]
    for listing in listings:
        monkeypatch.setattr(hub, "listing", lambda path, listing=listing: listing)
        with pytest.raises(DownloadFailed):
            store.pull(NAME)
