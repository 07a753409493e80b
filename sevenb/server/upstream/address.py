"""`UpstreamAddress`: where another server is, what it is called here, and the key that it wants."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit, urlunsplit

from sevenb.errors import InvalidRequest

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
_VERSION = re.compile(r"/v\d+(beta)?$")


@dataclass(frozen=True)
class UpstreamAddress:
    """Another server. ``url`` ends in its API's version (``/v1``) and holds no secret; ``key`` may be empty."""

    name: str
    url: str
    key: str = field(default="", repr=False)


def parse_upstreams(values: Sequence[str], environ: Mapping[str, str]) -> list[UpstreamAddress]:
    """Of ``NAME=URL`` as the command line has them. Raises `InvalidRequest` for what cannot be meant.

    The key is that of ``SEVENB_UPSTREAM_<NAME>_KEY``, or the password (or else the name) in front of the URL's host.
    """
    addresses = [_parse(value, environ) for value in values]
    names = [address.name.casefold() for address in addresses]
    for address in addresses:
        if names.count(address.name.casefold()) > 1:
            raise InvalidRequest(f"--upstream names {address.name} twice; give each server a name of its own.")
    return addresses


def key_variable(name: str) -> str:
    """The environment variable that holds the key of an upstream: ``SEVENB_UPSTREAM_MY_VLLM_KEY``."""
    return f"SEVENB_UPSTREAM_{re.sub(r'[^A-Z0-9]', '_', name.upper())}_KEY"


def _parse(value: str, environ: Mapping[str, str]) -> UpstreamAddress:
    name, equals, url = value.partition("=")
    name, url = name.strip(), url.strip()
    if not equals or not _NAME.fullmatch(name):
        raise InvalidRequest(
            "--upstream takes NAME=URL, such as vllm=http://127.0.0.1:8001; a name has letters, digits, '.', '_', '-'."
        )
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or parts.scheme not in ("http", "https"):
        raise InvalidRequest(f"--upstream {name} needs a URL that begins with http:// or https:// and names a host.")
    if parts.query or parts.fragment:
        raise InvalidRequest(
            f"--upstream {name} takes a URL without '?' and '#'; a key goes into {key_variable(name)}."
        )
    netloc = f"[{host}]" if ":" in host else host
    path = parts.path.rstrip("/")
    if not _VERSION.search(path):
        path += "/v1"
    key = environ.get(key_variable(name)) or unquote(parts.password or parts.username or "")
    return UpstreamAddress(name, urlunsplit((parts.scheme, netloc + (f":{port}" if port else ""), path, "", "")), key)
