"""The session cookie: the one thing that a browser keeps, for the console's API alone."""

from fastapi import Request
from starlette.responses import Response
from starlette.types import Scope

PATH = "/console/api"
MAX_AGE = 30 * 24 * 3600  # seconds; renewed whenever the page is opened


def session_token(scope: Scope) -> str | None:
    """The token that a request carries, if any.

    Of several cookies of the name the first one counts, as browsers send that of the longest path first: none that
    another page of the same host has set takes its place.
    """
    name = _name(scope)
    for header, value in scope["headers"]:
        if header == b"cookie":
            for cookie in value.decode("latin-1").split(";"):
                key, _, token = cookie.strip().partition("=")
                if key == name:
                    return token or None
    return None


def set_session(response: Response, request: Request, token: str) -> None:
    """Have the browser keep a session's token out of the reach of scripts and of other sites."""
    response.set_cookie(
        _name(request.scope),
        token,
        max_age=MAX_AGE,
        path=PATH,
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )


def clear_session(response: Response, request: Request) -> None:
    """Have the browser forget it."""
    response.delete_cookie(
        _name(request.scope), path=PATH, secure=request.url.scheme == "https", httponly=True, samesite="strict"
    )


def _name(scope: Scope) -> str:
    """A name with the port in it: a browser shares cookies among all servers of one machine."""
    server = scope.get("server")
    return f"sevenb_session_{server[1]}" if server and server[1] else "sevenb_session"
