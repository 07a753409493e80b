"""The tables of the first version."""

import sqlalchemy as sa
from alembic import op

from sevenb.workspace.columns import Id, Number, Terms, Time

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make all tables."""
    _accounts()
    _comparisons()
    _chats()
    _server()
    if op.get_context().dialect.name == "sqlite":
        _search_on_sqlite()
    else:
        op.create_index("ix_search_entries_terms", "search_entries", ["terms"], postgresql_using="gin")


def _owner() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE")


def _accounts() -> None:
    op.create_table(
        "users",
        sa.Column("id", Id, primary_key=True),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("created_at", Time, nullable=False),
        sa.Column("last_login_at", Time),
        sa.Column("disabled", sa.Boolean, nullable=False),
        sa.Column("local", sa.Boolean, nullable=False),
        sa.Column("name_key", sa.String(256), unique=True),
        sa.Column("password_hash", sa.Text),
        sa.Column("preferences", sa.Text),
    )
    op.create_table(
        "sessions",
        sa.Column("id", Id, primary_key=True),
        sa.Column("user_id", Id, nullable=False, index=True),
        sa.Column("created_at", Time, nullable=False),
        sa.Column("last_seen_at", Time, nullable=False),
        sa.Column("user_agent", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("token_hash", sa.String(64), nullable=False, unique=True),
        _owner(),
    )
    op.create_table(
        "keys",
        sa.Column("id", Id, primary_key=True),
        sa.Column("user_id", Id, nullable=False, index=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("prefix", sa.String(32), nullable=False),
        sa.Column("created_at", Time, nullable=False),
        sa.Column("last_used_at", Time),
        sa.Column("expires_at", Time),
        sa.Column("secret_hash", sa.String(64), nullable=False, unique=True),
        _owner(),
    )


def _chats() -> None:
    listed = sa.text("comparison_id IS NULL AND deleted_at IS NULL")
    running = sa.text("status = 'running'")
    op.create_table(
        "folders",
        sa.Column("id", Id, primary_key=True),
        sa.Column("user_id", Id, nullable=False, index=True),
        sa.Column("name", sa.Text, nullable=False),
        _owner(),
        sa.Index("uq_folders_user_id_name", "user_id", "name", unique=True),
    )
    op.create_table(
        "personas",
        sa.Column("id", Id, primary_key=True),
        sa.Column("user_id", Id, nullable=False, index=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("system", sa.Text, nullable=False),
        sa.Column("settings", sa.Text),
        _owner(),
        sa.Index("uq_personas_user_id_name", "user_id", "name", unique=True),
    )
    op.create_table(
        "chats",
        sa.Column("id", Id, primary_key=True),
        sa.Column("user_id", Id, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("titled", sa.Boolean, nullable=False),
        sa.Column("model", sa.Text),
        sa.Column("pinned", sa.Boolean, nullable=False),
        sa.Column("folder_id", Id, index=True),
        sa.Column("created_at", Time, nullable=False),
        sa.Column("updated_at", Time, nullable=False),
        sa.Column("settings", sa.Text),
        sa.Column("leaf_id", Id),
        sa.Column("comparison_id", Id, index=True),
        sa.Column("deleted_at", Time, index=True),
        _owner(),
        sa.ForeignKeyConstraint(["folder_id"], ["folders.id"], ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["comparison_id"], ["comparisons.id"], ondelete="CASCADE"),
        sa.Index(
            "ix_chats_history", "user_id", "pinned", "updated_at", "id", sqlite_where=listed, postgresql_where=listed
        ),
    )
    op.create_table(
        "messages",
        sa.Column("number", Number, primary_key=True),
        sa.Column("id", Id, nullable=False, unique=True),
        sa.Column("chat_id", Id, nullable=False, index=True),
        sa.Column("parent_id", Id),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("attachments", sa.Text),
        sa.Column("tool_calls", sa.Text),
        sa.Column("tool_call_id", sa.Text),
        sa.Column("model", sa.Text),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("finish_reason", sa.String(16)),
        sa.Column("error", sa.Text),
        sa.Column("figures", sa.Text),
        sa.Column("valid", sa.Boolean),
        sa.Column("created_at", Time, nullable=False),
        sa.ForeignKeyConstraint(["chat_id"], ["chats.id"], ondelete="CASCADE"),
        sa.Index("ix_messages_running", "id", sqlite_where=running, postgresql_where=running),
    )
    op.create_table(
        "search_entries",
        sa.Column("number", Number, primary_key=True),
        sa.Column("chat_id", Id, nullable=False, index=True),
        sa.Column("message_id", Id, index=True),
        sa.Column("terms", Terms, nullable=False),
        sa.ForeignKeyConstraint(["chat_id"], ["chats.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], ondelete="CASCADE"),
    )


def _search_on_sqlite() -> None:
    """Keep a full-text table beside the entries.

    Its tokens are made by `sevenb.workspace.terms`, so the tokenizer only has to part them at spaces; neither places
    nor counts of words are needed, as what is found is looked at again.
    """
    op.execute(
        "CREATE VIRTUAL TABLE search_terms USING fts5(terms, content='search_entries', content_rowid='number',"
        " tokenize='ascii', detail=none, columnsize=0)"
    )
    op.execute(
        "CREATE TRIGGER search_entries_insert AFTER INSERT ON search_entries BEGIN"
        " INSERT INTO search_terms(rowid, terms) VALUES (new.number, new.terms); END"
    )
    op.execute(
        "CREATE TRIGGER search_entries_delete AFTER DELETE ON search_entries BEGIN"
        " INSERT INTO search_terms(search_terms, rowid, terms) VALUES ('delete', old.number, old.terms); END"
    )
    op.execute(
        "CREATE TRIGGER search_entries_update AFTER UPDATE OF terms ON search_entries BEGIN"
        " INSERT INTO search_terms(search_terms, rowid, terms) VALUES ('delete', old.number, old.terms);"
        " INSERT INTO search_terms(rowid, terms) VALUES (new.number, new.terms); END"
    )


def _comparisons() -> None:
    op.create_table(
        "comparisons",
        sa.Column("id", Id, primary_key=True),
        sa.Column("user_id", Id, nullable=False, index=True),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("entries", sa.Text, nullable=False),
        sa.Column("created_at", Time, nullable=False),
        sa.Column("updated_at", Time, nullable=False),
        _owner(),
    )
    op.create_table(
        "votes",
        sa.Column("number", Number, primary_key=True),
        sa.Column("id", Id, nullable=False, unique=True),
        sa.Column("user_id", Id, nullable=False, index=True),
        sa.Column("comparison_id", Id, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("models", sa.Text, nullable=False),
        sa.Column("labels", sa.Text, nullable=False),
        sa.Column("winner", sa.Text, nullable=False),
        sa.Column("figures", sa.Text, nullable=False),
        sa.Column("created_at", Time, nullable=False),
        sa.Column("answer_ids", sa.Text, nullable=False),
        _owner(),
        sa.Index("uq_votes_comparison_id_answer_ids", "comparison_id", "answer_ids", unique=True),
    )


def _server() -> None:
    op.create_table(
        "usage",
        sa.Column("day", sa.String(10), primary_key=True),
        sa.Column("user_id", Id, primary_key=True, index=True),
        sa.Column("key_id", Id, primary_key=True),
        sa.Column("model", sa.Text, primary_key=True),
        sa.Column("requests", Number, nullable=False),
        sa.Column("prompt_tokens", Number, nullable=False),
        sa.Column("cached_tokens", Number, nullable=False),
        sa.Column("completion_tokens", Number, nullable=False),
    )
    op.create_table(
        "audit",
        sa.Column("number", Number, primary_key=True),
        sa.Column("at", Time, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("details", sa.Text),
    )
    op.create_table(
        "settings",
        sa.Column("name", sa.String(100), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
