CREATE OR REPLACE VIEW serving.v_prices_state_vintages AS
SELECT
    geography.geo_fips,
    geography.geo_level,
    geography.state,
    figure.measure,
    figure.category_id,
    log.year::integer AS year,
    CASE log.basis WHEN 0 THEN 'counted' WHEN 1 THEN 'partial' ELSE 'derived' END AS basis,
    log.valid_from,
    log.valid_to,
    log.value,
    coalesce(log.status, 'reported') AS status,
    figure.unit,
    log.base_year::integer AS base_year,
    log.released_on,
    log.ingested_at
FROM gold.prices_state_vintages AS log
JOIN gold.dim_figure AS figure USING (figure_id)
JOIN gold.dim_geography AS geography ON geography.geo_fips::integer = log.geo_id;

COMMENT ON VIEW serving.v_prices_state_vintages IS
    'One row per figure and stretch of equal values: every value that the figures of prices and real figures by state have had. '
    'Beware: rows are of different times; take those of one day (serving.prices_state_as_of) before anything else.';
