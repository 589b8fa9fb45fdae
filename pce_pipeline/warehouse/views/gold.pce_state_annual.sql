-- Whoever may write to the tables behind it may change a row by hand, which the next load of its year puts right.
CREATE OR REPLACE VIEW gold.pce_state_annual AS
SELECT
    series.geo_fips,
    series.geo_level,
    series.state,
    series.category_id,
    stored.year,
    stored.pce_millions_usd,
    coalesce(
        stored.pce_status, CASE WHEN stored.pce_millions_usd IS NULL THEN 'not_published' ELSE 'reported' END
    ) AS pce_status,
    stored.pce_per_capita_usd,
    coalesce(
        stored.pce_per_capita_status, CASE WHEN stored.pce_per_capita_usd IS NULL THEN 'not_published' ELSE 'reported' END
    ) AS pce_per_capita_status
FROM gold.pce_state_annual_stored AS stored
LEFT JOIN gold.pce_state_series AS series ON series.series_id = stored.series_id;

CREATE OR REPLACE FUNCTION gold.pce_state_annual_changed() RETURNS trigger LANGUAGE plpgsql AS $function$
DECLARE
    number integer;
BEGIN
    IF TG_OP <> 'INSERT' THEN
        DELETE FROM gold.pce_state_annual_stored AS stored USING gold.pce_state_series AS series
        WHERE stored.series_id = series.series_id AND stored.year = OLD.year
            AND series.geo_fips = OLD.geo_fips AND series.category_id = OLD.category_id;
    END IF;
    IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
    INSERT INTO gold.pce_state_series (geo_fips, geo_level, state, category_id)
    VALUES (NEW.geo_fips, NEW.geo_level, NEW.state, NEW.category_id)
    ON CONFLICT (geo_fips, category_id) DO UPDATE SET geo_level = excluded.geo_level, state = excluded.state
    RETURNING series_id INTO number;
    INSERT INTO gold.pce_state_annual_stored (
        series_id,
        year,
        pce_millions_usd,
        pce_status,
        pce_per_capita_usd,
        pce_per_capita_status
    ) VALUES (
        number,
        NEW.year,
        NEW.pce_millions_usd,
        NEW.pce_status,
        NEW.pce_per_capita_usd,
        NEW.pce_per_capita_status
    );
    RETURN NEW;
END
$function$;

CREATE OR REPLACE TRIGGER changed INSTEAD OF INSERT OR UPDATE OR DELETE ON gold.pce_state_annual
FOR EACH ROW EXECUTE FUNCTION gold.pce_state_annual_changed();
