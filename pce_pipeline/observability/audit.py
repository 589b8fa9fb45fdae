"""The audit trail: what each step of a run made of each partition of a table, of what, and in figures.

A step hands over one entry for each partition that it worked on. They lie in the lake beside the run's record, one
object for each step, and a load takes them to meta.audit_trail. A table that a step left wholly as it was has no
entries: that it was looked at, the run's record says.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec
import polars as pl

from pce_pipeline.tables.table import QUARANTINED

Event = Literal["extracted", "written", "loaded", "refreshed", "restored", "rolled_back", "withdrawn", "unchanged"]

EVENTS: dict[Event, str] = {
    "extracted": "Bronze keeps a new extract",
    "written": "the lake has other rows than before, or its first ones",
    "loaded": "Postgres has other rows than before, or its first ones",
    "refreshed": "the same rows follow from other inputs or code",
    "restored": "files or rows that somebody had lost or changed were put back",
    "rolled_back": "an earlier vintage took the place of a later one",
    "withdrawn": "no extract that counts covers it any more",
    "unchanged": "nothing was written, while other partitions of the table were",
}
"""What may become of a partition, and what each means."""


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one step of a run made of one partition."""

    asset: str
    """The asset, such as silver/pce_state or postgres/pce_state_annual."""
    table: str
    """The table's name in the data dictionary, or bronze/<dataset>."""
    partition: str
    """The year, the extract, or `all`."""
    event: Event
    """What became of it."""
    at: datetime
    """When (UTC)."""
    content_sha256: str | None = None
    """The hash of its rows afterwards; None where it is gone."""
    content_before: str | None = None
    """The hash of its rows before; None where there were none."""
    extracts: dict[str, list[str]] = {}
    """The extracts that it follows from, by BEA table, as far as the step knew them."""
    inputs: dict[str, str] = {}
    """The hashes of what it was made of, by name."""
    code_version: str | None = None
    """The version of the table's code."""
    rows_in: int | None = None
    """The rows that it was made of; None where nobody counted them."""
    rows_out: int | None = None
    """The rows that it has."""
    rows_quarantined: int | None = None
    """Those of them of which a figure could not be read; None in a table without statuses."""
    rows_inserted: int | None = None
    """The rows that Postgres was given; None in the lake, which writes partitions whole."""
    rows_updated: int | None = None
    """The rows that were changed in Postgres."""
    rows_deleted: int | None = None
    """The rows that were taken out of Postgres."""
    checks_passed: int = 0
    """How many checks of the step passed; they look at all its partitions together."""
    checks_failed: int = 0
    """How many did not."""
    step_seconds: float | None = None
    """How long the step took, all its partitions together."""

    @property
    def has_changed(self) -> bool:
        """Whether anything was written."""
        return self.event != "unchanged"


class StepTrail(msgspec.Struct, frozen=True, kw_only=True):
    """The entries of one step, as they lie in the lake."""

    run_id: str
    """The run."""
    step: str
    """The step."""
    entries: list[AuditEntry]
    """What it made of each partition."""


def of_changed_tables(entries: Sequence[AuditEntry]) -> list[AuditEntry]:
    """The entries of tables of which any partition has changed."""
    changed = {entry.asset for entry in entries if entry.has_changed}
    return [entry for entry in entries if entry.asset in changed]


def latest_changes(entries: Sequence[AuditEntry]) -> list[AuditEntry]:
    """One entry for each partition: the last that changed it, else the last."""
    found: dict[tuple[str, str], AuditEntry] = {}
    for entry in entries:
        key = entry.asset, entry.partition
        if key not in found or entry.has_changed or not found[key].has_changed:
            found[key] = entry
    return list(found.values())


def rows_quarantined(rows: pl.DataFrame) -> int | None:
    """How many rows have a figure that could not be read; None for a table without statuses.

    >>> rows_quarantined(pl.DataFrame({"pce_status": ["reported", "quarantined"]}))
    1
    """
    statuses = [name for name in rows.columns if name == "status" or name.endswith("_status")]
    if not statuses:
        return None
    return rows.filter(pl.any_horizontal(pl.col(name) == QUARANTINED for name in statuses)).height
