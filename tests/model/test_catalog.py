"""What names mean, and which models fit a machine."""

import re
from pathlib import Path

import pytest

from sevenb.errors import ModelNotFound
from sevenb.model.catalog import CATALOG, DEFAULT_MODEL, CatalogEntry, HubName
from sevenb.model.origins import HuggingFaceRepo, ModelScopeRepo, PackageMirror


def entry(name: str) -> CatalogEntry:
    found = CATALOG.find(name)
    assert found is not None
    return found


@pytest.mark.parametrize("name", ["qwen2.5-coder:0.5b", "Qwen2.5-Coder:0.5B", "qwen2.5-coder", " qwen2.5-coder:0.5b "])
def test_the_default_model_is_found_with_and_without_its_tag(name: str) -> None:
    assert entry(name).name == DEFAULT_MODEL


@pytest.mark.parametrize(("name", "full"), [("llama3", "llama3:8b"), ("qwen2.5", "qwen2.5:0.5b")])
def test_a_family_name_means_its_smallest_model(name: str, full: str) -> None:
    assert entry(name).name == full


@pytest.mark.parametrize(
    ("name", "repo", "select"),
    [
        ("Qwen/Qwen2.5-7B-Instruct-GGUF", "Qwen/Qwen2.5-7B-Instruct-GGUF", None),
        ("org/repo:Q8_0", "org/repo", "Q8_0"),
        ("org/repo:some-file.gguf", "org/repo", "some-file.gguf"),
    ],
)
def test_a_hub_name_is_a_repository_and_a_choice_in_it(name: str, repo: str, select: str | None) -> None:
    reference = CATALOG.reference(name)
    assert reference == HubName(repo, select)
    assert isinstance(reference, HubName)
    assert reference.name == name


def test_an_existing_file_or_folder_is_a_local_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models" / "mine").mkdir(parents=True)
    (tmp_path / "mine.gguf").touch()
    monkeypatch.chdir(tmp_path)
    assert CATALOG.reference("mine.gguf") == Path("mine.gguf")
    assert CATALOG.reference(str(tmp_path / "mine.gguf")) == tmp_path / "mine.gguf"
    assert CATALOG.reference("models/mine") == Path("models/mine")
    assert CATALOG.reference("models") == Path("models")
    assert CATALOG.reference(".") == Path()


def test_a_catalog_name_is_that_model_even_beside_a_folder_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mistral").mkdir()
    monkeypatch.chdir(tmp_path)
    assert CATALOG.reference("mistral") == entry("mistral:7b")


@pytest.mark.parametrize("name", ["./models/absent", "~no-such-user/model.gguf", f"{'a' * 5000}.gguf"])
def test_a_path_that_leads_nowhere_is_not_taken_for_a_hub_name(name: str) -> None:
    with pytest.raises(ModelNotFound, match="check the path"):
        CATALOG.reference(name)


@pytest.mark.parametrize(
    ("typo", "meant"),
    [("qwen2.5-coder:05b", "qwen2.5-coder:0.5b"), ("lama3:8b", "llama3:8b"), ("mistral:8b", "mistral:7b")],
)
def test_a_near_miss_names_what_was_probably_meant(typo: str, meant: str) -> None:
    with pytest.raises(ModelNotFound, match=re.escape(meant)):
        CATALOG.reference(typo)


@pytest.mark.parametrize("name", ["", "???", "a/b/c", "org/repo:", "-rf"])
def test_nonsense_is_refused(name: str) -> None:
    with pytest.raises(ModelNotFound, match="list --all"):
        CATALOG.reference(name)


def test_every_entry_can_be_pulled_and_names_are_unique() -> None:
    names = [entry.name for entry in CATALOG.entries]
    assert len(set(names)) == len(names)
    for item in CATALOG.entries:
        assert item.license
        for origin in item.origins:
            files = (origin.file,) if isinstance(origin, PackageMirror) else origin.files
            assert files
            for file in files:
                assert file.name.endswith(".gguf")
                assert file.sha256 is None or re.fullmatch(r"[0-9a-f]{64}", file.sha256)


def test_the_parts_of_a_package_mirror_make_up_the_file() -> None:
    mirrors = [origin for item in CATALOG.entries for origin in item.origins if isinstance(origin, PackageMirror)]
    assert len(mirrors) == 3
    for mirror in mirrors:
        assert mirror.file.size is not None
        assert (mirror.parts - 1) * mirror.part_bytes < mirror.file.size <= mirror.parts * mirror.part_bytes


def test_hubs_come_before_the_package_mirror() -> None:
    kinds = [type(origin) for origin in entry(DEFAULT_MODEL).origins]
    assert kinds == [HuggingFaceRepo, ModelScopeRepo, PackageMirror]


def test_memory_counts_weights_and_8k_of_keys_and_values() -> None:
    small = entry(DEFAULT_MODEL)
    assert small.kv_bytes_per_token == 24 * 2 * 64 * 2 * 2  # layers, KV heads, head size, K and V, float16
    beside = small.memory_bytes() - 491_400_064 - 8192 * small.kv_bytes_per_token
    assert 50e6 < beside < 100e6  # activations, and the engine's process
    yi = entry("yi1.5:6b")
    assert yi.memory_bytes(8192) == yi.memory_bytes(4096)  # its context is no longer than that


def test_larger_models_that_fit_are_offered_largest_first() -> None:
    names = [item.name for item in CATALOG.fitting(4_000_000_000, larger_than=entry("qwen2.5-coder:0.5b"))]
    assert names[0].endswith(":3b")
    assert names[-1].endswith(":1.5b")
    assert CATALOG.fitting(500_000_000, larger_than=entry("qwen2.5-coder:0.5b")) == []
    assert CATALOG.fitting(64 << 30)[0].name == "llama3:8b"
