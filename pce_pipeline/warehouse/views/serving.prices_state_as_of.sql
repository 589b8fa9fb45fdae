CREATE OR REPLACE FUNCTION serving.prices_state_as_of(as_of date) RETURNS TABLE (
    geo_fips text,
    geo_level text,
    state text,
    year integer,
    rpp_all_items numeric,
    rpp_all_items_status text,
    rpp_goods numeric,
    rpp_goods_status text,
    rpp_housing numeric,
    rpp_housing_status text,
    rpp_utilities numeric,
    rpp_utilities_status text,
    rpp_other_services numeric,
    rpp_other_services_status text,
    irpd numeric,
    irpd_status text,
    real_pce_millions_constant_usd numeric,
    real_pce_status text,
    real_pce_per_capita_constant_usd numeric,
    real_pce_per_capita_status text,
    real_personal_income_millions_constant_usd numeric,
    real_personal_income_status text,
    real_personal_income_per_capita_constant_usd numeric,
    real_personal_income_per_capita_status text,
    base_year integer
)
LANGUAGE sql STABLE AS $function$
SELECT
    geography.geo_fips,
    geography.geo_level,
    geography.state,
    log.year::integer,
    max(log.value) FILTER (WHERE figure.measure = 'regional_price_parity' AND figure.category_id = 'prices.all_items'),
    coalesce(max(coalesce(log.status, 'reported')) FILTER (WHERE figure.measure = 'regional_price_parity' AND figure.category_id = 'prices.all_items'), 'not_published'),
    max(log.value) FILTER (WHERE figure.measure = 'regional_price_parity' AND figure.category_id = 'prices.goods'),
    coalesce(max(coalesce(log.status, 'reported')) FILTER (WHERE figure.measure = 'regional_price_parity' AND figure.category_id = 'prices.goods'), 'not_published'),
    max(log.value) FILTER (WHERE figure.measure = 'regional_price_parity' AND figure.category_id = 'prices.housing'),
    coalesce(max(coalesce(log.status, 'reported')) FILTER (WHERE figure.measure = 'regional_price_parity' AND figure.category_id = 'prices.housing'), 'not_published'),
    max(log.value) FILTER (WHERE figure.measure = 'regional_price_parity' AND figure.category_id = 'prices.utilities'),
    coalesce(max(coalesce(log.status, 'reported')) FILTER (WHERE figure.measure = 'regional_price_parity' AND figure.category_id = 'prices.utilities'), 'not_published'),
    max(log.value) FILTER (WHERE figure.measure = 'regional_price_parity' AND figure.category_id = 'prices.other_services'),
    coalesce(max(coalesce(log.status, 'reported')) FILTER (WHERE figure.measure = 'regional_price_parity' AND figure.category_id = 'prices.other_services'), 'not_published'),
    max(log.value) FILTER (WHERE figure.measure = 'regional_price_deflator'),
    coalesce(max(coalesce(log.status, 'reported')) FILTER (WHERE figure.measure = 'regional_price_deflator'), 'not_published'),
    max(log.value) FILTER (WHERE figure.measure = 'real_pce'),
    coalesce(max(coalesce(log.status, 'reported')) FILTER (WHERE figure.measure = 'real_pce'), 'not_published'),
    max(log.value) FILTER (WHERE figure.measure = 'real_pce_per_capita'),
    coalesce(max(coalesce(log.status, 'reported')) FILTER (WHERE figure.measure = 'real_pce_per_capita'), 'not_published'),
    max(log.value) FILTER (WHERE figure.measure = 'real_personal_income'),
    coalesce(max(coalesce(log.status, 'reported')) FILTER (WHERE figure.measure = 'real_personal_income'), 'not_published'),
    max(log.value) FILTER (WHERE figure.measure = 'real_personal_income_per_capita'),
    coalesce(max(coalesce(log.status, 'reported')) FILTER (WHERE figure.measure = 'real_personal_income_per_capita'), 'not_published'),
    CASE
        WHEN min(log.base_year) FILTER (WHERE figure.measure IN ('real_pce', 'real_pce_per_capita', 'real_personal_income', 'real_personal_income_per_capita'))
            = max(log.base_year) FILTER (WHERE figure.measure IN ('real_pce', 'real_pce_per_capita', 'real_personal_income', 'real_personal_income_per_capita'))
        THEN max(log.base_year) FILTER (WHERE figure.measure IN ('real_pce', 'real_pce_per_capita', 'real_personal_income', 'real_personal_income_per_capita'))::integer
    END
FROM gold.prices_state_vintages AS log
JOIN gold.dim_figure AS figure USING (figure_id)
JOIN gold.dim_geography AS geography ON geography.geo_fips::integer = log.geo_id
-- first by itself, so that a day before the first vintage fails even where no row is looked at
WHERE serving.vintage_at('prices_state', as_of) IS NOT NULL
    AND log.valid_from <= (SELECT serving.vintage_at('prices_state', as_of))
    AND (log.valid_to IS NULL OR log.valid_to > (SELECT serving.vintage_at('prices_state', as_of)))
    AND log.basis = 0
    AND (log.status IS NULL OR log.status NOT IN ('withdrawn', 'not_spoken_of'))
GROUP BY geography.geo_fips, geography.geo_level, geography.state, log.year
$function$;

COMMENT ON FUNCTION serving.prices_state_as_of IS
    'Prices and real figures by state as known at the end of a day: the columns of gold.prices_state_annual, one row per area and year that was known then.';
