CREATE OR REPLACE VIEW serving.v_prices_state_revisions AS
SELECT
    geography.geo_fips,
    geography.geo_level,
    geography.state,
    figure.measure,
    figure.category_id,
    revised.year::integer AS year,
    CASE revised.basis WHEN 0 THEN 'counted' WHEN 1 THEN 'partial' ELSE 'derived' END AS basis,
    revised.valid_from,
    revised.changed_from,
    revised.released_on,
    coalesce(revised.kind, 'revision') AS kind,
    revised.from_value,
    revised.to_value,
    CASE WHEN revised.changed_from IS NOT NULL THEN coalesce(revised.from_status, 'reported') END AS from_status,
    coalesce(revised.to_status, 'reported') AS to_status,
    revised.change,
    revised.change_pct,
    revised.age_years::integer AS age_years,
    figure.unit
FROM gold.prices_state_revisions AS revised
JOIN gold.dim_figure AS figure USING (figure_id)
JOIN gold.dim_geography AS geography ON geography.geo_fips::integer = revised.geo_id;

COMMENT ON VIEW serving.v_prices_state_revisions IS
    'One row per figure and change of it: what was revised of the figures of prices and real figures by state, when, and by how much.';
