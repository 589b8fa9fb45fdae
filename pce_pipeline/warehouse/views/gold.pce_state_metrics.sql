-- Whoever may write to the tables behind it may change a row by hand, which the next load of its year puts right.
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

CREATE OR REPLACE FUNCTION gold.pce_state_metrics_changed() RETURNS trigger LANGUAGE plpgsql AS $function$
DECLARE
    number integer;
BEGIN
    IF TG_OP <> 'INSERT' THEN
        DELETE FROM gold.pce_state_metrics_stored AS stored USING gold.pce_state_series AS series
        WHERE stored.series_id = series.series_id AND stored.year = OLD.year
            AND series.geo_fips = OLD.geo_fips AND series.category_id = OLD.category_id;
    END IF;
    IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
    INSERT INTO gold.pce_state_series (geo_fips, geo_level, state, category_id)
    VALUES (NEW.geo_fips, NEW.geo_level, NEW.state, NEW.category_id)
    ON CONFLICT (geo_fips, category_id) DO UPDATE SET geo_level = excluded.geo_level, state = excluded.state
    RETURNING series_id INTO number;
    INSERT INTO gold.pce_state_metrics_stored (
        series_id,
        year,
        pce_yoy_pct,
        pce_per_capita_yoy_pct,
        pce_mean_3y_millions_usd,
        pce_mean_5y_millions_usd,
        pce_share_of_total_pct,
        pce_contribution_to_growth_pp,
        pce_rank_among_states,
        pce_per_capita_rank_among_states,
        pce_per_capita_index_us100
    ) VALUES (
        number,
        NEW.year,
        NEW.pce_yoy_pct,
        NEW.pce_per_capita_yoy_pct,
        NEW.pce_mean_3y_millions_usd,
        NEW.pce_mean_5y_millions_usd,
        NEW.pce_share_of_total_pct,
        NEW.pce_contribution_to_growth_pp,
        NEW.pce_rank_among_states,
        NEW.pce_per_capita_rank_among_states,
        NEW.pce_per_capita_index_us100
    );
    RETURN NEW;
END
$function$;

CREATE OR REPLACE TRIGGER changed INSTEAD OF INSERT OR UPDATE OR DELETE ON gold.pce_state_metrics
FOR EACH ROW EXECUTE FUNCTION gold.pce_state_metrics_changed();
