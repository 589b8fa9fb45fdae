"""Table gold.summary_state_annual, for BEA's summary of the states."""

from alembic import op

revision = "0007"
down_revision = "0006"

_TABLE = """
CREATE TABLE gold.summary_state_annual (
    geo_fips text NOT NULL,
    geo_level text NOT NULL,
    state text,
    year integer NOT NULL,
    real_gdp_millions_chained_usd numeric(18, 3),
    real_gdp_status text NOT NULL,
    real_personal_income_millions_constant_usd numeric(18, 3),
    real_personal_income_status text NOT NULL,
    real_pce_millions_constant_usd numeric(18, 3),
    real_pce_status text NOT NULL,
    gdp_millions_usd numeric(18, 3),
    gdp_status text NOT NULL,
    personal_income_millions_usd numeric(18, 3),
    personal_income_status text NOT NULL,
    disposable_personal_income_millions_usd numeric(18, 3),
    disposable_personal_income_status text NOT NULL,
    pce_millions_usd numeric(18, 3),
    pce_status text NOT NULL,
    real_personal_income_per_capita_constant_usd numeric(18, 3),
    real_personal_income_per_capita_status text NOT NULL,
    real_pce_per_capita_constant_usd numeric(18, 3),
    real_pce_per_capita_status text NOT NULL,
    personal_income_per_capita_usd numeric(18, 3),
    personal_income_per_capita_status text NOT NULL,
    disposable_personal_income_per_capita_usd numeric(18, 3),
    disposable_personal_income_per_capita_status text NOT NULL,
    pce_per_capita_usd numeric(18, 3),
    pce_per_capita_status text NOT NULL,
    regional_price_parity_index numeric(18, 3),
    regional_price_parity_status text NOT NULL,
    regional_price_deflator_index numeric(18, 3),
    regional_price_deflator_status text NOT NULL,
    employment_jobs numeric(18, 3),
    employment_status text NOT NULL,
    PRIMARY KEY (geo_fips, year)
);
CREATE INDEX summary_state_annual_year ON gold.summary_state_annual (year);
"""


def upgrade() -> None:
    """Add the table; the first load after it fills it."""
    op.execute(_TABLE)
