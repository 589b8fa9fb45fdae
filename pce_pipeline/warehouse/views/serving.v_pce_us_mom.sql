-- BEA's rows do not name the base year of the price index: it is the year over whose twelve months the index of all
-- consumption is 100 on average. Where that fits several years, or none that is held, it is not known.
-- Some columns have the names of columns of other tables: without a comment here they would show the text of those.
CREATE OR REPLACE VIEW serving.v_pce_us_mom AS
SELECT
    monthly.category_id,
    category.name AS category_name,
    category.scheme,
    line.line_code,
    make_date(monthly.year, monthly.month, 1) AS month_start,
    monthly.year,
    monthly.month,
    monthly.pce_millions_usd_saar,
    monthly.pce_status,
    monthly.pce_mom_pct,
    monthly.pce_mom_annualised_pct,
    monthly.pce_3m_annualised_pct,
    monthly.pce_yoy_pct,
    monthly.real_pce_millions_chained_usd_saar,
    monthly.real_pce_status,
    monthly.real_pce_mom_pct,
    monthly.real_pce_mom_annualised_pct,
    monthly.real_pce_3m_annualised_pct,
    monthly.real_pce_yoy_pct,
    monthly.price_index,
    monthly.price_index_status,
    monthly.price_index_mom_pct,
    monthly.price_index_mom_annualised_pct,
    monthly.price_index_3m_annualised_pct,
    monthly.price_index_yoy_pct,
    base.base_year
FROM gold.pce_us_monthly AS monthly
CROSS JOIN (
    SELECT CASE WHEN count(*) = 1 THEN min(year) END AS base_year
    FROM (
        SELECT year
        FROM gold.pce_us_monthly
        WHERE category_id = 'product.pce'
        GROUP BY year
        HAVING count(price_index) = 12 AND abs(avg(price_index) - 100) < 0.01
    ) AS years
) AS base
LEFT JOIN gold.dim_category AS category ON category.category_id = monthly.category_id
LEFT JOIN (
    SELECT DISTINCT ON (category_id) category_id, line_code
    FROM gold.category_line
    WHERE bea_table = 'T20804'
    ORDER BY category_id, layout DESC, line_code
) AS line ON line.category_id = monthly.category_id;

COMMENT ON VIEW serving.v_pce_us_mom IS
    'One row per category and month of the US: spending, real spending and prices, with their growth on the month, three months and the year before. '
    'Beware: dollars are seasonally adjusted at annual rates, so never add up months, a year is their mean; '
    'categories contain totals and their parts, and those that begin with addenda. are other totals of the same spending; '
    'chained dollars of parts do not add up to those of their total.';
COMMENT ON COLUMN serving.v_pce_us_mom.category_name IS 'the category''s name, as BEA writes it';
COMMENT ON COLUMN serving.v_pce_us_mom.line_code IS
    'BEA''s line of the category in its table of prices (T20804): the order in which BEA shows categories';
COMMENT ON COLUMN serving.v_pce_us_mom.month_start IS 'the first day of the month';
COMMENT ON COLUMN serving.v_pce_us_mom.pce_status IS
    'status of pce_millions_usd_saar: reported, or why the value is NULL (see the list of statuses)';
COMMENT ON COLUMN serving.v_pce_us_mom.pce_yoy_pct IS
    'change of pce_millions_usd_saar on the same month of the year before; NULL where either month is missing, or the earlier one is zero or negative [percent]';
COMMENT ON COLUMN serving.v_pce_us_mom.real_pce_status IS
    'status of real_pce_millions_chained_usd_saar: reported, or why the value is NULL (see the list of statuses)';
COMMENT ON COLUMN serving.v_pce_us_mom.real_pce_yoy_pct IS
    'change of real_pce_millions_chained_usd_saar on the same month of the year before; NULL where either month is missing, or the earlier one is zero or negative [percent]';
COMMENT ON COLUMN serving.v_pce_us_mom.base_year IS
    'the year over whose months price_index of product.pce is 100 on average, within 0.01; NULL where no year that is held is that, or several are';
