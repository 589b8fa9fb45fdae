"""Rows as Parquet whose own metadata says what they are: of the file, and of each column."""

import json
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from pce_pipeline.citation import licence
from pce_pipeline.exports.export import Export, facts
from pce_pipeline.lake.parquet import to_parquet

_ROWS_OF_A_GROUP = 250_000


def write_parquet(export: Export, path: Path) -> None:
    """The rows with key-value metadata: title, units, base_years, vintages, as_of, source, citation, licence, notes.

    `about` has them all as text to read. The fields of columns have unit, base_year and description, which readers of
    Arrow show. Without an `about` the file holds the rows alone.
    """
    about = export.about
    if about is None:
        path.write_bytes(to_parquet(export.frame))
        return
    of_file = {
        "title": about.title,
        "units": json.dumps(dict(about.units)),
        "base_years": json.dumps(dict(about.base_years)),
        "as_of": str(about.as_of or ""),
        "vintages": json.dumps(list(about.vintages)),
        "source": about.source,
        "sample": json.dumps(about.is_sample),
        "citation": about.citation,
        "licence": licence(is_sample=about.is_sample),
        "notes": json.dumps(list(about.notes)),
        "about": "\n".join(f"{name}: {text}" for name, text in facts(about)),
    }
    rows = export.frame.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
    fields = [
        field.with_metadata(
            {
                name: text
                for name, text in (
                    ("unit", each.unit),
                    ("base_year", str(each.base_year or "")),
                    ("description", each.meaning),
                )
                if text
            }
        )
        for field, each in zip(rows.schema, export.column_facts(), strict=True)
    ]
    pq.write_table(
        rows.cast(pa.schema(fields, metadata=of_file)), path, compression="zstd", row_group_size=_ROWS_OF_A_GROUP
    )
