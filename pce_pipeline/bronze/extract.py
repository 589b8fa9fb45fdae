"""Taking an extract: gather, compare with what is there, publish only what is new.

An extract exists when it is complete, was checked, and differs from the newest one of its tables. Everything before
that lies in staging, and a run that finds nothing new writes only that it looked. Run again after a kill, it goes on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

import msgspec
import polars as pl
import structlog

from pce_pipeline import __version__
from pce_pipeline.bea.errors import BeaError, BeaFileRefused, BeaUnknownField
from pce_pipeline.bronze.feeds import FROM_FILES, Feed, Gathered
from pce_pipeline.bronze.reading import Content, Scope, read_content
from pce_pipeline.catalog import Catalog
from pce_pipeline.errors import UsageError
from pce_pipeline.lake.errors import MissingObject, ObjectExists
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
    """The extract date of a day that comes after all that exist of it."""
    taken = [extract for extract in bronze.extracts() if extract.day == day]
    return max(taken).next_of_day if taken else ExtractId(day)


def check_day(extract: ExtractId, feed: Feed, today: date, tables: Sequence[str] | None = None) -> None:
    """Raise `UsageError` if nothing this feed gives (of the tables) can have been what BEA published on that day."""
    if feed.is_live and extract.day != today:
        raise UsageError(
            f"BEA says only what it publishes today ({today}), not on {extract.day}.",
            remedy="Leave --date out, or name an archived file of that day with --file.",
        )
    earliest = feed.earliest_day(tables)
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
) -> Prepared:
    """Gather into staging and read what was gathered; publishes nothing.

    Fields that this version does not know are kept and passed over here; Silver stops at them. Raises `BeaError` for
    what BEA or the file does not give, `UsageError` for a day the feed cannot be of. What could not be read is not
    kept for the next try.
    """
    check_day(extract, feed, datetime.now(UTC).date(), tables)
    gathered = feed.gather(bronze, extract, tables)
    staged = bronze.staged(extract)
    objects = {name: staged[name] for name in gathered.entries}
    try:
        content = _read(gathered, objects, tables, _scope_of_profile(catalog))
    except BeaError:
        bronze.discard_staging(extract)
        raise
    entries = tuple(
        msgspec.structs.replace(entry, rows=content.rows.get(name, 0))
        for name, entry in sorted(gathered.entries.items())
    )
    manifests = bronze.manifests()
    as_of = newest_by_table(manifests, pin=ExtractId(extract.day, _LAST_OF_DAY))
    manifest = Manifest(
        dataset=catalog.dataset,
        world=world,
        extract_date=str(extract),
        ingested_at=datetime.now(UTC),
        origin=gathered.origin,
        run_id=run_id,
        code_version=__version__,
        scope=_requested(catalog, gathered.origin, tables, content),
        tables=dict(content.tables),
        objects=entries,
        content_sha256=content_sha256_of_tables(content.tables),
    )
    return Prepared(
        manifest=manifest,
        objects=objects,
        changed=tuple(
            table
            for table, entry in content.tables.items()
            if table not in as_of or manifests[as_of[table]].tables[table].content_sha256 != entry.content_sha256
        ),
        newest=as_of,
        subject=_subject(
            manifest,
            rows_by_line(content.cells),
            {name: ReadBack(sha256_of(body), len(body)) for name, body in objects.items()},
        ),
    )


def publish(bronze: BronzeStore, prepared: Prepared) -> ExtractId:
    """Make the extract exist and clear its staging; the extract date it really got.

    A date that holds another extract, or remains of one that was never finished, is left to it and the next of the
    day is taken: Bronze is never overwritten, and nothing is added to what exists. Done again after a kill, it ends
    with the same extract.
    """
    extract = prepared.manifest.extract
    while True:
        manifest = msgspec.structs.replace(prepared.manifest, extract_date=str(extract))
        held = _existing(bronze, extract)
        if held is None:
            try:
                bronze.publish(extract, manifest, prepared.objects)
            except ObjectExists as taken:
                _log.warning("extract date is taken by remains of another extract", extract=str(extract), key=taken.key)
            else:
                held = manifest
        if held == manifest:
            _clear_staging(bronze, prepared.manifest.extract)
            return extract
        extract = extract.next_of_day


def note_unchanged(bronze: BronzeStore, prepared: Prepared) -> None:
    """Write down that BEA was compared and nothing was new, and clear the staging.

    Files say nothing of what BEA publishes now, so of them nothing is written down.
    """
    if prepared.manifest.origin != FROM_FILES:
        before = bronze.verified()
        compared = {
            table: VerifiedTable(
                checked_at=taken_at(prepared.manifest, table),
                last_updated=entry.last_updated,
                extract=str(prepared.newest[table]),
            )
            for table, entry in prepared.manifest.tables.items()
        }
        bronze.write_verified(
            Verified(checked_at=prepared.manifest.ingested_at, tables={**(before.tables if before else {}), **compared})
        )
    _clear_staging(bronze, prepared.manifest.extract)


def taken_at(manifest: Manifest, table: str) -> datetime:
    """Since when (UTC) it is known that BEA published what the extract holds of a table.

    Live, that is when its first answer came. Of files only the day of the extract is known.
    """
    if manifest.origin == FROM_FILES:
        return datetime.combine(manifest.extract.day, time.min, UTC)
    return min(entry.extracted_at for entry in manifest.objects if table in entry.tables)


def stored_subject(bronze: BronzeStore, extract: ExtractId) -> Extract:
    """What the rules of Bronze look at, of an extract that exists: reads everything back.

    Where an object is missing or changed, what the manifest says of the cells stands in for them, so that each rule
    judges its own matter: the one on hashes names the object, the one on the manifest looks at the manifest.
    """
    manifest = bronze.manifest(extract)
    damaged = {damage.key.rsplit(f"/{extract}/", 1)[-1]: damage for damage in bronze.verify(extract)}
    found = {
        entry.key: ReadBack(damaged[entry.key].found if entry.key in damaged else entry.sha256, entry.bytes)
        for entry in manifest.objects
        if entry.key not in damaged or damaged[entry.key].problem != "missing"
    }
    if damaged.keys() & {entry.key for entry in manifest.objects}:
        return _subject(manifest, _declared_rows(manifest), found)
    content = read_content(bronze.read_objects(extract), manifest.tables, scope=manifest.scope, tolerate_unknown=True)
    return _subject(manifest, rows_by_line(content.cells), found)


def _clear_staging(bronze: BronzeStore, extract: ExtractId) -> None:
    """Clear the staging of an extract, and what kills have left of those of its day that exist."""
    for done in {extract, *(held for held in bronze.extracts() if held.day == extract.day)}:
        bronze.discard_staging(done)


def _existing(bronze: BronzeStore, extract: ExtractId) -> Manifest | None:
    try:
        return bronze.manifest(extract)
    except MissingObject:
        return None


def _read(gathered: Gathered, objects: Mapping[str, bytes], tables: Sequence[str], scope: Scope | None) -> Content:
    """What was gathered, as far as this version understands it."""
    stored = [(entry, objects[name]) for name, entry in gathered.entries.items()]
    try:
        content = read_content(stored, tables, scope=scope)
    except BeaUnknownField as unknown:
        _log.warning("BEA sends unknown fields: kept in Bronze, Silver will stop at them", fields=unknown.fields)
        content = read_content(stored, tables, scope=scope, tolerate_unknown=True)
    missing = [table for table in tables if table not in content.tables]
    if missing:
        raise BeaFileRefused(
            f"What was received holds no {', '.join(missing)}.",
            remedy=f"It holds {', '.join(content.tables) or 'none of the tables asked for'}; name those with --tables.",
        )
    return content


def _scope_of_profile(catalog: Catalog) -> Scope | None:
    """The lines a narrowed profile takes; None where it takes all, also those that are not pinned."""
    return None if catalog.profile == "full" else {table: catalog.line_codes(table) for table in catalog.tables}


def _requested(catalog: Catalog, origin: str, tables: Sequence[str], content: Content) -> dict[str, tuple[int, ...]]:
    """The lines asked for: those that BEA lists and the profile takes.

    A line BEA has dropped is thus not missing here: what it publishes is kept, and Silver stops with the difference.
    Files have no list but their own lines, and may be cut, so that of them the pinned lines are expected as well.
    """
    scope = _scope_of_profile(catalog)
    requested: dict[str, tuple[int, ...]] = {}
    for table in tables:
        listed = set(content.lines.filter(pl.col("bea_table") == table)["line_code"])
        if scope is not None:
            listed &= set(scope[table])
        if origin == FROM_FILES:
            listed |= set(catalog.line_codes(table))
        requested[table] = tuple(sorted(listed))
    return requested


def _declared_rows(manifest: Manifest) -> dict[str, dict[int, int]]:
    """The cells of each line as far as the manifest knows them: it counts by table, here spread over its lines."""
    spread: dict[str, dict[int, int]] = {}
    for table, entry in manifest.tables.items():
        each, rest = divmod(entry.rows, len(entry.lines))
        spread[table] = {line: each + (position < rest) for position, line in enumerate(entry.lines)}
    return spread


def _subject(manifest: Manifest, rows: Mapping[str, Mapping[int, int]], found: Mapping[str, ReadBack]) -> Extract:
    return Extract(
        requested=manifest.scope,
        rows=rows,
        objects=[StoredObject(entry.key, entry.sha256, entry.bytes, entry.rows) for entry in manifest.objects],
        total_rows=sum(entry.rows for entry in manifest.tables.values()),
        found=found,
    )
