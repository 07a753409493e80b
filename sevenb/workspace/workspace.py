"""`Workspace`: the open database and all that is kept in it."""

from sevenb.workspace.audit import Audit
from sevenb.workspace.chats import Chats
from sevenb.workspace.comparisons import Comparisons
from sevenb.workspace.database import Database
from sevenb.workspace.folders import Folders
from sevenb.workspace.keys import Keys
from sevenb.workspace.location import database_url
from sevenb.workspace.personas import Personas
from sevenb.workspace.presence import Presence
from sevenb.workspace.sessions import Sessions
from sevenb.workspace.settings import Settings
from sevenb.workspace.usage import Usage
from sevenb.workspace.users import Users


class Workspace:
    """What people keep on a server. Every method blocks, and may be called by any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.users = Users(database)
        self.sessions = Sessions(database)
        self.keys = Keys(database)
        self.folders = Folders(database)
        self.personas = Personas(database)
        self.presence = Presence(database)
        self.chats = Chats(database, self.presence)
        self.comparisons = Comparisons(database)
        self.usage = Usage(database)
        self.audit = Audit(database)
        self.settings = Settings(database)

    @classmethod
    def open(cls, url: str | None = None) -> "Workspace":
        """Open the database at this URL, make it where it is missing, bring it up to date where it is old.

        Without a URL that of ``SEVENB_DATABASE``, else the SQLite file ``workspace.db`` in ``SEVENB_DATA``
        (``~/.local/share/sevenb``). `WorkspaceUnavailable` says why it cannot be used.
        """
        return cls(Database(database_url(url)))

    @property
    def url(self) -> str:
        """Where the database is, without a password."""
        return self._database.url

    def close(self) -> None:
        """Give all connections back."""
        self.presence.close()
        self._database.close()
