"""Who asks: the clients among whom the engine shares its time."""

import hashlib

from fastapi import Request


def client_of(request: Request, user: str | None) -> str:
    """A name for whoever sent a request: its address, its API key, and the end user that it names, if it does.

    The name is a hash, so that no key leaves this process.
    """
    address = request.client.host if request.client is not None else ""
    parts = (address, request.headers.get("authorization", ""), user or "")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
