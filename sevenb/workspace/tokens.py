"""What sessions and API keys share: secrets are looked up by their hashes, and their use is noted."""

import contextlib
import hashlib

from sqlalchemy import Update

from sevenb.errors import StorageFull, WorkspaceUnavailable
from sevenb.workspace.database import Database

SEEN_SECONDS = 60  # the use of a secret is noted once a minute at most


def hash_of(secret: str) -> str:
    """SHA-256; enough for secrets with 256 random bits."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def note(database: Database, use: Update) -> None:
    """Write that a secret was used, unless the disk is full or the database busy: that shuts nobody out."""
    with contextlib.suppress(StorageFull, WorkspaceUnavailable), database.write() as connection:
        connection.execute(use)
