"""PCE by state with a number for each area and category: tables of half the size, and views with the names of before.

A database of before keeps its rows. Views that others have made over the two tables are made again over the two views
where this user may do so; else, and for whatever else hangs on the tables, the step stops and nothing is changed.
"""

from alembic import op

revision = "0017"
down_revision = "0016"

# The years of a series lie together, and so a page has a few rows of each year: with a little room in each page the
# rows of a revised year are changed in place, and no index is touched.
_TABLES = """
CREATE TABLE IF NOT EXISTS gold.pce_state_series (
    series_id integer NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    geo_fips text NOT NULL,
    geo_level text NOT NULL,
    state text,
    category_id text NOT NULL,
    UNIQUE (geo_fips, category_id)
);
CREATE INDEX IF NOT EXISTS pce_state_series_category ON gold.pce_state_series (category_id);
CREATE TABLE IF NOT EXISTS gold.pce_state_annual_stored (
    series_id integer NOT NULL,
    year integer NOT NULL,
    pce_millions_usd numeric(18, 3),
    pce_status text,
    pce_per_capita_usd numeric(18, 3),
    pce_per_capita_status text,
    PRIMARY KEY (series_id, year)
) WITH (fillfactor = 96);
CREATE INDEX IF NOT EXISTS pce_state_annual_stored_year ON gold.pce_state_annual_stored (year);
CREATE TABLE IF NOT EXISTS gold.pce_state_metrics_stored (
    series_id integer NOT NULL,
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
    PRIMARY KEY (series_id, year)
) WITH (fillfactor = 96);
CREATE INDEX IF NOT EXISTS pce_state_metrics_stored_year ON gold.pce_state_metrics_stored (year);
"""

# Whatever reads a table follows it under its new name, so the texts of views are taken before and run again after it. A
# colon that SQLAlchemy must not take for a parameter is written with a backslash. Where the name is a view's already,
# nothing is left to do. The view's file, which has more than the view, is run in any case.
_CARRIED = """
DO $carry$
DECLARE
    readers text[];
    again text;
    found text;
BEGIN
    IF (SELECT relkind FROM pg_class WHERE oid = to_regclass('gold.{table}')) IS DISTINCT FROM 'r' THEN RETURN; END IF;
    SELECT coalesce(array_agg(
        'CREATE OR REPLACE VIEW ' || reader.name
            || coalesce(' WITH (' || array_to_string(reader.reloptions, ', ') || ')', '')
            || ' AS ' || pg_get_viewdef(reader.name)
    ), '{{}}') INTO readers
    FROM (
        SELECT DISTINCT c.oid\\:\\:regclass AS name, c.reloptions
        FROM pg_depend AS d
        JOIN pg_rewrite AS r ON r.oid = d.objid
        JOIN pg_class AS c ON c.oid = r.ev_class
        WHERE d.refobjid = 'gold.{table}'\\:\\:regclass AND d.refclassid = 'pg_class'\\:\\:regclass
            AND d.classid = 'pg_rewrite'\\:\\:regclass AND c.relkind = 'v' AND pg_has_role(c.relowner, 'USAGE')
    ) AS reader;
    ALTER TABLE gold.{table} RENAME TO {table}_before;
    INSERT INTO gold.pce_state_series (geo_fips, geo_level, state, category_id)
    SELECT DISTINCT ON (geo_fips, category_id) geo_fips, geo_level, state, category_id
    FROM gold.{table}_before ORDER BY geo_fips, category_id, year DESC
    ON CONFLICT (geo_fips, category_id) DO NOTHING;
    INSERT INTO gold.{table}_stored (series_id, year, {columns})
    SELECT series.series_id, held.year, {values}
    FROM gold.{table}_before AS held JOIN gold.pce_state_series AS series USING (geo_fips, category_id)
    ORDER BY series.series_id, held.year;
    ANALYZE gold.pce_state_series;
    ANALYZE gold.{table}_stored;
    CREATE VIEW gold.{table} AS
    SELECT series.geo_fips, series.geo_level, series.state, series.category_id, stored.year, {shown}
    FROM gold.{table}_stored AS stored
    LEFT JOIN gold.pce_state_series AS series ON series.series_id = stored.series_id;
    FOR again IN
        SELECT 'GRANT ' || g.privilege_type || ' ON gold.{table} TO '
            || CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END
            || CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
        FROM pg_class AS c CROSS JOIN LATERAL aclexplode(c.relacl) AS g
        WHERE c.oid = 'gold.{table}_before'\\:\\:regclass AND g.grantee <> c.relowner
    LOOP
        EXECUTE again;
    END LOOP;
    FOREACH again IN ARRAY readers LOOP
        EXECUTE again;
    END LOOP;
    BEGIN
        DROP TABLE gold.{table}_before;
    EXCEPTION WHEN dependent_objects_still_exist THEN
        GET STACKED DIAGNOSTICS found = PG_EXCEPTION_DETAIL;
        RAISE dependent_objects_still_exist
            USING MESSAGE = 'gold.{table}', DETAIL = replace(found, '{table}_before', '{table}');
    END;
    DELETE FROM meta.views WHERE view_name = 'gold.{table}';
END $carry$;
"""

_LEVELS = ("pce_millions_usd", "pce_per_capita_usd")
_METRICS = (
    "pce_yoy_pct",
    "pce_per_capita_yoy_pct",
    "pce_mean_3y_millions_usd",
    "pce_mean_5y_millions_usd",
    "pce_share_of_total_pct",
    "pce_contribution_to_growth_pp",
    "pce_rank_among_states",
    "pce_per_capita_rank_among_states",
    "pce_per_capita_index_us100",
)


def _usual(figure: str) -> str:
    return f"CASE WHEN {figure} IS NULL THEN 'not_published' ELSE 'reported' END"


def upgrade() -> None:
    """Make the tables, bring over what the two of before hold, and put views in their place."""
    op.execute(_TABLES)
    statuses = {figure: figure.replace("_millions", "").replace("_usd", "_status") for figure in _LEVELS}
    annual = {
        "columns": [name for pair in statuses.items() for name in pair],
        "values": [
            text
            for figure, status in statuses.items()
            for text in (f"held.{figure}", f"nullif(held.{status}, {_usual(f'held.{figure}')})")
        ],
        "shown": [
            text
            for figure, status in statuses.items()
            for text in (f"stored.{figure}", f"coalesce(stored.{status}, {_usual(f'stored.{figure}')}) AS {status}")
        ],
    }
    metrics = {
        "columns": list(_METRICS),
        "values": [f"held.{name}" for name in _METRICS],
        "shown": [f"stored.{name}" for name in _METRICS],
    }
    for table, parts in (("pce_state_annual", annual), ("pce_state_metrics", metrics)):
        op.execute(_CARRIED.format(table=table, **{name: ", ".join(texts) for name, texts in parts.items()}))
