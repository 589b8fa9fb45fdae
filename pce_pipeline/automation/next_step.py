"""What comes next: take an extract, refresh years, or nothing.

A pure decision over three states: what the lake holds, what BEA says of its releases, what Postgres holds. The
sensor, `pce run` and a CI runner ask the same function, and none of them remembers anything between two calls, so
nothing can be lost to a cursor. Metadata may prove that something is new; only content proves that nothing is.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Literal

from pce_pipeline.bea.gateway import Release
from pce_pipeline.bea.observations import ReleaseNote
from pce_pipeline.bronze.counting import Vintage
from pce_pipeline.hooks.events import Received
from pce_pipeline.lake.pointer import WHOLE, Partition
from pce_pipeline.tables.lineage import DERIVATIONS, DIMENSIONS, LOADED, SILVER, derivation_of, inputs_of
from pce_pipeline.tables.years import hull_with_reach

WAIT_FOR_LATE_RELEASE = timedelta(days=14)
"""How long after an announced release the pipeline looks for figures that have not shown."""

SOONEST_REPEAT = timedelta(hours=1)
"""How long after a comparison on a release day the next one may be."""


@dataclass(frozen=True)
class KnownTable:
    """What the lake knows of one BEA table."""

    vintage: Vintage
    """The vintage that counts."""
    last_updated: date | None
    """The release it is of, as far as it is known."""
    compared_at: datetime
    """When it was last compared with what BEA publishes (UTC)."""
    changed_at: datetime | None = None
    """When the figures that BEA was last seen to publish were seen first (UTC)."""
    is_complete: bool = True
    """Whether it may stand for what BEA published: parts of a table say nothing of the rest."""


@dataclass(frozen=True)
class LakeState:
    """What the lake holds: known tables, and the current partitions of every table it publishes.

    `beyond_pin` are BEA tables that only extracts later than the pin hold: compared with BEA, otherwise left alone.
    `event` is the newest that announced a release, where some table was not compared with BEA since it came.
    `has_extracts` says whether any extract is held, whether it counts or not.
    `is_pinned` says whether extracts later than a pin are ignored.
    """

    tables: Mapping[str, KnownTable]
    partitions: Mapping[str, Mapping[str, Partition]]
    stale_dimensions: tuple[str, ...] = ()
    beyond_pin: Mapping[str, KnownTable] = field(default_factory=dict)
    event: Received | None = None
    has_extracts: bool = True
    is_pinned: bool = False

    def hashes(self, table: str) -> dict[str, str]:
        return {year: partition.content_sha256 for year, partition in self.partitions.get(table, {}).items()}

    @property
    def covered_years(self) -> list[int]:
        """The years for which the current extracts hold any cell, ascending."""
        return sorted({year for known in self.tables.values() for year in known.vintage.years})

    def silver_inputs(self, year: int) -> dict[str, str]:
        """What Silver's year is or would be made from: content hashes of the cells of that year, by BEA table."""
        return {
            name: digest
            for _, known in sorted(self.tables.items())
            for name, digest in known.vintage.inputs(year).items()
        }


@dataclass(frozen=True)
class LoadState:
    """What Postgres holds, by table and partition (a year, or `all`)."""

    hashes: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """The content of the lake that was loaded, as the checkpoints say."""
    miscounted: Mapping[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    """Where the rows there are not as many as were loaded: how many there are, and how many were loaded.

    Rows of a year that nobody loaded are none of the pipeline's: no refresh takes them out.
    """


@dataclass(frozen=True)
class Step:
    """What comes next and why, by table (extract) or year (refresh)."""

    action: Literal["extract", "refresh", "nothing"]
    reasons: Mapping[str, str] = field(default_factory=dict)
    first_year: int | None = None
    last_year: int | None = None
    tables: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def tables_to_extract(
    lake: LakeState, release: Release, tables: Iterable[str], *, full_comparison: timedelta
) -> dict[str, str]:
    """The tables that are new, or that must be compared with BEA in full, each with its reason.

    With an API the tables' notes are asked each time, and any other day than the known one, earlier ones too, is news.
    Without (the archive, which must be fetched whole), a table is looked at once a day at most.

    In full a table is compared after each release that BEA's calendar announced, and at least every `full_comparison`.
    BEA may publish hours after the calendar's moment, may publish without a new note, and its caches lag; so a
    comparison that found nothing on a release day is repeated after an hour, and then whenever the time since the
    announcement has doubled (once a day without an API), until note or figures have changed or 14 days have passed:
    about ten comparisons for a release that never comes.

    An event that came after a table was last compared makes it compared in any case. The comparison answers the event,
    whatever it finds, and nobody need note that.
    """
    reasons: dict[str, str] = {}
    for table in tables:
        known = lake.tables.get(table) or lake.beyond_pin.get(table)
        if known is None:
            reasons[table] = "no extract holds it yet"
        elif not known.is_complete:
            reasons[table] = "only a part of it is held"
        elif reason := _due(table, known, release, full_comparison) or _announced(known, lake.event):
            reasons[table] = reason
    return reasons


def _due(table: str, known: KnownTable, release: Release, full_comparison: timedelta) -> str | None:
    if release.notes is not None:
        return _note_says_new(known, release.notes.get(table)) or _comparison_due(known, release, full_comparison)
    if known.compared_at.date() < release.asked_at.date():
        return _late_release(known, release) or _comparison_due(known, release, full_comparison)
    return None


def _announced(known: KnownTable, event: Received | None) -> str | None:
    if event is None or event.at < known.compared_at:
        return None
    return (
        f"event {event.name} announced a release on {event.at:%Y-%m-%d %H:%M} UTC, "
        f"after the last comparison at {known.compared_at:%Y-%m-%d %H:%M:%S}"
    )


def _note_says_new(known: KnownTable, note: ReleaseNote | None) -> str | None:
    if note is None or note.last_updated == known.last_updated:
        return None
    before = f"{known.last_updated:%Y-%m-%d}" if known.last_updated else "unknown"
    return f"BEA updated it on {note.last_updated:%Y-%m-%d}; the newest extract is of {before}"


def _comparison_due(known: KnownTable, release: Release, full_comparison: timedelta) -> str | None:
    announced = release.latest_announced()
    if announced is not None and announced > known.compared_at:
        return f"BEA's calendar has a release on {announced:%Y-%m-%d}; comparing in full"
    since = release.asked_at - known.compared_at
    awaited = _awaited(known, release)
    if awaited is not None and since >= max(SOONEST_REPEAT, known.compared_at - awaited):
        return f"the release announced for {awaited:%Y-%m-%d} has not shown; comparing in full again"
    if since >= full_comparison:
        return f"not compared in full for {since.days} days"
    return None


def _late_release(known: KnownTable, release: Release) -> str | None:
    awaited = _awaited(known, release)
    return None if awaited is None else f"the release announced for {awaited:%Y-%m-%d} is not in the archive yet"


def _awaited(known: KnownTable, release: Release) -> datetime | None:
    """The announced moment of a release that neither note nor figures show, while it may still come."""
    announced = release.latest_announced()
    if announced is None or release.asked_at - announced > WAIT_FOR_LATE_RELEASE:
        return None
    noted = known.last_updated is not None and known.last_updated >= announced.date()
    changed = known.changed_at is not None and known.changed_at >= announced
    return None if noted or changed else announced


def stale_years(lake: LakeState, loaded: LoadState | None) -> dict[int, str]:
    """The years in which a table of the lake or of Postgres is not what its inputs say, each with the first reason.

    `loaded` None leaves Postgres out.
    """
    stale: dict[int, str] = {}
    for year in lake.covered_years:
        reason = _stale_in_lake(lake, year) or (None if loaded is None else _stale_load(lake, year, loaded))
        if reason:
            stale[year] = reason
    return stale | dict.fromkeys(_years_to_withdraw(lake, loaded), "no extract that counts covers it any more")


def _years_to_withdraw(lake: LakeState, loaded: LoadState | None) -> list[int]:
    """The years that are published although the extracts that count now do not cover them: a pin, or a decision.

    A lake that holds no extract at all says nothing: it may be the wrong place.
    """
    covered = lake.covered_years
    in_lake = {year for derivation in DERIVATIONS for year in lake.partitions.get(derivation.table.name, {})}
    yearly = {table.name for table in LOADED}
    in_postgres = {year for table, year in (loaded.hashes if loaded is not None else ()) if table in yearly}
    return sorted({int(year) for year in in_lake | in_postgres} - set(covered)) if lake.has_extracts else []


def _stale_in_lake(lake: LakeState, year: int) -> str | None:
    for derivation in DERIVATIONS:
        partition = lake.partitions.get(derivation.table.name, {}).get(str(year))
        if partition is None:
            return f"{derivation.table.name} is not materialised"
        if partition.code_version != derivation.code_version:
            return f"{derivation.table.name} was made by code version {partition.code_version}"
        expected = (
            lake.silver_inputs(year)
            if derivation is SILVER
            else inputs_of(derivation, year, lake.hashes(derivation.upstream.name if derivation.upstream else ""))
        )
        if dict(partition.inputs) != expected:
            changed = sorted(
                name
                for name in expected.keys() | partition.inputs.keys()
                if expected.get(name) != partition.inputs.get(name)
            )
            return f"{derivation.table.name} was made from another {', '.join(changed)}"
    return None


def _stale_load(lake: LakeState, year: int, loaded: LoadState) -> str | None:
    for table in LOADED:
        key = (table.name, str(year))
        held = loaded.hashes.get(key)
        if held != lake.hashes(table.name)[str(year)]:
            return f"Postgres holds {'another' if held else 'no'} {derivation_of(table).table.name}"
        if key in loaded.miscounted:
            return _miscounted(table.name, *loaded.miscounted[key])
    return None


def _miscounted(table: str, there: int, loaded: int) -> str:
    return f"Postgres holds {there:,} of {loaded:,} rows of {table}"


def stale_dimensions(lake: LakeState, loaded: LoadState | None) -> dict[str, str]:
    """The dimensions that are not what the catalogue says, in the lake or in Postgres, each with its reason."""
    reasons = dict.fromkeys(lake.stale_dimensions, "the catalogue has changed")
    if loaded is None:
        return reasons
    for table in DIMENSIONS:
        key = (table.name, WHOLE)
        held = loaded.hashes.get(key)
        if held != lake.hashes(table.name).get(WHOLE):
            reasons.setdefault(table.name, f"Postgres holds {'another' if held else 'none'}")
        elif key in loaded.miscounted:
            reasons.setdefault(table.name, _miscounted(table.name, *loaded.miscounted[key]))
    return reasons


def next_step(
    lake: LakeState,
    release: Release | None,
    loaded: LoadState | None,
    *,
    tables: Iterable[str],
    full_comparison: timedelta,
) -> Step:
    """Decide. New data goes before stale years, because it would make them stale again.

    `release` None leaves BEA out (nobody asked it); `loaded` None leaves Postgres out.
    """
    warnings = _warnings_of_calendar(release)
    if release is not None:
        wanted = tables_to_extract(lake, release, tables, full_comparison=full_comparison)
        if wanted:
            return Step("extract", reasons=wanted, tables=tuple(wanted), warnings=warnings)
    covered = lake.covered_years
    stale = stale_years(lake, loaded)
    if stale:
        first, last = hull_with_reach(stale, newest=covered[-1] if covered else max(stale))
        return Step(
            "refresh",
            reasons={str(year): reason for year, reason in stale.items()},
            first_year=first,
            last_year=last,
            warnings=warnings,
        )
    dimensions = stale_dimensions(lake, loaded) if covered else {}
    if dimensions:
        return Step("refresh", reasons=dimensions, first_year=covered[-1], last_year=covered[-1], warnings=warnings)
    return Step("nothing", warnings=warnings)


def _warnings_of_calendar(release: Release | None) -> tuple[str, ...]:
    if release is None:
        return ()
    if release.calendar is None:
        return ("BEA's release calendar could not be read; full comparisons follow the interval alone.",)
    if release.calendar.name_found(release.release_names) is None:
        return (
            (
                "BEA's release calendar names none of the releases that the catalogue lists; full comparisons follow "
                "the interval alone. Look up the name BEA uses now and add it to release_names."
            ),
        )
    return ()
