"""`Gate`: finds out who sent a request, and keeps out who may not; what is open depends on the accounts there are."""

import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from starlette.datastructures import Headers
from starlette.types import Scope

from sevenb.errors import SevenbError
from sevenb.server.access.api_keys import ApiKeys, credentials
from sevenb.server.access.clients import address_of
from sevenb.server.access.cookies import session_token
from sevenb.server.access.hosts import Hosts, is_own_address
from sevenb.server.access.principal import NOBODY, Principal
from sevenb.server.access.same_site import check_same_site
from sevenb.server.access.throttle import LoginThrottle
from sevenb.server.errors import HttpError

if TYPE_CHECKING:
    from sevenb.workspace import Workspace
    from sevenb.workspace.records import User

logger = logging.getLogger(__name__)

T = TypeVar("T")
InThread = Callable[[Callable[[], Any]], Awaitable[Any]]

Mode = Literal["local", "setup", "accounts"]

CONSOLE_API = "/console/api/"
PUBLIC_PATHS = frozenset({"/health"})
SIGN_IN_PATHS = frozenset(CONSOLE_API + name for name in ("session", "login", "logout", "setup"))
ADMINISTRATORS_PATHS = frozenset({"/api/pull"})  # of the API: what changes the server for all of its users

LOOK_SECONDS = 2.0  # how often a server without accounts looks whether `sevenb user add` has made one


class Gate:
    """Who may use a server.

    - **local**: it has no accounts and no keys, and only this machine reaches it: everything is open.
    - **setup**: it has no accounts, but keys, or others reach it: programs need a key, and the console takes nothing
      but `setup_token`, by which the first administrator is made.
    - **accounts**: people sign in, programs need one of the server's keys or a user's.

    Without a workspace there is no console, and the keys alone decide.
    """

    def __init__(
        self, keys: ApiKeys, hosts: Hosts, workspace: "Workspace | None" = None, *, in_thread: InThread
    ) -> None:
        self.setup_token = secrets.token_urlsafe(32)
        self.throttle = LoginThrottle()
        self._keys = keys
        self._hosts = hosts
        self._workspace = workspace
        self._in_thread = in_thread
        self._local_user: User | None = None
        self._has_accounts = workspace is not None and workspace.users.count() > 0
        self._looked = time.monotonic()

    async def mode(self) -> Mode:
        """What is open now."""
        if self._workspace is not None and not self._has_accounts:
            now = time.monotonic()
            if now - self._looked >= LOOK_SECONDS:
                self._looked = now
                await self._look(self._workspace)
        return self.last_mode

    @property
    def last_mode(self) -> Mode:
        """What was open at the last look."""
        if self._has_accounts:
            return "accounts"
        return "setup" if self._keys or not self._hosts.loopback else "local"

    def note_account(self) -> None:
        """An account was made: from now on people sign in."""
        self._has_accounts = True

    async def admit(self, scope: Scope) -> Principal:
        """Who sent a request. Raises `HttpError` (401, 403) where it may not pass."""
        headers, path, method = Headers(scope=scope), scope["path"], scope["method"]
        mode = await self.mode()
        if mode == "local":
            self._hosts.check(headers)
        if path.startswith(CONSOLE_API):
            check_same_site(method, headers)
            return await self._of_console(scope, mode)
        if _is_public(path, method, headers):
            return NOBODY
        if mode == "local":
            return await self._of_this_machine(scope)
        return await self._of_program(path, method, headers)

    # -- programs --------------------------------------------------------------------------------------

    async def _of_program(self, path: str, method: str, headers: Headers) -> Principal:
        sent = credentials(headers)
        for key in sent:
            if (client := self._keys.match(key)) is not None:
                return Principal(client=client)
        if self._workspace is not None:
            for key in sent:
                if (principal := await self._of_users_key(self._workspace, key)) is None:
                    continue
                if path in ADMINISTRATORS_PATHS and method == "POST" and not _is_admin(principal):
                    raise HttpError(403, "Only administrators may add models; ask one of them.", "administrators_only")
                return principal
        raise HttpError(
            401,
            "This server needs an API key; send it as the header Authorization: Bearer KEY, or x-api-key: KEY.",
            "invalid_api_key",
        )

    async def _of_users_key(self, workspace: "Workspace", key: bytes) -> Principal | None:
        try:
            secret = key.decode("ascii")
        except UnicodeDecodeError:
            return None
        found = await self._in_thread(lambda: workspace.keys.find(secret))
        if found is None:
            return None
        api_key, user = found
        return Principal(user, api_key.id, _client_of(user))

    # -- the console -----------------------------------------------------------------------------------

    async def _of_console(self, scope: Scope, mode: Mode) -> Principal:
        workspace = self._workspace
        if workspace is None:
            return NOBODY  # whose path leads nowhere
        if mode == "local":
            if not is_own_address(address_of(scope)):
                raise HttpError(
                    403,
                    "This console is open to its own machine only; make an account there with sevenb user add NAME "
                    "--admin, then sign in here.",
                    "other_machine",
                )
            return await self._of_this_machine(scope)
        if mode == "accounts" and (token := session_token(scope)) is not None:
            found = await self._in_thread(lambda: workspace.sessions.find(token))
            if found is not None:
                session, user = found
                return Principal(user, None, _client_of(user), session.id)
        if scope["path"] in SIGN_IN_PATHS:
            return NOBODY
        raise HttpError(401, "You are signed out; sign in again.", "signed_out")

    async def _of_this_machine(self, scope: Scope) -> Principal:
        workspace = self._workspace
        if workspace is not None and self._local_user is None:
            self._local_user = await self._in_thread(workspace.users.local)
        return Principal(self._local_user, None, address_of(scope))

    async def _look(self, workspace: "Workspace") -> None:
        try:
            self._has_accounts = await self._in_thread(workspace.users.count) > 0
        except SevenbError as error:
            logger.warning("Whether there are accounts cannot be told: %s", error)


def _is_public(path: str, method: str, headers: Headers) -> bool:
    if path in PUBLIC_PATHS:
        return True
    if method not in ("GET", "HEAD"):
        return False
    return path == "/console" or path.startswith("/console/") or (path == "/" and accepts_html(headers))


def accepts_html(headers: Headers) -> bool:
    """Whether a browser asks, and no program: those take anything."""
    return "text/html" in headers.get("accept", "")


def _is_admin(principal: Principal) -> bool:
    return principal.user is not None and principal.user.is_admin


def _client_of(user: "User") -> str:
    return f"user:{user.id}"
