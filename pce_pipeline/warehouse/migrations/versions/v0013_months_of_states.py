"""Tables for the estimated months of states, and for how far they are off."""

from alembic import op

revision = "0013"
down_revision = "0012"

_TABLES = """
CREATE TABLE gold.pce_monthly_errors (
    category_id text NOT NULL,
    cause text NOT NULL,
    horizon_years integer NOT NULL,
    phi double precision,
    n_years integer NOT NULL,
    n_figures integer NOT NULL,
    bias_pct double precision NOT NULL,
    annual_error_p50_pct double precision NOT NULL,
    annual_error_p90_pct double precision NOT NULL,
    PRIMARY KEY (category_id, cause, horizon_years)
);
CREATE TABLE gold.pce_state_monthly (
    geo_fips text NOT NULL,
    state text NOT NULL,
    category_id text NOT NULL,
    year integer NOT NULL,
    month integer NOT NULL,
    pce_millions_usd_saar numeric(18,3),
    status text NOT NULL,
    mom_pct double precision,
    yoy_pct double precision,
    is_estimate boolean NOT NULL,
    is_extrapolated boolean NOT NULL,
    horizon_years integer NOT NULL,
    method text NOT NULL,
    phi double precision,
    annual_error_p50_pct double precision,
    annual_error_p90_pct double precision,
    PRIMARY KEY (geo_fips, category_id, year, month)
);
"""


def upgrade() -> None:
    """Add the tables; the first load after it fills them."""
    op.execute(_TABLES)
