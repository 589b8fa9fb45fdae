-- Within one series the newest year is the end of an index, so that nothing is grouped. It reads what
-- gold.pce_state_annual and gold.pce_state_metrics show.
CREATE OR REPLACE VIEW serving.v_pce_state_latest AS
SELECT
    series.geo_fips,
    geography.geo_name,
    series.geo_level,
    series.state,
    series.category_id,
    category.name AS category_name,
    category.scheme,
    annual.year,
    annual.pce_millions_usd,
    coalesce(
        annual.pce_status, CASE WHEN annual.pce_millions_usd IS NULL THEN 'not_published' ELSE 'reported' END
    ) AS pce_status,
    annual.pce_per_capita_usd,
    coalesce(
        annual.pce_per_capita_status, CASE WHEN annual.pce_per_capita_usd IS NULL THEN 'not_published' ELSE 'reported' END
    ) AS pce_per_capita_status,
    metrics.pce_yoy_pct,
    metrics.pce_per_capita_yoy_pct,
    metrics.pce_mean_3y_millions_usd,
    metrics.pce_mean_5y_millions_usd,
    metrics.pce_share_of_total_pct,
    metrics.pce_contribution_to_growth_pp,
    metrics.pce_rank_among_states,
    metrics.pce_per_capita_rank_among_states,
    metrics.pce_per_capita_index_us100,
    revised.pce_usual_revision_within_a_year_pct,
    revised.pce_per_capita_usual_revision_within_a_year_pct
FROM gold.pce_state_series AS series
JOIN LATERAL (
    SELECT max(year) AS year FROM gold.pce_state_annual_stored WHERE series_id = series.series_id
) AS newest ON true
JOIN gold.pce_state_annual_stored AS annual ON annual.series_id = series.series_id AND annual.year = newest.year
LEFT JOIN gold.pce_state_metrics_stored AS metrics
    ON metrics.series_id = annual.series_id AND metrics.year = annual.year
LEFT JOIN gold.dim_geography AS geography ON geography.geo_fips = series.geo_fips
LEFT JOIN gold.dim_category AS category ON category.category_id = series.category_id
LEFT JOIN (
    -- BEA publishes a year's spending in the year after it: a year later the figure is two years old.
    SELECT
        category_id,
        geo_level,
        max(abs_pct90) FILTER (WHERE measure = 'pce') AS pce_usual_revision_within_a_year_pct,
        max(abs_pct90) FILTER (WHERE measure = 'pce_per_capita') AS pce_per_capita_usual_revision_within_a_year_pct
    FROM gold.revision_stats
    WHERE dataset = 'pce_state' AND age_years = 2 AND NOT is_comprehensive
    GROUP BY category_id, geo_level
) AS revised ON revised.category_id = series.category_id AND revised.geo_level = series.geo_level;

COMMENT ON VIEW serving.v_pce_state_latest IS
    'One row per area and category: the newest year loaded, with all metrics, and how far it usually moves within a year.';
COMMENT ON COLUMN serving.v_pce_state_latest.category_name IS 'the category''s name, as BEA writes it';
COMMENT ON COLUMN serving.v_pce_state_latest.pce_usual_revision_within_a_year_pct IS
    'a year after their publication nine figures in ten of this category and level had moved by no more than this, up or '
    'down; comprehensive updates are left out; NULL where fewer than five releases tell [percent]';
COMMENT ON COLUMN serving.v_pce_state_latest.pce_per_capita_usual_revision_within_a_year_pct IS
    'as pce_usual_revision_within_a_year_pct, of expenditures per resident [percent]';
