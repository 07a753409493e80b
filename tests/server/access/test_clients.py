"""Who counts as one client: an address with a key, or a user that it names."""

from fastapi import Request

from sevenb.server.access.clients import client_of


def request(address: str = "10.0.0.1", key: str | None = None) -> Request:
    headers = [] if key is None else [(b"authorization", f"Bearer {key}".encode())]
    return Request({"type": "http", "client": (address, 1234), "headers": headers})


def test_addresses_keys_and_users_tell_clients_apart() -> None:
    names = [
        client_of(request(), None),
        client_of(request(address="10.0.0.2"), None),
        client_of(request(key="one"), None),
        client_of(request(key="two"), None),
        client_of(request(), "anna"),
        client_of(request(), "ben"),
    ]
    assert len(set(names)) == len(names)


def test_the_same_client_has_the_same_name() -> None:
    assert client_of(request(key="one"), "anna") == client_of(request(key="one"), "anna")


def test_a_name_does_not_reveal_the_key() -> None:
    assert "secret" not in client_of(request(key="secret"), None)


def test_a_socket_without_an_address_is_a_client_too() -> None:
    assert client_of(Request({"type": "http", "client": None, "headers": []}), None)
