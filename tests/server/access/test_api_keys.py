"""Where keys come from, and that they stay there."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sevenb.errors import InvalidRequest
from sevenb.server.access.api_keys import ApiKeys, credentials, read_api_keys
from tests.server.conftest import RunningServer


def test_keys_come_from_the_command_line_and_a_file(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("# the team\nfile-one\n\n  file-two  \n")
    keys = read_api_keys(["flag"], file, {"SEVENB_API_KEY": "environment"})
    assert all(keys.match(key) for key in (b"flag", b"file-one", b"file-two"))
    assert not any(keys.match(key) for key in (b"environment", b"# the team", b"", b"file"))


def test_without_them_keys_come_from_the_environment() -> None:
    keys = read_api_keys([], None, {"SEVENB_API_KEY": "one, two,"})
    assert all(keys.match(key) for key in (b"one", b"two"))
    assert not keys.match(b"one, two,")
    assert not read_api_keys([], None, {"SEVENB_API_KEY": ""})
    assert not read_api_keys([], None, {})


@pytest.mark.parametrize("content", [None, b"", b"# nothing\n", b"\xff\xfe", b"a\x00b"])
def test_a_file_without_a_key_is_an_error_and_not_an_open_door(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "keys"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InvalidRequest):
        read_api_keys([], file, {})


@pytest.mark.parametrize("key", ["", "  ", "two\nlines"])
def test_a_key_that_cannot_be_sent_is_an_error(key: str) -> None:
    with pytest.raises(InvalidRequest, match="--api-key"):
        read_api_keys([key], None, {})


def test_a_request_carries_its_key_in_either_header() -> None:
    assert credentials({"authorization": "Bearer one", "x-api-key": "two"}) == [b"one", b"two"]
    assert credentials({"authorization": "bearer  one "}) == [b"one"]
    assert credentials({"authorization": "Basic one", "x-api-key": ""}) == []
    assert credentials({}) == []


def test_what_a_key_is_called_does_not_tell_it() -> None:
    keys = ApiKeys(["secret"])
    assert "secret" not in (keys.match(b"secret") or "secret")
    assert "secret" not in repr(vars(keys))


def test_every_key_opens_the_server_and_none_is_told(start_server: Callable[..., RunningServer]) -> None:
    server = start_server("--api-key", "first-secret", "--api-key", "second-secret", "--rate-limit", "100")
    for headers in (
        {"Authorization": "Bearer first-secret"},
        {"Authorization": "Bearer second-secret"},
        {"x-api-key": "second-secret"},
        {"Authorization": "Bearer wrong", "x-api-key": "first-secret"},
    ):
        response = server.http.post("/v1/completions", json={"prompt": "hello"}, headers=headers)
        assert response.json()["choices"][0]["text"] == "hello"
        assert "secret" not in server.http.get("/metrics", headers=headers).text
    refused = server.http.get("/v1/models", headers={"x-api-key": "third-secret"})
    assert refused.status_code == 401
    assert "secret" not in refused.text


def test_requests_with_a_key_are_counted_by_their_route(start_server: Callable[..., RunningServer]) -> None:
    server = start_server("--api-key", "secret")
    headers = {"x-api-key": "secret"}
    assert server.http.get("/v1/models", headers=headers).status_code == 200
    assert (
        'sevenb_http_requests_total{method="GET",path="/v1/models"' in server.http.get("/metrics", headers=headers).text
    )
