"""Taking an extract: gather, judge it against what counts, publish only what says something new.

Everything gathers in staging until it is judged. A file that Silver could not be made of is refused there; what BEA
itself answers is kept in any case, and counts only if it covers what it would follow. A run that finds nothing new
writes only that it looked. Run again after a kill, it goes on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Literal

import msgspec
import polars as pl
import structlog

from pce_pipeline import __version__
from pce_pipeline.bea.errors import BeaError, BeaFileRefused, BeaUnknownField
from pce_pipeline.bronze.cells import keep
from pce_pipeline.bronze.counting import in_use, verdict_of
from pce_pipeline.bronze.current import Current, current
from pce_pipeline.bronze.derived import DerivedFeed
from pce_pipeline.bronze.errors import FileUnusable
from pce_pipeline.bronze.feeds import Feed, Gathered
from pce_pipeline.bronze.files import FileFeed
from pce_pipeline.bronze.judgement import Judge, content_of, holds_of, refusals
from pce_pipeline.bronze.manifest import (
    DERIVED,
    FROM_FILES,
    Manifest,
    ObjectEntry,
    Verified,
    VerifiedTable,
    content_sha256_of_tables,
)
from pce_pipeline.bronze.quarantine import counted, packed, set_aside
from pce_pipeline.bronze.reading import Content, Scope, read_content
from pce_pipeline.bronze.rules import Extract, ReadBack, StoredObject, rows_by_line, unlike_documented
from pce_pipeline.bronze.store import BronzeStore
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.errors import UsageError
from pce_pipeline.lake.errors import MissingObject, ObjectExists
from pce_pipeline.lake.integrity import sha256_of
from pce_pipeline.lake.layout import ExtractId

_log = structlog.get_logger()


@dataclass(frozen=True)
class Prepared:
    """Everything gathered, read and judged, not yet published."""

    manifest: Manifest
    """The manifest it would be published with, verdicts included."""
    objects: Mapping[str, bytes]
    """The stored bytes by name."""
    changed: tuple[str, ...]
    """The tables that say something which no kept extract says already; without any there is nothing to publish."""
    equals: Mapping[str, ExtractId]
    """For the other tables, the extract that says the same."""
    subject: Extract
    """What the rules of Bronze look at."""
    quarantine: pl.DataFrame
    """What could not be read, as `bronze.quarantine` lists it."""
    dataset: Dataset
    """The dataset that it is of."""
    content: Content | None = None
    """What was read of it, where nothing in it is unknown to this version."""

    @property
    def refused(self) -> dict[str, str]:
        """The tables of a live answer that do not count, each with the reason: somebody has to look at them."""
        verdicts = self.manifest.verdicts or {}
        if not self.manifest.is_live:
            return {}
        return {table: verdict.why for table, verdict in verdicts.items() if not verdict.counts}


@dataclass(frozen=True)
class Place:
    """Where the tables of some files go: one extract per date."""

    day: date
    """The day of the extract."""
    tables: tuple[str, ...]
    """The tables that are of this day."""
    files: tuple[Path, ...]
    """The files that hold them, and those that they are read with."""
    asked: date | None = None
    """The day that was asked for, where another one is right."""
    date_is: Literal["day", "month"] = "day"
    """Whether the day is known, or is the last one of the month that was given."""


def next_extract_id(bronze: BronzeStore, day: date) -> ExtractId:
    """The extract date of a day that comes after all that exist of it."""
    taken = [extract for extract in bronze.extracts() if extract.day == day]
    return max(taken).next_of_day if taken else ExtractId(day)


def places(
    feed: FileFeed,
    tables: Sequence[str],
    asked: date | None,
    now: Current,
    date_is: Literal["day", "month"] = "day",
) -> list[Place]:
    """Where the tables of files go: each to the day that its file says it was last updated, oldest first.

    Another day may be asked for, up to which BEA published nothing newer: a file that is older than what is held goes
    to its own day whatever is asked for. Where only a month is asked for, the day is its last one, or the file's own if
    that lies in the month. Raises `UsageError` for a file that says no day where none is asked for, and
    `BeaFileRefused` for files that hold none of the tables.
    """
    found: dict[tuple[date, date | None], tuple[dict[str, None], dict[Path, None]]] = {}
    for path, table, own in feed.own_days(tables):
        wanted = own if date_is == "month" and _is_of_month(own, asked) else asked
        day = wanted or own
        if day is None:
            raise UsageError(
                f"{path.name} does not say when BEA last updated {table}.",
                remedy="Add --date YYYY-MM-DD with the day on which BEA published it, which stands in the footnotes of "
                "BEA's own file and among BEA's news releases, or YYYY-MM where only the month is known.",
            )
        if asked is not None and own is not None and own < asked and _is_older(table, own, asked, now):
            day = own
        moved = asked if wanted != day else None
        names, files = found.setdefault((day, moved), ({}, {}))
        names[table] = files[path] = None
    return [
        Place(
            day,
            tuple(table for table in tables if table in names),
            (*files, *feed.beside),
            moved,
            date_is if day == asked else "day",
        )
        for (day, moved), (names, files) in sorted(found.items(), key=lambda item: item[0][0])
    ]


def _is_of_month(own: date | None, last: date | None) -> bool:
    """Whether a day lies in the month of which the last day is given."""
    return own is not None and last is not None and own.replace(day=1) == last.replace(day=1)


def _is_older(table: str, own: date, asked: date, now: Current) -> bool:
    """Whether BEA had published a newer release of the table than `own` by the day asked for."""
    known = (each.release for each in now.vintages(table) if each.at.day <= asked)
    return any(release is not None and release > own for release in known)


def check_day(extract: ExtractId, feed: Feed, today: date, tables: Sequence[str]) -> None:
    """Raise `UsageError` if what this feed gives of the tables cannot have been what BEA published on that day."""
    if not isinstance(feed, (FileFeed, DerivedFeed)):
        if extract.day != today:
            raise UsageError(
                f"BEA says only what it publishes today ({today}), not on {extract.day}.",
                remedy="Leave --date out, or name an archived file of that day with --file.",
            )
        return
    if extract.day > today:
        raise UsageError(f"{extract.day} is in the future.", remedy="Use a day up to today (UTC).")
    own_days = feed.own_days(tables) if isinstance(feed, FileFeed) else []
    earliest = max((own for _, _, own in own_days if own is not None), default=None)
    if earliest is not None and extract.day < earliest:
        raise UsageError(
            f"The file was last updated by BEA on {earliest}, so it was not published on {extract.day}.",
            remedy=f"Use --date {earliest} or a later day.",
        )


def prepare(
    bronze: BronzeStore,
    feed: Feed,
    dataset: Dataset,
    extract: ExtractId,
    tables: Sequence[str],
    *,
    world: str,
    run_id: str,
    tolerate_unknown: bool = False,
    date_is: Literal["day", "month"] = "day",
) -> Prepared:
    """Gather into staging, read what was gathered, and judge it; publishes nothing.

    Fields that this version does not know are kept; a live answer with them does not count, and a file is refused,
    unless they are tolerated. Raises `BeaError` for what BEA or the file does not give, `FileUnusable` for a file that
    Silver could not be made of, `UsageError` for a day the feed cannot be of. What could not be read is not kept for
    the next try.
    """
    check_day(extract, feed, datetime.now(UTC).date(), tables)
    gathered = feed.gather(bronze, extract, tables)
    staged = bronze.staged(extract)
    objects = {name: staged[name] for name in gathered.entries}
    try:
        content, unknown = _read(gathered, objects, tables, dataset)
        quarantine = set_aside(content, dataset)
        problems = _problems(content, dataset, extract.day, unknown if not tolerate_unknown else None)
        if gathered.origin in {FROM_FILES, DERIVED}:
            if unknown is not None and not tolerate_unknown:
                raise _of_file(unknown)
            for table, problem in problems.items():
                raise FileUnusable(table, problem)
    except BeaError:
        bronze.discard_staging(extract)
        raise
    entries = tuple(_entry_as_read(entry, content) for _, entry in sorted(gathered.entries.items()))
    now = current(bronze, dataset)
    unreadable = counted(quarantine)
    manifest = Manifest(
        dataset=dataset.name,
        world=world,
        extract_date=str(extract),
        ingested_at=datetime.now(UTC),
        origin=gathered.origin,
        run_id=run_id,
        code_version=__version__,
        scope=_requested(dataset, tables, content),
        tables={
            table: msgspec.structs.replace(
                entry, holds=holds_of(content, dataset, table), quarantined=unreadable.get(table, 0)
            )
            for table, entry in content.tables.items()
        },
        objects=entries,
        content_sha256=content_sha256_of_tables(content.tables),
        provenance=gathered.provenance,
        date_is=date_is,
    )
    judge = Judge(bronze, dataset, now.manifests, now.decisions)
    judged = judge.tables(manifest, content, problems)
    manifest = msgspec.structs.replace(manifest, verdicts={table: each.verdict for table, each in judged.items()})
    return Prepared(
        manifest=manifest,
        objects=objects,
        changed=tuple(table for table, each in judged.items() if each.equals is None),
        equals={table: each.equals for table, each in judged.items() if each.equals is not None},
        subject=_subject(
            manifest,
            rows_by_line(content.cells),
            {name: ReadBack(sha256_of(body), len(body)) for name, body in objects.items()},
            unlike_documented(content.cells, is_monthly=dataset.is_monthly),
        ),
        quarantine=quarantine,
        dataset=dataset,
        content=content if unknown is None else None,
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
                bronze.publish(extract, manifest, prepared.objects, packed(prepared.quarantine))
            except ObjectExists as taken:
                _log.warning("extract date is taken by remains of another extract", extract=str(extract), key=taken.key)
            else:
                held = manifest
                if prepared.content is not None:
                    keep(bronze, manifest, prepared.content, prepared.dataset)
        if held == manifest:
            _clear_staging(bronze, prepared.manifest.extract)
            return extract
        extract = extract.next_of_day


def note_unchanged(bronze: BronzeStore, prepared: Prepared) -> None:
    """Record that BEA was compared and nothing was new, and clear the staging.

    Nothing is recorded for files, which do not say what BEA publishes now, and for tables that do not count.
    """
    verdicts = prepared.manifest.verdicts or {}
    compared = {
        table: VerifiedTable(
            checked_at=taken_at(prepared.manifest, table),
            last_updated=entry.last_updated,
            extract=str(prepared.equals[table]),
        )
        for table, entry in prepared.manifest.tables.items()
        if prepared.manifest.is_live and verdicts[table].counts
    }
    if compared:
        before = bronze.verified()
        bronze.write_verified(
            Verified(checked_at=prepared.manifest.ingested_at, tables={**(before.tables if before else {}), **compared})
        )
    _clear_staging(bronze, prepared.manifest.extract)


def taken_at(manifest: Manifest, table: str) -> datetime:
    """Since when (UTC) it is known that BEA published what the extract holds of a table.

    Live, that is when its first answer came. Of files only the day of the extract is known.
    """
    if not manifest.is_live:
        return datetime.combine(manifest.extract.day, time.min, UTC)
    return min(entry.extracted_at for entry in manifest.objects if table in entry.tables)


def stored_subject(bronze: BronzeStore, dataset: Dataset, extract: ExtractId) -> Extract:
    """What the rules of Bronze look at, of an extract that exists: reads everything back.

    Where an object is missing or changed, what the manifest says of the cells stands in for them, so that each rule
    judges its own matter: the one on hashes names the object, the one on the manifest looks at the manifest.
    """
    manifest = _as_it_stands(current(bronze, dataset), extract)
    damaged = {damage.key.rsplit(f"/{extract}/", 1)[-1]: damage for damage in bronze.verify(extract)}
    found = {
        entry.key: ReadBack(damaged[entry.key].found if entry.key in damaged else entry.sha256, entry.bytes)
        for entry in manifest.objects
        if entry.key not in damaged or damaged[entry.key].problem != "missing"
    }
    if damaged.keys() & {entry.key for entry in manifest.objects}:
        return _subject(manifest, _declared_rows(manifest), found)
    content = content_of(bronze, manifest, list(manifest.tables), dataset)
    schema = unlike_documented(content.cells, is_monthly=dataset.is_monthly)
    return _subject(manifest, rows_by_line(content.cells), found, schema)


def _as_it_stands(now: Current, extract: ExtractId) -> Manifest:
    """The manifest, with the verdicts that hold now: a table in use counts, one that was superseded needs nobody."""
    manifest = now.manifests[extract]
    verdicts = {}
    for table in manifest.tables:
        verdict = verdict_of(now.manifests, now.decisions, extract, table)
        newest = now.unpinned.get(table)
        settled = extract in in_use(now.decisions) or (newest is not None and newest.newest.at > extract)
        verdicts[table] = msgspec.structs.replace(verdict, counts=verdict.counts or settled)
    return msgspec.structs.replace(manifest, verdicts=verdicts)


def _clear_staging(bronze: BronzeStore, extract: ExtractId) -> None:
    """Clear the staging of an extract, and what kills have left of those of its day that exist."""
    for done in {extract, *(held for held in bronze.extracts() if held.day == extract.day)}:
        bronze.discard_staging(done)


def _existing(bronze: BronzeStore, extract: ExtractId) -> Manifest | None:
    try:
        return bronze.manifest(extract)
    except MissingObject:
        return None


def _read(
    gathered: Gathered, objects: Mapping[str, bytes], tables: Sequence[str], dataset: Dataset
) -> tuple[Content, BeaUnknownField | None]:
    """What was gathered, as far as this version understands it, and what it does not know."""
    stored = [(entry, objects[name]) for name, entry in gathered.entries.items()]
    is_live, scope = gathered.origin not in {FROM_FILES, DERIVED}, scope_of_profile(dataset)
    found: BeaUnknownField | None = None
    try:
        content = read_content(stored, tables, dataset, scope=scope, is_live=is_live)
    except BeaUnknownField as unknown:
        found = unknown
        content = read_content(stored, tables, dataset, scope=scope, is_live=is_live, tolerate_unknown=True)
    missing = [table for table in tables if table not in content.tables]
    if missing:
        raise BeaFileRefused(
            f"What was received holds no {', '.join(missing)}.",
            remedy=f"It holds {', '.join(content.tables) or 'none of the tables asked for'}; name those with --tables.",
        )
    return content, found


def _entry_as_read(entry: ObjectEntry, content: Content) -> ObjectEntry:
    """The entry of an object, with the cells and the tables of today that it gave."""
    given = content.tables_of_objects.get(entry.key, entry.names)
    moved = {"tables": given, "published_as": entry.names} if set(given) != set(entry.names) else {}
    return msgspec.structs.replace(entry, rows=content.rows.get(entry.key, 0), **moved)


def _of_file(unknown: BeaUnknownField) -> FileUnusable:
    """What is said of a file with columns or fields that are not BEA's."""
    return FileUnusable(
        unknown.table,
        f"it has columns that are not BEA's: {', '.join(unknown.fields)}.",
        remedy="Take them out and import it again, or set PCE_TOLERATE_UNKNOWN_FIELDS=true to go on without them.",
    )


def _problems(content: Content, dataset: Dataset, day: date, unknown: BeaUnknownField | None) -> dict[str, str]:
    """Why Silver could not be made of a table, by table."""
    if unknown is not None:
        _log.warning("BEA sends unknown fields: kept in Bronze, and not used", fields=unknown.fields)
        return dict.fromkeys(content.tables, str(unknown))
    return refusals(content, dataset, day)


def scope_of_profile(dataset: Dataset) -> Scope | None:
    """The lines a narrowed profile takes; None where it takes all, also those that are not pinned."""
    return None if dataset.profile == "full" else {table: dataset.line_codes(table) for table in dataset.tables}


def _requested(dataset: Dataset, tables: Sequence[str], content: Content) -> dict[str, tuple[int, ...]]:
    """The lines asked for: those that BEA lists and the profile takes; of a file, those that it holds.

    A line that BEA has dropped is thus not missing here: what it publishes is kept, and whether the extract counts
    without the line is judged for itself.
    """
    scope = scope_of_profile(dataset)
    requested: dict[str, tuple[int, ...]] = {}
    for table in tables:
        of_table = pl.col("bea_table") == table  # of a file without texts no line is listed, and its cells are there
        listed = {*content.lines.filter(of_table)["line_code"], *content.cells.filter(of_table)["line_code"]}
        if scope is not None:
            listed &= set(scope[table])
        requested[table] = tuple(sorted(listed))
    return requested


def _declared_rows(manifest: Manifest) -> dict[str, dict[int, int]]:
    """The cells of each line as far as the manifest knows them: it counts by table, here spread over its lines."""
    spread: dict[str, dict[int, int]] = {}
    for table, entry in manifest.tables.items():
        each, rest = divmod(entry.rows, len(entry.lines))
        spread[table] = {line: each + (position < rest) for position, line in enumerate(entry.lines)}
    return spread


def _subject(
    manifest: Manifest,
    rows: Mapping[str, Mapping[int, int]],
    found: Mapping[str, ReadBack],
    schema: Sequence[str] | None = None,
) -> Extract:
    return Extract(
        schema=schema,
        verdicts=manifest.verdicts or {},
        is_live=manifest.is_live,
        requested=manifest.scope,
        rows=rows,
        objects=[StoredObject(entry.key, entry.sha256, entry.bytes, entry.rows) for entry in manifest.objects],
        total_rows=sum(entry.rows for entry in manifest.tables.values()),
        found=found,
    )
