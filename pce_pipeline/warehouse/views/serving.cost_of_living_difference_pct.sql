CREATE OR REPLACE FUNCTION serving.cost_of_living_difference_pct(here text, there text, in_year integer) RETURNS double precision
LANGUAGE plpgsql STABLE AS $function$
DECLARE
    place text;
BEGIN
    FOREACH place IN ARRAY ARRAY[upper(here), upper(there)] LOOP
        IF place IS DISTINCT FROM 'US' AND NOT EXISTS (SELECT FROM gold.dim_geography AS known WHERE known.state = place) THEN
            RAISE EXCEPTION 'There is no state %: write a postal code, such as CA, or US.', coalesce(place, 'NULL')
                USING ERRCODE = 'invalid_parameter_value';
        END IF;
    END LOOP;
    RETURN (
        SELECT round(100 * (one.rpp_all_items / other.rpp_all_items - 1), 6)::double precision
        FROM gold.prices_state_annual AS one
        JOIN gold.prices_state_annual AS other ON other.year = one.year
        WHERE one.year = in_year
            AND (one.state = upper(here) OR one.geo_level = 'nation' AND upper(here) = 'US')
            AND (other.state = upper(there) OR other.geo_level = 'nation' AND upper(there) = 'US')
    );
END
$function$;

COMMENT ON FUNCTION serving.cost_of_living_difference_pct IS
    'By how many percent living costs more, or less, in one state than in another, within one year: both by postal code, or US. NULL where there are no price levels of the year.';
