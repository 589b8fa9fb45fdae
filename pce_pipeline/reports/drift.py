"""Drift: what is shaped otherwise than before, in what BEA sends and in the tables that are made of it. Pure.

Numbers that change are revisions and told by bulletins; here it is tables, lines, their titles and units, years, notes
and columns. A column of BEA's that is not known stops an extract, and so shows as a failure.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import polars as pl

from pce_pipeline.bulletins.comparing import wording
from pce_pipeline.reports.report import Drift
from pce_pipeline.tables.years import years_text

Columns = Mapping[str, Mapping[str, str]]
"""The columns of tables, by table: their types by name."""


@dataclass(frozen=True)
class Shape:
    """How one of BEA's tables is shaped in a vintage."""

    lines: pl.DataFrame
    """BEA's words for its lines: bea_table, line_code, description, and unit, NULL where the newest year has none."""
    years: frozenset[int]
    """The years that it has any cell of."""
    note: str = ""
    """BEA's note."""
    published_as: frozenset[str] = field(default_factory=frozenset)
    """What BEA called it, where that is not its name of today."""


def differences(table: str, after: Shape, before: Shape) -> Iterator[Drift]:
    """What of a table of BEA is shaped otherwise than before."""
    held = {code: text.strip() for code, text in after.lines.select("line_code", "description").iter_rows()}
    known = set(before.lines["line_code"])
    for code in sorted(held.keys() - known):
        yield Drift(of=table, kind="line new", what=f"line {code}", after=held[code])
    for each in wording(after.lines, before.lines, [table]):
        kind = "line gone" if each.what == "line" else f"{each.what} changed"
        yield Drift(of=table, kind=kind, what=f"line {each.line_code}", before=each.before, after=each.after)
    if new := after.years - before.years:
        yield Drift(of=table, kind="year new", what=years_text(sorted(new)))
    if gone := before.years - after.years:
        yield Drift(of=table, kind="year gone", what=years_text(sorted(gone)))
    if after.published_as != before.published_as:
        was, now = (", ".join(sorted(each.published_as)) or table for each in (before, after))
        yield Drift(of=table, kind="name changed", what="what BEA calls it", before=was, after=now)


def differences_of_columns(after: Columns, before: Columns) -> Iterator[Drift]:
    """What of our tables is shaped otherwise than before."""
    for table in sorted(after.keys() - before.keys()):
        yield Drift(of=table, kind="table new", what=f"{len(after[table])} columns")
    for table in sorted(before.keys() - after.keys()):
        yield Drift(of=table, kind="table gone", what=f"{len(before[table])} columns")
    for table in sorted(after.keys() & before.keys()):
        now, was = after[table], before[table]
        for column in now.keys() - was.keys():
            yield Drift(of=table, kind="column new", what=column, after=now[column])
        for column in was.keys() - now.keys():
            yield Drift(of=table, kind="column gone", what=column, before=was[column])
        for column in now.keys() & was.keys():
            if now[column] != was[column]:
                yield Drift(of=table, kind="column changed", what=column, before=was[column], after=now[column])
