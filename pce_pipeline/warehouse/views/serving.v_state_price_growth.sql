-- Growth is given where BEA says that years may be compared. Where they may not, there is a reason in its place, and what
-- answers the question instead: a price level is relative to the US in its own year, and each year is estimated anew.
CREATE OR REPLACE VIEW serving.v_state_price_growth AS
SELECT
    now.geo_fips,
    geography.geo_name,
    now.geo_level,
    now.state,
    now.year,
    now.figure,
    now.value,
    CASE WHEN now.is_comparable THEN now.base_year END AS base_year,
    CASE WHEN now.is_comparable AND prior.base_year IS NOT DISTINCT FROM now.base_year THEN
        round(100 * (now.value - prior.value) / nullif(greatest(prior.value, 0), 0), 6)::double precision
    END AS yoy_pct,
    CASE
        WHEN NOT now.is_comparable
        THEN 'price levels of two years cannot be compared: each year is estimated by itself; use the growth of irpd'
        WHEN now.value IS NULL THEN 'there is no figure: ' || now.status
        WHEN prior.value IS NULL THEN 'there is no figure of the year before'
        WHEN prior.base_year IS DISTINCT FROM now.base_year
        THEN 'the year before is of another base year (' || coalesce(prior.base_year::text, 'unknown') || ')'
        WHEN prior.value <= 0 THEN 'the figure of the year before is not above zero'
    END AS why_null
FROM (
    SELECT
        annual.geo_fips, annual.geo_level, annual.state, annual.year, annual.base_year,
        each.figure, each.value, each.status, each.is_comparable
    FROM gold.prices_state_annual AS annual
    CROSS JOIN LATERAL (
        VALUES
            ('rpp_all_items', annual.rpp_all_items, annual.rpp_all_items_status, false),
            ('rpp_goods', annual.rpp_goods, annual.rpp_goods_status, false),
            ('rpp_housing', annual.rpp_housing, annual.rpp_housing_status, false),
            ('rpp_utilities', annual.rpp_utilities, annual.rpp_utilities_status, false),
            ('rpp_other_services', annual.rpp_other_services, annual.rpp_other_services_status, false),
            ('irpd', annual.irpd, annual.irpd_status, true),
            ('real_pce_millions_constant_usd', annual.real_pce_millions_constant_usd, annual.real_pce_status, true),
            ('real_pce_per_capita_constant_usd', annual.real_pce_per_capita_constant_usd, annual.real_pce_per_capita_status, true),
            (
                'real_personal_income_millions_constant_usd',
                annual.real_personal_income_millions_constant_usd,
                annual.real_personal_income_status,
                true
            ),
            (
                'real_personal_income_per_capita_constant_usd',
                annual.real_personal_income_per_capita_constant_usd,
                annual.real_personal_income_per_capita_status,
                true
            )
    ) AS each(figure, value, status, is_comparable)
) AS now
LEFT JOIN LATERAL (
    SELECT
        before.base_year,
        CASE now.figure
            WHEN 'irpd' THEN before.irpd
            WHEN 'real_pce_millions_constant_usd' THEN before.real_pce_millions_constant_usd
            WHEN 'real_pce_per_capita_constant_usd' THEN before.real_pce_per_capita_constant_usd
            WHEN 'real_personal_income_millions_constant_usd' THEN before.real_personal_income_millions_constant_usd
            WHEN 'real_personal_income_per_capita_constant_usd' THEN before.real_personal_income_per_capita_constant_usd
        END AS value
    FROM gold.prices_state_annual AS before
    WHERE before.geo_fips = now.geo_fips AND before.year = now.year - 1
) AS prior ON true
LEFT JOIN gold.dim_geography AS geography ON geography.geo_fips = now.geo_fips;

COMMENT ON VIEW serving.v_state_price_growth IS
    'One row per area, year and figure of gold.prices_state_annual: its growth on the year before, or why there is none.';
COMMENT ON COLUMN serving.v_state_price_growth.figure IS 'the column of gold.prices_state_annual';
COMMENT ON COLUMN serving.v_state_price_growth.value IS 'its value, in the unit that its name says';
COMMENT ON COLUMN serving.v_state_price_growth.yoy_pct IS
    'change on the year before; NULL for a reason that why_null says [percent]';
COMMENT ON COLUMN serving.v_state_price_growth.why_null IS 'why there is no growth; NULL where there is';
