"""The files that hold a year of a table, read whatever state they are in: a trace tells damage, and goes on.

Every file lies twice, as an immutable version that our readers follow and at a fixed key that everybody globs, and both
must be the bytes that the pointer names.
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
    """The hash that the pointer names."""
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
    """Both copies of the file that holds a year of a table, the version first; none where the year is not published.

    `within` is the folder in the year's own, of a table that is cut by area.
    """
    partition = lake.table(table).latest().get(str(year))
    if partition is None:
        return ()
    wanted = [each for each in partition.objects if not within or f"/{within}/" in f"/{each.path}"]
    keys = {f"{lake.prefix(table)}/{path}": stored for stored in wanted for path in (stored.version_key, stored.path)}
    bodies = lake.store.get_many(keys, missing_ok=True)
    return [
        StoredFile(
            uri=lake.uri_of(key),
            sha256=stored.sha256,
            damage=_damage(bodies.get(key), stored.sha256),
            rows=_rows(bodies.get(key)),
            run_id=partition.run_id,
            code_version=partition.code_version,
            published_at=partition.published_at.isoformat(),
        )
        for key, stored in keys.items()
    ]


def _damage(body: bytes | None, sha256: str) -> str:
    found = NOTHING if body is None else sha256_of(body)
    if found == sha256:
        return ""
    return "it is missing" if body is None else f"its sha256 is {found}, and the pointer names {sha256}"


def _rows(body: bytes | None) -> pl.DataFrame | None:
    try:
        return from_parquet([body]) if body is not None else None
    except (pl.exceptions.PolarsError, OSError, ValueError):
        return None
