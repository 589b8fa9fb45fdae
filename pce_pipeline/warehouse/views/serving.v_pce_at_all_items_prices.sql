-- Nominal figures as they were known when the deflators were made: the newest ones would mix two releases.
-- ::numeric changes nothing in Postgres; in DuckDB, whose division gives a double, it makes the decimal of three places.
CREATE OR REPLACE VIEW serving.v_pce_at_all_items_prices AS
SELECT
    prices.geo_fips,
    geography.geo_name,
    prices.geo_level,
    prices.state,
    figure.category_id,
    category.name AS category_name,
    category.scheme,
    category.role,
    prices.year,
    log.value AS pce_millions_usd,
    prices.irpd,
    round(100 * log.value / nullif(prices.irpd, 0), 3)::numeric AS pce_millions_constant_usd_at_all_items_prices,
    prices.base_year,
    true AS is_estimated,
    belongs.nominal_released_on AS pce_released_on,
    belongs.released_on AS prices_released_on
FROM gold.prices_state_annual AS prices
JOIN (
    SELECT DISTINCT ON (dataset) released_on, nominal_vintage_id, nominal_released_on
    FROM gold.price_releases
    WHERE dataset = 'prices_state' AND belongs_to = 'pce' AND nominal_dataset = 'pce_state'
        AND vintage_id = (SELECT max(vintage_id) FROM gold.price_releases WHERE dataset = 'prices_state')
    ORDER BY dataset, measure
) AS belongs ON true
JOIN gold.pce_state_vintages AS log
    ON log.geo_id = prices.geo_fips::integer
    AND log.year = prices.year
    AND log.basis = 0
    AND log.valid_from <= belongs.nominal_vintage_id
    AND (log.valid_to IS NULL OR log.valid_to > belongs.nominal_vintage_id)
JOIN gold.dim_figure AS figure USING (figure_id)
JOIN gold.dim_category AS category ON category.category_id = figure.category_id
JOIN gold.dim_geography AS geography ON geography.geo_fips = prices.geo_fips
WHERE figure.measure = 'pce' AND prices.irpd IS NOT NULL;

COMMENT ON VIEW serving.v_pce_at_all_items_prices IS
    'One row per state, category and year: nominal PCE divided by the deflator of all items. An estimate of ours and no real figure: '
    'BEA publishes no deflators by category for states, so that it shows what a category costs relative to everything else, too.';
COMMENT ON COLUMN serving.v_pce_at_all_items_prices.category_name IS 'the category''s name, as BEA writes it';
COMMENT ON COLUMN serving.v_pce_at_all_items_prices.pce_millions_constant_usd_at_all_items_prices IS
    'pce_millions_usd at the prices that all items together had in base_year; estimated [millions of constant dollars of base_year]';
COMMENT ON COLUMN serving.v_pce_at_all_items_prices.is_estimated IS 'true: computed by this pipeline, and not published by BEA';
COMMENT ON COLUMN serving.v_pce_at_all_items_prices.pce_released_on IS
    'the day of the release of nominal PCE that the deflators belong to';
COMMENT ON COLUMN serving.v_pce_at_all_items_prices.prices_released_on IS 'the day on which BEA released the deflators';
