"""The plainest good script: httpx, Polars, COPY. `python script.py BEA_URL KEY DATABASE_URL TABLE...`."""

import asyncio
import io
import json
import sys

import httpx
import polars as pl
import psycopg2

Results = dict[str, list[dict[str, str]]]

DDL = """
CREATE TABLE IF NOT EXISTS cells (
  bea_table text, line integer, geo_fips text, geo_name text, year smallint, unit text,
  value numeric, note text, PRIMARY KEY (bea_table, line, geo_fips, year))
"""
MERGE = """
INSERT INTO cells SELECT * FROM staged
ON CONFLICT (bea_table, line, geo_fips, year) DO UPDATE
SET (geo_name, unit, value, note) = (excluded.geo_name, excluded.unit, excluded.value, excluded.note)
WHERE (cells.value, cells.note, cells.unit, cells.geo_name)
  IS DISTINCT FROM (excluded.value, excluded.note, excluded.unit, excluded.geo_name)
"""
SCHEMA = dict.fromkeys(("Code", "GeoFips", "GeoName", "TimePeriod", "CL_UNIT", "DataValue", "NoteRef"), pl.String)


async def fetched(url: str, key: str, tables: tuple[str, ...]) -> list[pl.DataFrame]:
    """Every line of every table, all areas and years."""
    async with httpx.AsyncClient(base_url=url, timeout=60) as client:

        async def ask(**parameters: str) -> Results:
            common = {"UserID": key, "datasetname": "Regional", "ResultFormat": "json"}
            answer = await client.get("/api/data", params={**common, **parameters})
            answer.raise_for_status()
            results: Results = json.loads(answer.content)["BEAAPI"]["Results"]
            return results

        async def line(table: str, number: str) -> pl.DataFrame:
            found = await ask(method="GetData", TableName=table, LineCode=number, GeoFips="STATE", Year="ALL")
            return cells(table, int(number), found["Data"])

        lines = []
        for table in tables:
            found = await ask(method="GetParameterValuesFiltered", TargetParameter="LineCode", TableName=table)
            lines += [(table, each["Key"]) for each in found["ParamValue"]]
        return await asyncio.gather(*(line(table, number) for table, number in lines))


def cells(table: str, line: int, rows: list[dict[str, str]]) -> pl.DataFrame:
    """One answer as rows of the table: what is no number is NULL beside its note."""
    return pl.DataFrame(rows, schema=SCHEMA).select(
        pl.lit(table).alias("bea_table"),
        pl.lit(line).alias("line"),
        pl.col("GeoFips").alias("geo_fips"),
        pl.col("GeoName").alias("geo_name"),
        pl.col("TimePeriod").cast(pl.Int16).alias("year"),
        pl.col("CL_UNIT").alias("unit"),
        pl.when(pl.col("NoteRef").fill_null("").str.contains(r"\("))
        .then(None)
        .otherwise(pl.col("DataValue").str.replace_all(",", "").cast(pl.Decimal(18, 3), strict=False))
        .alias("value"),
        pl.col("NoteRef").alias("note"),
    )


def main(url: str, key: str, database: str, *tables: str) -> None:
    """Fetch, stage, merge."""
    frame = pl.concat(asyncio.run(fetched(url, key, tables)))
    text = io.BytesIO()
    frame.write_csv(text, include_header=False)
    text.seek(0)
    with psycopg2.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute(DDL)
        cursor.execute("CREATE TEMP TABLE staged (LIKE cells) ON COMMIT DROP")
        cursor.copy_expert("COPY staged FROM STDIN (FORMAT csv)", text)
        cursor.execute(MERGE)


if __name__ == "__main__":
    main(*sys.argv[1:])
