"""Where a server is and what opens it, as people write that on a command line."""

import os
import re
from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit, urlunsplit

from sevenb.errors import InvalidRequest

_VERSION = re.compile(r"/v\d+(beta)?$")
_ROUTE = re.compile(r"/(chat/completions|completions|models)$")
KEY_VARIABLES = ("SEVENB_API_KEY", "OPENAI_API_KEY")


def target_url(written: str) -> str:
    """The base URL of an OpenAI-compatible API, ending in its version. Raises `InvalidRequest` for what is none."""
    text = written.strip()
    if "://" not in text:
        text = f"http://{text}"
    try:
        parts = urlsplit(text)
        usable = bool(parts.hostname) and parts.scheme in ("http", "https") and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment or parts.username or parts.password:
        raise InvalidRequest(
            f"--target {_shown(text)!r:.200} is no address of a server; write it as http://127.0.0.1:8000/v1, and a "
            "key with --api-key.",
            "--target",
        )
    path = _ROUTE.sub("", parts.path.rstrip("/"))
    return urlunsplit((parts.scheme, parts.netloc, path if _VERSION.search(path) else f"{path}/v1", "", ""))


def _shown(text: str) -> str:
    """An address without what may be secret in it: a password, a query."""
    return re.sub(r"//[^/?#]*@", "//…@", re.sub(r"[?#].*", "?…", text, flags=re.DOTALL))


def root_url(url: str) -> str:
    """The server's own root, where routes beside OpenAI's begin."""
    return _VERSION.sub("", url)


def target_key(given: str | None, environment: Mapping[str, str] = os.environ) -> str | None:
    """The key that was given, or else the first one of the environment."""
    keys = [given or "", *(environment.get(name, "").split(",")[0] for name in KEY_VARIABLES)]
    return next((key.strip() for key in keys if key.strip()), None)


def is_on_this_machine(url: str) -> bool:
    """Whether a proxy could only be in the way."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
