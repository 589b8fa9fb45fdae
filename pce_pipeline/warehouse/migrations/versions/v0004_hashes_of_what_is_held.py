"""Beside each checkpoint a hash of the rows, made by the database itself in the load's transaction."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the column; a checkpoint of before says nothing until its rows are loaded again."""
    op.execute("ALTER TABLE meta.checkpoints ADD COLUMN IF NOT EXISTS held_hash text")
