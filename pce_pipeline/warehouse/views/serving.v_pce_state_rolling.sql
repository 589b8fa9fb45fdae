-- A window is one of years and not of rows, so that a gap in the years gives NULL.
-- Rounded to six decimals as gold.pce_state_metrics is, so that both show the same figure.
CREATE OR REPLACE VIEW serving.v_pce_state_rolling AS
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

COMMENT ON VIEW serving.v_pce_state_rolling IS
    'One row per area, category and year: means over three and five years, NULL unless every one of these years is '
    'reported.';
COMMENT ON COLUMN serving.v_pce_state_rolling.category_name IS 'the category''s name, as BEA writes it';
