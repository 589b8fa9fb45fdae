CREATE OR REPLACE FUNCTION serving.pce_state_as_of(as_of date) RETURNS TABLE (
    geo_fips text,
    geo_level text,
    state text,
    category_id text,
    year integer,
    pce_millions_usd numeric,
    pce_status text,
    pce_per_capita_usd numeric,
    pce_per_capita_status text
)
LANGUAGE sql STABLE AS $function$
SELECT
    geography.geo_fips,
    geography.geo_level,
    geography.state,
    figure.category_id,
    log.year::integer,
    max(log.value) FILTER (WHERE figure.measure = 'pce'),
    coalesce(max(coalesce(log.status, 'reported')) FILTER (WHERE figure.measure = 'pce'), 'not_published'),
    max(log.value) FILTER (WHERE figure.measure = 'pce_per_capita'),
    coalesce(max(coalesce(log.status, 'reported')) FILTER (WHERE figure.measure = 'pce_per_capita'), 'not_published')
FROM gold.pce_state_vintages AS log
JOIN gold.dim_figure AS figure USING (figure_id)
JOIN gold.dim_geography AS geography ON geography.geo_fips::integer = log.geo_id
-- first by itself, so that a day before the first vintage fails even where no row is looked at
WHERE serving.vintage_at('pce_state', as_of) IS NOT NULL
    AND log.valid_from <= (SELECT serving.vintage_at('pce_state', as_of))
    AND (log.valid_to IS NULL OR log.valid_to > (SELECT serving.vintage_at('pce_state', as_of)))
    AND log.basis = 0
    AND (log.status IS NULL OR log.status NOT IN ('withdrawn', 'not_spoken_of'))
GROUP BY geography.geo_fips, geography.geo_level, geography.state, figure.category_id, log.year
$function$;

COMMENT ON FUNCTION serving.pce_state_as_of IS
    'PCE by state as it was known at the end of a day: the columns of gold.pce_state_annual, one row per area, category '
    'and year that was known then.';
