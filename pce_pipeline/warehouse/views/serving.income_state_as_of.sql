CREATE OR REPLACE FUNCTION serving.income_state_as_of(as_of date) RETURNS TABLE (
    geo_fips text,
    geo_level text,
    state text,
    year integer,
    personal_income_millions_usd numeric,
    personal_income_status text,
    population_persons numeric,
    population_status text,
    personal_income_per_capita_usd numeric,
    personal_income_per_capita_status text
)
LANGUAGE sql STABLE AS $function$
SELECT
    geography.geo_fips,
    geography.geo_level,
    geography.state,
    log.year::integer,
    max(log.value) FILTER (WHERE figure.measure = 'personal_income'),
    coalesce(max(coalesce(log.status, 'reported')) FILTER (WHERE figure.measure = 'personal_income'), 'not_published'),
    max(log.value) FILTER (WHERE figure.measure = 'population'),
    coalesce(max(coalesce(log.status, 'reported')) FILTER (WHERE figure.measure = 'population'), 'not_published'),
    max(log.value) FILTER (WHERE figure.measure = 'personal_income_per_capita'),
    coalesce(max(coalesce(log.status, 'reported')) FILTER (WHERE figure.measure = 'personal_income_per_capita'), 'not_published')
FROM gold.income_state_vintages AS log
JOIN gold.dim_figure AS figure USING (figure_id)
JOIN gold.dim_geography AS geography ON geography.geo_fips::integer = log.geo_id
-- first by itself, so that a day before the first vintage fails even where no row is looked at
WHERE serving.vintage_at('income_state', as_of) IS NOT NULL
    AND log.valid_from <= (SELECT serving.vintage_at('income_state', as_of))
    AND (log.valid_to IS NULL OR log.valid_to > (SELECT serving.vintage_at('income_state', as_of)))
    AND log.basis = 0
    AND (log.status IS NULL OR log.status NOT IN ('withdrawn', 'not_spoken_of'))
GROUP BY geography.geo_fips, geography.geo_level, geography.state, log.year
$function$;

COMMENT ON FUNCTION serving.income_state_as_of IS
    'Personal income by state as known at the end of a day: the columns of gold.income_state_annual, one row per area and year that was known then.';
