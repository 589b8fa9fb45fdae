"""What the look-alike publishes by month at one moment: BEA's national tables of one release, faults included.

BEA's API and its keyless files of series are both rendered from it, so they cannot disagree.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import polars as pl

from pce_pipeline.catalog.reading import load_datasets
from pce_pipeline.emulator.faults import Fault, FaultKind
from pce_pipeline.emulator.months import lines, months
from pce_pipeline.emulator.publication import ADDED_LINE, other_number
from pce_pipeline.emulator.vintages import Vintage, vintage

CURRENT_DOLLARS = "Current Dollars"
"""BEA's name of what is not adjusted for prices."""

_NATION = "00000"
_MONTH = ["line_code", "year", "month"]


@dataclass(frozen=True)
class Form:
    """What kind of figures a national table has, and how BEA speaks of them."""

    metric: str
    """BEA's name of what is measured."""
    multiplier: int
    """The power of ten of its unit: 6 for millions."""
    ending: str
    """What the codes of its series end with."""
    unit: str
    """The unit in BEA's words, which speak of billions where figures are in millions."""
    value: pl.Expr
    """A figure of `months`, in units of the last decimal that is published."""
    decimals: int
    """How many decimals are published."""


@dataclass(frozen=True)
class NationalTable:
    """One national table as it is published."""

    name: str
    """BEA's name of it, whatever a fault has made of that."""
    title: str
    """BEA's title."""
    form: Form
    """What kind of figures it has."""
    lines: pl.DataFrame
    """line_code, series_code, description, parent_series (NULL without one); sorted by the first."""
    cells: pl.DataFrame
    """line_code, year, month, value_text as BEA writes it (`22,250,420`); sorted by the first three."""

    @property
    def number(self) -> str:
        """Its number in BEA's publications: `2.8.5`."""
        return ".".join(str(int(self.name[start:end])) for start, end in ((1, 2), (2, 4), (4, 6)))

    @property
    def also_in(self) -> str:
        """The table of more detail that has the same series."""
        return f"U204{self.name[4:]}"


@dataclass(frozen=True)
class NationalPublication:
    """The national tables of one release."""

    vintage: Vintage
    """The release."""
    tables: Mapping[str, NationalTable]
    """Its tables by the name they are published under."""


def _in_millions(amount: str) -> pl.Expr:
    return (pl.col(amount) + 5) // 10


_INDEX = (200_000 * pl.col("current") + pl.col("chained")) // (2 * pl.col("chained"))
_AT_ANNUAL_RATES = "seasonally adjusted at annual rates"
_FORMS: Mapping[str, Form] = {
    "pce_price_index": Form("Fisher Price Index", 0, "RG", "Index numbers, 2017=100; seasonally adjusted", _INDEX, 3),
    "pce_annual_rate": Form(
        CURRENT_DOLLARS, 6, "RC", f"Billions of dollars; {_AT_ANNUAL_RATES}", _in_millions("current"), 0
    ),
    "real_pce_annual_rate": Form(
        "Chained Dollars",
        6,
        "RX",
        f"Billions of chained (2017) dollars; {_AT_ANNUAL_RATES}",
        _in_millions("chained"),
        0,
    ),
}
"""By the measure that the catalogue has of a table."""


def publish_national(release: int, faults: frozenset[Fault] = frozenset()) -> NationalPublication:
    """What release `release` publishes by month under the given faults of publication; the last few are kept.

    Tables that a user's own catalogue adds are not in it. Raises `LookupError` for a release the sample does not have.
    """
    return _publish(release, tuple(sorted(faults, key=repr)))


@lru_cache(maxsize=4)
def _publish(release: int, faults: tuple[Fault, ...]) -> NationalPublication:
    tables = {each.name: each for each in _tables(release)}
    # Numbers are revised before anything else happens to lines, and tables are renamed after it, so that each fault
    # finds lines and tables as they are called in it.
    for fault in sorted(faults, key=lambda one: _ORDER.get(one.kind, 0)):
        for name in [each for each, table in tables.items() if fault.concerns(each) and table.lines.height]:
            if fault.kind is FaultKind.TABLE_RENAMED:
                tables[f"{name}N"] = tables.pop(name)
            elif fault.kind is FaultKind.SILENT_REVISION:
                new = {each.name: each.cells for each in _tables(release, silently=True)}
                tables[name] = _revised(tables[name], fault, new[name])
            elif fault.kind in _SPOILING:
                tables[name] = _SPOILING[fault.kind](tables[name], fault)
    return NationalPublication(vintage(release), {name: each for name, each in tables.items() if each.lines.height})


_ORDER = {FaultKind.SILENT_REVISION: -1, FaultKind.TABLE_RENAMED: 1}


def _tables(release: int, *, silently: bool = False) -> Iterator[NationalTable]:
    """The catalogue's tables by month, of measures that the sample has."""
    figures = months(release, silently=silently)
    for dataset in load_datasets("full").values():
        for name, table in dataset.tables.items() if dataset.is_monthly else ():
            form = _FORMS[dataset.lines.filter(bea_table=name)["measure"][0]]
            since = figures.filter(pl.col("year") >= dataset.first_year_of(name))
            cells = since.select(*_MONTH, value_text=as_published(form.value, form.decimals))
            yield NationalTable(name, table.title, form, _lines(form), cells)


def _lines(form: Form) -> pl.DataFrame:
    series = {line.number: f"{line.series}{form.ending}" for line in lines()}
    return pl.DataFrame(
        [
            (line.number, series[line.number], line.description, series[line.parent] if line.parent else None)
            for line in lines()
        ],
        schema={
            "line_code": pl.Int32,
            "series_code": pl.String,
            "description": pl.String,
            "parent_series": pl.String,
        },
        orient="row",
    )


def as_published(value: pl.Expr, decimals: int) -> pl.Expr:
    """Numbers in units of their last decimal, none of them negative, as BEA writes them: `22,250,420`, `130.902`."""
    unit = 10**decimals
    # A pattern counts digits from the left only.
    backwards = (value // unit).cast(pl.String).str.reverse().str.replace_all(r"(\d{3})", "${1},")
    whole: pl.Expr = backwards.str.strip_chars_end(",").str.reverse()
    if not decimals:
        return whole
    return pl.concat_str(whole, pl.lit("."), (value % unit).cast(pl.String).str.pad_start(decimals, "0"))


# What faults do to a table.


def _revised(table: NationalTable, fault: Fault, new: pl.DataFrame) -> NationalTable:
    changed = pl.col("line_code").is_in(fault.lines) if fault.lines else pl.lit(value=True)
    return replace(table, cells=pl.concat([table.cells.filter(~changed), new.filter(changed)]).sort(_MONTH))


def _described(table: NationalTable, description: pl.Expr) -> NationalTable:
    return replace(table, lines=table.lines.with_columns(description.alias("description")))


def _redefined(table: NationalTable, fault: Fault) -> NationalTable:
    description = pl.col("description")
    renamed = pl.col("line_code").is_in(fault.lines or (2,))
    return _described(table, pl.when(renamed).then(pl.lit("Redefined: ") + description).otherwise(description))


def _moved(table: NationalTable, moves: Mapping[int, int]) -> NationalTable:
    code = pl.col("line_code").replace(moves)
    return replace(
        table,
        lines=table.lines.with_columns(code).sort("line_code"),
        cells=table.cells.with_columns(code).sort(_MONTH),
    )


def _swapped(table: NationalTable, fault: Fault) -> NationalTable:
    one, other = (fault.lines or (2, 3))[:2]
    return _moved(table, {one: other, other: one})


def _dropped(table: NationalTable, fault: Fault) -> NationalTable:
    left = ~pl.col("line_code").is_in(fault.lines or (_last_line(table),))
    return replace(table, lines=table.lines.filter(left), cells=table.cells.filter(left))


def _added(table: NationalTable) -> NationalTable:
    """A table with one more line before its last, whose figures it has."""
    last = _last_line(table)
    moved = _moved(table, {last: last + 1})
    code = pl.lit(last, dtype=pl.Int32).alias("line_code")
    added = moved.lines.filter(line_code=last + 1).with_columns(
        code, series_code=pl.lit(f"DNEW{table.form.ending}"), description=pl.lit(ADDED_LINE)
    )
    cells = moved.cells.filter(line_code=last + 1).with_columns(code)
    return replace(
        moved,
        lines=pl.concat([moved.lines, added]).sort("line_code"),
        cells=pl.concat([moved.cells, cells]).sort(_MONTH),
    )


def _last_line(table: NationalTable) -> int:
    return int(table.lines["line_code"][-1])


def _without_cells(table: NationalTable, fault: Fault) -> NationalTable:
    """A fault that names other areas, or nothing at all, is not about the nation."""
    if _NATION not in fault.areas and (fault.areas or not (fault.tables or fault.years)):
        return table
    left = ~pl.col("year").is_in(fault.years) if fault.years else pl.lit(value=False)
    return replace(table, cells=table.cells.filter(left))


def _with_other_numbers(table: NationalTable, fault: Fault) -> NationalTable:
    """Of the nation alone, in each January of the years; a fault that names other areas changes nothing."""
    if fault.areas and _NATION not in fault.areas:
        return table
    year = pl.col("year")
    of_years = year.is_in(fault.years) if fault.years else year == year.max()
    is_meant = pl.col("line_code").is_in(fault.lines or (int(table.lines["line_code"][0]),)) & of_years
    text = pl.when(is_meant & (pl.col("month") == 1)).then(other_number(pl.col("value_text"))).otherwise("value_text")
    return replace(table, cells=table.cells.with_columns(value_text=text))


_SPOILING: Mapping[FaultKind, Callable[[NationalTable, Fault], NationalTable]] = {
    FaultKind.MARKS_CHANGED: lambda table, _: _described(table, pl.col("description") + " 1/"),
    FaultKind.LINES_RENAMED: _redefined,
    FaultKind.LINES_SWAPPED: _swapped,
    FaultKind.LINE_DROPPED: _dropped,
    FaultKind.LINE_ADDED: lambda table, _: _added(table),
    FaultKind.CELLS_DROPPED: _without_cells,
    FaultKind.FILES_DIFFER: _with_other_numbers,
}
"""What each fault of publication does to a table; BEA's national tables had no layout before this one."""
