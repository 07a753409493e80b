"""`ApiKeys`: the keys that open the server, and which of them a request carries."""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from pathlib import Path

from sevenb.errors import InvalidRequest

ENVIRONMENT = "SEVENB_API_KEY"


class ApiKeys:
    """Some keys, kept as hashes alone. Whoever compares one takes the same time for every wrong key."""

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self._hashes = tuple(dict.fromkeys(_hash(key.encode()) for key in keys))

    def __bool__(self) -> bool:
        return bool(self._hashes)

    def match(self, sent: bytes) -> str | None:
        """A name for the key that was sent, which does not tell it; None where it is none of these."""
        given = _hash(sent)
        matches = [known for known in self._hashes if hmac.compare_digest(known, given)]
        return given.hex()[:16] if matches else None


def credentials(headers: Mapping[str, str]) -> list[bytes]:
    """The keys that a request carries, as ``Authorization: Bearer KEY`` (OpenAI's way) or ``x-api-key`` (Anthropic's).

    ``headers`` are Starlette's: names in lower case, bytes read as Latin-1.
    """
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    found = [bearer.strip()] if scheme.lower() == "bearer" else []
    if key := headers.get("x-api-key", "").strip():
        found.append(key)
    return [key.encode("latin-1") for key in found if key]


def read_api_keys(given: Iterable[str], file: Path | None, environment: Mapping[str, str]) -> ApiKeys:
    """The keys of the command line and of a file; where there are none, those of the environment.

    A file has one key a line; empty lines and those that begin with ``#`` do not count. The environment's
    ``SEVENB_API_KEY`` has them with commas between. Raises `InvalidRequest` for a key that is empty or that no HTTP
    header can carry, and for a file without one.
    """
    keys = [_check(key, "--api-key") for key in given]
    if file is not None:
        try:
            lines = [line.strip() for line in file.expanduser().read_text("utf-8-sig").splitlines()]
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidRequest(f"The keys in {file} cannot be read: {error}.", "--api-key-file") from None
        found = [_check(line, "--api-key-file") for line in lines if line and not line.startswith("#")]
        if not found:
            raise InvalidRequest(f"{file} holds no key; write one a line.", "--api-key-file")
        keys += found
    if not keys:
        keys = [_check(key, ENVIRONMENT) for key in environment.get(ENVIRONMENT, "").split(",") if key.strip()]
    return ApiKeys(keys)


def _check(key: str, source: str) -> str:
    key = key.strip()
    if not key or not key.isprintable():
        raise InvalidRequest(f"A key of {source} is empty or not printable; choose another one.", source)
    return key


def _hash(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
