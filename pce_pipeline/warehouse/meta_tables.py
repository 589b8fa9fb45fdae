"""The tables of schema `meta`, each column in words: comments in the database and the data dictionary are made of it.

Frozen steps make these tables (`migrations/`); a test compares both. What they hold is written in the transaction of
the load that it tells of.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pce_pipeline.observability.audit import EVENTS


@dataclass(frozen=True)
class MetaTable:
    """One table of the schema."""

    name: str
    """Its name in the schema."""
    grain: str
    """What a row is."""
    columns: Mapping[str, str]
    """What each column means."""
    for_readers: bool = False
    """Whether analysts read it too: no row of it names a person or a machine."""


_RUN = "the run that wrote the row: meta.ingest_runs"
_TABLE = "the table's name in the data dictionary, or bronze/<dataset>"
_PARTITION = "the year, the extract, or all"
_CONTENT = "hash of the rows, whatever their files"
_CODE = "version of the code that made it; another one makes it again"

META_TABLES = (
    MetaTable(
        "world",
        "One row: the world and environment this database belongs to. Loads of another world are refused.",
        {
            "is_only": "true: there is one row",
            "world": "whose figures these are: bea, sample, or either with its profile",
            "env": "local, staging or prod",
            "claimed_at": "when the first load made the database this world's",
        },
    ),
    MetaTable(
        "ingest_runs",
        "One row per run that the lake has a record of, as of the last load: what was asked and done.",
        {
            "run_id": "the run, by Dagster's id",
            "env": "local, staging or prod",
            "world": "whose figures these are",
            "dataset": "the datasets that it worked on",
            "job": "the job, or the command",
            "trigger": "what launched it, where that is known",
            "parameters": "what was asked",
            "extracts": "the extracts that it took or read",
            "started_at": "when it began",
            "finished_at": "when it ended; NULL while it runs, or where it was killed",
            "status": "running, succeeded or failed",
            "rows": "rows inserted, updated, deleted and unchanged in Postgres, by table",
            "checks": "what each check said, by asset and check; meta.check_results has them as rows",
            "seconds": "how long each step took",
            "versions": "the versions of code and libraries",
            "record": "the whole record, as it lies in the lake",
        },
    ),
    MetaTable(
        "manifests",
        "One row per table and partition: the manifest of what the lake publishes, of tables that are loaded and of "
        "those that they are made of.",
        {
            "table_name": _TABLE,
            "partition": _PARTITION,
            "content_sha256": _CONTENT,
            "rows": "how many rows it has",
            "inputs": "hashes of what it was made of: <table>/<year>, or a BEA table in the extracts",
            "code_version": _CODE,
            "manifest": "the whole manifest, as in the table's _latest.json",
            "loaded_at": "when this row was written",
            "run_id": _RUN,
            "written_at": "when the lake got this version",
            "written_by": "the run that wrote this version: meta.ingest_runs",
            "files": "the version: its immutable files in reading order, below the table's folder in the lake",
            "extracts": "the extracts that it follows from, as arrays by BEA table; NULL where it is of none in "
            "particular, as logs of all vintages",
        },
        for_readers=True,
    ),
    MetaTable(
        "checkpoints",
        "One row per loaded table and partition: the content that the table holds now.",
        {
            "table_name": _TABLE,
            "partition": _PARTITION,
            "content_sha256": "hash of the rows in the lake that were loaded: that of meta.manifests",
            "code_version": _CODE,
            "rows": "how many rows were loaded",
            "run_id": "the run that loaded them: meta.ingest_runs",
            "loaded_at": "when they were loaded",
            "held_hash": "the database's own hash of its rows after the load, by which changes from outside are found",
        },
        for_readers=True,
    ),
    MetaTable(
        "watermarks",
        "One row per BEA table: the last release seen, the last full comparison with BEA, and when the next is due.",
        {
            "bea_table": "BEA's table",
            "dataset": "the dataset that it is of",
            "extract": "the vintage that BEA was last seen to publish, whatever is pinned",
            "last_released_on": "BEA's release of it, as far as it is known",
            "changed_at": "when its figures were seen first",
            "compared_at": "when it was last compared in full with what BEA publishes",
            "compare_within_days": "the window within which it is compared again: PCE_FULL_COMPARISON_DAYS [days]",
            "compare_due_at": "when that window ends; a release that BEA announces comes before it",
            "run_id": _RUN,
        },
        for_readers=True,
    ),
    MetaTable(
        "raw_objects",
        "One row per object of an extract that is kept in Bronze: an answer or file of BEA's, as it was received.",
        {
            "dataset": "the dataset",
            "extract": "the extract, by its date: meta.manifests.extracts",
            "object_key": "its name within the extract",
            "lake_key": "where it lies, below the lake's address",
            "bea_tables": "the BEA tables that it holds, as they are called today",
            "line_code": "the line that it holds; NULL where there are several",
            "published_as": "the tables as BEA called them then; NULL where they are called so today",
            "origin": "how the extract came: api, bulk, file, sample, derived",
            "endpoint": "the address that gave it; of a file that somebody had, how it came",
            "parameters": "what was asked for, without the key",
            "extracted_at": "when it was received",
            "sha256": "hash of the stored bytes",
            "bytes": "how many bytes are stored [bytes]",
            "rows": "how many rows were read from it",
            "last_updated_on": "BEA's last update of it, where the answer says so",
            "run_id": "the run that took it: meta.ingest_runs",
            "code_version": "version of the pipeline that took it",
        },
        for_readers=True,
    ),
    MetaTable(
        "check_results",
        "One row per run and check: what it said.",
        {
            "run_id": "the run: meta.ingest_runs",
            "asset": "the asset that it is a check of",
            "check_name": "the check",
            "table_name": _TABLE,
            "passed": "whether it holds",
            "severity": "error, where a failure stops the run, or warn",
            "summary": "what was found, in a sentence",
            "figures": "what was counted",
            "checked_at": "when; of runs before this was kept, when their step began",
        },
        for_readers=True,
    ),
    MetaTable(
        "audit_trail",
        "One row per run, asset and partition that the run may have changed: what became of it. A table that a run "
        "left wholly as it was has no rows of that run.",
        {
            "run_id": "the run: meta.ingest_runs",
            "asset": "the asset: bronze/, silver/ and gold of the lake, postgres/ of this database",
            "partition": _PARTITION,
            "table_name": _TABLE,
            "event": "; ".join(f"{event}: {meaning}" for event, meaning in EVENTS.items()),
            "happened_at": "when",
            "content_sha256": "hash of the rows afterwards; NULL where it is gone",
            "content_before": "hash of the rows before; NULL where there were none, or nobody kept it",
            "extracts": "the extracts that it follows from, as arrays by BEA table; empty where the run did not know",
            "inputs": "hashes of what it was made of, by name",
            "code_version": _CODE,
            "rows_in": "the rows that it was made of; NULL where nobody counted them",
            "rows_out": "the rows that it has",
            "rows_quarantined": "rows with a figure that could not be read; NULL in tables without statuses",
            "rows_inserted": "rows added to Postgres; NULL in the lake, which writes partitions whole",
            "rows_updated": "rows changed in Postgres",
            "rows_deleted": "rows taken out of Postgres",
            "checks_passed": "checks of the step that hold; they look at all its partitions together",
            "checks_failed": "checks of the step that do not",
            "step_seconds": "how long the step took, all its partitions together; NULL where nobody kept it [seconds]",
        },
        for_readers=True,
    ),
    MetaTable(
        "quarantine",
        "One row per cell of the current extracts that could not be read: BEA's text, its place, and why.",
        {
            "extract": "the extract",
            "bea_table": "BEA's table",
            "line_code": "BEA's line of it",
            "geo_fips": "the area's code, as BEA gave it",
            "year": "the year",
            "unit": "BEA's label of the unit",
            "object_key": "the object's name within the extract: meta.raw_objects",
            "value_text": "what BEA published",
            "rule": "the rule that it breaks",
            "reason": "why it could not be read, in words",
            "month": "the month; NULL for a cell of a whole year",
        },
    ),
    MetaTable(
        "views",
        "One row per view of ours: hashes of the file that it was made of, and of what Postgres made of it.",
        {
            "view_name": "the view or function, with its schema",
            "text_sha256": "hash of the file that it was made of",
            "held_hash": "hash of its text as Postgres shows it, led by the major version",
        },
    ),
    MetaTable(
        "alembic_version",
        "The last migration this database has taken.",
        {"version_num": "the number of the migration"},
    ),
)
"""Every table of the schema, in the order in which people read about them."""

OF_RECORDS = tuple(table.name for table in META_TABLES if table.name != "alembic_version")
"""The tables that a database of this code has, but for the one that alembic keeps for itself."""
