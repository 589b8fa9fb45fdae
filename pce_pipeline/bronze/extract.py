"""Taking an extract: gather, compare with what is there, publish only what is new.

An extract exists when it is complete, was checked, and differs from the newest one of its tables. Everything before
that lies in staging, and a run that finds nothing new writes only that it looked. Run again after a kill, it goes on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import msgspec
import structlog

from pce_pipeline import __version__
from pce_pipeline.bea.errors import BeaFileRefused
from pce_pipeline.bronze.feeds import Feed
from pce_pipeline.bronze.reading import Content, read_content
from pce_pipeline.catalog import Catalog
from pce_pipeline.errors import UsageError
from pce_pipeline.lake.errors import ObjectExists
from pce_pipeline.lake.integrity import sha256_of
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.lake.manifest import (
    BronzeStore,
    Manifest,
    Verified,
    VerifiedTable,
    content_sha256_of_tables,
    newest_by_table,
)
from pce_pipeline.quality.bronze import Extract, ReadBack, StoredObject, rows_by_line

_log = structlog.get_logger()

_LAST_OF_DAY = 999_999


@dataclass(frozen=True)
class Prepared:
    """Everything gathered and read, not yet published; `changed` are the tables whose content is new.

    `subject` is what the rules of Bronze look at; `newest` is the extract each table was compared with.
    """

    manifest: Manifest
    objects: Mapping[str, bytes]
    changed: tuple[str, ...]
    newest: Mapping[str, ExtractId]
    subject: Extract


def next_extract_id(bronze: BronzeStore, day: date) -> ExtractId:
    """The first free extract date of a day."""
    taken = set(bronze.extracts())
    candidate = ExtractId(day)
    while candidate in taken:
        candidate = candidate.next_of_day
    return candidate


def check_day(extract: ExtractId, feed: Feed, today: date) -> None:
    """Raise `UsageError` if nothing this feed gives can have been what BEA published on that day."""
    if feed.is_live and extract.day != today:
        raise UsageError(
            f"BEA says only what it publishes today ({today}), not on {extract.day}.",
            remedy="Leave --date out, or name an archived file of that day with --file.",
        )
    earliest = feed.earliest_day()
    if earliest is not None and extract.day < earliest:
        raise UsageError(
            f"The file was last updated by BEA on {earliest}, so it was not published on {extract.day}.",
            remedy=f"Use --date {earliest} or a later day.",
        )
    if extract.day > today:
        raise UsageError(f"{extract.day} is in the future.", remedy="Use a day up to today (UTC).")


def prepare(
    bronze: BronzeStore,
    feed: Feed,
    catalog: Catalog,
    extract: ExtractId,
    tables: Sequence[str],
    *,
    world: str,
    run_id: str,
    tolerate_unknown: bool = False,
) -> Prepared:
    """Gather into staging and read what was gathered; publishes nothing.

    Raises `BeaError` for what BEA or the file does not give, `UsageError` for a day the feed cannot be of.
    """
    check_day(extract, feed, datetime.now(UTC).date())
    gathered = feed.gather(bronze, extract, tables)
    staged = bronze.staged(extract)
    objects = {name: staged[name] for name in gathered.entries}
    content = read_content(
        [(entry, objects[name]) for name, entry in gathered.entries.items()], tables, tolerate_unknown=tolerate_unknown
    )
    missing = [table for table in tables if table not in content.tables]
    if missing:
        raise BeaFileRefused(
            f"What was received holds no {', '.join(missing)}.",
            remedy=f"It holds {', '.join(content.tables) or 'none of the tables asked for'}; name those with --tables.",
        )
    rows = rows_by_line(content.cells)
    entries = tuple(
        msgspec.structs.replace(entry, rows=content.rows.get(name, 0))
        for name, entry in sorted(gathered.entries.items())
    )
    as_of = newest_by_table(bronze.manifests(), pin=ExtractId(extract.day, _LAST_OF_DAY))
    manifest = Manifest(
        dataset=catalog.dataset,
        world=world,
        extract_date=str(extract),
        ingested_at=datetime.now(UTC),
        origin=gathered.origin,
        run_id=run_id,
        code_version=__version__,
        scope={table: catalog.line_codes(table) for table in tables},
        tables=dict(content.tables),
        objects=entries,
        content_sha256=content_sha256_of_tables(content.tables),
    )
    return Prepared(
        manifest=manifest,
        objects=objects,
        changed=_changed(bronze, as_of, content),
        newest=as_of,
        subject=_subject(
            manifest, rows, {name: ReadBack(sha256_of(body), len(body)) for name, body in objects.items()}
        ),
    )


def publish(bronze: BronzeStore, prepared: Prepared) -> ExtractId:
    """Make the extract exist and clear its staging; the extract date it really got.

    A date that holds remains of another, unfinished extract is left to it: Bronze is never overwritten.
    """
    wanted = extract = prepared.manifest.extract
    while True:
        manifest = msgspec.structs.replace(prepared.manifest, extract_date=str(extract))
        try:
            bronze.publish(extract, manifest, prepared.objects)
        except ObjectExists as taken:
            _log.warning("extract date is taken by remains of another extract", extract=str(extract), key=taken.key)
            extract = extract.next_of_day
        else:
            bronze.discard_staging(wanted)
            return extract


def note_unchanged(bronze: BronzeStore, prepared: Prepared) -> None:
    """Write down that BEA was compared and nothing was new, and clear the staging."""
    now = prepared.manifest.ingested_at
    before = bronze.verified()
    compared = {
        table: VerifiedTable(checked_at=now, last_updated=entry.last_updated, extract=str(prepared.newest[table]))
        for table, entry in prepared.manifest.tables.items()
    }
    bronze.write_verified(Verified(checked_at=now, tables={**(before.tables if before else {}), **compared}))
    bronze.discard_staging(prepared.manifest.extract)


def stored_subject(bronze: BronzeStore, extract: ExtractId, *, tolerate_unknown: bool = False) -> Extract:
    """What the rules of Bronze look at, of an extract that exists: reads everything back.

    An object that is missing or changed is left out of the rows, so that the rules name it.
    """
    manifest = bronze.manifest(extract)
    damaged = {damage.key.rsplit(f"/{extract}/", 1)[-1]: damage for damage in bronze.verify(extract)}
    found = {
        entry.key: ReadBack(
            damaged[entry.key].found if entry.key in damaged else entry.sha256,
            entry.bytes,
        )
        for entry in manifest.objects
        if entry.key not in damaged or damaged[entry.key].problem != "missing"
    }
    if damaged:
        return _subject(manifest, {}, found)
    content = read_content(bronze.read_objects(extract), manifest.tables, tolerate_unknown=tolerate_unknown)
    return _subject(manifest, rows_by_line(content.cells), found)


def _changed(bronze: BronzeStore, newest: Mapping[str, ExtractId], content: Content) -> tuple[str, ...]:
    manifests = bronze.manifests()
    return tuple(
        table
        for table, entry in content.tables.items()
        if table not in newest or manifests[newest[table]].tables[table].content_sha256 != entry.content_sha256
    )


def _subject(manifest: Manifest, rows: Mapping[str, Mapping[int, int]], found: Mapping[str, ReadBack]) -> Extract:
    return Extract(
        requested=manifest.scope,
        rows=rows,
        objects=[StoredObject(entry.key, entry.sha256, entry.bytes, entry.rows) for entry in manifest.objects],
        total_rows=sum(entry.rows for entry in manifest.tables.values()),
        found=found,
    )
