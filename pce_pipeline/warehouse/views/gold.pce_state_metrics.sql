CREATE OR REPLACE VIEW gold.pce_state_metrics AS
SELECT
    series.geo_fips,
    series.geo_level,
    series.state,
    series.category_id,
    stored.year,
    stored.pce_yoy_pct,
    stored.pce_per_capita_yoy_pct,
    stored.pce_mean_3y_millions_usd,
    stored.pce_mean_5y_millions_usd,
    stored.pce_share_of_total_pct,
    stored.pce_contribution_to_growth_pp,
    stored.pce_rank_among_states,
    stored.pce_per_capita_rank_among_states,
    stored.pce_per_capita_index_us100
FROM gold.pce_state_metrics_stored AS stored
LEFT JOIN gold.pce_state_series AS series ON series.series_id = stored.series_id;
