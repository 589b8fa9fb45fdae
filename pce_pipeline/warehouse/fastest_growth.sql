-- The states whose total PCE grew fastest in %(year)s, or in the newest year, fastest first.
SELECT growth.geo_name, growth.state, growth.year, growth.pce_yoy_pct
FROM serving.v_pce_state_yoy AS growth
JOIN gold.dim_category AS category ON category.category_id = growth.category_id
WHERE category.role = 'total' AND category.scheme = 'product' AND growth.geo_level = 'state'
    AND growth.year = coalesce(%(year)s, (SELECT max(year) FROM gold.pce_state_annual))
    AND growth.pce_yoy_pct IS NOT NULL
ORDER BY growth.pce_yoy_pct DESC, growth.geo_fips
LIMIT %(limit)s
