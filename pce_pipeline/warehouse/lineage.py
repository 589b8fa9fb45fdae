"""Lineage in the database: the raw objects of extracts, how far BEA's tables were followed, manifests of the lake.

Rows are written in the caller's transaction, and only those that are not there yet or differ. What an extract is made
of never changes, so an extract that is there costs a line of a query; one that Bronze has lost keeps its rows.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from psycopg2.extensions import cursor as Cursor  # noqa: N812 (a class with a lower-case name)
from psycopg2.extras import Json

from pce_pipeline.bronze.watermarks import Watermark
from pce_pipeline.observability.audit import AuditEntry
from pce_pipeline.warehouse.contents import Key


@dataclass(frozen=True)
class ManifestRow:
    """The lake's manifest of one partition; that of a loaded table is its checkpoint as well."""

    table_name: str
    """The name in tables/registry.py, or of the extract."""
    partition: str
    """The year or extract date, as text."""
    content_sha256: str
    """The hash of its rows."""
    rows: int
    """How many rows it has."""
    code_version: str
    """The version of the code that made it."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    """The hashes of what it was made from."""
    manifest: Mapping[str, Any] = field(default_factory=dict)
    """The whole manifest."""
    extracts: Mapping[str, Sequence[str]] | None = None
    """The extracts that it follows from, by BEA table; None where it is of none in particular."""

    @property
    def key(self) -> Key:
        """Which partition it is of."""
        return self.table_name, self.partition


@dataclass(frozen=True)
class HeldManifest:
    """What meta.manifests says of a partition, but for the manifest itself."""

    content_sha256: str
    """The hash of its rows."""
    rows: int
    """How many rows it has."""
    code_version: str
    """The version of the code that made it."""
    inputs: Mapping[str, str]
    """The hashes of what it was made from."""
    extracts: Mapping[str, Sequence[str]] | None
    """The extracts that it follows from."""
    published_at: str | None
    """When the lake got it, as the manifest says it; None for one that says nothing."""

    def says_the_same_as(self, given: ManifestRow) -> bool:
        """Whether there is nothing to write; a manifest that does not say when it was published is always written."""
        return self.published_at is not None and (
            (self.content_sha256, self.rows, self.code_version, self.inputs, self.extracts, self.published_at)
            == (
                given.content_sha256,
                given.rows,
                given.code_version,
                given.inputs,
                given.extracts,
                given.manifest.get("published_at"),
            )
        )


@dataclass(frozen=True)
class RawObjectRow:
    """One object of an extract: a row of meta.raw_objects."""

    dataset: str
    """The dataset."""
    extract: str
    """The extract."""
    object_key: str
    """Its name within the extract."""
    lake_key: str
    """Where it lies in the lake."""
    bea_tables: Sequence[str]
    """The BEA tables that it holds."""
    line_code: int | None
    """The line that it holds; None for several."""
    published_as: Sequence[str] | None
    """The tables as BEA called them then; None where that is as today."""
    origin: str
    """How the extract came."""
    endpoint: str
    """The address that gave it."""
    parameters: Mapping[str, str]
    """What was asked for, without the key."""
    extracted_at: datetime
    """When it was received."""
    sha256: str
    """The hash of the stored bytes."""
    bytes: int
    """How many there are."""
    rows: int
    """How many rows were read from it."""
    last_updated_on: date | None
    """BEA's last update of it."""
    run_id: str
    """The run that took it."""
    code_version: str
    """The version of the pipeline that took it."""


@dataclass(frozen=True)
class Lineage:
    """Where the figures of a load come from, beside the manifests of the tables that it loads."""

    raw_objects: Sequence[RawObjectRow] = ()
    """The objects of every extract that Bronze holds."""
    watermarks: Sequence[Watermark] = ()
    """Every BEA table that was followed."""
    full_comparison: timedelta = timedelta(0)
    """The window within which each is compared with BEA in full again."""
    manifests: Sequence[ManifestRow] = ()
    """All partitions of the tables that only the lake has."""
    tables: Sequence[str] = ()
    """The names of these tables, also of those that have no partition."""
    history: Sequence[tuple[str, AuditEntry]] = ()
    """What is published and held, each with the run that wrote it: added to the trail where it lacks that."""


_HELD = """
SELECT table_name, partition, content_sha256, rows, code_version, inputs, extracts, manifest ->> 'published_at'
FROM meta.manifests
"""

_RECORD_MANIFESTS = """
MERGE INTO meta.manifests AS held
USING (
    SELECT given.*, (given.manifest ->> 'published_at')::timestamptz AS written_at,
        given.manifest ->> 'run_id' AS written_by,
        ARRAY(
            SELECT object ->> 'version_key'
            FROM jsonb_array_elements(coalesce(given.manifest -> 'objects', '[]'))
                WITH ORDINALITY AS files(object, place)
            ORDER BY place
        ) AS files
    FROM jsonb_to_recordset(%(manifests)s) AS given(
        table_name text, partition text, content_sha256 text, rows bigint, code_version text, inputs jsonb,
        manifest jsonb, extracts jsonb
    )
) AS given ON held.table_name = given.table_name AND held.partition = given.partition
WHEN MATCHED AND (held.content_sha256, held.rows, held.code_version, held.inputs, held.manifest, held.extracts)
    IS DISTINCT FROM
    (given.content_sha256, given.rows, given.code_version, given.inputs, given.manifest, given.extracts)
THEN UPDATE SET
    content_sha256 = given.content_sha256, rows = given.rows, code_version = given.code_version,
    inputs = given.inputs, manifest = given.manifest, extracts = given.extracts, written_at = given.written_at,
    written_by = given.written_by, files = given.files, run_id = %(run_id)s, loaded_at = clock_timestamp()
WHEN NOT MATCHED BY TARGET THEN INSERT (
    table_name, partition, content_sha256, rows, code_version, inputs, manifest, extracts, written_at, written_by,
    files, run_id, loaded_at
) VALUES (
    given.table_name, given.partition, given.content_sha256, given.rows, given.code_version, given.inputs,
    given.manifest, given.extracts, given.written_at, given.written_by, given.files, %(run_id)s, clock_timestamp()
)
WHEN NOT MATCHED BY SOURCE AND held.table_name || '/' || held.partition = ANY(%(gone)s)
THEN DELETE
"""

_EXTRACTS = """
SELECT dataset, extract, md5(string_agg(object_key || ' ' || sha256, ',' ORDER BY object_key COLLATE "C"))
FROM meta.raw_objects GROUP BY dataset, extract
"""

_RECORD_RAW_OBJECTS = """
DELETE FROM meta.raw_objects WHERE dataset || '/' || extract = ANY(%(extracts)s);
INSERT INTO meta.raw_objects (
    dataset, extract, object_key, lake_key, bea_tables, line_code, published_as, origin, endpoint, parameters,
    extracted_at, sha256, bytes, rows, last_updated_on, run_id, code_version
)
SELECT dataset, extract, object_key, lake_key, bea_tables, line_code, published_as, origin, endpoint, parameters,
    extracted_at, sha256, bytes, rows, last_updated_on, run_id, code_version
FROM jsonb_to_recordset(%(objects)s) AS given(
    dataset text, extract text, object_key text, lake_key text, bea_tables text[], line_code integer,
    published_as text[], origin text, endpoint text, parameters jsonb, extracted_at timestamptz, sha256 text,
    bytes bigint, rows bigint, last_updated_on date, run_id text, code_version text
)
"""

_RECORD_WATERMARKS = """
MERGE INTO meta.watermarks AS held
USING (
    SELECT * FROM jsonb_to_recordset(%(watermarks)s) AS given(
        bea_table text, dataset text, extract text, last_released_on date, changed_at timestamptz,
        compared_at timestamptz, compare_within_days integer, compare_due_at timestamptz
    )
) AS given ON held.bea_table = given.bea_table
WHEN MATCHED AND (
    held.dataset, held.extract, held.last_released_on, held.changed_at, held.compared_at, held.compare_within_days,
    held.compare_due_at
) IS DISTINCT FROM (
    given.dataset, given.extract, given.last_released_on, given.changed_at, given.compared_at,
    given.compare_within_days, given.compare_due_at
)
THEN UPDATE SET
    dataset = given.dataset, extract = given.extract, last_released_on = given.last_released_on,
    changed_at = given.changed_at, compared_at = given.compared_at, compare_within_days = given.compare_within_days,
    compare_due_at = given.compare_due_at, run_id = %(run_id)s
WHEN NOT MATCHED BY TARGET THEN INSERT (
    bea_table, dataset, extract, last_released_on, changed_at, compared_at, compare_within_days, compare_due_at, run_id
) VALUES (
    given.bea_table, given.dataset, given.extract, given.last_released_on, given.changed_at, given.compared_at,
    given.compare_within_days, given.compare_due_at, %(run_id)s
)
"""


def held_manifests(cursor: Cursor) -> dict[Key, HeldManifest]:
    """What meta.manifests says of each partition."""
    cursor.execute(_HELD)
    return {(table, partition): HeldManifest(*rest) for table, partition, *rest in cursor.fetchall()}


def record_manifests(
    cursor: Cursor,
    given: Sequence[ManifestRow],
    held: Mapping[Key, HeldManifest],
    *,
    whole: Sequence[str],
    loaded: Sequence[Key],
    run_id: str,
) -> None:
    """Write the manifests that are not there yet or say something else, and delete those of partitions that are gone.

    Gone is a partition that was loaded without a manifest, and one of the tables in `whole` that is not given.
    """
    keys = {manifest.key for manifest in given}
    gone = {key for key in held if key[0] in whole} | {*loaded}
    different = [each for each in given if each.key not in held or not held[each.key].says_the_same_as(each)]
    if different or not gone <= keys:
        cursor.execute(
            _RECORD_MANIFESTS,
            {
                "manifests": Json([asdict(manifest) for manifest in different]),
                "gone": [f"{table}/{partition}" for table, partition in sorted(gone - keys)],
                "run_id": run_id,
            },
        )


def record_raw_objects(cursor: Cursor, objects: Sequence[RawObjectRow]) -> None:
    """Write the objects of those extracts that are not there as they are given; all objects of an extract at once."""
    by_extract: dict[Key, list[RawObjectRow]] = {}
    for each in objects:
        by_extract.setdefault((each.dataset, each.extract), []).append(each)
    cursor.execute(_EXTRACTS)
    held = {(dataset, extract): digest for dataset, extract, digest in cursor.fetchall()}
    wanted = {extract: each for extract, each in by_extract.items() if held.get(extract) != _digest(each)}
    if wanted:
        rows = [_plain(row) for each in wanted.values() for row in each]
        extracts = [f"{dataset}/{extract}" for dataset, extract in wanted]
        cursor.execute(_RECORD_RAW_OBJECTS, {"extracts": extracts, "objects": Json(rows)})


def record_watermarks(cursor: Cursor, marks: Sequence[Watermark], *, window: timedelta, run_id: str) -> None:
    """Write the watermarks that differ; `window` is how long each may go without being compared in full."""
    rows = [
        {
            **asdict(mark),
            "last_released_on": mark.last_released_on and mark.last_released_on.isoformat(),
            "changed_at": mark.changed_at.isoformat(),
            "compared_at": mark.compared_at.isoformat(),
            "compare_within_days": window.days,
            "compare_due_at": mark.due_at(window).isoformat(),
        }
        for mark in marks
    ]
    cursor.execute(_RECORD_WATERMARKS, {"watermarks": Json(rows), "run_id": run_id})


def _digest(objects: Sequence[RawObjectRow]) -> str:
    """What Postgres makes of the rows of an extract."""
    told = ",".join(f"{each.object_key} {each.sha256}" for each in sorted(objects, key=lambda each: each.object_key))
    return hashlib.md5(told.encode(), usedforsecurity=False).hexdigest()


def _plain(row: RawObjectRow) -> dict[str, Any]:
    """A row as JSON has it."""
    return {name: value.isoformat() if isinstance(value, date) else value for name, value in asdict(row).items()}
