-- The year before is found by its number and not by its place, so that a gap in the years gives NULL and no growth
-- over two years. Growth on nothing or on less than nothing has no meaning: nullif(greatest(...), 0) makes it NULL.
-- It reads what gold.pce_state_annual shows, by the numbers of series, which are sooner compared than their texts.
-- Rounded to six decimals as gold.pce_state_metrics is, so that both show the same figure.
CREATE OR REPLACE VIEW serving.v_pce_state_yoy AS
SELECT
    series.geo_fips,
    geography.geo_name,
    series.geo_level,
    series.state,
    series.category_id,
    category.name AS category_name,
    category.scheme,
    now.year,
    now.pce_millions_usd,
    prior.pce_millions_usd AS pce_prior_year_millions_usd,
    round(
        100 * (now.pce_millions_usd - prior.pce_millions_usd) / nullif(greatest(prior.pce_millions_usd, 0), 0), 6
    )::double precision AS pce_yoy_pct,
    coalesce(
        now.pce_status, CASE WHEN now.pce_millions_usd IS NULL THEN 'not_published' ELSE 'reported' END
    ) AS pce_status,
    now.pce_per_capita_usd,
    prior.pce_per_capita_usd AS pce_per_capita_prior_year_usd,
    round(
        100 * (now.pce_per_capita_usd - prior.pce_per_capita_usd) / nullif(greatest(prior.pce_per_capita_usd, 0), 0), 6
    )::double precision AS pce_per_capita_yoy_pct,
    coalesce(
        now.pce_per_capita_status, CASE WHEN now.pce_per_capita_usd IS NULL THEN 'not_published' ELSE 'reported' END
    ) AS pce_per_capita_status
FROM gold.pce_state_annual_stored AS now
LEFT JOIN gold.pce_state_annual_stored AS prior ON prior.series_id = now.series_id AND prior.year = now.year - 1
LEFT JOIN gold.pce_state_series AS series ON series.series_id = now.series_id
LEFT JOIN gold.dim_geography AS geography ON geography.geo_fips = series.geo_fips
LEFT JOIN gold.dim_category AS category ON category.category_id = series.category_id;

COMMENT ON VIEW serving.v_pce_state_yoy IS
    'One row per area, category and year: PCE beside the year before and its growth. NULL where that year is missing, '
    'zero or negative. Current dollars: growth includes inflation.';
COMMENT ON COLUMN serving.v_pce_state_yoy.category_name IS 'the category''s name, as BEA writes it';
COMMENT ON COLUMN serving.v_pce_state_yoy.pce_prior_year_millions_usd IS
    'pce_millions_usd of the year before; NULL where that row is missing [millions of current dollars]';
COMMENT ON COLUMN serving.v_pce_state_yoy.pce_per_capita_prior_year_usd IS
    'pce_per_capita_usd of the year before; NULL where that row is missing [current dollars]';
