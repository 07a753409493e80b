"""The console's pulls over HTTP, from a small hub on this machine: they outlive the page, stop, and go on."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import Program, serving
from tests.hub import Hub, holding, serve
from tests.model.tiny_gguf import TinyModel
from tests.server.console.client import HEADERS


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A model of a few hundred kilobytes."""
    return TinyModel(seed=3).write(tmp_path_factory.mktemp("models") / "tiny.gguf").read_bytes()


@pytest.fixture(scope="module")
def hub(content: bytes) -> Iterator[Hub]:
    with serve(Hub({"model-q8_0.gguf": content})) as hub:
        yield hub


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, hub: Hub) -> Iterator[Program]:
    folder = tmp_path_factory.mktemp("server")
    environment = {"SEVENB_HOME": str(folder / "home"), "HF_ENDPOINT": hub.url, "MODELSCOPE_DOMAIN": "127.0.0.1:9"}
    with serving(TinyModel().write(folder / "served.gguf"), **environment) as program:
        yield program


@pytest.fixture
def http(server: Program) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{server.url}/console/api", headers=HEADERS, timeout=120) as http:
        yield http
        for name in ("org/model", "org/model:Q8_0"):
            http.delete("/models", params={"name": name})
        for _ in range(2):  # the first stops, the second takes from the list
            for pull in http.get("/pulls").json():
                http.delete(f"/pulls/{pull['id']}")


def look(http: httpx.Client, name: str = "org/model") -> dict[str, Any]:
    return next(dict(pull) for pull in http.get("/pulls").json() if pull["name"] == name)


def until(server: Program, http: httpx.Client, check: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    server.until(lambda: check(look(http)))
    return look(http)


def test_a_pull_tells_how_far_it_is_and_ends_with_a_model(
    server: Program, http: httpx.Client, hub: Hub, content: bytes
) -> None:
    with holding(hub, len(content) // 2):
        begun = http.post("/pulls", json={"name": " hf.co/org/model "})
        assert (begun.status_code, begun.json()["name"], begun.json()["state"]) == (201, "org/model", "running")
        arriving = until(server, http, lambda pull: 0 < pull["completed"] < pull["total"])
        assert arriving["total"] == len(content)
        assert "model-q8_0.gguf" in arriving["label"]
        assert http.post("/pulls", json={"name": "org/model"}).json()["id"] == begun.json()["id"]  # no second one
    done = until(server, http, lambda pull: pull["state"] != "running")
    assert (done["state"], done["error"], done["completed"]) == ("done", None, len(content))
    assert "org/model" in {model["name"] for model in http.get("/models").json()["models"]}


def test_a_pull_that_is_stopped_goes_on_where_it_was(
    server: Program, http: httpx.Client, hub: Hub, content: bytes
) -> None:
    with holding(hub, len(content) // 2):
        http.post("/pulls", json={"name": "org/model"})
        arriving = until(server, http, lambda pull: 0 < pull["completed"] < pull["total"])
        assert http.delete(f"/pulls/{arriving['id']}").json()["state"] == "cancelled"
    asked = len(hub.ranges())
    http.post("/pulls", json={"name": "org/model"})
    assert until(server, http, lambda pull: pull["state"] != "running")["state"] == "done"
    assert len(http.get("/pulls").json()) == 1
    assert any(first > 0 for first in hub.ranges()[asked:])


def test_a_pull_that_fails_says_why(server: Program, http: httpx.Client, hub: Hub) -> None:
    hub.missing = True
    try:
        http.post("/pulls", json={"name": "org/model"})
        failed = until(server, http, lambda pull: pull["state"] != "running")
    finally:
        hub.missing = False
    assert failed["state"] == "failed"
    assert "Hugging Face" in failed["error"]["message"]
    assert failed["error"]["code"] == "download_failed"
    assert http.delete(f"/pulls/{failed['id']}").is_success
    assert http.get("/pulls").json() == []
    assert http.delete(f"/pulls/{failed['id']}").status_code == 404


def test_a_file_with_a_wrong_hash_is_no_model(server: Program, http: httpx.Client, hub: Hub) -> None:
    hub.stated_hashes["model-q8_0.gguf"] = "0" * 64
    try:
        http.post("/pulls", json={"name": "org/model:Q8_0"})
        server.until(lambda: look(http, "org/model:Q8_0")["state"] != "running")
    finally:
        hub.stated_hashes.clear()
    assert look(http, "org/model:Q8_0")["state"] == "failed"
    assert "org/model:Q8_0" not in {model["name"] for model in http.get("/models").json()["models"]}


@pytest.mark.parametrize(
    ("name", "status"), [("", 400), ("/etc/passwd", 400), ("../x.gguf", 400), ("no such model", 404)]
)
def test_names_that_nobody_can_pull_are_refused(http: httpx.Client, name: str, status: int) -> None:
    assert http.post("/pulls", json={"name": name}).status_code == status


def test_a_server_that_ends_does_not_wait_for_its_pulls(hub: Hub, tmp_path: Path, content: bytes) -> None:
    environment = {"SEVENB_HOME": str(tmp_path / "home"), "HF_ENDPOINT": hub.url, "MODELSCOPE_DOMAIN": "127.0.0.1:9"}
    path = TinyModel().write(tmp_path / "served.gguf")
    with holding(hub, len(content) // 2), serving(path, **environment) as program:
        with httpx.Client(base_url=f"{program.url}/console/api", headers=HEADERS, timeout=120) as http:
            http.post("/pulls", json={"name": "org/model"})
            until(program, http, lambda pull: pull["completed"] > 0)
        program.process.terminate()
        assert program.process.wait(60) == 0
