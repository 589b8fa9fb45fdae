CREATE OR REPLACE VIEW serving.v_pce_state_latest AS
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
    annual.pce_status,
    annual.pce_per_capita_usd,
    annual.pce_per_capita_status,
    metrics.pce_yoy_pct,
    metrics.pce_per_capita_yoy_pct,
    metrics.pce_mean_3y_millions_usd,
    metrics.pce_mean_5y_millions_usd,
    metrics.pce_share_of_total_pct,
    metrics.pce_contribution_to_growth_pp,
    metrics.pce_rank_among_states,
    metrics.pce_per_capita_rank_among_states,
    metrics.pce_per_capita_index_us100
FROM (
    SELECT geo_fips, category_id, max(year) AS year
    FROM gold.pce_state_annual
    GROUP BY geo_fips, category_id
) AS newest
JOIN gold.pce_state_annual AS annual USING (geo_fips, category_id, year)
LEFT JOIN gold.pce_state_metrics AS metrics USING (geo_fips, category_id, year)
LEFT JOIN gold.dim_geography AS geography USING (geo_fips)
LEFT JOIN gold.dim_category AS category USING (category_id);

COMMENT ON VIEW serving.v_pce_state_latest IS
    'One row per area and category: the newest year loaded, with all metrics.';
COMMENT ON COLUMN serving.v_pce_state_latest.category_name IS 'the category''s name, as BEA writes it';
