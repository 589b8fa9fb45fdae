"""Table gold.pce_us_monthly, for the months of the nation."""

from alembic import op

revision = "0011"
down_revision = "0010"

_TABLE = """
CREATE TABLE gold.pce_us_monthly (
    category_id text NOT NULL,
    year integer NOT NULL,
    month integer NOT NULL,
    pce_millions_usd_saar numeric(18,3),
    pce_status text NOT NULL,
    real_pce_millions_chained_usd_saar numeric(18,3),
    real_pce_status text NOT NULL,
    price_index numeric(18,3),
    price_index_status text NOT NULL,
    pce_mom_pct double precision,
    pce_mom_annualised_pct double precision,
    pce_3m_annualised_pct double precision,
    pce_yoy_pct double precision,
    real_pce_mom_pct double precision,
    real_pce_mom_annualised_pct double precision,
    real_pce_3m_annualised_pct double precision,
    real_pce_yoy_pct double precision,
    price_index_mom_pct double precision,
    price_index_mom_annualised_pct double precision,
    price_index_3m_annualised_pct double precision,
    price_index_yoy_pct double precision,
    PRIMARY KEY (category_id, year, month)
);
CREATE INDEX pce_us_monthly_year ON gold.pce_us_monthly (year);
"""


def upgrade() -> None:
    """Add the table; the first load after it fills it."""
    op.execute(_TABLE)
