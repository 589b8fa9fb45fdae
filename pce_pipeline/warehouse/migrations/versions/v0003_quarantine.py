"""Table meta.quarantine, for the cells of the current extracts that could not be read."""

from alembic import op

revision = "0003"
down_revision = "0002"

_QUARANTINE = """
CREATE TABLE meta.quarantine (
    extract text NOT NULL,
    bea_table text NOT NULL,
    line_code integer NOT NULL,
    geo_fips text NOT NULL,
    year integer NOT NULL,
    unit text,
    object_key text,
    value_text text,
    rule text NOT NULL,
    reason text NOT NULL,
    PRIMARY KEY (extract, bea_table, line_code, geo_fips, year)
);
"""


def upgrade() -> None:
    """Add the table; the first load after it fills it."""
    op.execute(_QUARANTINE)
