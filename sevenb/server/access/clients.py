"""Who asks: the clients among whom the engine shares its time, and whom limits hold for."""

import hashlib

from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import Scope

from sevenb.server.access.api_keys import credentials

CLIENT = "sevenb.client"  # where a scope has the name of the API key that let it pass


def client_of(request: Request, user: str | None) -> str:
    """A name for whoever sent a request: its address, its API key, and the end user that it names, if it does.

    The name is a hash, so that no key leaves this process.
    """
    keys = b"\n".join(credentials(Headers(scope=request.scope))).decode("latin-1")
    return _hash(address_of(request.scope), keys, user or "")


def owner_of(scope: Scope) -> str:
    """Whom limits hold for and stored things belong to: who holds the same key or, without keys, shares an address."""
    return str(scope.get(CLIENT) or address_of(scope))


def address_of(scope: Scope) -> str:
    """The address that a request came from; empty where it came over a socket without one."""
    return str(scope["client"][0]) if scope.get("client") else ""


def _hash(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
