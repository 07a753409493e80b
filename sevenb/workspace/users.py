"""Accounts: names, passwords, roles, and the local user of a server without any."""

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from sqlalchemy import Connection, Select, delete, func, select, text, update

from sevenb.errors import Conflict, InvalidRequest, NotFound
from sevenb.workspace import schema
from sevenb.workspace.database import Database
from sevenb.workspace.failures import unique
from sevenb.workspace.passwords import hash_password, is_outdated, verify_password
from sevenb.workspace.records import Role, User
from sevenb.workspace.search import change_owner
from sevenb.workspace.values import clean, json_object, name_of, new_id, normal, now

_users = schema.users.c
user_fields = (
    _users.id,
    _users.name,
    _users.role,
    _users.created_at,
    _users.last_login_at,
    _users.disabled,
    _users.local,
)
_FIRST_ACCOUNT_LOCK = 0x5EB_0002
_LOCAL_ID = "0" * 32
MAX_TYPED = 1000  # characters of a name that are looked at; an account's has fewer


class Users:
    """The accounts. At least one enabled administrator always remains: what would end that is a `Conflict`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, name: str, password: str, role: Role = "user") -> User:
        """Make an account. The name is unique without regard to case; InvalidRequest says what is wrong with either."""
        user, key, password_hash = _new_user(name, password, role)
        with self._database.write() as connection:
            _insert(connection, user, key, password_hash)
        return user

    def create_first(self, name: str, password: str) -> User:
        """Make the first administrator, who inherits what the local user has; Conflict where there are accounts."""
        user, key, password_hash = _new_user(name, password, "admin")
        with self._database.write() as connection:
            if not self._database.is_sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _FIRST_ACCOUNT_LOCK})
            if _count(connection):
                raise Conflict("This server has an administrator already; ask for an account, or sign in.")
            _insert(connection, user, key, password_hash)
            _adopt_local(connection, user.id)
        return user

    def authenticate(self, name: str, password: str) -> User | None:
        """The enabled user who signs in with these; unknown names take as long as wrong passwords."""
        key = name_key(name)
        with self._database.read() as connection:
            row = connection.execute(
                select(*user_fields, _users.password_hash).where(_users.name_key == key)
            ).one_or_none()
        kept = row.password_hash if row else None
        if not verify_password(kept, password) or kept is None or row is None or row.disabled:
            return None
        changes: dict[str, Any] = {"last_login_at": now()}
        if is_outdated(kept):
            changes["password_hash"] = hash_password(password)
        with self._database.write() as connection:
            # Only where the password is still the one that was checked.
            same = (_users.id == row.id) & (_users.password_hash == kept) & ~_users.disabled
            found = connection.execute(
                update(schema.users).where(same).values(**changes).returning(*user_fields)
            ).first()
        return User(*found) if found else None

    def get(self, user_id: str) -> User:
        """Return one user."""
        with self._database.read() as connection:
            return _get(connection, user_id)

    def find(self, name: str) -> User | None:
        """Find the account of this name, in any case."""
        with self._database.read() as connection:
            row = connection.execute(_select().where(_users.name_key == name_key(name))).one_or_none()
        return User(*row) if row else None

    def list(self) -> Sequence[User]:
        """All accounts by name, without the local user."""
        with self._database.read() as connection:
            return [
                User(*row) for row in connection.execute(_select().where(~_users.local).order_by(_users.name_key)).all()
            ]

    def count(self) -> int:
        """How many accounts there are, the local user apart."""
        with self._database.read() as connection:
            return _count(connection)

    def update(
        self,
        user_id: str,
        *,
        name: str | None = None,
        role: Role | None = None,
        disabled: bool | None = None,
        password: str | None = None,
    ) -> User:
        """Change what is given, all or nothing. Who is disabled or has a new password is signed out everywhere."""
        changes: dict[str, Any] = {}
        if name is not None:
            changes["name"] = _user_name(name)
            changes["name_key"] = name_key(name)
        if role is not None:
            changes["role"] = _role(role)
        if disabled is not None:
            changes["disabled"] = disabled
        if password is not None:
            changes["password_hash"] = hash_password(password)
        with self._database.write() as connection:
            user = _get_account(connection, user_id)
            if role == "user" or disabled:
                _keep_an_administrator(connection, user)
            if changes:
                with unique(_taken(name)):
                    connection.execute(update(schema.users).where(_users.id == user_id).values(**changes))
            if disabled or password is not None:
                connection.execute(delete(schema.sessions).where(schema.sessions.c.user_id == user_id))
            return _get(connection, user_id)

    def set_password(self, user_id: str, password: str) -> None:
        """Change the password. Sessions stay: see `Sessions.revoke_all`."""
        password_hash = hash_password(password)
        with self._database.write() as connection:
            _get_account(connection, user_id)
            connection.execute(update(schema.users).where(_users.id == user_id).values(password_hash=password_hash))

    def check_password(self, user_id: str, password: str) -> bool:
        """Whether this is the user's password."""
        with self._database.read() as connection:
            kept = connection.execute(select(_users.password_hash).where(_users.id == user_id)).scalar()
        return verify_password(kept, password)

    def delete(self, user_id: str) -> None:
        """Delete a user with chats, keys, sessions and usage."""
        with self._database.write() as connection:
            _keep_an_administrator(connection, _get_account(connection, user_id))
            connection.execute(delete(schema.usage).where(schema.usage.c.user_id == user_id))
            connection.execute(delete(schema.users).where(_users.id == user_id))

    # -- the local user ------------------------------------------------------------------------------

    def local(self) -> User:
        """The single user of a server without accounts, made when first asked for."""
        user = User(_LOCAL_ID, "local", "admin", now(), local=True)
        with self._database.read() as connection:
            row = connection.execute(_select().where(_users.id == _LOCAL_ID)).one_or_none()
        if row:
            return User(*row)
        with self._database.write() as connection:
            make = self._database.insert(schema.users).values(**_row(user)).on_conflict_do_nothing()
            connection.execute(make)
            return _get(connection, _LOCAL_ID)

    def adopt_local(self, user_id: str) -> None:
        """Give the local user's chats, folders, personas and comparisons to this user."""
        with self._database.write() as connection:
            _get_account(connection, user_id)
            _adopt_local(connection, user_id)

    # -- preferences ---------------------------------------------------------------------------------

    def preferences(self, user_id: str) -> dict[str, Any]:
        """What the user set in the page."""
        with self._database.read() as connection:
            return _preferences(connection, user_id)

    def set_preferences(self, user_id: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Change some preferences and return all; None takes one away."""
        with self._database.write() as connection:
            merged = {**_preferences(connection, user_id), **changes}
            kept = json_object({name: value for name, value in merged.items() if value is not None}, "preferences")
            connection.execute(update(schema.users).where(_users.id == user_id).values(preferences=kept))
        return kept


def _select() -> Select[*tuple[Any, ...]]:
    return select(*user_fields)


def _get(connection: Connection, user_id: str) -> User:
    row = connection.execute(_select().where(_users.id == user_id)).one_or_none()
    if row is None:
        raise NotFound("There is no such user.")
    return User(*row)


def _get_account(connection: Connection, user_id: str) -> User:
    user = _get(connection, user_id)
    if user.local:
        raise Conflict("The local user has no account; make one, and it takes its place.")
    return user


def _count(connection: Connection) -> int:
    return connection.execute(select(func.count()).where(~_users.local)).scalar_one()


def _preferences(connection: Connection, user_id: str) -> dict[str, Any]:
    row = connection.execute(select(_users.preferences).where(_users.id == user_id).with_for_update()).one_or_none()
    if row is None:
        raise NotFound("There is no such user.")
    preferences: dict[str, Any] = row.preferences
    return preferences


def _keep_an_administrator(connection: Connection, leaving: User) -> None:
    """Refuse to lose the last one; whoever asks at the same time waits here."""
    administrators = (_users.role == "admin") & ~_users.disabled & ~_users.local
    remaining = connection.execute(
        select(_users.id).where(administrators).order_by(_users.id).with_for_update()
    ).scalars()
    if list(remaining) == [leaving.id]:
        raise Conflict(f"{leaving.name} is the last administrator; make another user one first.")


# -- new users ---------------------------------------------------------------------------------------


def _new_user(name: str, password: str, role: Role) -> tuple[User, str, str]:
    user = User(new_id(), _user_name(name), _role(role), now())
    return user, name_key(name), hash_password(password)


def _insert(connection: Connection, user: User, key: str, password_hash: str) -> None:
    with unique(_taken(user.name)):
        connection.execute(schema.users.insert().values(**_row(user), name_key=key, password_hash=password_hash))


def _row(user: User) -> dict[str, Any]:
    return {
        "id": user.id,
        "name": user.name,
        "role": user.role,
        "created_at": user.created_at,
        "disabled": user.disabled,
        "local": user.local,
    }


def _user_name(name: str) -> str:
    return name_of(normal("NFKC", name[:MAX_TYPED]), limit=64, joiners=False)


def name_key(name: str) -> str:
    """What is compared: two names with the same key are one user's."""
    folded = normal("NFKC", clean(name[:MAX_TYPED]).strip()).casefold()
    return normal("NFKC", folded).strip()


def _role(role: str) -> Role:
    for known in get_args(Role):
        if role == known:
            return known  # type: ignore[no-any-return]
    raise InvalidRequest(f"There is no role {role!r}; a user is an admin or a user.", "role")


def _taken(name: str | None) -> str:
    return f"There is a user with the name {name} already; choose another one."


def _adopt_local(connection: Connection, user_id: str) -> None:
    """Folders and personas whose names the user has already are told apart by their ids' beginnings."""
    for table in (schema.folders, schema.personas):
        mine = select(table.c.name).where(table.c.user_id == user_id)
        twice = (table.c.user_id == _LOCAL_ID) & table.c.name.in_(mine)
        renamed = table.c.name + " " + func.substr(table.c.id, 1, 4)
        connection.execute(update(table).where(twice).values(name=renamed))
    for table in (schema.folders, schema.personas, schema.chats, schema.comparisons, schema.votes):
        connection.execute(update(table).where(table.c.user_id == _LOCAL_ID).values(user_id=user_id))
    change_owner(connection, _LOCAL_ID, user_id)
