"""How servers of this machine find each other."""

import os
from pathlib import Path

import psutil
import pytest

from sevenb.server.instances import Instance, read_figures, registered, running


@pytest.fixture(autouse=True)
def runtime_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path / "sevenb"


def this_process(**changes: object) -> Instance:
    fields = {
        "pid": os.getpid(),
        "process_started": psutil.Process().create_time(),
        "model": "m",
        "host": "127.0.0.1",
        "port": 1,
        "started": 0.0,
    }
    return Instance(**{**fields, **changes})  # type: ignore[arg-type]


def test_a_server_is_listed_while_it_runs() -> None:
    assert running() == []
    with registered(this_process()):
        assert running() == [this_process()]
    assert running() == []


def test_a_file_of_a_dead_server_is_cleared_away(runtime_folder: Path) -> None:
    with registered(this_process(process_started=1.0)):  # the id has gone to another process since
        assert running() == []
        assert list(runtime_folder.iterdir()) == []


@pytest.mark.parametrize("content", [b"{", b'{"model":"\xff"}'])
def test_a_broken_file_is_cleared_away(runtime_folder: Path, content: bytes) -> None:
    runtime_folder.mkdir(mode=0o700)
    (runtime_folder / "1.json").write_bytes(content)
    assert running() == []
    assert list(runtime_folder.iterdir()) == []


def test_a_folder_of_another_user_is_neither_read_nor_written(
    runtime_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with registered(this_process()):
        other_user = os.getuid() + 1
        monkeypatch.setattr(os, "getuid", lambda: other_user)
        assert running() == []
        with registered(this_process(pid=1)):
            assert not (runtime_folder / "1.json").exists()


def test_a_folder_that_others_may_write_is_not_trusted(runtime_folder: Path) -> None:
    with registered(this_process()):
        runtime_folder.chmod(0o777)
        assert running() == []


def test_a_folder_that_cannot_be_made_does_not_stop_a_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "file"))
    with registered(this_process()):
        assert running() == []


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:1"),
        ("localhost", "http://localhost:1"),
        ("::1", "http://[::1]:1"),
        ("0.0.0.0", "http://127.0.0.1:1"),
        ("::", "http://127.0.0.1:1"),
        ("192.168.1.5", "http://192.168.1.5:1"),
    ],
)
def test_a_server_is_reached_from_this_machine(host: str, url: str) -> None:
    assert this_process(host=host).url == url


def test_a_server_that_does_not_answer_is_called_unreachable() -> None:
    assert read_figures(this_process()).state == "unreachable"
