"""Which layout a table was published in, and where each of its lines stands today.

BEA has moved lines from one table into another and back, so that "SARPP line 1" meant a price level, then real income,
then a price level again. A layout is recognised by text *and* unit of every line that it pins and the table has; what
is recognised reads as today's tables, whatever it was called then, and everything else stays as it is and is refused
with what differs. Tables that never had another layout are not looked at here.

A national table has no codes of lines: a line is its text, and the number beside it is where BEA prints it. What is
pinned therefore stands at its pinned number, wherever it was printed, and a line that is not pinned makes way for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.silver.errors import LayoutUnclear, LayoutUnknown, LineDifference
from pce_pipeline.texts import before, clean_description, meaning, same

_LINE = ["bea_table", "line_code"]
MOVES_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "bea_table": pl.String,
    "line_code": pl.Int32,
    "today_table": pl.String,
    "today_line": pl.Int32,
}
PRINTED_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "bea_table": pl.String,
    "line_code": pl.Int32,
    "published_table": pl.String,
    "published_line": pl.Int32,
    "layout": pl.String,
    "text": pl.String,
    "unit": pl.String,
    "unit_multiplier": pl.Int32,
}
"""A line as it was printed: where it stands today, where it stood, and what was said of it."""


@dataclass(frozen=True)
class _Said:
    """What a table says of its lines."""

    texts: dict[int, list[str]]
    units: dict[int, list[tuple[str | None, int | None]]]

    @property
    def lines(self) -> set[int]:
        return self.texts.keys() | self.units.keys()


def moves(cells: pl.DataFrame, lines: pl.DataFrame, dataset: Dataset) -> pl.DataFrame:
    """Where lines stand today that stood elsewhere when these tables were published: MOVES_SCHEMA.

    `cells` are observations, `lines` the lines that BEA lists with them (LINE_SCHEMA), both under BEA's names of then.
    Of a table whose layout is today's, or is none that is known, nothing is moved.
    """
    found = [pl.DataFrame(schema=MOVES_SCHEMA)]
    if dataset.source == "NIPA":
        found += [_by_text(lines.filter(pl.col("bea_table") == table), dataset, table) for table in dataset.tables]
    for table in dataset.with_several_layouts:
        compared = _Compared.of(cells, lines, dataset, table)
        if compared.fitting and not compared.is_unclear:
            places = compared.places(compared.fitting[0])  # all that fit have the same
            is_elsewhere = (pl.col("today_table") != table) | (pl.col("today_line") != pl.col("line_code"))
            if places.filter(is_elsewhere).height:
                found.append(places.select(list(MOVES_SCHEMA)))
    return pl.concat(found)


def _by_text(lines: pl.DataFrame, dataset: Dataset, table: str) -> pl.DataFrame:
    """Where the lines of a national table stand by their texts: MOVES_SCHEMA, of those that stand elsewhere.

    A line with another text than its number is pinned to stays there if that text came nowhere: then it is the one that
    changed, and is refused for it. Of two lines with a pinned text (BEA repeats some below the table) the one with the
    pinned number is meant, else the first.
    """
    said = {code: clean_description(text) for code, text in lines.select("line_code", "description").iter_rows()}
    pinned = dict(dataset.lines.filter(bea_table=table).select("line_code", "description").iter_rows())
    printed = {
        code: code
        if same(text, said.get(code, ""))
        else next((at for at in sorted(said) if same(text, said[at])), None)
        for code, text in pinned.items()
    }
    today = {at: code for code, at in printed.items() if at is not None}
    free = max([*said, *pinned, 0])
    for at in sorted(said.keys() - today.keys()):
        if printed.get(at) is not None:
            free += 1
            today[at] = free
    rows = [(table, at, table, code) for at, code in sorted(today.items()) if at != code]
    return pl.DataFrame(rows, schema=MOVES_SCHEMA, orient="row")


def layouts_printed(cells: pl.DataFrame, lines: pl.DataFrame, dataset: Dataset) -> dict[str, str]:
    """The layout in which each table came, by the name that the catalogue has for it; both frames are those of `moves`.

    Of a table that has none that is known, or may have several with different meanings, nothing is said.
    """
    found: dict[str, str] = dict(dataset.layouts.unique("bea_table").select("bea_table", "layout").iter_rows())
    for table in dataset.with_several_layouts:
        compared = _Compared.of(cells, lines, dataset, table)
        found.pop(table, None)
        if compared.fitting and not compared.is_unclear:
            found[table] = compared.fitting[0]
    return found


def printed_lines(cells: pl.DataFrame, lines: pl.DataFrame, dataset: Dataset, moved: pl.DataFrame) -> pl.DataFrame:
    """The lines that BEA lists as they came, and where they stand today: PRINTED_SCHEMA, one row per printed line.

    The first three frames are those of `moves`, and `moved` is what it gave for them. Of several texts or units of one
    line the first by alphabet is given; a line without cells has no unit.
    """
    units = cells.select(*_LINE, "unit", "unit_multiplier").unique().sort(*_LINE, "unit").unique(_LINE, keep="first")
    came = lines.select(*_LINE, text="description").unique().sort(*_LINE, "text").unique(_LINE, keep="first")
    layouts = layouts_printed(cells, lines, dataset)
    printed = came.join(units, on=_LINE, how="left").with_columns(
        published_table="bea_table",
        published_line="line_code",
        layout=pl.col("bea_table").replace_strict(layouts, default=None, return_dtype=pl.String),
    )
    return as_today(printed, moved).select(list(PRINTED_SCHEMA)).sort("published_table", "published_line")


def as_today(frame: pl.DataFrame, moved: pl.DataFrame) -> pl.DataFrame:
    """A frame with bea_table and line_code whose rows stand where `moves` says; other rows stay where they are."""
    if moved.is_empty():
        return frame
    return (
        frame.join(moved, on=_LINE, how="left", maintain_order="left")
        .with_columns(
            bea_table=pl.coalesce("today_table", "bea_table"), line_code=pl.coalesce("today_line", "line_code")
        )
        .select(frame.columns)
    )


def check_layouts(cells: pl.DataFrame, lines: pl.DataFrame, dataset: Dataset) -> None:
    """Raise `LayoutUnknown` for a table that has none of its known layouts, and `LayoutUnclear` for one that has two.

    Both frames are those of `moves`, after `as_today`.
    """
    for table in dataset.with_several_layouts:
        compared = _Compared.of(cells, lines, dataset, table)
        if compared.is_unclear:
            raise LayoutUnclear(table, compared.fitting)
        if compared.said.lines and not compared.fitting:
            nearest = min(compared.layouts, key=lambda name: len(compared.differences[name]))
            raise LayoutUnknown(table, nearest, compared.differences[nearest])


@dataclass(frozen=True)
class _Compared:
    """A table as it came, beside the layouts that are known of it, the newest first."""

    said: _Said
    layouts: dict[str, pl.DataFrame]
    differences: dict[str, list[LineDifference]]

    @classmethod
    def of(cls, cells: pl.DataFrame, lines: pl.DataFrame, dataset: Dataset, table: str) -> "_Compared":
        of_table = dataset.layouts.filter(pl.col("bea_table") == table)
        said = _said(cells, lines, table)
        taken = set(dataset.lines.filter(pl.col("bea_table") == table)["line_code"])
        newest_first = sorted(of_table["layout"].unique(), reverse=True)
        layouts = {name: of_table.filter(pl.col("layout") == name) for name in newest_first}
        return cls(said, layouts, {name: _differences(said, layout, taken) for name, layout in layouts.items()})

    @property
    def fitting(self) -> list[str]:
        """The layouts that it may have, the newest first; none where nothing of the table came."""
        return [name for name, differences in self.differences.items() if self.said.lines and not differences]

    @property
    def is_unclear(self) -> bool:
        """Whether it may have several in which its lines mean different things."""
        return len({tuple(self.places(name).iter_rows()) for name in self.fitting}) > 1

    def places(self, layout: str) -> pl.DataFrame:
        """Where those of its lines that a layout has stand today."""
        there = self.layouts[layout].filter(pl.col("line_code").is_in(sorted(self.said.lines)))
        return there.select(list(MOVES_SCHEMA)).sort("line_code")


def _said(cells: pl.DataFrame, lines: pl.DataFrame, table: str) -> _Said:
    texts: dict[int, list[str]] = {}
    of_table = pl.col("bea_table") == table
    for code, text in lines.filter(of_table).select("line_code", "description").unique().sort(pl.all()).iter_rows():
        texts.setdefault(code, []).append(clean_description(text))
    units: dict[int, list[tuple[str | None, int | None]]] = {}
    columns = ["line_code", "unit", "unit_multiplier"]
    for code, *unit in cells.filter(of_table).select(columns).unique().sort(columns).iter_rows():
        units.setdefault(code, []).append((unit[0], unit[1]))
    return _Said(texts, units)


def _differences(said: _Said, layout: pl.DataFrame, taken: set[int]) -> list[LineDifference]:
    """What a table says otherwise than a layout, of the lines that both have.

    A line that the layout lacks is no difference, as long as some line is the layout's: BEA may have added it, and it
    is left out. One whose number is `taken` today is: nothing would keep it apart from the line that has it now.
    """
    found: list[LineDifference] = []
    lacking = said.lines & (taken - set(layout["line_code"]))
    found += [LineDifference(code, "no line", ", ".join(said.texts.get(code, ()))) for code in sorted(lacking)]
    for row in layout.iter_rows(named=True):
        code = row["line_code"]
        if code not in said.lines:
            continue
        others = [text for line, texts in said.texts.items() if line != code for text in texts]
        texts = (text for text in said.texts.get(code, ()) if not means(text, row["description"], others))
        found += [LineDifference(code, row["description"], text) for text in texts]
        units = (unit for unit in said.units.get(code, ()) if not _is_unit(unit, row))
        found += [
            LineDifference(code, f"{row['unit']} (10^{row['unit_multiplier']})", f"{unit} (10^{multiplier})")
            for unit, multiplier in units
        ]
    if said.lines.isdisjoint(layout["line_code"]):
        found = [LineDifference(code, "", ", ".join(said.texts.get(code, ()))) for code in sorted(said.lines)]
    return found


def _is_unit(unit: tuple[str | None, int | None], pinned: dict[str, object]) -> bool:
    text, multiplier = unit
    return text is not None and multiplier == pinned["unit_multiplier"] and same(str(pinned["unit"]), text)


def means(published: str, pinned: str, others: Sequence[str]) -> bool:
    """Whether BEA's text of a line is the pinned one, or ends with it after a statistic.

    BEA's API puts the statistic before the item ("Total ...: Health"), the same for many lines of a table: what stands
    before one line alone is a qualification, and the line means something else.
    """
    statistic = before(pinned, published)
    if not statistic:
        return statistic == ""
    return not statistic.rstrip()[-1].isalnum() and any(meaning(other).startswith(statistic) for other in others)
