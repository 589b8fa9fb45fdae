"""A month beside the year of cells in meta.quarantine: NULL for a cell that is of a whole year."""

from alembic import op

revision = "0012"
down_revision = "0011"

_MONTH = """
ALTER TABLE meta.quarantine ADD COLUMN month integer;
ALTER TABLE meta.quarantine DROP CONSTRAINT IF EXISTS quarantine_pkey;
ALTER TABLE meta.quarantine ADD CONSTRAINT quarantine_cells
    UNIQUE NULLS NOT DISTINCT (extract, bea_table, line_code, geo_fips, year, month);
"""


def upgrade() -> None:
    """Add the column; no row of before changes."""
    op.execute(_MONTH)
