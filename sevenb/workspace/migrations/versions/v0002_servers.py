"""Running messages name the server that writes them."""

import sqlalchemy as sa
from alembic import op

from sevenb.workspace.columns import Id

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column."""
    op.add_column("messages", sa.Column("server_id", Id))
