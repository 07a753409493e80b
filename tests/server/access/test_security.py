"""Who may talk to the server."""

from collections.abc import Callable, Iterator

import pytest

from sevenb.errors import AddressInUse, UnsafeAddress
from sevenb.server.listener import begin_listening, check_address, listen
from tests.server.conftest import RunningServer, running_server

KEY = {"Authorization": "Bearer secret"}


@pytest.fixture(scope="module")
def web_server() -> Iterator[RunningServer]:
    with running_server("--allowed-origin", "https://notes.example") as running:
        yield running


def test_without_the_key_everything_but_health_is_closed(start_server: Callable[..., RunningServer]) -> None:
    server = start_server("--api-key", "secret")
    assert server.http.get("/health").status_code == 200
    for path in ("/v1/models", "/metrics", "/docs", "/openapi.json", "/version"):
        response = server.http.get(path)
        assert response.status_code == 401
        assert response.json()["error"]["code"] == "invalid_api_key"
        assert response.headers["www-authenticate"] == "Bearer"
        assert server.http.get(path, headers=KEY).status_code == 200
    for wrong in ("Bearer secreT", "Bearer", "secret", "Basic secret", "Bearer s\xe9cret"):
        headers = {"Authorization": wrong.encode("latin-1")}
        assert server.http.get("/v1/models", headers=headers).status_code == 401
    # A browser asks for permission without the key.
    preflight = {"Origin": "app://obsidian.md", "Access-Control-Request-Method": "POST"}
    assert server.http.options("/v1/chat/completions", headers=preflight).status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org"])
def test_an_open_address_needs_a_key_or_accounts(host: str) -> None:
    with pytest.raises(UnsafeAddress, match="--api-key"):
        check_address(host, has_key=False)
    check_address(host, has_key=True)
    check_address(host, has_key=False, has_accounts=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_needs_none(host: str) -> None:
    check_address(host, has_key=False)


def test_a_port_in_use_is_one_sentence() -> None:
    with listen("127.0.0.1", 0) as first:
        first.listen()
        port = first.getsockname()[1]
        with pytest.raises(AddressInUse, match=f"Port {port}.*--port"):
            listen("127.0.0.1", port)
    with pytest.raises(AddressInUse):
        listen("no.such.host.invalid", 0)


def test_of_two_servers_bound_to_a_port_the_second_to_listen_is_told() -> None:
    with listen("127.0.0.1", 0) as first, listen("127.0.0.1", first.getsockname()[1]) as second:
        begin_listening(first)
        with pytest.raises(AddressInUse, match="--port"):
            begin_listening(second)


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("app://obsidian.md", True),
        ("vscode-webview://0a1b2c", True),
        ("https://notes.example", True),
        ("https://evil.example", False),
        ("https://vscode-webview.evil.example", False),
        ("null", False),
    ],
)
def test_only_named_origins_may_call(web_server: RunningServer, origin: str, allowed: bool) -> None:
    response = web_server.http.get("/v1/models", headers={"Origin": origin})
    assert response.headers.get("access-control-allow-origin") == (origin if allowed else None)
    assert "access-control-allow-credentials" not in response.headers
    preflight = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,authorization",
    }
    assert web_server.http.options("/v1/chat/completions", headers=preflight).is_success is allowed


def test_a_server_that_any_page_may_call_still_takes_no_cookies(start_server: Callable[..., RunningServer]) -> None:
    server = start_server("--allowed-origin", "*")
    response = server.http.get("/v1/models", headers={"Origin": "https://any.example", "Cookie": "session=1"})
    assert response.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in response.headers


def test_a_key_beyond_ascii_opens_as_its_utf8_bytes(start_server: Callable[..., RunningServer]) -> None:
    server = start_server("--api-key", "geheimnisträger")
    headers = [(b"authorization", "Bearer geheimnisträger".encode())]
    assert server.http.get("/v1/models", headers=headers).status_code == 200
