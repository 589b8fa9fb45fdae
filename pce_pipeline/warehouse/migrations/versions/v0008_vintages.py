"""The vintages: which there are, every value that each figure has had, and what was revised, with numbers for keys."""

from alembic import op

revision = "0008"
down_revision = "0007"

_DIMENSIONS = """
CREATE TABLE gold.dim_figure (
    figure_id integer NOT NULL,
    dataset text NOT NULL,
    measure text NOT NULL,
    category_id text NOT NULL,
    unit text NOT NULL,
    PRIMARY KEY (figure_id)
);
CREATE TABLE gold.dim_vintage (
    dataset text NOT NULL,
    vintage_id integer NOT NULL,
    extract text NOT NULL,
    extract_date date NOT NULL,
    released_on date NOT NULL,
    release_is text NOT NULL,
    ingested_at timestamp with time zone NOT NULL,
    origin text NOT NULL,
    basis text NOT NULL,
    bea_tables text NOT NULL,
    provenance text,
    PRIMARY KEY (dataset, vintage_id)
);
"""

# Room is left in each page, so that a row whose time ends is changed in place. An index that goes on with a time
# misleads Postgres about questions for a day; the year is there for the loads, which look for single rows.
_VINTAGES = """
CREATE TABLE gold.{dataset}_vintages (
    figure_id integer NOT NULL,
    geo_id integer NOT NULL,
    year smallint NOT NULL,
    basis smallint NOT NULL,
    valid_from integer NOT NULL,
    valid_to integer,
    value numeric(18, 3),
    status text,
    base_year smallint,
    released_on date NOT NULL,
    ingested_at timestamp with time zone NOT NULL
) WITH (fillfactor = 60);
CREATE INDEX {dataset}_vintages_geo_id ON gold.{dataset}_vintages (geo_id);
CREATE INDEX {dataset}_vintages_figure_id ON gold.{dataset}_vintages (figure_id, geo_id, year);
"""

_REVISIONS = """
CREATE TABLE gold.{dataset}_revisions (
    figure_id integer NOT NULL,
    geo_id integer NOT NULL,
    year smallint NOT NULL,
    basis smallint NOT NULL,
    valid_from integer NOT NULL,
    changed_from integer,
    released_on date NOT NULL,
    kind text,
    from_value numeric(18, 3),
    to_value numeric(18, 3),
    from_status text,
    to_status text,
    change numeric(18, 3),
    change_pct double precision,
    age_years smallint NOT NULL
);
CREATE INDEX {dataset}_revisions_area ON gold.{dataset}_revisions (geo_id, valid_from);
"""

_DATASETS = ("pce_state", "income_state", "summary_state")


def upgrade() -> None:
    """Add the tables; the first load after it fills them."""
    op.execute(_DIMENSIONS)
    for dataset in _DATASETS:
        op.execute(_VINTAGES.format(dataset=dataset))
        op.execute(_REVISIONS.format(dataset=dataset))
