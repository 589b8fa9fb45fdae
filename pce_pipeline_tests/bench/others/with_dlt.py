"""dlt, tuned or as it comes. `python with_dlt.py tuned|default BEA_URL KEY DATABASE_URL TABLE...`.

Tuned: one frame of Arrow instead of dicts, CSV and COPY instead of INSERT. As it comes: dicts and INSERT. Both merge by
key, and ask and decode as the plain script does.
"""

import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator

import dlt
import polars as pl
from script import fetched

KEY = ("bea_table", "line", "geo_fips", "year")


def main(how: str, url: str, key: str, database: str, *tables: str) -> None:
    """Load the table `cells` of the schema `dlt`."""
    tuned = how == "tuned"
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    os.environ["RUNTIME__LOG_LEVEL"] = "ERROR"

    @dlt.resource(name="cells", primary_key=KEY, write_disposition="merge", columns={"note": {"data_type": "text"}})
    def cells() -> Iterator[object]:
        frames = asyncio.run(fetched(url, key, tables))
        if tuned:
            yield pl.concat(frames).to_arrow()
        else:
            yield from (frame.to_dicts() for frame in frames)

    pipeline = dlt.pipeline(
        "bea",
        pipelines_dir=tempfile.mkdtemp(),
        destination=dlt.destinations.postgres(credentials=database),
        dataset_name="dlt",
    )
    pipeline.run(cells(), **({"loader_file_format": "csv"} if tuned else {}))


if __name__ == "__main__":
    main(*sys.argv[1:])
