"""Passwords: Argon2id hashes, and checks that take the same time whether or not there is an account."""

import functools
import threading

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from sevenb.errors import InvalidRequest
from sevenb.workspace.values import clean, normal

SHORTEST, LONGEST = 8, 1000  # characters

_hasher = PasswordHasher()  # RFC 9106's second choice: 64 MiB, 3 passes
_room = threading.BoundedSemaphore(2)  # so many hashes at once, each with its 64 MiB


def hash_password(password: str) -> str:
    """The hash to keep; InvalidRequest for a password that is too short or too long."""
    text = _normal(password)
    if len(password) > 2 * LONGEST or not SHORTEST <= len(text) <= LONGEST:
        raise InvalidRequest(f"A password has {SHORTEST} to {LONGEST} characters; choose another one.", "password")
    with _room:
        return _hasher.hash(text)


def verify_password(kept: str | None, password: str) -> bool:
    """Whether the password has this hash; without one a hash of nobody is tried, and the answer is no."""
    text = _normal(password)[: LONGEST + 1]
    nobody = _nobody()
    with _room:
        try:
            return _hasher.verify(kept or nobody, text) and kept is not None
        except (VerificationError, InvalidHashError):
            return False


def is_outdated(kept: str) -> bool:
    """Whether the hash was made with weaker parameters than those of today."""
    return _hasher.check_needs_rehash(kept)


@functools.cache
def _nobody() -> str:
    return _hasher.hash("the password of nobody")


def _normal(password: str) -> str:
    """The same characters for the same keys, whatever keyboard and system they were typed on."""
    return clean(normal("NFKC", password[: 2 * LONGEST]))
