"""The tables. What a change here needs besides: a migration in ``migrations/versions``."""

from typing import Any

from sqlalchemy import Boolean, Column, ForeignKey, Index, MetaData, String, Table, Text, text

from sevenb.workspace.columns import Id, Json, Number, Terms, Time
from sevenb.workspace.records import Attachment, ComparisonEntry, Figures, Problem, ToolCall

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    }
)


def _owner() -> Column[Any]:
    return Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True)


# -- accounts ----------------------------------------------------------------------------------------

users = Table(
    "users",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", String(64), nullable=False),
    Column("role", String(16), nullable=False),
    Column("created_at", Time, nullable=False),
    Column("last_login_at", Time),
    Column("disabled", Boolean, nullable=False),
    Column("local", Boolean, nullable=False),
    # The name as it is compared: folded. The local user has none, so that no account is ever in its way.
    Column("name_key", String(256), unique=True),
    Column("password_hash", Text),
    Column("preferences", Json(dict[str, Any])),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Id, primary_key=True),
    _owner(),
    Column("created_at", Time, nullable=False),
    Column("last_seen_at", Time, nullable=False),
    Column("user_agent", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("token_hash", String(64), nullable=False, unique=True),
)

keys = Table(
    "keys",
    metadata,
    Column("id", Id, primary_key=True),
    _owner(),
    Column("name", Text, nullable=False),
    Column("prefix", String(32), nullable=False),
    Column("created_at", Time, nullable=False),
    Column("last_used_at", Time),
    Column("expires_at", Time),
    Column("secret_hash", String(64), nullable=False, unique=True),
)

# -- chats -------------------------------------------------------------------------------------------

folders = Table(
    "folders",
    metadata,
    Column("id", Id, primary_key=True),
    _owner(),
    Column("name", Text, nullable=False),
    Index("uq_folders_user_id_name", "user_id", "name", unique=True),
)

personas = Table(
    "personas",
    metadata,
    Column("id", Id, primary_key=True),
    _owner(),
    Column("name", Text, nullable=False),
    Column("system", Text, nullable=False),
    Column("settings", Json(dict[str, Any])),
    Index("uq_personas_user_id_name", "user_id", "name", unique=True),
)

_LISTED = text("comparison_id IS NULL AND deleted_at IS NULL")
_RUNNING = text("status = 'running'")

chats = Table(
    "chats",
    metadata,
    Column("id", Id, primary_key=True),
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("title", Text, nullable=False),
    Column("titled", Boolean, nullable=False),
    Column("model", Text),
    Column("pinned", Boolean, nullable=False),
    Column("folder_id", Id, ForeignKey("folders.id", ondelete="SET NULL"), index=True),
    Column("created_at", Time, nullable=False),
    Column("updated_at", Time, nullable=False),
    Column("settings", Json(dict[str, Any])),
    Column("leaf_id", Id),
    # A column of a comparison, which the history does not list.
    Column("comparison_id", Id, ForeignKey("comparisons.id", ondelete="CASCADE"), index=True),
    Column("deleted_at", Time, index=True),
    Index("ix_chats_history", "user_id", "pinned", "updated_at", "id", sqlite_where=_LISTED, postgresql_where=_LISTED),
)

# A message's parent is of the same chat, which the code sees to: a foreign key would delete chains of messages one
# inside the other, and SQLite goes no deeper than 1,000.
messages = Table(
    "messages",
    metadata,
    Column("number", Number, primary_key=True),
    Column("id", Id, nullable=False, unique=True),
    Column("chat_id", Id, ForeignKey("chats.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("parent_id", Id),
    Column("role", String(16), nullable=False),
    Column("content", Text, nullable=False),
    Column("attachments", Json(tuple[Attachment, ...])),
    Column("tool_calls", Json(tuple[ToolCall, ...])),
    Column("tool_call_id", Text),
    Column("model", Text),
    Column("status", String(16), nullable=False),
    Column("finish_reason", String(16)),
    Column("error", Json(Problem)),
    Column("figures", Json(Figures)),
    Column("valid", Boolean),
    Column("created_at", Time, nullable=False),
    Column("server_id", Id),  # of a running message: who writes it, see `presence`
    Index("ix_messages_running", "id", sqlite_where=_RUNNING, postgresql_where=_RUNNING),
)

# What can be found: a row a message, and (without a message) a row a title. On SQLite a full-text table over ``terms``
# beside it, which triggers keep; on PostgreSQL an index.
search_entries = Table(
    "search_entries",
    metadata,
    Column("number", Number, primary_key=True),
    Column("chat_id", Id, ForeignKey("chats.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("message_id", Id, ForeignKey("messages.id", ondelete="CASCADE"), index=True),
    Column("terms", Terms, nullable=False),
)

# -- comparisons -------------------------------------------------------------------------------------

comparisons = Table(
    "comparisons",
    metadata,
    Column("id", Id, primary_key=True),
    _owner(),
    Column("title", Text, nullable=False),
    Column("entries", Json(tuple[ComparisonEntry, ...]), nullable=False),
    Column("created_at", Time, nullable=False),
    Column("updated_at", Time, nullable=False),
)

# Votes outlive their comparison: the table of who won is what they are for.
votes = Table(
    "votes",
    metadata,
    Column("number", Number, primary_key=True),
    Column("id", Id, nullable=False, unique=True),
    _owner(),
    Column("comparison_id", Id, nullable=False),
    Column("message", Text, nullable=False),
    Column("models", Json(tuple[str, ...]), nullable=False),
    Column("labels", Json(tuple[str, ...]), nullable=False),
    Column("winner", Json(int | str), nullable=False),
    Column("figures", Json(tuple[Figures | None, ...]), nullable=False),
    Column("created_at", Time, nullable=False),
    Column("answer_ids", Json(tuple[str | None, ...]), nullable=False),
    Index("uq_votes_comparison_id_answer_ids", "comparison_id", "answer_ids", unique=True),
)

# -- the server --------------------------------------------------------------------------------------

# No foreign keys, and "" for none: the sums of a key that was revoked stay, and every column takes part in the key.
usage = Table(
    "usage",
    metadata,
    Column("day", String(10), primary_key=True),
    Column("user_id", Id, primary_key=True, index=True),
    Column("key_id", Id, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("requests", Number, nullable=False),
    Column("prompt_tokens", Number, nullable=False),
    Column("cached_tokens", Number, nullable=False),
    Column("completion_tokens", Number, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("number", Number, primary_key=True),
    Column("at", Time, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("details", Json(dict[str, Any])),
)

settings = Table(
    "settings",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("value", Json(), nullable=False),
)
