"""What comes next: take an extract, refresh years, or nothing.

A pure decision over three states: what the lake holds, what BEA says of its releases, what Postgres holds. The
sensor, `pce run` and a CI runner ask the same function, and none of them remembers anything between two calls, so
nothing can be lost to a cursor. Metadata may prove that something is new; only content proves that nothing is.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Literal

from pce_pipeline.bea.gateway import Release
from pce_pipeline.bea.observations import ReleaseNote
from pce_pipeline.bronze.counting import Vintage
from pce_pipeline.explorer.inputs import dataset_of
from pce_pipeline.explorer.store import EXPLORER
from pce_pipeline.hooks.events import Received
from pce_pipeline.lake.pointer import WHOLE, Partition
from pce_pipeline.tables.dimensions import PIECES_OF_LOGS
from pce_pipeline.tables.lineage import Derivation, FromBronze
from pce_pipeline.tables.registry import Registry
from pce_pipeline.tables.table import Table
from pce_pipeline.tables.vintages import DIM_VINTAGE
from pce_pipeline.tables.years import FIRST_YEAR, hull_with_reach

WAIT_FOR_LATE_RELEASE = timedelta(days=14)
"""How long after an announced release the pipeline looks for figures that have not shown."""

_NAMED = 3
_OF_LOGS = {each.table.name for each in PIECES_OF_LOGS}

SOONEST_REPEAT = timedelta(hours=1)
"""How long after a comparison on a release day the next one may be."""


@dataclass(frozen=True)
class KnownTable:
    """What the lake knows of one BEA table."""

    vintage: Vintage
    """The vintage that counts."""
    last_updated: date | None
    """The release that BEA was last seen to publish, as far as it is known: with a pin it may be a later one."""
    compared_at: datetime
    """When it was last compared with what BEA publishes (UTC)."""
    changed_at: datetime | None = None
    """When the figures that BEA was last seen to publish were seen first (UTC)."""
    is_complete: bool = True
    """Whether it may stand for what BEA published: parts of a table say nothing of the rest."""


@dataclass(frozen=True)
class LakeState:
    """What the lake holds of some datasets: known tables of BEA, and the current partitions of all it publishes."""

    registry: Registry
    """The datasets, and the tables that derive from them."""
    tables: Mapping[str, KnownTable]
    """What counts, by BEA table."""
    partitions: Mapping[str, Mapping[str, Partition]]
    """The partitions of each published table, by key."""
    stale_dimensions: tuple[str, ...] = ()
    """The dimensions that are not what the catalogue says."""
    stale_bulletins: tuple[tuple[str, str], ...] = ()
    """The bulletins that are missing or were made of something else: dataset and extract."""
    stale_explorer: tuple[str, ...] = ()
    """The files of the explorer's set that are missing, were made of something else, or should not be there."""
    beyond_pin: Mapping[str, KnownTable] = field(default_factory=dict)
    """BEA tables that only extracts later than the pin hold: compared with BEA, otherwise left alone."""
    event: Received | None = None
    """The newest event that announced a release, where some table was not compared with BEA since it came."""
    has_extracts: Collection[str] = ()
    """The datasets of which any extract is held, whether it counts or not."""
    is_pinned: Collection[str] = ()
    """The datasets whose extracts later than a pin are ignored."""
    vintages: Mapping[str, Mapping[int, Mapping[str, str]]] = field(default_factory=dict)
    """Of each dataset and year that any vintage has: what the log of its values is or would be made from."""
    beginnings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Of each dataset, the first vintage of each table."""

    def part_hash(self, table: Table, year: int, part: str | None = None) -> str | None:
        """The content hash of a table's year, or of a part of it; None where there is none."""
        partition = self.partitions.get(table.name, {}).get(str(year))
        return partition.part_sha256(part) if partition is not None else None

    @property
    def covered_years(self) -> list[int]:
        """The years for which the current extracts of any dataset hold any cell, ascending."""
        return self.covered_by(self.registry.datasets)

    def covered_by(self, datasets: Collection[str]) -> list[int]:
        """The years for which the current extracts of these datasets hold any cell, ascending."""
        years = {
            year
            for table, known in self.tables.items()
            if self.registry.bea_tables[table] in datasets
            for year in known.vintage.years
        }
        return sorted(year for year in years if year >= FIRST_YEAR)

    def covered(self, derivation: Derivation) -> list[int]:
        """The years that a table should have, ascending."""
        return self.covered_of(derivation, self.registry.datasets_of(derivation))

    def covered_of(self, derivation: Derivation, datasets: Collection[str]) -> list[int]:
        """The years that a table should have of these datasets, ascending."""
        if derivation.covers_all_vintages:
            return sorted({year for name in datasets for year in self.vintages.get(name, {})})
        return self.covered_by(datasets)

    def inputs_of_bronze(self, source: FromBronze, year: int) -> dict[str, str]:
        """What a year of Silver is or would be made from: content hashes of the cells of that year, by BEA table."""
        dataset = source.dataset
        if source.of == "vintages":
            return dict(self.vintages.get(dataset, {}).get(year, {}))
        if source.of == "beginnings":
            return dict(self.beginnings.get(dataset, {}))
        return {
            name: digest
            for table, known in sorted(self.tables.items())
            if self.registry.bea_tables[table] == dataset
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
    """What comes next and why."""

    action: Literal["extract", "refresh", "nothing"]
    """What to do."""
    reasons: Mapping[str, str] = field(default_factory=dict)
    """Why, by BEA table (extract), or by year or dimension (refresh)."""
    first_year: int | None = None
    """The first year to refresh."""
    last_year: int | None = None
    """The last year to refresh."""
    tables: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The BEA tables to extract, by dataset: each dataset has extracts of its own."""
    warnings: tuple[str, ...] = ()
    """What somebody should know, whatever comes next."""


def tables_to_extract(
    lake: LakeState, releases: Mapping[str, Release], tables: Iterable[str], *, full_comparison: timedelta
) -> dict[str, str]:
    """The tables that are new, or that must be compared with BEA in full, each with its reason.

    Of a dataset without a release nothing is said: BEA was not asked.

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
        release = releases.get(lake.registry.bea_tables[table])
        if release is None or release.problem is not None:
            continue
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
    return f"updated on {note.last_updated:%Y-%m-%d}; the newest extract is of {before}"


def _comparison_due(known: KnownTable, release: Release, full_comparison: timedelta) -> str | None:
    announced = release.latest_announced()
    if announced is not None and announced > known.compared_at:
        return f"the release calendar has a release on {announced:%Y-%m-%d}; comparing in full"
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


def stale_years(lake: LakeState, loaded: LoadState | None, datasets: Collection[str] | None = None) -> dict[int, str]:
    """The years in which a table of the lake or of Postgres is not what its inputs say, each with the first reason.

    `loaded` None leaves Postgres out; `datasets` keeps to the tables that are made of any of them, and of a table that
    others share to what it has of these.
    """
    stale: dict[int, str] = {}
    gone: dict[int, str] = {}
    derivations = [(each, _chosen_of(lake, each, datasets)) for each in lake.registry.derivations_of(datasets)]
    for derivation, chosen in derivations:
        for year in lake.covered_of(derivation, chosen):
            if year not in stale and (reason := _stale_in_lake(lake, derivation, year, chosen)):
                stale[year] = reason
        for year in _years_to_withdraw(lake, derivation, lake.covered(derivation), loaded):
            gone[year] = "no extract that counts covers it any more"
    for derivation, chosen in derivations if loaded is not None else ():
        for year in lake.covered_of(derivation, chosen):
            if year not in stale and (reason := _stale_load(lake, derivation.table, year, loaded)):
                stale[year] = reason
    return dict(sorted(stale.items())) | {year: reason for year, reason in sorted(gone.items()) if year not in stale}


def _chosen_of(lake: LakeState, derivation: Derivation, datasets: Collection[str] | None) -> tuple[str, ...]:
    """Those of the datasets that a table is made of; all that it is made of where none are chosen."""
    return tuple(name for name in lake.registry.datasets_of(derivation) if datasets is None or name in datasets)


def _years_to_withdraw(
    lake: LakeState, derivation: Derivation, covered: Collection[int], loaded: LoadState | None
) -> list[int]:
    """The years that are published although the extracts that count now do not cover them: a pin, or a decision.

    A lake that holds no extract of the dataset at all says nothing: it may be the wrong place.
    """
    if not set(lake.registry.datasets_of(derivation)) & set(lake.has_extracts):
        return []
    table = derivation.table
    published = set(lake.partitions.get(table.name, {}))
    if loaded is not None and table.in_postgres:
        published |= {year for name, year in loaded.hashes if name == table.name}
    return sorted({int(year) for year in published} - set(covered))


def _stale_in_lake(lake: LakeState, derivation: Derivation, year: int, chosen: Collection[str]) -> str | None:
    partition = lake.partitions.get(derivation.table.name, {}).get(str(year))
    if partition is None:
        return f"{derivation.table.name} is not materialised"
    if partition.code_version != derivation.code_version:
        return f"{derivation.table.name} was made by code version {partition.code_version}"
    expected = derivation.inputs_of(year, lake.part_hash, lake.inputs_of_bronze)
    others = tuple(
        f"{each.table.name}/"
        for each in derivation.tables
        if each.part is None
        and set(chosen).isdisjoint(lake.registry.datasets_of(lake.registry.derivation_of(each.table)))
    )
    changed = sorted(
        name
        for name in expected.keys() | partition.inputs.keys()
        if expected.get(name) != partition.inputs.get(name) and not name.startswith(others)
    )
    if changed:
        return f"{derivation.table.name} was made from another {', '.join(changed)}"
    return None


def _stale_load(lake: LakeState, table: Table, year: int, loaded: LoadState | None) -> str | None:
    if loaded is None or not table.in_postgres:
        return None
    key = (table.name, str(year))
    held = loaded.hashes.get(key)
    if held != lake.part_hash(table, year):
        return f"Postgres holds {'another' if held else 'no'} {table.name}"
    return _miscounted(table.name, *loaded.miscounted[key]) if key in loaded.miscounted else None


def _miscounted(table: str, there: int, loaded: int) -> str:
    return f"Postgres holds {there:,} of {loaded:,} rows of {table}"


def stale_dimensions(lake: LakeState, loaded: LoadState | None) -> dict[str, str]:
    """The tables in one piece that are not what they are made from, in the lake or in Postgres, each with its why."""
    reasons = {name: _why_stale(name, lake.registry) for name in lake.stale_dimensions}
    if loaded is None:
        return reasons
    for table in (each for each in lake.registry.in_one_piece if each.in_postgres):
        key = (table.name, WHOLE)
        held = loaded.hashes.get(key)
        if held != _content(lake, table):
            reasons.setdefault(table.name, f"Postgres holds {'another' if held else 'none'}")
        elif key in loaded.miscounted:
            reasons.setdefault(table.name, _miscounted(table.name, *loaded.miscounted[key]))
    return reasons


def stale_bulletins(lake: LakeState, datasets: Collection[str]) -> dict[str, str]:
    """Why bulletins of these datasets have to be made, by dataset; nothing where all say what is held."""
    found: dict[str, list[str]] = {}
    for name, extract in lake.stale_bulletins:
        if name in datasets:
            found.setdefault(name, []).append(extract)
    return {
        f"bulletins of {name}": "missing or out of date: "
        f"{', '.join(extracts[:_NAMED])}{' and others' if len(extracts) > _NAMED else ''}"
        for name, extracts in found.items()
    }


def stale_explorer(lake: LakeState, datasets: Collection[str]) -> dict[str, str]:
    """Why the explorer's set has to be made again for these datasets; nothing where it says what is held."""
    behind = {dataset_of(path) for path in lake.stale_explorer}
    if behind.isdisjoint({None, *datasets}):
        return {}
    named = sorted(name for name in datasets if name in behind)
    return {f"{EXPLORER} files": f"missing, or behind Gold: {', '.join(named) or 'its index'}"}


def _why_stale(table: str, registry: Registry) -> str:
    if table == DIM_VINTAGE.name:
        return "the extracts that are held have changed"
    if table in _OF_LOGS:
        return "the logs have changed"
    return "what it is made of has changed" if table in registry.pieces else "the catalogue has changed"


def next_step(
    lake: LakeState,
    releases: Mapping[str, Release],
    loaded: LoadState | None,
    *,
    datasets: Collection[str] | None = None,
    leave_out: Collection[str] = (),
    full_comparison: timedelta,
) -> Step:
    """Decide. New data goes before stale years, because it would make them stale again.

    `releases` are by dataset; one without is left out (nobody asked BEA of it). `loaded` None leaves Postgres out.
    `datasets` keeps to these; `leave_out` are BEA tables not to extract.
    """
    chosen = lake.registry.datasets if datasets is None else datasets
    warnings = _warnings({name: each for name, each in releases.items() if name in chosen})
    tables = [
        table for table, dataset in lake.registry.bea_tables.items() if dataset in chosen and table not in leave_out
    ]
    wanted = tables_to_extract(lake, releases, tables, full_comparison=full_comparison)
    if wanted:
        by_dataset: dict[str, tuple[str, ...]] = {}
        for table in wanted:
            dataset = lake.registry.bea_tables[table]
            by_dataset[dataset] = (*by_dataset.get(dataset, ()), table)
        return Step("extract", reasons=wanted, tables=by_dataset, warnings=warnings)
    covered = lake.covered_by(chosen)
    stale = stale_years(lake, loaded, datasets)
    if stale:
        newest = covered[-1] if covered else max(stale)
        first, last = hull_with_reach(stale, newest=newest, reach=lake.registry.reach_of(datasets))
        return Step(
            "refresh",
            reasons={str(year): reason for year, reason in stale.items()},
            first_year=first,
            last_year=last,
            warnings=warnings,
        )
    in_one_piece = (
        {**stale_dimensions(lake, loaded), **stale_bulletins(lake, chosen), **stale_explorer(lake, chosen)}
        if covered
        else {}
    )
    if in_one_piece:
        return Step("refresh", reasons=in_one_piece, first_year=covered[-1], last_year=covered[-1], warnings=warnings)
    return Step("nothing", warnings=warnings)


def _content(lake: LakeState, table: Table) -> str | None:
    """The content hash of a table in one piece."""
    held = lake.partitions.get(table.name, {}).get(WHOLE)
    return held.content_sha256 if held is not None else None


def _warnings(releases: Mapping[str, Release]) -> tuple[str, ...]:
    silent = tuple(
        f"Nothing was told of {name}: {release.problem}" for name, release in releases.items() if release.problem
    )
    if any(release.calendar is None for release in releases.values()):
        return (*silent, "The release calendar could not be read; full comparisons follow the interval alone.")
    return silent + tuple(
        f"The release calendar names none of the releases that the catalogue lists for {name}; full comparisons "
        "follow the interval alone. Look up the name that is used now and add it to release_names."
        for name, release in releases.items()
        if release.calendar is not None and release.calendar.name_found(release.release_names) is None
    )
