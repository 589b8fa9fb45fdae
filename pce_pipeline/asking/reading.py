"""What is read for an answer: figures as they were known, and tables of Gold as they are or were.

Gold in the lake is read where it is made of the very figures that count now. Of any other time, and where a pin or an
extract that was not brought to Gold yet stands between, the table's own function computes it from the facts as they
were known then, so that all rows of an answer are of one time.
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import date
from functools import cache, cached_property

import polars as pl

from pce_pipeline.asking.columns import GoldColumn
from pce_pipeline.bronze.current import EXTRACTS, Current, current_of
from pce_pipeline.bronze.history import History, log_of
from pce_pipeline.certificates.outputs import outputs_stated
from pce_pipeline.certificates.statement import Outputs
from pce_pipeline.errors import UsageError
from pce_pipeline.gold.known import AsOf, facts_of_known, known_cells, with_cells
from pce_pipeline.gold.made import GoldTable, Inputs
from pce_pipeline.gold.packages import tables_of
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.lake.resource import Lake
from pce_pipeline.tables.columns import FIGURE
from pce_pipeline.tables.facts import GOLD_FACTS
from pce_pipeline.tables.registry import Registry
from pce_pipeline.tables.silver import silver_table
from pce_pipeline.tables.table import Table
from pce_pipeline.tables.vintages import COUNTED

_OF_CELL = ["basis", "bea_table", "base_year", "released_on", "valid_from"]


class Reader:
    """Reads one lake for one answer: what several parts of it need is read once."""

    def __init__(self, lake: Lake, registry: Registry, held: Mapping[str, Current] | None = None) -> None:
        self.lake = lake
        self.registry = registry
        self.published = cache(self._published)
        self._held = held

    @cached_property
    def held(self) -> Mapping[str, Current]:
        """What counts of every dataset: as it was given, or now."""
        return self._held if self._held is not None else current_of(self.lake, self.registry.datasets)

    def log(self, dataset: str, years: Collection[int] | None) -> pl.DataFrame:
        """The log of every value of a dataset, of these years or all."""
        return log_of(self.held[dataset], self.lake, self.registry.logs[dataset], years)

    def _published(self, dataset: str) -> Outputs:
        """Which years of its tables are made of what counts now."""
        return outputs_stated(self.held[dataset], self.lake, self.registry)

    def table_now(self, column: GoldColumn, years: Collection[int] | None) -> pl.DataFrame | None:
        """The rows of a column's table in the lake; None where it has any of the years of other figures than count now.

        A table of months is read as it is published, because of months there is no log to make it of.
        """
        now, table = self.held[column.dataset.name], column.made.table
        if column.is_of_months:
            there = [key for key in self.lake.table(table).latest() if years is None or int(key) in years]
            return self.lake.table(table).read(there) if there else None
        if now.pin is not None:
            return None
        wanted = sorted(now.covered_years if years is None else now.covered_years & set(years))
        made = self.published(column.dataset.name).published.get(table.name, {})
        if not wanted or any(str(year) not in made for year in wanted):
            return None
        return self.lake.table(table).read([str(year) for year in wanted])

    def months(self, column: GoldColumn, years: Collection[int] | None) -> pl.DataFrame:
        """The figures of months as Silver has them, with the vintage and release of each table and year."""
        now = self.held[column.dataset.name]
        silver = self.lake.table(self.registry.silver[column.dataset.name].table)
        latest = silver.latest()
        wanted = list(latest) if years is None else [key for key in latest if {int(key), int(key) + 1} & set(years)]
        known = pl.DataFrame(
            [
                (int(key), table, *_days(now, table, str(vintage)))
                for key in wanted
                for table, vintage in latest[key].details.get(EXTRACTS, {}).items()
            ],
            schema={"year": pl.Int32, "bea_table": pl.String, "vintage": pl.Date, "released_on": pl.Date},
            orient="row",
        )
        lines = now.dataset.lines.select("bea_table", "line_code", "measure")
        return (
            silver.read(wanted)
            .join(lines, on=["bea_table", "line_code"])
            .join(known, on=["year", "bea_table"], how="left")
            .with_columns(basis=pl.lit(COUNTED), base_year=pl.lit(None, dtype=pl.Int32))
        )


def _days(now: Current, table: str, vintage: str) -> tuple[date, date]:
    """The day of the newest extract that a vintage is made of, and the one on which BEA released the table in it."""
    extract = max(map(ExtractId.parse, vintage.split(" with ")))
    entry = now.manifests[extract].tables.get(table) if extract in now.manifests else None
    released = entry.last_updated if entry is not None else None
    return extract.day, released or extract.day


def figures_known(log: pl.DataFrame, history: History, moment: AsOf) -> pl.DataFrame:
    """The figures that were known at a time: FIGURE, geo_level, state, value, status, unit, and the cell of each.

    Of the cell: basis, bea_table, base_year, released_on, and its vintage as a day.
    """
    cells = known_cells(log, history.vintages, moment)
    facts = facts_of_known(cells, history.vintages, history.dataset, moment)
    return with_cells(facts, cells, history.dataset, _OF_CELL).select(
        *FIGURE, "geo_level", "state", "value", "status", "unit", *_OF_CELL[:-1], vintage=vintage_day("valid_from")
    )


def vintage_day(number: str) -> pl.Expr:
    """The day of a vintage's number, which a column holds."""
    return pl.col(number).cast(pl.String).str.head(8).str.to_date("%Y%m%d")


def first_days(history: History, moment: AsOf) -> Iterator[tuple[str, str]]:
    """The first day on which anything of a dataset that may answer was known by a clock, by its name."""
    of_clock = {"extract": vintage_day("at"), "release": pl.col("released_on")}
    known = history.vintages.filter(pl.col("basis").is_in([COUNTED, *moment.include]))
    day = known.select(of_clock.get(moment.clock, pl.col("ingested_at").dt.date())).to_series().min()
    if day is not None:
        yield history.dataset.name, str(day)


def table_as_known(
    reader: Reader, dataset: str, made: GoldTable[object], years: Collection[int] | None, moment: AsOf
) -> pl.DataFrame:
    """A table of Gold as it would have been at a time, of these years or of all that were known then.

    Rows are what a pipeline would have published then that had only the extracts up to that time, year by year as the
    lake has them.
    """
    now, derivation = reader.held[dataset], reader.registry.derivation_of(made.table)
    history = History(now)
    wanted = history.years if years is None else history.years & set(years)
    log = reader.log(dataset, {year - back for year in wanted for back in range(derivation.reach + 1)})
    inputs = inputs_known(log, history, moment, wanted)
    return rows_made(made, inputs)


def inputs_known(log: pl.DataFrame, history: History, moment: AsOf, years: Collection[int]) -> Inputs:
    """What tables of Gold are computed from, as a dataset was known at a time: those of the years that had facts then.

    `log` has the years, and those that the tables reach back to.
    """
    dataset = history.dataset
    silver = silver_table(dataset)
    cells = known_cells(log, history.vintages, moment)
    facts = facts_of_known(cells, history.vintages, dataset, moment)
    known = sorted(set(years) & set(facts["year"].unique()))
    of_silver = cells.select(silver.column_names).sort(silver.key)
    return Inputs({GOLD_FACTS.name: facts, silver.name: of_silver}, dataset, known)


def rows_made(made: GoldTable[object], inputs: Inputs) -> pl.DataFrame:
    """The rows of a table of Gold, year by year as the lake has them."""
    rows, _ = made.compute(inputs)
    return rows.filter(pl.col("year").is_in(list(inputs.years))).sort("year", *made.table.key)


def made_of(registry: Registry, table: Table) -> tuple[str, GoldTable[object]]:
    """The dataset whose facts a table of Gold is computed from, and how.

    Raises `UsageError` for a table that is not known as of a day: of months, of vintages, or a dimension.
    """
    of_years = [name for name, dataset in registry.datasets.items() if not dataset.is_monthly]
    tables = {
        made.table.name: (name, made) for name in of_years for made in tables_of(registry.datasets[name], registry)
    }
    if table.name not in tables:
        raise UsageError(
            f"{table.name} is not known as of a day.", remedy=f"Known as of a day are {', '.join(sorted(tables))}."
        )
    return tables[table.name]
