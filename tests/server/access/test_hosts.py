"""Under which names an open server answers."""

from collections.abc import Callable

import pytest
from starlette.datastructures import Headers

from sevenb.server.access.hosts import Hosts, host_name, is_own_address
from sevenb.server.errors import HttpError
from tests.server.conftest import RunningServer


def allows(hosts: Hosts, host: str) -> bool:
    try:
        hosts.check(Headers({"host": host}))
    except HttpError as error:
        return error.code != "host_not_allowed"
    return True


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:8000",
        "localhost.:8000",
        "127.0.0.1:8000",
        "127.8.8.8",
        "[::1]:8000",
        "sevenb.localhost:8000",
        "host.docker.internal:8000",
        "mine.example:8000",
        "",
    ],
)
def test_this_machines_own_names_are_answered(host: str) -> None:
    assert allows(Hosts("127.0.0.1", ["Mine.example"]), host)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "192.168.1.5",
        "[",
        "[::2]",
    ],
)
def test_no_other_name_is(host: str) -> None:
    assert not allows(Hosts("127.0.0.1", ["mine.example"]), host)


def test_a_name_is_read_without_its_port() -> None:
    names = {"a.example:80": "a.example", "[2001:db8::1]:80": "2001:db8::1", "A.Example.": "a.example", "": ""}
    assert {host: host_name(host) for host in names} == names


@pytest.mark.parametrize(
    ("address", "own"),
    [("127.0.0.1", True), ("::1", True), ("::ffff:127.0.0.1", True), ("", True), ("10.0.0.1", False), ("x", False)],
)
def test_a_request_of_this_machine_is_known_by_its_address(address: str, own: bool) -> None:
    assert is_own_address(address) is own


def test_a_page_whose_name_was_turned_to_this_machine_is_refused(start_server: Callable[..., RunningServer]) -> None:
    server = start_server("--workspace", "--allowed-host", "mine.example")
    for path in ("/console/api/session", "/v1/models", "/", "/health"):
        assert server.http.get(path, headers={"Host": "evil.example:8000"}).status_code == 403
        assert server.http.get(path, headers={"Host": "mine.example:8000"}).status_code == 200


def test_a_server_without_a_console_is_guarded_alike(start_server: Callable[..., RunningServer]) -> None:
    server = start_server()
    assert server.http.get("/v1/models", headers={"Host": "evil.example"}).status_code == 403
    assert server.http.get("/v1/models", headers={"Host": "localhost"}).status_code == 200


def test_with_keys_the_name_does_not_matter(start_server: Callable[..., RunningServer]) -> None:
    server = start_server("--api-key", "secret")
    headers = {"Host": "models.example", "x-api-key": "secret"}
    assert server.http.get("/v1/models", headers=headers).status_code == 200


def test_behind_a_proxy_the_open_console_stays_closed(start_server: Callable[..., RunningServer]) -> None:
    server = start_server("--workspace")
    refused = server.http.get("/console/api/session", headers={"X-Forwarded-For": "10.1.2.3"})
    assert refused.status_code == 403
    assert "sevenb user add" in refused.json()["error"]["message"]
