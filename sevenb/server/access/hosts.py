"""`Hosts`: the names under which an open server answers, so that no web page reaches it by a name of its own."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from sevenb.server.errors import HttpError
from sevenb.server.listener import is_loopback

DOCKER_HOST = "host.docker.internal"  # what containers of Docker Desktop call the machine that they run on


@dataclass(frozen=True)
class Hosts:
    """The address that a server is bound to, and further names that were allowed for it."""

    bound: str = "127.0.0.1"
    allowed: Sequence[str] = ()

    @property
    def loopback(self) -> bool:
        """Whether only programs of this machine reach the server."""
        return is_loopback(self.bound)

    def check(self, headers: Headers) -> None:
        """Raise `HttpError` (403) where the ``Host`` of a request is none of this machine's own names.

        A page of the internet can make its own name mean 127.0.0.1 once it is open (DNS rebinding); the browser then
        sends that name. Programs that send no name at all are no browsers.
        """
        name = host_name(headers.get("host", ""))
        if not name or is_loopback(name) or name.endswith(".localhost"):
            return
        if name in (self.bound.lower(), DOCKER_HOST) or name in {allowed.lower() for allowed in self.allowed}:
            return
        raise HttpError(
            403,
            f"This server does not answer to the name {name}; start it with --allowed-host {name} if that is yours.",
            "host_not_allowed",
        )


def host_name(host: str) -> str:
    """The name in a ``Host`` header, without its port, in lower case; an IPv6 address without its brackets."""
    try:
        return (urlsplit(f"//{host.strip()}").hostname or "").rstrip(".")
    except ValueError:
        return host  # which is no name of ours


def is_own_address(address: str) -> bool:
    """Whether a request came from this machine; one without an address came over a local socket."""
    if not address:
        return True
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return (mapped or parsed).is_loopback
