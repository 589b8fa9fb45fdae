"""Rows as CSV and as a JSON list, and the file beside them that says what they are.

The sidecar of `figures.csv` is `figures.csv-metadata.json`, as "CSV on the Web" (W3C) has it: a table schema with
data types, and Dublin Core for title, source, citation and licence. A JSON list has one of the same shape.
"""

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl

from pce_pipeline.citation import licence
from pce_pipeline.exports.export import Export, facts

_TIME = "%Y-%m-%dT%H:%M:%S%.6fZ"


def write_csv(frame: pl.DataFrame, to: Path | BytesIO) -> None:
    """Rows as CSV: UTF-8, commas, a header, nothing where a value is NULL; times are UTC, in ISO 8601."""
    frame.with_columns(pl.col(pl.Datetime("us", "UTC")).dt.strftime(_TIME)).write_csv(to)


def write_json(frame: pl.DataFrame, to: Path | BytesIO) -> None:
    """Rows as a JSON list of objects; decimals are numbers."""
    decimals = [name for name, dtype in frame.schema.items() if dtype.is_decimal()]
    frame.with_columns(pl.col(decimals).cast(pl.Float64)).write_json(to)


def sidecar_of(path: Path) -> Path:
    """Where the sidecar of a file lies.

    >>> sidecar_of(Path("figures.csv")).name
    'figures.csv-metadata.json'
    """
    return path.with_name(f"{path.name}-metadata.json")


def sidecar(export: Export, path: Path, sha256: str) -> bytes:
    """What is said of the file of an export that has an `about`, as JSON; empty where it has none."""
    about = export.about
    if about is None:
        return b""
    said = facts(about)
    document: dict[str, Any] = {
        "@context": ["http://www.w3.org/ns/csvw", {"@language": "en"}],
        "url": path.name,
        "dc:title": f"SAMPLE: {about.title}" if about.is_sample else about.title,
        "dc:source": about.source,
        "dc:bibliographicCitation": about.citation,
        "dc:rights": licence(is_sample=about.is_sample),
        "dc:description": list(about.notes),
        "dc:provenance": list(about.vintages),
        "dc:temporal": str(about.as_of) if about.as_of else None,
        "tableSchema": {
            "columns": [_column(export.frame, each.name, each.unit, each.meaning) for each in export.column_facts()],
            "primaryKey": list(export.key),
        },
        "notes": [
            {
                "sample": about.is_sample,
                "units": dict(about.units),
                "base_years": dict(about.base_years),
                "rows": export.frame.height,
                "sha256": sha256,
                "facts": [{"name": name, "text": text} for name, text in said],
            }
        ],
    }
    if not export.key:
        del document["tableSchema"]["primaryKey"]
    spoken = {name: each for name, each in document.items() if each is not None and each != []}
    return (json.dumps(spoken, indent=2, ensure_ascii=False) + "\n").encode()


def _column(frame: pl.DataFrame, name: str, unit: str, meaning: str) -> dict[str, Any]:
    """A column as CSV on the Web describes it."""
    said = {"dc:description": meaning, "schema:unitText": unit}
    return {
        "name": name,
        "titles": name,
        "datatype": _datatype(frame.schema[name]),
        "required": frame[name].null_count() == 0,
        **{each: text for each, text in said.items() if text},
    }


def _datatype(dtype: pl.DataType) -> str | dict[str, str]:
    """The data type of CSV on the Web for one of Polars."""
    if dtype.is_decimal():
        return "decimal"
    if dtype.is_float():
        return "double"
    if dtype.is_integer():
        return "integer"
    if dtype == pl.Boolean:
        return {"base": "boolean", "format": "true|false"}
    if dtype == pl.Date:
        return "date"
    return "dateTimeStamp" if isinstance(dtype, pl.Datetime) else "string"
