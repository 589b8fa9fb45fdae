"""Rules of every table alike: what its rows refer to is there, and nothing drifts from the last version unseen.

They look at the rows that are about to be published, beside the dimensions that the catalogue gives and the version
that is published now. That version is read only where what a year is made of has changed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from pce_pipeline.lake.pointer import WHOLE
from pce_pipeline.quality.findings import EXAMPLES, Finding, Least, finding
from pce_pipeline.quality.rules import rule
from pce_pipeline.tables.joins import Join
from pce_pipeline.tables.table import Table

_LEAST_ROWS = 0.99
_FURTHEST_MEDIAN = 0.25
_MOST_NEW_NULLS = 0.05
_CELL_BESIDES = ("line_code", "geo_fips", "year", "month")
_NAMED = 3


@dataclass(frozen=True)
class LastVersion:
    """What is published of a year until now."""

    said: str
    """Which version that is, for people: when it was published, and by which run."""
    rows: int
    """How many rows it has."""
    is_made_alike: bool
    """Whether it was made of the same inputs by the same code, so that it cannot differ."""
    read: Callable[[], pl.DataFrame]
    """Its rows."""
    decided_since: Sequence[str] = ()
    """What people decided about the figures since, in words: fewer or other rows may be what they wanted."""


@dataclass(frozen=True)
class TableRows:
    """What the rules of every table look at."""

    table: Table
    """The table."""
    frames: Mapping[str, pl.DataFrame]
    """Its rows by partition: a year, or all of a table in one piece."""
    known: Mapping[Join, pl.DataFrame] = field(default_factory=dict)
    """For each join of the table, the keys that there are: its `to_columns`."""
    references_pct: float = 100.0
    """How many percent of the rows have to find their partner, at least."""
    last: Mapping[str, LastVersion] = field(default_factory=dict)
    """What is published of each year until now; nothing of a year that has never been."""

    @property
    def beside_last(self) -> Iterator[tuple[str, pl.DataFrame, LastVersion]]:
        """The years that were published before, from other inputs or by other code: new rows and last version.

        Those of which people have decided otherwise since are not held against it.
        """
        for year, version in sorted(self.last.items()):
            if version.is_made_alike or version.decided_since:
                continue
            if (frame := self.frames.get(year)) is not None:
                yield year, frame, version

    @property
    def named(self) -> Mapping[str, tuple[str, ...]]:
        """Which versions the rows are held against, and what people decided since."""
        decided = [each for _, version in sorted(self.last.items()) for each in version.decided_since]
        return {
            "against": tuple(dict.fromkeys(version.said for _, _, version in self.beside_last)),
            "decided": tuple(dict.fromkeys(decided)),
        }


def _held_against(found: Finding) -> str:
    """The versions that rows are held against, in words."""
    against, decided = found.named["against"], found.named["decided"]
    shown = f"{', '.join(against[:_NAMED])}{' and others' if len(against) > _NAMED else ''}"
    told = [f"held against {shown}" if against else "nothing older is there to be held against"]
    return "; ".join([*told, *(f"decided since: {each}" for each in decided[:_NAMED])])


@rule(
    "threshold",
    tolerance="99 % of the rows of each year where figures are tried (`local`, `staging`), because a new area or "
    "category of BEA's must not hide all others; every row in `prod` (PCE_REFERENCES_RESOLVED_PCT).",
    remedy="Add the area, category or line to the catalogue, and refresh (docs/adding-a-table.md).",
)
def references_resolve(rows: TableRows) -> Finding:
    """Every area, category, line and figure that a row names is in the dimension that says what it is."""
    lost = {
        (year, join): _unresolved(frame, join, keys)
        for year, frame in sorted(rows.frames.items())
        for join, keys in rows.known.items()
    }
    heights = {year: frame.height for year, frame in rows.frames.items()}
    found = {
        (year, join): 100 * (1 - int(each["rows"].sum()) / heights[year]) if heights[year] else 100.0
        for (year, join), each in lost.items()
    }
    unresolved = sum(int(each["rows"].sum()) for each in lost.values())
    worst: float = min(found.values(), default=100.0)
    return Finding(
        passed=worst >= rows.references_pct,
        summary=_resolved,
        figures={
            "rows": sum(heights.values()),
            "violations": unresolved,
            "resolved_pct": Least(round(worst, 4)),
        },
        examples=tuple(
            f"{join}: {row['key']} in {row['rows']} rows" + ("" if year == WHOLE else f" of {year}")
            for (year, join), each in lost.items()
            for row in each.head(EXAMPLES).iter_rows(named=True)
        )[:EXAMPLES],
        named={"dimensions": tuple(map(str, rows.known))},
    )


def _resolved(found: Finding) -> str:
    """How many references lead somewhere, in words."""
    counted = found.counted
    if counted["violations"]:
        return f"{counted['violations']} references of {counted['rows']} rows lead nowhere"
    return f"{counted['rows']} rows, each with its partner in {len(found.named['dimensions'])} dimensions"


def _unresolved(frame: pl.DataFrame, join: Join, keys: pl.DataFrame) -> pl.DataFrame:
    """The keys that rows have and the dimension has not: key (in words), rows."""
    columns = list(join.columns)
    return (
        frame.lazy()
        .select(columns)
        .drop_nulls()
        .group_by(columns)
        .len("rows")
        .cast({name: keys.schema[to] for name, to in zip(columns, join.to_columns, strict=True)})
        .join(keys.lazy(), left_on=columns, right_on=list(join.to_columns), how="anti")
        .sort(columns)
        .select(pl.concat_str(pl.col(columns).cast(pl.String), separator=" ").alias("key"), "rows")
        .collect()
    )


@rule(
    "threshold",
    tolerance="99 % of the rows of the last version, and one row at least: Bronze lets no release count that lacks a "
    "cell which counted before, so that fewer rows are a slip of ours. What people decided (`pce pin`, `pce use`) may "
    "have fewer.",
    remedy="Compare both with `pce diff`; `pce pin` goes back to the last version's extracts.",
)
def rows_are_as_many_as_before(rows: TableRows) -> Finding:
    """A year has rows, and no fewer than the version of it that is published."""
    empty = [(year, frame, "has no rows") for year, frame in rows.frames.items() if frame.is_empty()]
    beside = list(rows.beside_last)
    fewer = [
        (year, frame, f"has {frame.height} rows, and {version.rows} in {version.said}")
        for year, frame, version in beside
        if frame.height < _LEAST_ROWS * version.rows
    ]
    wrong = sorted([*empty, *fewer], key=lambda each: each[0])
    return Finding(
        passed=not wrong,
        summary=_years_with_rows,
        figures={
            "rows": sum(frame.height for frame in rows.frames.values()),
            "years": len(rows.frames),
            "held_against_the_last": len(beside),
            "violations": len(wrong),
        },
        examples=tuple(f"{year} {what}" for year, _, what in wrong[:EXAMPLES]),
        named=rows.named,
    )


def _years_with_rows(found: Finding) -> str:
    """How many years have their rows, in words."""
    counted = found.counted
    wrong = counted["violations"]
    told = (
        f"{wrong} of {counted['years']} years have too few rows"
        if wrong
        else f"{counted['years']} years have their rows"
    )
    return f"{told}; {_held_against(found)}"


@rule(
    "threshold",
    tolerance="The middle figure of a line and year moves by less than 25 %, and no table has 5 points more figures "
    "missing in a year. BEA's comprehensive updates of 2021 and 2022 together moved the middle figure of no line by "
    "more than 15 %, a new base year by 11 %; a line that became another one, or a unit, is far outside.",
    remedy="Look at the changes with `pce diff`; where BEA meant it, `pce use DATE --instead` says so.",
)
def figures_are_near_the_last_version(rows: TableRows) -> Finding:
    """The figures of a line and year are near those of the version that is published, and no more are missing."""
    found = [_drift(year, frame, version) for year, frame, version in rows.beside_last]
    drifted = pl.concat([pl.DataFrame(schema=_DRIFT), *found])
    moved = pl.col("moved_pct") >= 100 * _FURTHEST_MEDIAN
    emptied = pl.col("null_points") >= 100 * _MOST_NEW_NULLS
    off = drifted.filter(moved | emptied).sort("bea_table", "line_code", "year")
    seen = finding(
        off,
        holds="",
        fails="",
        example="{bea_table} line {line_code}, {year}: the middle figure moved by {moved_pct:.1f} %, "
        "{null_points:+.1f} points of the table are missing",
        figures={"compared": drifted.height, "furthest_pct": round(float(drifted["moved_pct"].max() or 0), 3)},  # type: ignore[arg-type]  # a float column
        named=rows.named,
    )
    return replace(seen, summary=_lines_near)


def _lines_near(found: Finding) -> str:
    """How many lines and years are near, in words."""
    counted = found.counted
    wrong = counted["violations"]
    told = f"{wrong} lines and years have drifted" if wrong else f"{counted['compared']} lines and years are near"
    return f"{told}; {_held_against(found)}"


_DRIFT = {
    "bea_table": pl.String,
    "line_code": pl.Int32,
    "year": pl.Int32,
    "moved_pct": pl.Float64,
    "null_points": pl.Float64,
}


def _drift(year: str, frame: pl.DataFrame, version: LastVersion) -> pl.DataFrame:
    """How far the middle figure of each line moved, and how many more figures of its table are missing: _DRIFT.

    Only figures that are numbers in both, and not zero, can be said to move (in percent); the missing are in points.
    """
    before = version.read()
    cell: Sequence[str] = ["bea_table", *(name for name in _CELL_BESIDES if name in frame.columns)]
    ratio = pl.col("value_now").cast(pl.Float64) / pl.col("value").cast(pl.Float64)
    moved = (
        before.lazy()
        .join(frame.lazy(), on=cell, suffix="_now")
        .filter((pl.col("value") != 0) & (pl.col("value_now") != 0))
        .group_by("bea_table", "line_code")
        .agg(moved_pct=100 * (ratio - 1).abs().median())
    )
    missing = [
        each.lazy().group_by("bea_table").agg(pl.col("value").is_null().mean().alias(name))
        for each, name in ((before, "then"), (frame, "now"))
    ]
    return (
        before.lazy()
        .select("bea_table", "line_code")
        .unique()
        .join(moved, on=["bea_table", "line_code"], how="left")
        .join(missing[0], on="bea_table")
        .join(missing[1], on="bea_table")
        .select(
            "bea_table",
            "line_code",
            year=pl.lit(int(year), pl.Int32),
            moved_pct=pl.col("moved_pct").fill_null(0.0),
            null_points=100 * (pl.col("now") - pl.col("then")),
        )
        .collect()
    )
