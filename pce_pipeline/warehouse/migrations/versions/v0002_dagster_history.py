"""Schema dagster, for the history of an orchestrator that keeps it in this database."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the schema; its tables are the orchestrator's own business."""
    op.execute("CREATE SCHEMA IF NOT EXISTS dagster")
