CREATE OR REPLACE FUNCTION serving.summary_state_as_of(as_of date) RETURNS TABLE (
    geo_fips text,
    geo_level text,
    state text,
    year integer,
    real_gdp_millions_chained_usd numeric,
    real_gdp_status text,
    real_personal_income_millions_constant_usd numeric,
    real_personal_income_status text,
    real_pce_millions_constant_usd numeric,
    real_pce_status text,
    gdp_millions_usd numeric,
    gdp_status text,
    personal_income_millions_usd numeric,
    personal_income_status text,
    disposable_personal_income_millions_usd numeric,
    disposable_personal_income_status text,
    pce_millions_usd numeric,
    pce_status text,
    real_personal_income_per_capita_constant_usd numeric,
    real_personal_income_per_capita_status text,
    real_pce_per_capita_constant_usd numeric,
    real_pce_per_capita_status text,
    personal_income_per_capita_usd numeric,
    personal_income_per_capita_status text,
    disposable_personal_income_per_capita_usd numeric,
    disposable_personal_income_per_capita_status text,
    pce_per_capita_usd numeric,
    pce_per_capita_status text,
    regional_price_parity_index numeric,
    regional_price_parity_status text,
    regional_price_deflator_index numeric,
    regional_price_deflator_status text,
    employment_jobs numeric,
    employment_status text
)
LANGUAGE sql STABLE AS $function$
SELECT
    geography.geo_fips,
    geography.geo_level,
    geography.state,
    log.year::integer,
    max(log.value) FILTER (WHERE figure.measure = 'real_gdp'),
    coalesce(max(coalesce(log.status, 'reported')) FILTER (WHERE figure.measure = 'real_gdp'), 'not_published'),
    max(log.value) FILTER (WHERE figure.measure = 'real_personal_income'),
    coalesce(max(coalesce(log.status, 'reported')) FILTER (WHERE figure.measure = 'real_personal_income'), 'not_published'),
    max(log.value) FILTER (WHERE figure.measure = 'real_pce'),
    coalesce(max(coalesce(log.status, 'reported')) FILTER (WHERE figure.measure = 'real_pce'), 'not_published'),
    max(log.value) FILTER (WHERE figure.measure = 'gdp'),
    coalesce(max(coalesce(log.status, 'reported')) FILTER (WHERE figure.measure = 'gdp'), 'not_published'),
    max(log.value) FILTER (WHERE figure.measure = 'personal_income'),
    coalesce(max(coalesce(log.status, 'reported')) FILTER (WHERE figure.measure = 'personal_income'), 'not_published'),
    max(log.value) FILTER (WHERE figure.measure = 'disposable_personal_income'),
    coalesce(max(coalesce(log.status, 'reported')) FILTER (WHERE figure.measure = 'disposable_personal_income'), 'not_published'),
    max(log.value) FILTER (WHERE figure.measure = 'pce'),
    coalesce(max(coalesce(log.status, 'reported')) FILTER (WHERE figure.measure = 'pce'), 'not_published'),
    max(log.value) FILTER (WHERE figure.measure = 'real_personal_income_per_capita'),
    coalesce(max(coalesce(log.status, 'reported')) FILTER (WHERE figure.measure = 'real_personal_income_per_capita'), 'not_published'),
    max(log.value) FILTER (WHERE figure.measure = 'real_pce_per_capita'),
    coalesce(max(coalesce(log.status, 'reported')) FILTER (WHERE figure.measure = 'real_pce_per_capita'), 'not_published'),
    max(log.value) FILTER (WHERE figure.measure = 'personal_income_per_capita'),
    coalesce(max(coalesce(log.status, 'reported')) FILTER (WHERE figure.measure = 'personal_income_per_capita'), 'not_published'),
    max(log.value) FILTER (WHERE figure.measure = 'disposable_personal_income_per_capita'),
    coalesce(max(coalesce(log.status, 'reported')) FILTER (WHERE figure.measure = 'disposable_personal_income_per_capita'), 'not_published'),
    max(log.value) FILTER (WHERE figure.measure = 'pce_per_capita'),
    coalesce(max(coalesce(log.status, 'reported')) FILTER (WHERE figure.measure = 'pce_per_capita'), 'not_published'),
    max(log.value) FILTER (WHERE figure.measure = 'regional_price_parity'),
    coalesce(max(coalesce(log.status, 'reported')) FILTER (WHERE figure.measure = 'regional_price_parity'), 'not_published'),
    max(log.value) FILTER (WHERE figure.measure = 'regional_price_deflator'),
    coalesce(max(coalesce(log.status, 'reported')) FILTER (WHERE figure.measure = 'regional_price_deflator'), 'not_published'),
    max(log.value) FILTER (WHERE figure.measure = 'employment'),
    coalesce(max(coalesce(log.status, 'reported')) FILTER (WHERE figure.measure = 'employment'), 'not_published')
FROM gold.summary_state_vintages AS log
JOIN gold.dim_figure AS figure USING (figure_id)
JOIN gold.dim_geography AS geography ON geography.geo_fips::integer = log.geo_id
-- first by itself, so that a day before the first vintage fails even where no row is looked at
WHERE serving.vintage_at('summary_state', as_of) IS NOT NULL
    AND log.valid_from <= (SELECT serving.vintage_at('summary_state', as_of))
    AND (log.valid_to IS NULL OR log.valid_to > (SELECT serving.vintage_at('summary_state', as_of)))
    AND log.basis = 0
    AND (log.status IS NULL OR log.status NOT IN ('withdrawn', 'not_spoken_of'))
GROUP BY geography.geo_fips, geography.geo_level, geography.state, log.year
$function$;

COMMENT ON FUNCTION serving.summary_state_as_of IS
    'BEA''s summary of the states as known at the end of a day: the columns of gold.summary_state_annual, one row per area and year that was known then.';
