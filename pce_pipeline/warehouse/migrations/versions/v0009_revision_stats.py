"""Table gold.revision_stats: how far figures usually move within a year."""

from alembic import op

revision = "0009"
down_revision = "0008"

_TABLE = """
CREATE TABLE gold.revision_stats (
    dataset text NOT NULL,
    measure text NOT NULL,
    category_id text NOT NULL,
    geo_level text NOT NULL,
    age_years integer NOT NULL,
    is_comprehensive boolean NOT NULL,
    n_releases integer NOT NULL,
    n_figures integer NOT NULL,
    mean_pct double precision NOT NULL,
    mean_abs_pct double precision NOT NULL,
    pct05 double precision,
    pct95 double precision,
    abs_pct90 double precision,
    band_is text NOT NULL,
    PRIMARY KEY (dataset, measure, category_id, geo_level, age_years, is_comprehensive)
);
"""


def upgrade() -> None:
    """Add the table; the first load after it fills it."""
    op.execute(_TABLE)
