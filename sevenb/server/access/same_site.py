"""Whether a request of a browser comes from the console's own page: what keeps other pages from acting for a user."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers

from sevenb.server.errors import HttpError

HEADER = "x-sevenb-console"  # which no page of another origin can send without being asked first

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def check_same_site(method: str, headers: Headers) -> None:
    """Raise `HttpError` (403) for what another site's page sent, and for a change without the console's own header."""
    changes = method not in _SAFE_METHODS
    if changes and headers.get(HEADER) != "1":
        raise HttpError(403, "This is the API of the console's page alone; programs use /v1.", "console_only")
    site = headers.get("sec-fetch-site")
    if site is not None:
        # "none": the user typed the address.
        own = site == "same-origin" or (site == "none" and not changes)
    else:  # over plain http, and not to this machine, browsers tell no more than where a change comes from
        origin = headers.get("origin")
        own = origin is None or (origin != "null" and urlsplit(origin).netloc == headers.get("host"))
    if not own:
        raise HttpError(403, "The console takes requests of its own page only.", "cross_site")
