"""BEA's own client, pandas and an upsert. `python with_bea_client.py BEA_URL KEY DATABASE_URL TABLE...`."""

import sys

import beaapi
import pandas as pd
import psycopg2
from psycopg2.extras import execute_values

DDL = """
CREATE TABLE IF NOT EXISTS cells (
  bea_table text, line integer, geo_fips text, geo_name text, year smallint, unit text,
  value double precision, note text, PRIMARY KEY (bea_table, line, geo_fips, year))
"""
UPSERT = """
INSERT INTO cells VALUES %s ON CONFLICT (bea_table, line, geo_fips, year) DO UPDATE
SET (geo_name, unit, value, note) = (excluded.geo_name, excluded.unit, excluded.value, excluded.note)
"""


def main(url: str, key: str, database: str, *tables: str) -> None:
    """Fetch line by line, upsert table by table."""
    base = f"{url}/api/data?"
    with psycopg2.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute(DDL)
        for table in tables:
            lines = beaapi.get_parameter_values_filtered(
                key, "Regional", "LineCode", TableName=table, base_url=base, throttle=False
            )
            frames = [
                beaapi.get_data(
                    key,
                    "Regional",
                    TableName=table,
                    LineCode=line,
                    GeoFips="STATE",
                    Year="ALL",
                    base_url=base,
                    throttle=False,
                ).assign(bea_table=table, line=int(line))
                for line in lines["Key"]
            ]
            frame = pd.concat(frames)
            if "NoteRef" not in frame:
                frame["NoteRef"] = None
            chosen = frame[["bea_table", "line", "GeoFips", "GeoName", "TimePeriod", "CL_UNIT", "DataValue", "NoteRef"]]
            rows = chosen.astype(object).where(chosen.notna(), None).itertuples(index=False, name=None)
            execute_values(cursor, UPSERT, list(rows), page_size=10_000)


if __name__ == "__main__":
    main(*sys.argv[1:])
