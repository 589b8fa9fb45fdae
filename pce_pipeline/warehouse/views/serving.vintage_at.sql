CREATE OR REPLACE FUNCTION serving.vintage_at(dataset_name text, as_of date) RETURNS integer
LANGUAGE plpgsql STABLE AS $function$
DECLARE
    first_day date := (
        SELECT min(extract_date) FROM gold.dim_vintage WHERE dataset = dataset_name AND basis = 'counted'
    );
BEGIN
    IF as_of IS NULL THEN
        RAISE EXCEPTION 'Say as of which day, as in serving.%_as_of(''2024-12-31'').', dataset_name
            USING ERRCODE = 'null_value_not_allowed';
    ELSIF first_day IS NULL THEN
        RAISE EXCEPTION 'No vintage of % is loaded.', dataset_name USING ERRCODE = 'no_data_found';
    ELSIF as_of < first_day THEN
        RAISE EXCEPTION 'Nothing of % was known on %: its first vintage is of %.', dataset_name, as_of, first_day
            USING ERRCODE = 'datetime_field_overflow';
    END IF;
    RETURN to_char(as_of, 'YYYYMMDD')::integer * 100 + 99;
END
$function$;

COMMENT ON FUNCTION serving.vintage_at IS
    'The number of the last vintage that there can be of a dataset at the end of a day; an error before its first one.';
