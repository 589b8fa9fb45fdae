"""Table gold.income_state_annual, for personal income and residents."""

from alembic import op

revision = "0006"
down_revision = "0005"

_TABLE = """
CREATE TABLE gold.income_state_annual (
    geo_fips text NOT NULL,
    geo_level text NOT NULL,
    state text,
    year integer NOT NULL,
    personal_income_millions_usd numeric(18, 3),
    personal_income_status text NOT NULL,
    population_persons numeric(18, 3),
    population_status text NOT NULL,
    personal_income_per_capita_usd numeric(18, 3),
    personal_income_per_capita_status text NOT NULL,
    PRIMARY KEY (geo_fips, year)
);
CREATE INDEX income_state_annual_year ON gold.income_state_annual (year);
"""


def upgrade() -> None:
    """Add the table; the first load after it fills it."""
    op.execute(_TABLE)
