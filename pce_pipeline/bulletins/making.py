"""Which bulletins there are, which of them are out of date, and how they are made from the lake.

There is one for each dataset and each extract at which something counts. What it is made of are the vintages up to that
extract, of its own dataset and, where clocks of prices link them, of others; so an import between two others makes its
own bulletin and that of its successor, and a pin none.
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from pce_pipeline.bea.observations import LINE_SCHEMA
from pce_pipeline.bronze.as_known import as_known, spoken_of_all, vintages_known
from pce_pipeline.bronze.cells import kept_cells
from pce_pipeline.bronze.counting import Vintage
from pce_pipeline.bronze.current import Current
from pce_pipeline.bronze.history import History, log_of
from pce_pipeline.bulletins.bulletin import BULLETIN_CODE_VERSION, Bulletin, Outlook
from pce_pipeline.bulletins.comparing import Known, Release, bulletin_of
from pce_pipeline.bulletins.feed import feed_of, newest_first
from pce_pipeline.bulletins.outlook import has_clocks, looked_at, outlook_of
from pce_pipeline.bulletins.store import BULLETIN, CHART, FEED, PAGE, BulletinStore, Entry, Index, Key
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.gold.changes import SAID, AsKnown
from pce_pipeline.gold.known import AsOf
from pce_pipeline.gold.vintages import figures
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.lake.pointer import Partition
from pce_pipeline.lake.resource import Lake
from pce_pipeline.observability import progress
from pce_pipeline.silver.observations import spelled_units
from pce_pipeline.tables.columns import FIGURE
from pce_pipeline.tables.registry import Registry
from pce_pipeline.tables.vintages import COUNTED, ENDINGS

_LINE = ["bea_table", "line_code"]


@dataclass(frozen=True)
class Made:
    """What `make_bulletins` did, bulletins named as `pce_state/2025-09-26`."""

    written: tuple[str, ...]
    """Those that are new or say something else."""
    refreshed: tuple[str, ...]
    """Those that were made of something else and say the same."""
    unchanged: tuple[str, ...]
    """The others."""
    withdrawn: tuple[str, ...]
    """Those whose extract counts no more."""


def places(now: Current) -> list[ExtractId]:
    """The extracts of a dataset at which a vintage of any of its tables stands, in order."""
    return sorted({vintage.at for table in now.dataset.tables for vintage in now.vintages(table)})


def inputs_of_bulletins(held: Mapping[str, Current]) -> dict[Key, str]:
    """Every bulletin that there should be, with the hash of what it is or would be made of."""
    catalogues = {name: _catalogue_hash(now.dataset) for name, now in held.items()}
    with_clocks = [name for name, now in held.items() if has_clocks(now.dataset)]
    found: dict[Key, str] = {}
    for name, now in held.items():
        together = with_clocks if has_clocks(now.dataset) else [name]
        digest = hashlib.sha256(
            " ".join([BULLETIN_CODE_VERSION, name, *(catalogues[each] for each in together)]).encode()
        )
        events = sorted((at, line) for each in together for at, line in _events(held[each]))
        done = 0
        for place in places(now):
            while done < len(events) and events[done][0] <= place:
                digest.update(f"{events[done][1]}\n".encode())
                done += 1
            found[name, str(place)] = digest.copy().hexdigest()
    return found


def outdated(index: Index, inputs: Mapping[Key, str]) -> list[Key]:
    """The bulletins that are not there, or were made of something else, and those that should not be there.

    Where only the feed is missing, it is that of the newest bulletin.
    """
    entries = index.entries
    due = [key for key, digest in inputs.items() if key not in entries or entries[key].inputs != digest]
    due += [key for key in entries if key not in inputs]
    return due if due or index.feed is not None else newest_first(inputs)[:1]


def make_bulletins(
    lake: Lake, registry: Registry, held: Mapping[str, Current], datasets: Collection[str], *, is_sample: bool
) -> Made:
    """Make the bulletins of these datasets that are missing or out of date, and the feed: pages first, index last.

    `held` has all datasets. Those of other datasets are left as they are.
    """
    store = BulletinStore(lake)
    index, present = store.index(), store.present()
    inputs = {key: digest for key, digest in inputs_of_bulletins(held).items() if key[0] in datasets}
    entries = index.entries
    due = {
        key
        for key, digest in inputs.items()
        if key not in entries or entries[key].inputs != digest or not _files(key) <= present
    }
    gone = {key for key in entries if key[0] in datasets and key not in inputs}
    staying = {key for key in entries if key not in gone}
    if not due and not gone and index.feed is not None and FEED in present:
        return Made((), (), tuple(sorted(map("/".join, staying))), ())
    in_feed = newest_first(staying | due)
    bulletins = store.intact(index, [key for key in in_feed if key not in due])
    due |= {key for key in in_feed if key not in bulletins and key in inputs}
    maker = _Maker(lake, registry, held, is_sample=is_sample)
    after: dict[Key, Entry] = {key: entry for key, entry in entries.items() if key not in gone}
    written: list[str] = []
    refreshed: list[str] = []
    for key in sorted(due, key=lambda each: (each[0], ExtractId.parse(each[1]))):
        progress.stage(f"bulletin of {' '.join(key)}")
        bulletin = maker.make(*key)
        recorded = entries[key].files if key in entries else {}
        there = {name: digest for name, digest in recorded.items() if f"{'/'.join(key)}/{name}" in present}
        after[key] = store.write(bulletin, inputs[key], there)
        (refreshed if there == after[key].files else written).append("/".join(key))
        if key in in_feed:
            bulletins[key] = bulletin
    store.remove(gone)
    feed = _write_feed(store, [bulletins[key] for key in in_feed if key in bulletins], lake)
    store.write_index(Index.of(after, feed))
    return Made(
        tuple(written),
        tuple(refreshed),
        tuple(sorted("/".join(key) for key in staying - due)),
        tuple(sorted(map("/".join, gone))),
    )


def _write_feed(store: BulletinStore, bulletins: list[Bulletin], lake: Lake) -> str | None:
    if not bulletins:
        store.remove_feed()
        return None
    return store.write_feed(feed_of(bulletins, env=lake.layout.env, world=lake.layout.world))


def _files(key: Key) -> set[str]:
    return {f"{'/'.join(key)}/{name}" for name in (BULLETIN, PAGE, CHART)}


def _events(now: Current) -> Iterator[tuple[ExtractId, str]]:
    """What the vintages of a dataset are made of, each with its place: a text that is equal for equal ones."""
    for table in now.dataset.tables:
        for vintage in now.vintages(table):
            yield vintage.at, f"{now.dataset.name} {table} {_told(vintage, now)}"


def _told(vintage: Vintage, now: Current) -> str:
    layers = [
        " ".join(
            [
                str(layer.extract),
                now.manifests[layer.extract].origin,
                now.manifests[layer.extract].ingested_at.isoformat(),
                str(layer.release),
                layer.entry.content_sha256,
                str(layer.entry.quarantined),
                hashlib.sha256(layer.entry.note.encode()).hexdigest(),
            ]
        )
        for layer in vintage.layers
    ]
    decided = "" if vintage.decided is None else f"{vintage.decided.decided_at.isoformat()} {vintage.decided.why}"
    return f"{' over '.join(layers)} {decided}"


def _catalogue_hash(dataset: Dataset) -> str:
    """A hash of what the catalogue says of a dataset and a bulletin repeats or goes by."""
    digest = hashlib.sha256(f"{dataset.title} {dataset.comprehensive_updates}".encode())
    for frame in (dataset.lines, dataset.categories, dataset.areas):
        digest.update(frame.write_csv().encode())
    for table in dataset.tables.values():
        digest.update(f"{table.name} {table.title} {table.first_year} {sorted(table.levels)}\n".encode())
    for measure in dataset.measures.values():
        said = (measure.name, measure.title, measure.unit_title, measure.decimals, measure.home, measure.base_year_of)
        digest.update(f"{said}\n".encode())
    return digest.hexdigest()


class _Maker:
    """Makes bulletins of one lake, and reads what several need once."""

    def __init__(self, lake: Lake, registry: Registry, held: Mapping[str, Current], *, is_sample: bool) -> None:
        self._lake = lake
        self._registry = registry
        self._held = held
        self._is_sample = is_sample
        self._histories = {name: History(now) for name, now in held.items() if name in registry.figures}
        self._logs: dict[str, pl.DataFrame] = {}
        self._folded: dict[str, pl.DataFrame] = {}
        self._last: tuple[Key, Known] | None = None

    def make(self, name: str, extract: str) -> Bulletin:
        """The bulletin of one extract."""
        now, at = self._held[name], ExtractId.parse(extract)
        earlier = [each for each in places(now) if each < at]
        before_at = earlier[-1] if earlier else None
        before = None if before_at is None else self._known(name, before_at)
        after = self._known(name, at)
        of_it = [vintage for vintage in after.vintages.values() if vintage.at == at]
        compared = [*after.vintages.values(), *(before.vintages.values() if before is not None else ())]
        release = Release(
            dataset=now.dataset,
            at=at,
            before_at=before_at,
            after=after,
            before=before,
            origins=tuple(sorted({now.manifests[each].origin for vintage in of_it for each in vintage.extracts})),
            published_at=max(now.manifests[each].ingested_at for vintage in of_it for each in vintage.extracts),
            updated_at=max(
                [
                    *(now.manifests[each].ingested_at for vintage in compared for each in vintage.extracts),
                    *(vintage.decided.decided_at for vintage in compared if vintage.decided is not None),
                ]
            ),
            is_sample=self._is_sample,
        )
        return bulletin_of(release, self._outlook(name, at))

    def _known(self, name: str, at: ExtractId) -> Known:
        """What was known with an extract: of the last one that was asked for, from memory."""
        key = name, str(at)
        if self._last is None or self._last[0] != key:
            now = self._held[name]
            vintages = vintages_known(now, at)
            self._last = key, Known(vintages, self._figures(name, at, vintages), lines_known(now, vintages))
        return self._last[1]

    def _figures(self, name: str, at: ExtractId, vintages: Mapping[str, Vintage]) -> AsKnown:
        """The figures that were known with an extract: from their log, or of months, which have none, from Bronze."""
        now = self._held[name]
        if name not in self._histories:
            return as_known(now, at).known
        number = at.vintage_id
        holds = (pl.col("valid_from") <= number) & (pl.col("valid_to").is_null() | (pl.col("valid_to") > number))
        is_there = (pl.col("basis") == COUNTED) & ~pl.col("status").is_in(list(ENDINGS))
        cells = self._log(name, holds & is_there).select(*FIGURE, "geo_level", "state", "bea_table", *SAID)
        return AsKnown(cells, spoken_of_all(vintages, now.dataset))

    def _outlook(self, name: str, at: ExtractId) -> Outlook:
        if name not in self._histories:
            return Outlook()
        dataset = self._held[name].dataset
        needed = {name, *self._with_clocks} if has_clocks(dataset) else {name}
        logs = {each: self._looked_at(each) for each in sorted(needed)}
        datasets = {each: self._held[each].dataset for each in logs}
        return outlook_of(dataset, AsOf(at.day, at.number), logs, self._histories[name].vintages, datasets)

    @cached_property
    def _with_clocks(self) -> list[str]:
        return [name for name in self._histories if has_clocks(self._held[name].dataset)]

    def _looked_at(self, name: str) -> pl.DataFrame:
        """The rows of the log of a dataset's figures that an outlook looks at."""
        if name not in self._logs:
            self._logs[name] = self._log(name, looked_at(self._held[name].dataset))
        return self._logs[name]

    def _log(self, name: str, wanted: pl.Expr) -> pl.DataFrame:
        """The rows of the log of a dataset's figures that are wanted, of all years.

        A year that is not published as of all that is held is folded on the spot: a run of some years leaves the others
        for later.
        """
        now, history = self._held[name], self._histories[name]
        table, cells = self._registry.figures[name].table, self._registry.logs[name].table
        store = self._lake.table(table)
        published, of_cells = store.latest(), self._lake.table(cells).latest()
        rows, missing = [pl.DataFrame(schema=table.polars_schema)], []
        for year in sorted(history.years):
            partition, source = published.get(str(year)), of_cells.get(str(year))
            if partition is not None and self._is_current(name, year, partition, source):
                rows.append(store.read_partition(partition).filter(wanted))
            else:
                missing.append(year)
        if missing and name not in self._folded:
            log = log_of(now, self._lake, self._registry.logs[name], missing)
            self._folded[name] = figures(log, history.vintages, now.dataset)
        return pl.concat([*rows, *([self._folded[name].filter(wanted)] if missing else [])])

    def _is_current(self, name: str, year: int, partition: Partition, source: Partition | None) -> bool:
        """Whether a published year of a log of figures is made of all vintages that are held."""
        made, log = self._registry.figures[name], self._registry.logs[name]
        return (
            source is not None
            and (source.code_version, partition.code_version) == (log.code_version, made.code_version)
            and source.inputs == self._histories[name].inputs(year)
            and partition.inputs == {f"{log.table.name}/{year}": source.content_sha256}
        )


def lines_known(now: Current, vintages: Mapping[str, Vintage]) -> pl.DataFrame:
    """BEA's words for the lines of vintages, as `Known` has them: of several layers those of the last."""
    schema = {**LINE_SCHEMA, "unit": pl.String}
    found = [pl.DataFrame(schema=schema)]
    for table, vintage in vintages.items():
        for layer in vintage.layers:
            kept = kept_cells(now.bronze, now.manifests[layer.extract], now.dataset, tolerate_unknown=True)
            of_table = pl.col("bea_table") == table
            cells = kept.of_year(max(layer.entry.years)).filter(of_table)
            units = spelled_units(cells, now.dataset).select(*_LINE, unit="spelled").unique(_LINE, keep="first")
            found.append(kept.lines.filter(of_table).join(units, on=_LINE, how="left").select(list(schema)))
    return pl.concat(found).unique(_LINE, keep="last", maintain_order=True).sort(_LINE)
