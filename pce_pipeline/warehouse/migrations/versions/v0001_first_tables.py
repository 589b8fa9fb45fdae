"""Schemas meta, gold and serving with their first tables and views."""

from alembic import op

revision = "0001"
down_revision = None

_SCHEMAS = """
CREATE SCHEMA gold;
CREATE SCHEMA serving;
"""

_META = """
CREATE TABLE meta.world (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    world text NOT NULL,
    env text NOT NULL,
    claimed_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE meta.ingest_runs (
    run_id text PRIMARY KEY,
    env text NOT NULL,
    world text NOT NULL,
    dataset text NOT NULL,
    job text,
    trigger text,
    parameters jsonb NOT NULL,
    extracts text[] NOT NULL,
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    status text NOT NULL CHECK (status IN ('running', 'succeeded', 'failed')),
    rows jsonb NOT NULL,
    checks jsonb NOT NULL,
    seconds jsonb NOT NULL,
    versions jsonb NOT NULL,
    record jsonb NOT NULL
);
CREATE INDEX ingest_runs_started_at ON meta.ingest_runs (started_at);

CREATE TABLE meta.manifests (
    table_name text NOT NULL,
    partition text NOT NULL,
    content_sha256 text NOT NULL,
    rows bigint NOT NULL,
    inputs jsonb NOT NULL,
    code_version text NOT NULL,
    manifest jsonb NOT NULL,
    loaded_at timestamptz NOT NULL,
    run_id text NOT NULL,
    PRIMARY KEY (table_name, partition)
);

CREATE TABLE meta.checkpoints (
    table_name text NOT NULL,
    partition text NOT NULL,
    content_sha256 text NOT NULL,
    code_version text NOT NULL,
    rows bigint NOT NULL,
    run_id text NOT NULL,
    loaded_at timestamptz NOT NULL,
    PRIMARY KEY (table_name, partition)
);
"""

_GOLD = """
CREATE TABLE gold.dim_geography (
    geo_fips text NOT NULL,
    geo_name text NOT NULL,
    geo_level text NOT NULL,
    state text,
    region_fips text,
    path_segment text NOT NULL,
    PRIMARY KEY (geo_fips)
);

CREATE TABLE gold.dim_category (
    category_id text NOT NULL,
    scheme text NOT NULL,
    name text NOT NULL,
    parent_id text,
    depth integer NOT NULL,
    role text NOT NULL,
    sign integer NOT NULL,
    nation_only boolean NOT NULL,
    PRIMARY KEY (category_id)
);

CREATE TABLE gold.category_line (
    bea_table text NOT NULL,
    layout text NOT NULL,
    line_code integer NOT NULL,
    category_id text NOT NULL,
    description text NOT NULL,
    unit text NOT NULL,
    unit_multiplier integer NOT NULL,
    PRIMARY KEY (bea_table, layout, line_code)
);
CREATE INDEX category_line_category ON gold.category_line (category_id);

CREATE TABLE gold.pce_state_annual (
    geo_fips text NOT NULL,
    geo_level text NOT NULL,
    state text,
    category_id text NOT NULL,
    year integer NOT NULL,
    pce_millions_usd numeric(18, 3),
    pce_status text NOT NULL,
    pce_per_capita_usd numeric(18, 3),
    pce_per_capita_status text NOT NULL,
    PRIMARY KEY (geo_fips, category_id, year)
);
CREATE INDEX pce_state_annual_category_year ON gold.pce_state_annual (category_id, year);

CREATE TABLE gold.pce_state_metrics (
    geo_fips text NOT NULL,
    geo_level text NOT NULL,
    state text,
    category_id text NOT NULL,
    year integer NOT NULL,
    pce_yoy_pct double precision,
    pce_per_capita_yoy_pct double precision,
    pce_mean_3y_millions_usd double precision,
    pce_mean_5y_millions_usd double precision,
    pce_share_of_total_pct double precision,
    pce_contribution_to_growth_pp double precision,
    pce_rank_among_states integer,
    pce_per_capita_rank_among_states integer,
    pce_per_capita_index_us100 double precision,
    PRIMARY KEY (geo_fips, category_id, year)
);
CREATE INDEX pce_state_metrics_category_year ON gold.pce_state_metrics (category_id, year);
"""

# The year before is found by its number and not by its place, so that a gap in the years gives NULL and no growth
# over two years. Growth on nothing or on less than nothing has no meaning: nullif(greatest(...), 0) makes it NULL.
# Rounded to six decimals as gold.pce_state_metrics is, so that both show the same figure.
_SERVING = """
CREATE VIEW serving.v_pce_state_yoy AS
SELECT
    now.geo_fips,
    geography.geo_name,
    now.geo_level,
    now.state,
    now.category_id,
    category.name AS category_name,
    category.scheme,
    now.year,
    now.pce_millions_usd,
    prior.pce_millions_usd AS pce_prior_year_millions_usd,
    round(
        100 * (now.pce_millions_usd - prior.pce_millions_usd) / nullif(greatest(prior.pce_millions_usd, 0), 0), 6
    )::double precision AS pce_yoy_pct,
    now.pce_status,
    now.pce_per_capita_usd,
    prior.pce_per_capita_usd AS pce_per_capita_prior_year_usd,
    round(
        100 * (now.pce_per_capita_usd - prior.pce_per_capita_usd) / nullif(greatest(prior.pce_per_capita_usd, 0), 0), 6
    )::double precision AS pce_per_capita_yoy_pct,
    now.pce_per_capita_status
FROM gold.pce_state_annual AS now
LEFT JOIN gold.pce_state_annual AS prior
    ON prior.geo_fips = now.geo_fips AND prior.category_id = now.category_id AND prior.year = now.year - 1
LEFT JOIN gold.dim_geography AS geography ON geography.geo_fips = now.geo_fips
LEFT JOIN gold.dim_category AS category ON category.category_id = now.category_id;

CREATE VIEW serving.v_pce_state_rolling AS
SELECT
    annual.geo_fips,
    geography.geo_name,
    annual.geo_level,
    annual.state,
    annual.category_id,
    category.name AS category_name,
    category.scheme,
    annual.year,
    annual.pce_millions_usd,
    CASE WHEN count(annual.pce_millions_usd) OVER three_years = 3
        THEN round(avg(annual.pce_millions_usd) OVER three_years, 6) END::double precision AS pce_mean_3y_millions_usd,
    CASE WHEN count(annual.pce_millions_usd) OVER five_years = 5
        THEN round(avg(annual.pce_millions_usd) OVER five_years, 6) END::double precision AS pce_mean_5y_millions_usd,
    annual.pce_status
FROM gold.pce_state_annual AS annual
LEFT JOIN gold.dim_geography AS geography ON geography.geo_fips = annual.geo_fips
LEFT JOIN gold.dim_category AS category ON category.category_id = annual.category_id
WINDOW
    three_years AS (
        PARTITION BY annual.geo_fips, annual.category_id ORDER BY annual.year
        RANGE BETWEEN 2 PRECEDING AND CURRENT ROW
    ),
    five_years AS (
        PARTITION BY annual.geo_fips, annual.category_id ORDER BY annual.year
        RANGE BETWEEN 4 PRECEDING AND CURRENT ROW
    );

CREATE VIEW serving.v_pce_state_latest AS
SELECT
    annual.geo_fips,
    geography.geo_name,
    annual.geo_level,
    annual.state,
    annual.category_id,
    category.name AS category_name,
    category.scheme,
    annual.year,
    annual.pce_millions_usd,
    annual.pce_status,
    annual.pce_per_capita_usd,
    annual.pce_per_capita_status,
    metrics.pce_yoy_pct,
    metrics.pce_per_capita_yoy_pct,
    metrics.pce_mean_3y_millions_usd,
    metrics.pce_mean_5y_millions_usd,
    metrics.pce_share_of_total_pct,
    metrics.pce_contribution_to_growth_pp,
    metrics.pce_rank_among_states,
    metrics.pce_per_capita_rank_among_states,
    metrics.pce_per_capita_index_us100
FROM (
    SELECT geo_fips, category_id, max(year) AS year
    FROM gold.pce_state_annual
    GROUP BY geo_fips, category_id
) AS newest
JOIN gold.pce_state_annual AS annual USING (geo_fips, category_id, year)
LEFT JOIN gold.pce_state_metrics AS metrics USING (geo_fips, category_id, year)
LEFT JOIN gold.dim_geography AS geography USING (geo_fips)
LEFT JOIN gold.dim_category AS category USING (category_id);
"""


def upgrade() -> None:
    """From an empty database, in which alembic's own table already lies in schema meta."""
    for statements in (_SCHEMAS, _META, _GOLD, _SERVING):
        op.execute(statements)
