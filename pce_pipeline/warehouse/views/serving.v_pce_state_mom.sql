-- Some columns have the names of columns of other tables: without a comment here they would show the text of those.
CREATE OR REPLACE VIEW serving.v_pce_state_mom AS
SELECT
    monthly.geo_fips,
    monthly.state,
    area.geo_name,
    monthly.category_id,
    category.name AS category_name,
    category.sign,
    make_date(monthly.year, monthly.month, 1) AS month_start,
    monthly.year,
    monthly.month,
    monthly.pce_millions_usd_saar,
    monthly.status,
    monthly.mom_pct,
    monthly.yoy_pct,
    monthly.is_estimate,
    monthly.is_extrapolated,
    monthly.horizon_years,
    monthly.method,
    monthly.phi,
    monthly.annual_error_p50_pct,
    monthly.annual_error_p90_pct
FROM gold.pce_state_monthly AS monthly
LEFT JOIN gold.dim_geography AS area ON area.geo_fips = monthly.geo_fips
LEFT JOIN gold.dim_category AS category ON category.category_id = monthly.category_id;

COMMENT ON VIEW serving.v_pce_state_mom IS
    'One row per state, category and month: OUR ESTIMATE of spending and its growth. BEA publishes no months of states. '
    'Beware: within a year every state follows the nation''s months but for a slowly moving ratio, so that no event of one state can show; '
    'amounts are seasonally adjusted at annual rates, so never add up months, a year is their mean; '
    'never rank states by mom_pct, which shows how their annual shares of the nation move; '
    'categories contain totals and their parts: the total is product.pce, and its lowest lines are those with method denton, each times its sign.';
COMMENT ON COLUMN serving.v_pce_state_mom.category_name IS 'the category''s name, as BEA writes it';
COMMENT ON COLUMN serving.v_pce_state_mom.month_start IS 'the first day of the month';
COMMENT ON COLUMN serving.v_pce_state_mom.state IS
    'postal code of the state or DC';
COMMENT ON COLUMN serving.v_pce_state_mom.pce_millions_usd_saar IS
    'estimated personal consumption expenditures of the month at an annual rate: what a year would come to if all its months were like this one, so that a year is the mean of its months [millions of current dollars, seasonally adjusted at annual rates]';
COMMENT ON COLUMN serving.v_pce_state_mom.status IS
    'estimated, or why there is none: figure_missing, not_positive, months_missing, negative_month, part_left_out';
COMMENT ON COLUMN serving.v_pce_state_mom.horizon_years IS
    'how many years after the last year with annual figures of states and all months of the nation: 0 within it or before';
COMMENT ON COLUMN serving.v_pce_state_mom.phi IS
    'phi of an extrapolated line: that of gold/pce_monthly_errors, 0 where the back-test says nothing; NULL for sums, and where nothing is extrapolated';
COMMENT ON COLUMN serving.v_pce_state_mom.annual_error_p50_pct IS
    'of the annual mean of an extrapolated year of this category and horizon: half of the errors in the back-test were no larger, up or down; NULL where nothing is extrapolated, or the back-test says nothing [percent]';
COMMENT ON COLUMN serving.v_pce_state_mom.annual_error_p90_pct IS
    'of the annual mean of an extrapolated year of this category and horizon: nine in ten errors in the back-test were no larger, up or down; NULL where nothing is extrapolated, or the back-test says nothing [percent]';
