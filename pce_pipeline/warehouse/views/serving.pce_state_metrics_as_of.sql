CREATE OR REPLACE FUNCTION serving.pce_state_metrics_as_of(as_of date) RETURNS TABLE (
    geo_fips text,
    geo_level text,
    state text,
    category_id text,
    year integer,
    pce_yoy_pct double precision,
    pce_per_capita_yoy_pct double precision,
    pce_mean_3y_millions_usd double precision,
    pce_mean_5y_millions_usd double precision,
    pce_share_of_total_pct double precision,
    pce_contribution_to_growth_pp double precision,
    pce_rank_among_states integer,
    pce_per_capita_rank_among_states integer,
    pce_per_capita_index_us100 double precision
)
LANGUAGE sql STABLE AS $function$
WITH known AS NOT MATERIALIZED (
    SELECT
        levels.geo_fips,
        levels.geo_level,
        levels.state,
        levels.category_id,
        levels.year,
        levels.pce_millions_usd,
        levels.pce_status,
        levels.pce_per_capita_usd,
        levels.pce_per_capita_status,
        category.scheme,
        category.sign
    FROM serving.pce_state_as_of(as_of) AS levels
    JOIN gold.dim_category AS category USING (category_id)
),
totals AS (
    SELECT scheme, geo_fips, year, pce_millions_usd AS total
    FROM known
    WHERE category_id IN ('product.pce', 'function.pce')
),
nation AS (
    SELECT category_id, year, pce_per_capita_usd AS us_per_capita FROM known WHERE geo_level = 'nation'
),
series AS (
    SELECT
        known.geo_fips,
        known.geo_level,
        known.state,
        known.category_id,
        known.year,
        known.pce_millions_usd,
        known.pce_per_capita_usd,
        known.sign,
        totals.total,
        nation.us_per_capita,
        CASE WHEN lag(known.year, 1) OVER place = known.year - 1 THEN lag(pce_millions_usd, 1) OVER place END AS pce_1,
        CASE WHEN lag(known.year, 2) OVER place = known.year - 2 THEN lag(pce_millions_usd, 2) OVER place END AS pce_2,
        CASE WHEN lag(known.year, 3) OVER place = known.year - 3 THEN lag(pce_millions_usd, 3) OVER place END AS pce_3,
        CASE WHEN lag(known.year, 4) OVER place = known.year - 4 THEN lag(pce_millions_usd, 4) OVER place END AS pce_4,
        CASE WHEN lag(known.year, 1) OVER place = known.year - 1 THEN lag(total, 1) OVER place END AS total_1,
        CASE
            WHEN lag(known.year, 1) OVER place = known.year - 1 THEN lag(pce_per_capita_usd, 1) OVER place
        END AS per_capita_1,
        count(*) FILTER (
            WHERE geo_level = 'state' AND pce_status NOT IN ('quarantined', 'not_published')
        ) OVER cross_section AS states_known,
        count(*) FILTER (
            WHERE geo_level = 'state' AND pce_per_capita_status NOT IN ('quarantined', 'not_published')
        ) OVER cross_section AS per_capita_states_known,
        CASE WHEN geo_level = 'state' AND pce_millions_usd IS NOT NULL THEN
            rank() OVER (
                PARTITION BY category_id, known.year, geo_level ORDER BY pce_millions_usd DESC NULLS LAST
            )
        END AS place_of_pce,
        CASE WHEN geo_level = 'state' AND pce_per_capita_usd IS NOT NULL THEN
            rank() OVER (
                PARTITION BY category_id, known.year, geo_level ORDER BY pce_per_capita_usd DESC NULLS LAST
            )
        END AS place_of_per_capita
    FROM known
    LEFT JOIN totals USING (scheme, geo_fips, year)
    LEFT JOIN nation USING (category_id, year)
    WINDOW place AS (PARTITION BY geo_fips, category_id ORDER BY known.year),
        cross_section AS (PARTITION BY category_id, known.year)
)
SELECT
    geo_fips,
    geo_level,
    state,
    category_id,
    year,
    round((pce_millions_usd - pce_1)::float8 / CASE WHEN pce_1 > 0 THEN pce_1::float8 END * 100 * 1e6) / 1e6,
    round(
        (pce_per_capita_usd - per_capita_1)::float8 / CASE WHEN per_capita_1 > 0 THEN per_capita_1::float8 END * 100 * 1e6
    ) / 1e6,
    round((pce_millions_usd + pce_1 + pce_2)::float8 / 3 * 1e6) / 1e6,
    round((pce_millions_usd + pce_1 + pce_2 + pce_3 + pce_4)::float8 / 5 * 1e6) / 1e6,
    round((pce_millions_usd * sign)::float8 / CASE WHEN total > 0 THEN total::float8 END * 100 * 1e6) / 1e6,
    round(
        ((pce_millions_usd - pce_1) * sign)::float8 / CASE WHEN total_1 > 0 THEN total_1::float8 END * 100 * 1e6
    ) / 1e6,
    CASE
        WHEN states_known = (SELECT count(*) FROM gold.dim_geography WHERE dim_geography.geo_level = 'state')
            THEN place_of_pce::integer
    END,
    CASE
        WHEN per_capita_states_known = (SELECT count(*) FROM gold.dim_geography WHERE dim_geography.geo_level = 'state')
            THEN place_of_per_capita::integer
    END,
    round(pce_per_capita_usd::float8 / CASE WHEN us_per_capita > 0 THEN us_per_capita::float8 END * 100 * 1e6) / 1e6
FROM series
$function$;

COMMENT ON FUNCTION serving.pce_state_metrics_as_of IS
    'Growth, means, shares, ranks and indexes of PCE by state as they were known at the end of a day: the columns of '
    'gold.pce_state_metrics.';
