"""The address a server listens on: whether it is safe, and taken before anything slow begins."""

import ipaddress
import socket

from sevenb.errors import AddressInUse, UnsafeAddress


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to the address, which does not listen yet. Port 0 is any free one.

    Raises `AddressInUse` when it is taken or not this machine's.
    """
    try:
        family, _, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror:
        raise AddressInUse(f"{host} is not an address of this machine; try --host 127.0.0.1.") from None
    # By the protocol asyncio knows TCP, and turns off Nagle's algorithm: it would hold each first token for 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except PermissionError:
        listener.close()
        raise AddressInUse(f"Port {port} is reserved for the system; choose one above 1023 with --port.") from None
    except OSError:
        listener.close()
        raise _taken(host, port) from None
    return listener


def _taken(host: str, port: int) -> AddressInUse:
    return AddressInUse(
        f"Port {port} on {host} is taken by another program or is not this machine's; "
        f"choose another one with --port {port + 1 if port < 65535 else 8000}, or see `sevenb ps`."
    )


def begin_listening(listener: socket.socket, backlog: int = 2048) -> None:
    """Let clients connect. Raises `AddressInUse` if a program that was bound to the same address did so first."""
    try:
        listener.listen(backlog)
    except OSError:
        raise _taken(*listener.getsockname()[:2]) from None


def check_address(host: str, *, has_key: bool, has_accounts: bool = False) -> None:
    """Raise `UnsafeAddress` when others could reach the server and neither keys nor accounts would stop them."""
    if has_key or has_accounts or is_loopback(host):
        return
    raise UnsafeAddress(
        f"Listening on {host} would let anybody on the network use this server; give it a key with --api-key KEY, "
        "leave out --no-console so that people sign in, or listen on 127.0.0.1."
    )


def is_loopback(host: str) -> bool:
    """Whether only programs of this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
