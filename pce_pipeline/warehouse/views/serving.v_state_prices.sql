-- The newest nominal figure stands beside prices that are often of an older release. Which one they belong to is told by
-- gold.price_releases; what the figure was then, by the log of the dataset that holds that release.
CREATE OR REPLACE VIEW serving.v_state_prices AS
SELECT
    prices.geo_fips,
    geography.geo_name,
    prices.geo_level,
    prices.state,
    prices.year,
    prices.rpp_all_items,
    prices.rpp_goods,
    prices.rpp_housing,
    prices.rpp_utilities,
    prices.rpp_other_services,
    prices.irpd,
    prices.real_pce_millions_constant_usd,
    prices.real_pce_per_capita_constant_usd,
    prices.real_personal_income_millions_constant_usd,
    prices.real_personal_income_per_capita_constant_usd,
    prices.base_year,
    metrics.value_of_100_usd,
    metrics.inflation_pct,
    metrics.real_pce_yoy_pct,
    prior.pce_millions_usd AS pce_as_known_then_millions_usd,
    nominal.pce_millions_usd,
    belongs.released_on AS prices_released_on,
    belongs.nominal_released_on AS pce_as_known_then_released_on,
    newest.released_on AS pce_released_on,
    CASE
        WHEN prices.real_pce_millions_constant_usd IS NULL THEN 'no real figure: ' || prices.real_pce_status
        WHEN prior.pce_millions_usd = nominal.pce_millions_usd THEN 'real figures are of this nominal figure'
        WHEN prior.pce_millions_usd IS NOT NULL OR newest.released_on > belongs.released_on
        THEN 'real figures not yet revised'
        ELSE 'the nominal figure that they were made with is not held'
    END AS real_figures
FROM gold.prices_state_annual AS prices
LEFT JOIN gold.state_price_metrics AS metrics USING (geo_fips, year)
LEFT JOIN gold.dim_geography AS geography ON geography.geo_fips = prices.geo_fips
LEFT JOIN gold.pce_state_annual AS nominal
    ON nominal.geo_fips = prices.geo_fips AND nominal.year = prices.year AND nominal.category_id = 'product.pce'
LEFT JOIN (
    SELECT DISTINCT ON (dataset) released_on, nominal_dataset, nominal_vintage_id, nominal_released_on
    FROM gold.price_releases
    WHERE dataset = 'prices_state' AND belongs_to = 'pce'
    ORDER BY dataset, vintage_id DESC, measure
) AS belongs ON true
LEFT JOIN (
    SELECT log.geo_id, log.year, log.released_on
    FROM gold.pce_state_vintages AS log
    JOIN gold.dim_figure AS figure USING (figure_id)
    WHERE figure.measure = 'pce' AND figure.category_id = 'product.pce' AND log.basis = 0 AND log.valid_to IS NULL
) AS newest ON newest.geo_id = prices.geo_fips::integer AND newest.year = prices.year
LEFT JOIN (
    SELECT 'pce_state' AS dataset, log.geo_id, log.year, log.valid_from, log.valid_to, log.value AS pce_millions_usd
    FROM gold.pce_state_vintages AS log
    JOIN gold.dim_figure AS figure USING (figure_id)
    WHERE figure.measure = 'pce' AND figure.category_id = 'product.pce' AND log.basis = 0
    UNION ALL
    SELECT 'summary_state', log.geo_id, log.year, log.valid_from, log.valid_to, log.value
    FROM gold.summary_state_vintages AS log
    JOIN gold.dim_figure AS figure USING (figure_id)
    WHERE figure.measure = 'pce' AND figure.category_id = 'product.pce' AND log.basis = 0
) AS prior
    ON prior.dataset = belongs.nominal_dataset
    AND prior.geo_id = prices.geo_fips::integer
    AND prior.year = prices.year
    AND prior.valid_from <= belongs.nominal_vintage_id
    AND (prior.valid_to IS NULL OR prior.valid_to > belongs.nominal_vintage_id);

COMMENT ON VIEW serving.v_state_prices IS
    'One row per area and year: prices and real figures beside nominal PCE, as it is known now and as it was known when they were made. '
    'Real figures are never to be computed from the newest nominal ones: real_figures says whether both are of one release.';
COMMENT ON COLUMN serving.v_state_prices.pce_as_known_then_millions_usd IS
    'nominal PCE of the release that these prices belong to; NULL where that release is not held [millions of current dollars]';
COMMENT ON COLUMN serving.v_state_prices.real_pce_yoy_pct IS
    'change of real_pce_millions_constant_usd on the year before; NULL where that year is missing or of another base year [percent]';
COMMENT ON COLUMN serving.v_state_prices.prices_released_on IS 'the day on which BEA released these prices';
COMMENT ON COLUMN serving.v_state_prices.pce_as_known_then_released_on IS
    'the day of the release of nominal PCE that these prices belong to';
COMMENT ON COLUMN serving.v_state_prices.pce_released_on IS 'the day on which BEA first released the nominal PCE beside it';
COMMENT ON COLUMN serving.v_state_prices.real_figures IS
    'whether the real figures were made with the nominal figure beside them, or are not yet revised';
