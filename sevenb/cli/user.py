"""``sevenb user``: accounts of the console and their API keys, in the database that ``sevenb serve`` uses."""

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sevenb.workspace import User, Workspace

ACTOR = "command line"  # in the audit log

Database = Annotated[
    str | None,
    typer.Option(
        "--database", metavar="URL", envvar="SEVENB_DATABASE", help="As of sevenb serve: a file, or postgresql://…"
    ),
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Of the user; case does not matter.")]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input instead of asking twice.")
]

EPILOG = """Examples:

[dim]$[/] sevenb user add ada --admin

[dim]$[/] sevenb user keys ada --new laptop --days 90

A running server sees every change at once."""

user = typer.Typer(
    add_completion=False,
    rich_markup_mode="rich",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Accounts of the console, and their API keys.",
    epilog=EPILOG,
)


@user.command()
def add(
    name: Name,
    admin: Annotated[bool, typer.Option("--admin", help="Lets the user manage others and the server.")] = False,
    password_stdin: PasswordStdin = False,
    database: Database = None,
) -> None:
    """Add a user. The first one is an administrator."""
    from sevenb.cli.console import out

    with _open(database) as workspace:
        first = workspace.users.count() == 0
        password = _new_password(password_stdin)
        if first:
            made = workspace.users.create_first(name, password)
        else:
            made = workspace.users.create(name, password, "admin" if admin else "user")
        workspace.audit.record(ACTOR, "user.create", made.name, role=made.role)
    kind = "administrator" if made.is_admin else "user"
    why = ", since there was no account" if first and not admin else ""
    out.print(f"Added the {kind} {made.name}{why}.", markup=False)


@user.command("list")
def list_users(database: Database = None) -> None:
    """List all users."""
    from rich.markup import escape
    from rich.table import Table

    from sevenb.cli.console import err, out

    with _open(database) as workspace:
        users = workspace.users.list()
    if not users:
        err.print("There are no accounts yet; sevenb user add NAME makes the first one.")
        return
    table = Table("NAME", "ROLE", "LAST SIGN-IN", box=None, pad_edge=False)
    for found in users:
        role = f"{found.role}, disabled" if found.disabled else found.role
        table.add_row(escape(found.name), role, _day(found.last_login_at))
    out.print(table)


@user.command()
def passwd(name: Name, password_stdin: PasswordStdin = False, database: Database = None) -> None:
    """Set a user's password, and sign the user out everywhere."""
    from sevenb.cli.console import out

    with _open(database) as workspace:
        found = _find(workspace, name)
        workspace.users.set_password(found.id, _new_password(password_stdin))
        workspace.sessions.revoke_all(found.id)
        workspace.audit.record(ACTOR, "user.password", found.name)
    out.print(f"Changed the password of {found.name}, who is signed out everywhere.", markup=False)


@user.command()
def rm(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    database: Database = None,
) -> None:
    """Delete a user with all chats and keys."""
    from sevenb.cli.console import out

    with _open(database) as workspace:
        found = _find(workspace, name)
        if not yes:
            typer.confirm(f"Delete {found.name} with all chats and keys?", abort=True, err=True)
        workspace.users.delete(found.id)
        workspace.audit.record(ACTOR, "user.delete", found.name)
    out.print(f"Deleted {found.name}.", markup=False)


@user.command()
def keys(
    name: Name,
    new: Annotated[str | None, typer.Option("--new", metavar="LABEL", help="Make a key, and print it once.")] = None,
    days: Annotated[int | None, typer.Option("--days", min=1, max=36500, help="How long the new key works.")] = None,
    revoke: Annotated[
        str | None, typer.Option("--revoke", metavar="KEY", help="Delete the key with this label or beginning.")
    ] = None,
    database: Database = None,
) -> None:
    """List a user's API keys, make one, or delete one."""
    with _open(database) as workspace:
        found = _find(workspace, name)
        if new is not None:
            _make_key(workspace, found, new, days)
        elif revoke is not None:
            _revoke_key(workspace, found, revoke)
        else:
            _list_keys(workspace, found)


def _make_key(workspace: "Workspace", owner: "User", label: str, days: int | None) -> None:
    secret, key = workspace.keys.create(owner.id, label, None if days is None else time.time() + days * 86400)
    workspace.audit.record(ACTOR, "key.create", owner.name, name=key.name, prefix=key.prefix)
    print(secret)


def _revoke_key(workspace: "Workspace", owner: "User", wanted: str) -> None:
    from sevenb.cli.console import out
    from sevenb.errors import InvalidRequest, NotFound

    found = [key for key in workspace.keys.list(owner.id) if wanted in (key.name, key.id, key.prefix)]
    if not found:
        raise NotFound(f"{owner.name} has no key {wanted}; sevenb user keys {owner.name} lists those that there are.")
    if len(found) > 1:
        raise InvalidRequest(f"{len(found)} keys of {owner.name} are called {wanted}; give the beginning of one.")
    workspace.keys.revoke(owner.id, found[0].id)
    workspace.audit.record(ACTOR, "key.revoke", owner.name, name=found[0].name, prefix=found[0].prefix)
    out.print(f"Deleted the key {found[0].name} of {owner.name}.", markup=False)


def _list_keys(workspace: "Workspace", owner: "User") -> None:
    from rich.markup import escape
    from rich.table import Table

    from sevenb.cli.console import err, out

    found = workspace.keys.list(owner.id)
    if not found:
        err.print(f"{owner.name} has no keys; --new LABEL makes one.", markup=False)
        return
    table = Table("LABEL", "KEY", "LAST USED", "EXPIRES", box=None, pad_edge=False)
    for key in found:
        table.add_row(escape(key.name), f"{key.prefix}…", _day(key.last_used_at), _day(key.expires_at))
    out.print(table)


@contextlib.contextmanager
def _open(database: str | None) -> "Iterator[Workspace]":
    from sevenb.workspace import Workspace

    workspace = Workspace.open(database)
    try:
        yield workspace
    finally:
        workspace.close()


def _find(workspace: "Workspace", name: str) -> "User":
    from sevenb.errors import NotFound

    found = workspace.users.find(name)
    if found is None:
        raise NotFound(f"There is no user {name}; sevenb user list shows those that there are.")
    return found


def _new_password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt="Once more", err=True))


def _day(at: float | None) -> str:
    return "never" if at is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(at))
