"""What BEA's lines were called over time, and where they stood."""

from alembic import op

revision = "0016"
down_revision = "0015"

_TABLE = """
CREATE TABLE gold.line_history (
    dataset text NOT NULL,
    bea_table text NOT NULL,
    line_code integer,
    published_table text NOT NULL,
    published_line integer NOT NULL,
    valid_from integer NOT NULL,
    valid_to integer,
    released_on date NOT NULL,
    replaced_on date,
    layout text,
    text text NOT NULL,
    description text NOT NULL,
    unit text,
    unit_multiplier integer,
    category_id text,
    measure text,
    PRIMARY KEY (dataset, bea_table, published_table, published_line, valid_from)
);
"""


def upgrade() -> None:
    """Add the table; the first load after it fills it."""
    op.execute(_TABLE)
