CREATE OR REPLACE VIEW gold.pce_state_annual AS
SELECT
    series.geo_fips,
    series.geo_level,
    series.state,
    series.category_id,
    stored.year,
    stored.pce_millions_usd,
    coalesce(
        stored.pce_status, CASE WHEN stored.pce_millions_usd IS NULL THEN 'not_published' ELSE 'reported' END
    ) AS pce_status,
    stored.pce_per_capita_usd,
    coalesce(
        stored.pce_per_capita_status, CASE WHEN stored.pce_per_capita_usd IS NULL THEN 'not_published' ELSE 'reported' END
    ) AS pce_per_capita_status
FROM gold.pce_state_annual_stored AS stored
LEFT JOIN gold.pce_state_series AS series ON series.series_id = stored.series_id;
