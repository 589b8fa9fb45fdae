"""The files that hold a year of a table, read whatever state they are in: a trace tells damage, and goes on.

All rows lie twice, in an immutable version that our readers follow and at fixed keys that everybody globs. The version
must be the bytes that the pointer names, and so must a copy of it; a cut of it, those that its manifest names.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from pce_pipeline.lake.integrity import NOTHING, sha256_of
from pce_pipeline.lake.parquet import from_parquet
from pce_pipeline.lake.resource import Lake
from pce_pipeline.tables.table import Table


@dataclass(frozen=True)
class StoredFile:
    """One copy of a file of a table."""

    uri: str
    """Where it lies."""
    sha256: str
    """The hash that the pointer or its manifest names; empty where none can be believed."""
    named_by: str
    """Who names it, in words."""
    damage: str
    """What is wrong with its bytes; empty where nothing is."""
    rows: pl.DataFrame | None
    """Its rows, also where its bytes are not those that were published; None where it has none that can be read."""
    run_id: str
    """The run that published it."""
    code_version: str
    """The version of the code that made it."""
    published_at: str
    """When (UTC)."""


def stored_files(lake: Lake, table: Table, year: int, within: str = "") -> Sequence[StoredFile]:
    """Both files that hold a year of a table, the version first; none where the year is not published.

    `within` is the folder in the year's own, of a table that is cut by area: of its cuts, the one in there.
    """
    partition = lake.table(table).latest().get(str(year))
    if partition is None:
        return ()
    cuts = {f"{lake.prefix(table)}/{each.path}" for each in partition.cuts}
    files = lake.table(table).files_of(partition)
    keys = {key: digest for key, digest in files.items() if key not in cuts or not within or f"/{within}/" in key}
    bodies = lake.store.get_many(keys, missing_ok=True)
    return [
        StoredFile(
            uri=lake.uri_of(key),
            sha256=digest or "",
            damage=_damage(bodies.get(key), digest, "its manifest" if key in cuts else "the pointer"),
            rows=_rows(bodies.get(key)),
            named_by="its manifest" if key in cuts else "the pointer",
            run_id=partition.run_id,
            code_version=partition.code_version,
            published_at=partition.published_at.isoformat(),
        )
        for key, digest in keys.items()
    ]


def _damage(body: bytes | None, sha256: str | None, named_by: str) -> str:
    found = NOTHING if body is None else sha256_of(body)
    if found == sha256:
        return ""
    if body is None:
        return "it is missing"
    return f"its sha256 is {found}, and {named_by} names {sha256 or 'none that can be believed'}"


def _rows(body: bytes | None) -> pl.DataFrame | None:
    try:
        return from_parquet([body]) if body is not None else None
    except (pl.exceptions.PolarsError, OSError, ValueError):
        return None
