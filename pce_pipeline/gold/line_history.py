"""The fold of BEA's lines: what each extract prints of a line, as stretches of vintages that say the same.

Pure functions over the vintages of one BEA table in order. Two texts say the same if they differ in case, blanks,
footnote marks, the table before them, or the statistic that BEA's API writes before every item and its files do not. A
vintage without a list of lines says nothing of any, and one without cells of a line nothing of its unit.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import polars as pl

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.tables.line_history import LINE_HISTORY
from pce_pipeline.texts import before, clean_description, meaning, same, spelled

_YEAR = re.compile(r"\(([12][0-9]{3})\)")
_Place = tuple[str, int]


@dataclass(frozen=True)
class PrintedVintage:
    """What one vintage of a BEA table prints of its lines."""

    at: int
    """The vintage's number, yyyymmddnn."""
    released_on: date
    """The day of its release; of one without, the day for which it is kept."""
    printed: pl.DataFrame
    """Its lines: PRINTED_SCHEMA of `silver.layouts`."""


@dataclass(frozen=True)
class _Stretch:
    """A line as it is printed, from a vintage on."""

    at: int
    released_on: date
    line_code: int | None
    layout: str | None
    text: str
    description: str
    unit: str | None
    unit_multiplier: int | None
    category_id: str | None
    measure: str | None

    def says_what(self, later: "_Stretch") -> bool:
        """Whether a later vintage prints the line as this stretch does; what it does not say makes no difference."""
        units = {_folded(each) for each in (self.unit, later.unit) if each is not None}
        multipliers = {each for each in (self.unit_multiplier, later.unit_multiplier) if each is not None}
        same_place = (self.line_code, self.layout, self.category_id, self.measure) == (
            later.line_code,
            later.layout,
            later.category_id,
            later.measure,
        )
        words = _folded(meaning(self.description)) == _folded(meaning(later.description))
        return same_place and words and len(units) <= 1 and len(multipliers) <= 1

    def with_unit_of(self, later: "_Stretch") -> "_Stretch":
        """The stretch with the unit that a later vintage of it says first."""
        if self.unit is not None:
            return self
        return replace(self, unit=later.unit, unit_multiplier=later.unit_multiplier)


def lines_folded(
    history: pl.DataFrame, table: str, vintages: Iterable[PrintedVintage], dataset: Dataset
) -> pl.DataFrame:
    """The rows of LINE_HISTORY of one BEA table with further vintages, each later than all that are in `history`.

    `history` has the rows that were folded before, none at first. Folding in one go, or one vintage after the other,
    gives the same rows.
    """
    ended = history.filter(pl.col("valid_to").is_not_null()).to_dicts()
    is_open = history.filter(pl.col("valid_to").is_null())
    going_on = {(row["published_table"], row["published_line"]): _stretch_of(row) for row in is_open.to_dicts()}
    for vintage in vintages:
        if vintage.printed.is_empty():
            continue
        now = _stretches(vintage, table, dataset)
        for place, stretch in list(going_on.items()):
            if place in now and stretch.says_what(now[place]):
                now[place] = stretch.with_unit_of(now[place])
            else:
                ended.append(_row(dataset.name, table, place, stretch, vintage))
        going_on = now
    rows = [*ended, *(_row(dataset.name, table, place, stretch, None) for place, stretch in going_on.items())]
    return LINE_HISTORY.conform(pl.DataFrame(rows, schema=LINE_HISTORY.polars_schema, orient="row"))


def _stretches(vintage: PrintedVintage, table: str, dataset: Dataset) -> dict[_Place, _Stretch]:
    """The lines of a vintage, each as a stretch that begins with it, by where they are printed."""
    pinned = {row["line_code"]: row for row in dataset.lines.filter(bea_table=table).to_dicts()}
    printed = vintage.printed.to_dicts()
    statistics = _statistics(printed, pinned)
    found: dict[_Place, _Stretch] = {}
    for row in printed:
        today = pinned.get(row["line_code"])
        unit = row["unit"]
        if today is not None and unit is not None and same(today["unit"], unit):
            unit = spelled(today["unit"], unit)
        found[row["published_table"], row["published_line"]] = _Stretch(
            vintage.at,
            vintage.released_on,
            None if today is None else row["line_code"],
            row["layout"],
            row["text"],
            _description(row["text"], None if today is None else today["description"], statistics),
            unit,
            row["unit_multiplier"] if unit is not None else None,
            None if today is None else today["category_id"],
            None if today is None else today["measure"],
        )
    return found


def _statistics(printed: Sequence[Mapping[str, Any]], pinned: Mapping[int, Mapping[str, Any]]) -> list[str]:
    """What stands before the pinned texts of a table, longest first, as `meaning` writes it."""
    known = (row for row in printed if row["line_code"] in pinned)
    found = {before(pinned[row["line_code"]]["description"], row["text"]) or "" for row in known}
    return sorted((each for each in found if each and not each.rstrip()[-1].isalnum()), key=len, reverse=True)


def _description(text: str, pinned: str | None, statistics: Sequence[str]) -> str:
    """A line's text without what stands before its item."""
    bare = clean_description(text)
    ahead = before(pinned, text) if pinned is not None else None
    if ahead is None:
        ahead = next((each for each in statistics if bare.casefold().startswith(each)), "")
    return bare[len(ahead) :]


def _folded(text: str) -> str:
    """A text in which neither case nor parentheses around a year count."""
    return _YEAR.sub(r"\1", text.casefold())


def _stretch_of(row: Mapping[str, Any]) -> _Stretch:
    return _Stretch(
        row["valid_from"],
        row["released_on"],
        *(row[name] for name in ("line_code", "layout", "text", "description", "unit", "unit_multiplier")),
        *(row[name] for name in ("category_id", "measure")),
    )


def _row(
    dataset: str, table: str, place: _Place, stretch: _Stretch, ended_by: PrintedVintage | None
) -> dict[str, object]:
    published_table, published_line = place
    return {
        "dataset": dataset,
        "bea_table": table,
        "line_code": stretch.line_code,
        "published_table": published_table,
        "published_line": published_line,
        "valid_from": stretch.at,
        "valid_to": None if ended_by is None else ended_by.at,
        "released_on": stretch.released_on,
        "replaced_on": None if ended_by is None else ended_by.released_on,
        "layout": stretch.layout,
        "text": stretch.text,
        "description": stretch.description,
        "unit": stretch.unit,
        "unit_multiplier": stretch.unit_multiplier,
        "category_id": stretch.category_id,
        "measure": stretch.measure,
    }
