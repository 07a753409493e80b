"""The store: what is verified, shared, kept and set aside; several processes; crashes."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sevenb.errors import DownloadFailed, HashMismatch, ModelNotFound, StorageFull
from sevenb.model import blobs as blobs_module
from sevenb.model.catalog import DEFAULT_MODEL
from sevenb.model.store import Store, default_home
from tests.hub import Hub, holding, serve

CONTENT = random.Random(11).randbytes(2_000_000)
NAME = "model-q4_k_m.gguf"
MODEL = "org/model"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub that stands for Hugging Face; ModelScope has nothing."""
    with serve(Hub({NAME: CONTENT})) as hub, serve(Hub({}, missing=True)) as empty:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("MODELSCOPE_DOMAIN", empty.url)
        yield hub


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "home")


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Paths of the files that were hashed again."""
    paths: list[Path] = []
    hash_file = blobs_module._sha256
    monkeypatch.setattr(
        blobs_module, "_sha256", lambda path, progress: (paths.append(path), hash_file(path, progress))[1]
    )
    return paths


class Notes:
    """A `Progress` that keeps its notes."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, line: str) -> None:
        self.lines.append(line)

    def start(self, label: str, total: int, done: int) -> None: ...

    def update(self, done: int) -> None: ...

    def finish(self) -> None: ...


# -- pulling and using ---------------------------------------------------------------------------------


def test_a_pulled_model_is_listed_and_resolves_to_its_file(hub: Hub, store: Store) -> None:
    pulled = store.pull(MODEL)
    assert (pulled.name, pulled.source, pulled.quantization) == (MODEL, "Hugging Face", "Q4_K_M")
    path = store.resolve(MODEL)
    assert path.name == NAME
    assert path.read_bytes() == CONTENT
    assert store.models() == [pulled]
    assert store.disk_use() >= len(CONTENT)


def test_a_model_that_is_not_here_says_how_to_get_it(store: Store) -> None:
    with pytest.raises(ModelNotFound, match=f"sevenb pull {DEFAULT_MODEL}"):
        store.resolve(DEFAULT_MODEL)


def test_ensure_pulls_once(hub: Hub, store: Store) -> None:
    assert store.ensure(MODEL) == store.ensure(MODEL)
    assert len(hub.ranges()) == 1


def test_all_parts_of_a_split_model_lie_side_by_side(hub: Hub, store: Store) -> None:
    hub.files = {f"m-q4_k_m-0000{n}-of-00002.gguf": CONTENT[: n * 1000] for n in (1, 2)}
    first = store.ensure(MODEL)
    assert first.name == "m-q4_k_m-00001-of-00002.gguf"
    assert first.with_name("m-q4_k_m-00002-of-00002.gguf").read_bytes() == CONTENT[:2000]


def test_a_file_name_cannot_leave_the_store(hub: Hub, store: Store) -> None:
    hub.files = {"../../../evil-q4_k_m.gguf": CONTENT}
    assert store.ensure(MODEL) == store.home / "models" / "org--model" / "evil-q4_k_m.gguf"


def test_a_second_source_goes_on_where_the_first_one_stopped(
    hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve(Hub(hub.files, ends_at=700_000)) as failing:
        monkeypatch.setenv("HF_ENDPOINT", failing.url)
        monkeypatch.setenv("MODELSCOPE_DOMAIN", hub.url)
        notes = Notes()
        assert store.pull(MODEL, notes).source == "ModelScope"
    assert hub.ranges() == [700_000]
    assert store.resolve(MODEL).read_bytes() == CONTENT
    assert notes.lines[0].startswith("Hugging Face ")


def test_when_no_source_can_deliver_each_gives_its_reason(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.invalid")
    monkeypatch.setenv("MODELSCOPE_DOMAIN", "scope.invalid")
    with pytest.raises(DownloadFailed, match=r"Hugging Face .*hub\.invalid.*ModelScope .*scope\.invalid"):
        store.pull(MODEL)


def test_a_local_file_is_itself(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "mine.gguf"
    path.write_bytes(b"GGUF")
    assert store.resolve(str(path)) == path
    assert store.resolve(str(tmp_path)) == path
    with pytest.raises(ModelNotFound, match="nothing to pull"):
        store.pull(str(path))


def test_a_folder_with_two_models_asks_which(store: Store, tmp_path: Path) -> None:
    (tmp_path / "a.gguf").touch()
    (tmp_path / "b.gguf").touch()
    with pytest.raises(ModelNotFound, match=r"2 models.*a\.gguf"):
        store.resolve(str(tmp_path))
    (tmp_path / "a.gguf").rename(tmp_path / "a-00001-of-00002.gguf")
    with pytest.raises(ModelNotFound, match=r"2 models.*a-00001-of-00002\.gguf"):
        store.resolve(str(tmp_path))


def test_the_home_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEVENB_HOME", "/somewhere")
    assert default_home() == Path("/somewhere")
    monkeypatch.delenv("SEVENB_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert default_home() == Path("/cache/sevenb")


# -- verifying -----------------------------------------------------------------------------------------


def test_a_file_is_not_hashed_again_while_it_stays_the_same(hub: Hub, store: Store, hashed: list[Path]) -> None:
    store.pull(MODEL)
    store.resolve(MODEL)
    assert hashed == []


def test_a_touched_file_is_hashed_once_more(hub: Hub, store: Store, hashed: list[Path]) -> None:
    path = store.ensure(MODEL)
    os.utime(path, (1, 1))
    store.resolve(MODEL)
    store.resolve(MODEL)
    assert len(hashed) == 1


def test_a_damaged_file_is_set_aside_and_never_loaded(hub: Hub, store: Store) -> None:
    path = store.ensure(MODEL)
    damaged = bytearray(CONTENT)
    damaged[1_000_000] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(HashMismatch, match=r"\.bad"):
        store.resolve(MODEL)
    with pytest.raises(ModelNotFound, match="sevenb pull"):
        store.resolve(MODEL)
    assert store.ensure(MODEL).read_bytes() == CONTENT


def test_a_file_that_arrives_with_the_wrong_hash_is_set_aside(hub: Hub, store: Store) -> None:
    wrong = hashlib.sha256(b"something else").hexdigest()
    hub.stated_hashes[NAME] = wrong
    with pytest.raises(HashMismatch, match=r"\.bad"):
        store.pull(MODEL)
    assert (store.home / "partial" / f"{wrong}.bad").read_bytes() == CONTENT
    assert not store.has(MODEL)
    assert store.models() == []


def test_after_a_wrong_hash_the_next_source_starts_afresh(
    hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    forged = bytearray(CONTENT)
    forged[0] ^= 1
    with serve(Hub({NAME: bytes(forged)}, stated_hashes={NAME: hub.sha256(NAME)})) as forger:
        monkeypatch.setenv("HF_ENDPOINT", forger.url)
        monkeypatch.setenv("MODELSCOPE_DOMAIN", hub.url)
        assert store.pull(MODEL).source == "ModelScope"
    assert store.resolve(MODEL).read_bytes() == CONTENT


# -- removing ------------------------------------------------------------------------------------------


def test_a_removed_model_frees_its_bytes(hub: Hub, store: Store) -> None:
    store.pull(MODEL)
    assert store.remove(MODEL) == len(CONTENT)
    assert store.models() == []
    assert store.disk_use() == 0
    with pytest.raises(ModelNotFound):
        store.remove(MODEL)


def test_a_file_that_another_model_shares_stays(hub: Hub, store: Store) -> None:
    store.pull(MODEL)
    store.pull(f"{MODEL}:Q4_K_M")
    assert store.remove(MODEL) == 0
    assert store.resolve(f"{MODEL}:Q4_K_M").read_bytes() == CONTENT


def test_a_manifest_that_cannot_be_read_is_mended_by_the_next_pull(hub: Hub, store: Store) -> None:
    store.pull(MODEL)
    manifest = store.home / "models" / "org--model" / "manifest.json"
    manifest.write_text("{")
    assert store.models() == []
    store.pull(MODEL)
    assert json.loads(manifest.read_text())["name"] == MODEL
    assert len(hub.ranges()) == 1


# -- room ----------------------------------------------------------------------------------------------


def test_a_disk_without_room_is_told_before_anything_is_fetched(
    hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.home.mkdir()
    monkeypatch.setattr(blobs_module, "SPARE_BYTES", 1 << 60)
    with pytest.raises(StorageFull, match="sevenb rm"):
        store.pull(MODEL)
    assert hub.ranges() == []


# -- several processes ---------------------------------------------------------------------------------


def start_pull(store: Store) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "sevenb.cli.main", "pull", MODEL],
        env={**os.environ, "SEVENB_HOME": str(store.home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_bytes(store: Store, process: subprocess.Popen[str]) -> None:
    """Until the partial file has begun to grow."""
    deadline = time.monotonic() + 120
    while not any(path.stat().st_size for path in store.home.glob("partial/*.part")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_two_processes_that_pull_the_same_model_fetch_it_once(hub: Hub, store: Store) -> None:
    hub.chunk_seconds = 0.05
    processes = [start_pull(store), start_pull(store)]
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    assert hub.bytes_sent == len(CONTENT)
    assert store.resolve(MODEL).read_bytes() == CONTENT


def test_a_killed_pull_leaves_no_model_and_is_resumed(hub: Hub, store: Store) -> None:
    with holding(hub, len(CONTENT) // 2):
        process = start_pull(store)
        wait_for_bytes(store, process)
        process.kill()
        process.communicate()
        assert not store.has(MODEL)
    store.pull(MODEL)
    assert store.resolve(MODEL).read_bytes() == CONTENT
    assert hub.ranges()[0] == 0
    assert hub.ranges()[1] > 0


def test_ctrl_c_keeps_the_partial_file_and_says_how_to_go_on(hub: Hub, store: Store) -> None:
    with holding(hub, len(CONTENT) // 2):
        process = start_pull(store)
        wait_for_bytes(store, process)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "same command again" in errors
    assert "Traceback" not in errors
    assert any(store.home.glob("partial/*.part"))


def test_a_disk_that_fills_up_on_the_way_ends_in_one_sentence(hub: Hub, store: Store) -> None:
    limited = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (700_000, 700_000)); "
        f"sys.argv = ['sevenb', 'pull', '{MODEL}']; from sevenb.cli.main import main; main()"
    )
    result = subprocess.run(
        [sys.executable, "-c", limited],
        env={**os.environ, "SEVENB_HOME": str(store.home)},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert result.returncode == 1
    assert "is full" in result.stderr
    assert "Traceback" not in result.stderr
    store.pull(MODEL)
    assert hub.ranges()[-1] > 0
