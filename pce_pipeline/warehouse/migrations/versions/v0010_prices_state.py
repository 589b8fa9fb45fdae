"""The prices of states: levels, metrics, every value that they have had, and which nominal release they belong to."""

from alembic import op

revision = "0010"
down_revision = "0009"

_TABLES = """
CREATE TABLE gold.prices_state_annual (
    geo_fips text NOT NULL,
    geo_level text NOT NULL,
    state text,
    year integer NOT NULL,
    rpp_all_items numeric(18,3),
    rpp_all_items_status text NOT NULL,
    rpp_goods numeric(18,3),
    rpp_goods_status text NOT NULL,
    rpp_housing numeric(18,3),
    rpp_housing_status text NOT NULL,
    rpp_utilities numeric(18,3),
    rpp_utilities_status text NOT NULL,
    rpp_other_services numeric(18,3),
    rpp_other_services_status text NOT NULL,
    irpd numeric(18,3),
    irpd_status text NOT NULL,
    real_pce_millions_constant_usd numeric(18,3),
    real_pce_status text NOT NULL,
    real_pce_per_capita_constant_usd numeric(18,3),
    real_pce_per_capita_status text NOT NULL,
    real_personal_income_millions_constant_usd numeric(18,3),
    real_personal_income_status text NOT NULL,
    real_personal_income_per_capita_constant_usd numeric(18,3),
    real_personal_income_per_capita_status text NOT NULL,
    base_year integer,
    PRIMARY KEY (geo_fips, year)
);
CREATE TABLE gold.state_price_metrics (
    geo_fips text NOT NULL,
    geo_level text NOT NULL,
    state text,
    year integer NOT NULL,
    inflation_pct double precision,
    real_pce_yoy_pct double precision,
    real_pce_per_capita_yoy_pct double precision,
    real_personal_income_yoy_pct double precision,
    real_personal_income_per_capita_yoy_pct double precision,
    price_contribution_log_points numeric(18,6),
    quantity_contribution_log_points numeric(18,6),
    nominal_pce_growth_log_points numeric(18,6),
    value_of_100_usd double precision,
    real_pce_per_capita_index_us100 double precision,
    real_personal_income_per_capita_index_us100 double precision,
    base_year integer,
    PRIMARY KEY (geo_fips, year)
);
CREATE TABLE gold.price_releases (
    dataset text NOT NULL,
    vintage_id integer NOT NULL,
    released_on date NOT NULL,
    measure text NOT NULL,
    belongs_to text NOT NULL,
    nominal_dataset text,
    nominal_vintage_id integer,
    nominal_released_on date,
    settled_by text NOT NULL,
    cells_compared integer NOT NULL,
    cells_off integer NOT NULL,
    PRIMARY KEY (dataset, vintage_id, measure)
);
"""

_LOGS = """
CREATE TABLE gold.prices_state_vintages (
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
CREATE INDEX prices_state_vintages_geo_id ON gold.prices_state_vintages (geo_id);
CREATE INDEX prices_state_vintages_figure_id ON gold.prices_state_vintages (figure_id, geo_id, year);
CREATE TABLE gold.prices_state_revisions (
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
CREATE INDEX prices_state_revisions_area ON gold.prices_state_revisions (geo_id, valid_from);
"""


def upgrade() -> None:
    """Add the tables; the first load after it fills them."""
    op.execute(_TABLES)
    op.execute(_LOGS)
