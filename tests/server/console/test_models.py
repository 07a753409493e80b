"""The console's models over HTTP, with real engines on tiny models: listing, loading, unloading, deleting."""

from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx
import pytest

from sevenb.errors import StorageFull
from sevenb.server.console.uploads import FileArrival
from tests.e2e.conftest import Program, serving
from tests.model.tiny_gguf import TinyModel
from tests.server.console.client import HEADERS
from tests.server.upstream.other_server import LLAMA_CPP_MODELS, OtherServer, chunk, running

Ask = Callable[..., httpx.Response]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of its own, with nothing in it."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def other_server() -> Iterator[OtherServer]:
    events = [chunk(content="Hello from elsewhere."), chunk("stop")]
    with running(OtherServer(models=LLAMA_CPP_MODELS, events=events)) as server:
        yield server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, home: Path, other_server: OtherServer) -> Iterator[Program]:
    path = TinyModel().write(tmp_path_factory.mktemp("models") / "tiny.gguf")
    upstreams = ("--upstream", f"peer={other_server.url}", "--upstream", "gone=http://127.0.0.1:9")
    with serving(path, *upstreams, "--max-body-size", "0.01", SEVENB_HOME=str(home)) as program:
        yield program


@pytest.fixture
def ask(server: Program) -> Iterator[Ask]:
    with httpx.Client(base_url=f"{server.url}/console/api", headers=HEADERS, timeout=120) as http:
        yield lambda method, path, **options: http.request(method, path, **options)


@pytest.fixture
def models(ask: Ask) -> Callable[[], dict[str, dict[str, Any]]]:
    return lambda: {model["name"]: model for model in ask("GET", "/models").json()["models"]}


def send(ask: Ask, name: str, content: bytes, file: str = "model.gguf") -> httpx.Response:
    headers = {"Content-Type": "application/octet-stream"}
    return ask("POST", "/models/files", params={"name": name, "file": file}, content=content, headers=headers)


def tiny(tmp_path: Path, seed: int, **metadata: Any) -> bytes:
    return TinyModel(seed=seed).write(tmp_path / f"{seed}.gguf", **metadata).read_bytes()


# -- what there is -----------------------------------------------------------------------------------


def test_the_list_tells_models_here_elsewhere_and_of_the_catalog(ask: Ask, home: Path) -> None:
    told = ask("GET", "/models").json()
    models = {model["name"]: model for model in told["models"]}
    here, elsewhere, catalog = models["tiny"], models["peer/coder"], models["qwen2.5-coder:7b"]
    assert (here["state"], here["served"], here["source"]) == ("ready", True, "local")
    assert here["family"] == "qwen2"
    assert here["parameters"] > 0
    assert here["memory"] > 0
    assert (elsewhere["source"], elsewhere["upstream"], elsewhere["max_model_len"]) == ("upstream", "peer", 2048)
    assert (catalog["state"], catalog["quantization"]) == ("available", "Q4_K_M")
    assert catalog["fit"]["memory_needed"] > catalog["size"]
    assert told["default_model"] == "tiny"
    assert told["disk"]["path"] == str(home)
    assert told["memory"]["used"] <= told["memory"]["budget"] <= told["memory"]["total"]
    states = {upstream["name"]: upstream["reachable"] for upstream in told["upstreams"]}
    assert states == {"peer": True, "gone": False}


def test_the_default_is_the_users_else_the_administrators_else_the_first(ask: Ask) -> None:
    def default() -> str:
        return str(ask("GET", "/models").json()["default_model"])

    assert ask("PATCH", "/admin/server", json={"default_model": "peer/coder"}).is_success
    assert default() == "peer/coder"
    assert ask("PATCH", "/preferences", json={"default_model": "tiny"}).is_success
    assert default() == "tiny"
    assert ask("PATCH", "/preferences", json={"default_model": None}).is_success
    assert default() == "peer/coder"
    assert ask("PATCH", "/admin/server", json={"default_model": None}).is_success
    assert default() == "tiny"


def test_a_model_elsewhere_answers_a_chat(ask: Ask, server: Program) -> None:
    chat = ask("POST", "/chats", json={"title": ""}).json()["id"]
    body = {"parent_id": None, "messages": [{"role": "user", "content": "Hi."}], "model": "peer/coder"}
    answer = ask("POST", f"/chats/{chat}/answers", json=body).json()["messages"][-1]["id"]

    def message() -> dict[str, Any]:
        return next(m for m in ask("GET", f"/chats/{chat}").json()["messages"] if m["id"] == answer)

    server.until(lambda: message()["status"] != "running")
    assert (message()["status"], message()["content"]) == ("complete", "Hello from elsewhere.")
    assert message()["model"] == "peer/coder"


# -- files that are sent -----------------------------------------------------------------------------


def test_a_file_that_is_sent_becomes_a_model_that_answers(ask: Ask, server: Program, tmp_path: Path) -> None:
    content = tiny(tmp_path, 1, **{"general.license": "mit"})
    added = send(ask, "my-model:v1", content, "My Model.gguf")  # larger than --max-body-size allows others
    assert added.status_code == 201, added.text
    assert (added.json()["name"], added.json()["state"]) == ("my-model:v1", "installed")
    assert (added.json()["license"], added.json()["size"]) == ("mit", len(content))
    with server.http as http:
        answer = http.post("/v1/completions", json={"model": "my-model:v1", "prompt": "a", "max_tokens": 2})
    assert answer.is_success, answer.text
    assert ask("DELETE", "/models", params={"name": "my-model:v1"}).json() == {"freed": len(content)}


def test_a_model_can_be_unloaded_loaded_and_deleted(
    ask: Ask, models: Callable[[], dict[str, dict[str, Any]]], server: Program, tmp_path: Path
) -> None:
    assert send(ask, "second", tiny(tmp_path, 2)).is_success
    assert ask("POST", "/models/load", json={"name": "second", "keep_alive": "-1"}).status_code == 202
    server.until(lambda: models()["second"]["state"] == "ready")
    server.until(lambda: models()["second"]["expires_at"] is None)
    assert models()["second"]["memory"] > 0
    assert ask("POST", "/models/unload", json={"name": "second"}).json()["state"] == "installed"
    assert models()["second"]["memory"] == 0
    assert ask("DELETE", "/models", params={"name": "second"}).is_success
    assert "second" not in models()
    assert ask("POST", "/models/load", json={"name": "second"}).status_code == 404


def test_a_model_that_cannot_be_loaded_says_why(
    ask: Ask, models: Callable[[], dict[str, dict[str, Any]]], server: Program, home: Path, tmp_path: Path
) -> None:
    assert send(ask, "broken", tiny(tmp_path, 3)).is_success
    link = next((home / "models" / "broken").glob("*.gguf"))
    blob = link.resolve()
    blob.write_bytes(b"GGUF" + bytes(100))
    ask("POST", "/models/load", json={"name": "broken"})
    server.until(lambda: models()["broken"]["error"] is not None)
    assert models()["broken"]["state"] == "installed"
    assert ask("DELETE", "/models", params={"name": "broken"}).is_success


def test_the_model_that_the_server_was_started_with_stays(ask: Ask) -> None:
    refused = ask("DELETE", "/models", params={"name": "tiny"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "served")


def left_behind(home: Path) -> list[str]:
    return [path.name for path in (home / "partial").glob("upload-*")]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"PK\x03\x04 an archive" * 1000, "not a GGUF file"),
        (b"", "not a GGUF file"),
        (b"GGUF", "model.gguf"),
        (b"GGUF\x03\x00\x00\x00" + b"\xff" * 5000, "model.gguf"),
    ],
)
def test_what_is_no_model_is_refused_and_nothing_of_it_stays(
    ask: Ask, models: Callable[[], dict[str, dict[str, Any]]], home: Path, content: bytes, told: str
) -> None:
    before = {path.name for path in (home / "blobs").glob("*")}
    refused = send(ask, "bad", content)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "not_a_model")
    assert told in refused.json()["error"]["message"]
    assert "bad" not in models()
    assert not left_behind(home)
    assert {path.name for path in (home / "blobs").glob("*")} == before


def test_a_model_with_a_weight_cut_off_is_refused(ask: Ask, tmp_path: Path, home: Path) -> None:
    refused = send(ask, "cut", tiny(tmp_path, 4)[:-1000])
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "not_a_model")
    assert not left_behind(home)


def test_a_file_or_a_name_that_is_here_already_is_refused(ask: Ask, tmp_path: Path, home: Path) -> None:
    content = tiny(tmp_path, 5)
    assert send(ask, "first-name", content).is_success
    for name, other, told in (
        ("other-name", content, "under the name first-name"),
        ("FIRST-name", tiny(tmp_path, 6), "called first-name"),
        ("qwen2.5-coder:7b", tiny(tmp_path, 6), "catalog"),
    ):
        refused = send(ask, name, other)
        assert (refused.status_code, told in refused.json()["error"]["message"]) == (409, True), refused.text
    assert send(ask, "tiny", tiny(tmp_path, 6)).status_code == 400
    assert not left_behind(home)
    assert ask("DELETE", "/models", params={"name": "first-name"}).is_success


@pytest.mark.parametrize("name", ["", "a/b", "../a", ".a", "a b", "a:b:c", "x" * 200, "a.gguf", "a\u202eb"])
def test_names_that_are_none_are_refused(ask: Ask, name: str) -> None:
    assert send(ask, name, b"GGUF").status_code == 400


def test_the_name_of_a_file_leads_nowhere(ask: Ask, tmp_path: Path, home: Path) -> None:
    assert send(ask, "safe", tiny(tmp_path, 7), "../../../../evil\\..\\x/\u0000name.GGUF").is_success
    names = {path.name for path in (home / "models" / "safe").iterdir()}
    assert names == {"manifest.json", "_name.GGUF"}
    assert ask("DELETE", "/models", params={"name": "safe"}).is_success


def test_a_file_that_is_cut_off_on_its_way_leaves_nothing(
    server: Program, ask: Ask, tmp_path: Path, home: Path
) -> None:
    content = tiny(tmp_path, 8)

    def half() -> Iterator[bytes]:
        yield content[: len(content) // 2]
        raise ConnectionAbortedError

    headers = {**HEADERS, "Content-Length": str(len(content)), "Content-Type": "application/octet-stream"}
    with pytest.raises(ConnectionAbortedError):
        httpx.post(f"{server.url}/console/api/models/files?name=half", content=half(), headers=headers, timeout=60)
    server.until(lambda: not left_behind(home))
    assert ask("POST", "/models/load", json={"name": "half"}).status_code == 404


def test_a_file_for_which_there_is_no_room_is_refused_before_it_is_sent(server: Program) -> None:
    connection = HTTPConnection(server.url.removeprefix("http://"), timeout=60)
    connection.putrequest("POST", "/console/api/models/files?name=huge")
    headers = {**HEADERS, "Content-Length": str(10**15), "Content-Type": "application/octet-stream"}
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    refused = connection.getresponse()
    assert refused.status == 507
    assert b"are free" in refused.read()
    connection.close()


def test_a_disk_that_fills_up_on_the_way_is_told() -> None:
    arrival = FileArrival(Path("/dev/full"))
    with arrival.open() as file, pytest.raises(StorageFull, match="No space left"):
        arrival.write(file, b"GGUF")
