"""Table meta.views, for what each view was made of; the views themselves are files from here on."""

from alembic import op

revision = "0005"
down_revision = "0004"

_VIEWS = """
CREATE TABLE meta.views (
    view_name text NOT NULL,
    text_sha256 text NOT NULL,
    held_hash text NOT NULL,
    PRIMARY KEY (view_name)
);
"""


def upgrade() -> None:
    """Add the table; the files fill it after the steps."""
    op.execute(_VIEWS)
