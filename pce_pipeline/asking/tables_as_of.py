"""Every table of a lake as a pipeline would have published it that had only the extracts up to a day.

Tables are computed by the functions that publish them, from what counted at the end of the day: Silver and the months
from the extracts themselves, the logs as they stood, everything else from these. Dimensions of the catalogue are the
versions that were published by then. Nothing is written.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date
from functools import cache, cached_property

import polars as pl

from pce_pipeline.asking.reading import Reader, first_days, made_of, table_as_known
from pce_pipeline.bronze.cells import read_extracts
from pce_pipeline.bronze.current import Current
from pce_pipeline.bronze.errors import NotKnownYet
from pce_pipeline.bronze.history import History, decoded_of, dim_vintage, fold_year
from pce_pipeline.bronze.line_history import fold_lines
from pce_pipeline.gold.dimensions import DIMENSION_FRAMES
from pce_pipeline.gold.facts import conform_facts
from pce_pipeline.gold.known import AsOf, log_until
from pce_pipeline.gold.made import Inputs
from pce_pipeline.gold.packages import own_pieces, tables_of
from pce_pipeline.gold.price_releases import needed, price_releases_of
from pce_pipeline.gold.revisions import revision_stats, revisions
from pce_pipeline.gold.vintages import figures
from pce_pipeline.lake.earlier import DatedVersion, dated_versions
from pce_pipeline.lake.errors import DamagedObject
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.lake.pointer import WHOLE
from pce_pipeline.quality.prices import LEVEL
from pce_pipeline.silver.observations import normalise
from pce_pipeline.tables.facts import GOLD_FACTS
from pce_pipeline.tables.line_history import LINE_HISTORY
from pce_pipeline.tables.lineage import Piece
from pce_pipeline.tables.price_releases import PRICE_RELEASES
from pce_pipeline.tables.table import Table
from pce_pipeline.tables.vintages import COUNTED, DIM_VINTAGE, REVISION_STATS
from pce_pipeline.tables.years import FIRST_YEAR


class TablesAsOf:
    """The tables of one lake as of the end of a day."""

    def __init__(self, reader: Reader, day: date, years: Collection[int] | None = None) -> None:
        """`years` keeps yearly tables to these; None for all."""
        self._reader = reader
        self._years = years
        self._registry = reader.registry
        self._moment = AsOf(day)
        self.day = day
        """The day."""
        self.notes: list[str] = []
        """What to beware of in the tables that were asked for so far."""
        self.rows = cache(self._rows)

    @cached_property
    def held(self) -> Mapping[str, Current]:
        """What counted of every dataset: its extracts up to the day, whatever is pinned now."""
        return {name: _held_until(now, self._moment) for name, now in self._reader.held.items()}

    def vintages_known(self, datasets: Iterable[str]) -> Iterator[str]:
        """The newest vintage of each BEA table of these datasets that counted by then, a line each."""
        for name in datasets:
            known = self._history(name).vintages.filter(basis=COUNTED)
            newest = known.sort("at").unique("bea_table", keep="last").sort("bea_table")
            for table, at, released in newest.select("bea_table", "at", "released_on").iter_rows():
                extract = date(at // 1_000_000, at // 10_000 % 100, at // 100 % 100)
                yield f"{name} ({table}): extract of {extract}, released {released}"

    def _rows(self, table: Table) -> pl.DataFrame:
        """The rows of a table, in no promised order.

        Raises `NotKnownYet` for a day before the first vintage of what the table is made of, and a `LakeError` where
        the lake is damaged.
        """
        registry = self._registry
        if table.name in DIMENSION_FRAMES:
            return self._dimension(table)
        if table.name == DIM_VINTAGE.name:
            self._demand_known(registry.datasets)
            return dim_vintage(self.held)
        if (piece := registry.pieces.get(table.name)) is not None:
            return self._piece(piece)
        rows = self._yearly(table)
        return rows if self._years is None else rows.filter(pl.col("year").is_in(list(self._years)))

    def _yearly(self, table: Table) -> pl.DataFrame:
        registry = self._registry
        derivation = registry.derivation_of(table)
        self._demand_known(registry.datasets_of(derivation))
        if derivation == registry.facts:
            return self._facts()
        (name,) = registry.datasets_of(derivation)
        makers = [
            (registry.silver, self._silver),
            (registry.logs, self._log),
            (registry.figures, self._figures),
            (registry.revisions, self._revisions),
        ]
        for of_datasets, make in makers:
            if derivation == of_datasets.get(name):
                return make(name)
        if registry.datasets[name].is_monthly:
            return self._of_months(name, table)
        dataset, made = made_of(registry, table)
        return table_as_known(self._reader, dataset, made, self._years, self._moment)

    def _dimension(self, table: Table) -> pl.DataFrame:
        """The version that was published by the end of the day; before the first one, the first one, which is told."""
        store = self._reader.lake.table(table)
        there = store.latest().get(WHOLE)
        if there is None:
            return store.read()
        versions = dated_versions(there)
        found = [each for each in versions if each.since.date() <= self.day]
        if not found:
            self.notes.append(
                f"Of {table.name} versions are kept from {versions[0].since.date()} on: the first one is shown."
            )
        chosen: DatedVersion = found[-1] if found else versions[0]
        rows = store.read_version(chosen.partition)
        if rows is None:
            lost = chosen.partition.objects[0]
            raise DamagedObject(lost.version_key, lost.sha256, "nothing, or something else")
        return rows

    def _silver(self, dataset: str) -> pl.DataFrame:
        now = self.held[dataset]
        vintages = {table: source.vintage for table, source in now.known_sources.items()}
        content = read_extracts(
            now.bronze,
            {table: vintage.extracts for table, vintage in vintages.items()},
            now.manifests,
            now.dataset,
            tolerate_unknown=True,
        )
        cells = content.cells.filter(pl.col("year") >= FIRST_YEAR)
        return normalise(cells, content.lines, now.dataset).frame

    def _facts(self) -> pl.DataFrame:
        parts = [
            conform_facts(self._silver_of(name), self.held[name].dataset, self.held[name].releases)
            for name in self._known(self._registry.datasets_of(self._registry.facts))
        ]
        return pl.concat(parts).sort(GOLD_FACTS.key)

    def _silver_of(self, dataset: str) -> pl.DataFrame:
        rows: pl.DataFrame = self.rows(self._registry.silver[dataset].table)
        return rows

    def _of_months(self, dataset: str, table: Table) -> pl.DataFrame:
        """A table of Gold that is made of Silver alone."""
        made = next(each for each in tables_of(self._registry.datasets[dataset], self._registry) if each.table == table)
        silver = self._registry.silver[dataset].table
        years = sorted(self.held[dataset].covered_years)
        rows, _ = made.compute(Inputs({silver.name: self._silver_of(dataset)}, self._registry.datasets[dataset], years))
        return rows

    def _history(self, dataset: str) -> History:
        return History(self.held[dataset])

    def _log(self, dataset: str) -> pl.DataFrame:
        """The log as it stood: the published one cut off, where what came later changed nothing in what was there."""
        history, whole = self._history(dataset), History(self._reader.held[dataset])
        if _goes_on_from(whole.vintages, history.vintages, self._moment.vintage_id):
            return log_until(self._reader.log(dataset, history.years), self._moment.vintage_id)
        return self.folded_anew(dataset)

    def folded_anew(self, dataset: str) -> pl.DataFrame:
        """The log of a dataset in Silver as it stood, out of the extracts alone, of all its years."""
        history, decoded = self._history(dataset), cache(decoded_of(self.held[dataset]))
        return pl.concat([fold_year(history, year, decoded).log for year in sorted(history.years)])

    def _figures(self, dataset: str) -> pl.DataFrame:
        log = self.rows(self._registry.logs[dataset].table)
        return figures(log, self._history(dataset).vintages, self._registry.datasets[dataset])

    def _revisions(self, dataset: str) -> pl.DataFrame:
        log = self._log_of_figures(dataset)
        return revisions(log, self._history(dataset).vintages, self._registry.datasets[dataset])

    def _piece(self, piece: Piece) -> pl.DataFrame:
        registry, name = self._registry, piece.table.name
        of_years = self._known(registry.figures)
        if name == LINE_HISTORY.name:
            self._demand_known(registry.datasets)
            folded = [fold_lines(now, decoded_of(now)).rows for now in self.held.values()]
            return pl.concat(folded).sort(LINE_HISTORY.key)
        if not piece.made_of:
            self._demand_known(registry.figures)
        if name == REVISION_STATS.name:
            found = [
                revision_stats([self._log_of_figures(each)], self._history(each).vintages, registry.datasets[each])
                for each in of_years
            ]
            return pl.concat(found)
        if name == PRICE_RELEASES.name:
            return self._price_releases(of_years)
        dataset, own = own_pieces(registry)[name]
        read = {}
        for source in piece.made_of:
            wanted = own.read[source.table.name]
            if source.part is not None:
                wanted &= pl.col(str(source.table.parts_by)) == source.part
            read[source.table.name] = self.rows(source.table).filter(wanted)
        rows, _ = own.compute(Inputs(read, registry.datasets[dataset], ()))
        return rows

    def _price_releases(self, datasets: list[str]) -> pl.DataFrame:
        """As published: of datasets without prices the years alone that prices have."""
        logs = {name: needed(self._log_of_figures(name)) for name in datasets}
        with_prices = {name for name in datasets if LEVEL in self._registry.datasets[name].measures}
        years = {year for name in with_prices for year in logs[name].filter(measure=LEVEL)["year"].unique()}
        of_years = {
            name: log if name in with_prices else log.filter(pl.col("year").is_in(list(years)))
            for name, log in logs.items()
        }
        return price_releases_of(of_years, self._registry.datasets)[0]

    def _log_of_figures(self, dataset: str) -> pl.DataFrame:
        rows: pl.DataFrame = self.rows(self._registry.figures[dataset].table)
        return rows

    def _known(self, datasets: Iterable[str]) -> list[str]:
        """Those of the datasets of which anything counted by then."""
        return [name for name in datasets if self._history(name).vintages.filter(basis=COUNTED).height]

    def _demand_known(self, datasets: Collection[str]) -> None:
        if not self._known(datasets):
            first = (day for name in datasets for day in first_days(History(self._reader.held[name]), self._moment))
            raise NotKnownYet(str(self.day), dict(first))


def _held_until(now: Current, moment: AsOf) -> Current:
    """What counted of a dataset if no later extract had come, nor a decision about one."""
    manifests = {extract: each for extract, each in now.manifests.items() if extract.vintage_id <= moment.vintage_id}
    decisions = [
        each
        for each in now.decisions
        if all(ExtractId.parse(name) in manifests for layers in each.layers.values() for name in layers)
        and ExtractId.parse(each.extract) in manifests
    ]
    return replace(now, manifests=manifests, decisions=decisions, pin=None)


def _goes_on_from(whole: pl.DataFrame, until: pl.DataFrame, last: int) -> bool:
    """Whether vintages (VINTAGES) only add to those up to the number `last`, and became known after them.

    Where the same is said twice a log keeps the earlier of both times: one that was imported later and released
    earlier would have moved a time back.
    """
    before, after = whole.filter(pl.col("at") <= last), whole.filter(pl.col("at") > last)
    if not before.equals(until):
        return False
    times = ["released_on", "ingested_at"]
    latest = before.group_by("bea_table").agg(pl.col(times).max())
    both = after.join(latest, on="bea_table", suffix="_before")
    return both.filter(pl.any_horizontal(pl.col(name) < pl.col(f"{name}_before") for name in times)).is_empty()
