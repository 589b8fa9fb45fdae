"""The verb that answers with figures, as they are known now or were known on a day: a thin shell of `asking.query`."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer
from rich.console import RenderableType
from rich.text import Text

from pce_pipeline.asking.query import Question, Result
from pce_pipeline.asking.query import query as answer_of
from pce_pipeline.asking.wide import period
from pce_pipeline.charts.file import chart_form, plot_file
from pce_pipeline.charts.terminal import plot_in_terminal
from pce_pipeline.cli import shown
from pce_pipeline.cli.choosing import Form, as_text, refuse_on_terminal, write_rows
from pce_pipeline.cli.output import TERMINAL
from pce_pipeline.cli.session import Answer, Session
from pce_pipeline.tables.vintages import COUNTED
from pce_pipeline.texts import number_text

_SHOWN = 40
_NONE = "none"
_BETWEEN = 3
"""Where --plot draws if it names no file."""
_SHORT = {"United States": "US"}


class By(StrEnum):
    """The clocks."""

    EXTRACT = "extract"
    RELEASE = "release"
    INGEST = "ingest"


class Sum(StrEnum):
    """What figures are added up over."""

    AREAS = "areas"
    CATEGORIES = "categories"


def query(
    session: Session,
    as_of: Annotated[
        str | None, typer.Option(metavar="DATE", help="As known at the end of this day; now if it is left out.")
    ] = None,
    clock: Annotated[
        By,
        typer.Option(
            help="A day on which BEA published it (extract), released it (release), or it was taken here (ingest)."
        ),
    ] = By.EXTRACT,
    include: Annotated[
        str | None, typer.Option(help="Values that do not count answer too: partial, derived, or both with a comma.")
    ] = None,
    state: Annotated[
        str | None,
        typer.Option("--state", "--area", help="Only these areas: CA,TX, US, states, a region, or FIPS codes."),
    ] = None,
    category: Annotated[str | None, typer.Option(help="Only these categories, by id or name.")] = None,
    measure: Annotated[
        str | None, typer.Option(help="Only these measures, or columns of Gold such as pce_yoy_pct.")
    ] = None,
    years: Annotated[str | None, typer.Option(help="Only these years: 2023, 2015...2018, 2015...")] = None,
    months: Annotated[
        str | None, typer.Option(help="Only these months, of what is published by month: 7, or 1...3.")
    ] = None,
    *,
    growth: Annotated[
        bool, typer.Option("--growth", help="With the change on the year before, where that has a meaning.")
    ] = False,
    sum_over: Annotated[
        Sum | None, typer.Option("--sum", help="Add up over areas or categories, where that has a meaning.")
    ] = None,
    is_wide: Annotated[bool, typer.Option("--wide", help="Years or months as columns.")] = False,
    form: Annotated[Form, typer.Option("--format", help="How to write the rows.")] = Form.TABLE,
    to: Annotated[Path | None, typer.Option(help="Write the rows into this file.")] = None,
    plot: Annotated[
        str | None,
        typer.Option(metavar="[FILE]", help="Draw the figures: here, or into a file of .png or .svg."),
    ] = None,
    citation: Annotated[bool, typer.Option("--cite", help="Print what to cite the figures by as well.")] = False,
) -> Answer:
    """Figures as they are known now, or were known on a day: one row each, from the lake alone."""
    refuse_on_terminal(form, to, what="figures")
    if plot not in {None, TERMINAL}:
        chart_form(Path(str(plot)))
    question = Question(
        areas=state,
        categories=category,
        measures=measure,
        years=years,
        months=months,
        as_of=as_of,
        clock=clock.value,
        include=include,
        growth=growth,
        sum_over=None if sum_over is None else sum_over.value,
    )
    with session.watched():
        result = answer_of(
            session.lake,
            session.registry,
            question,
            datasets=session.chosen,
            is_sample=session.settings.is_sample,
        )
    rows = result.wide() if is_wide else result.frame
    about = result.about
    known = {
        "as_of": str(result.day),
        "clock": clock.value,
        "notes": about.notes,
        "units": about.units,
        "citation": about.citation,
    }
    drawn = [] if plot is None else [_drawn(result, plot, session.out.width)]
    beside = [Text(each) for each in (*about.notes, *([f"\n{about.citation}"] if citation else []))]
    if to is not None:
        write_rows(to, rows, form, about)
        said = f"{shown.counted(result.frame.height, 'figure')} as known on {result.day} are in {to}."
        return Answer({**known, "rows": rows.height, "file": str(to), "plot": plot}, [*drawn, Text(said), *beside])
    if drawn:
        return Answer({**known, "rows": rows.height, "plot": plot}, [*drawn, *beside])
    if form in {Form.CSV, Form.JSON}:
        return Answer({}, as_is=as_text(rows, form))
    table = _wide_shown(result, session.out.width) if is_wide else _shown(result)
    return Answer({**known, "figures": rows.to_dicts()}, [*table, *beside])


def _drawn(result: Result, plot: str, width: int) -> Text:
    """The figures as lines in the terminal, or that they are in a file now."""
    if plot == TERMINAL:
        return plot_in_terminal(result.frame, result.about, width=width)
    plot_file(result.frame, result.about, Path(plot))
    return Text(f"A chart of {shown.counted(result.frame.height, 'figure')} is in {plot}.")


def _shown(result: Result) -> list[RenderableType]:
    rows = result.frame
    head = rows.head(_SHOWN)
    head = head.with_columns(period=period(head))
    columns: dict[str, list[str]] = {
        "Dataset": head["dataset"].to_list(),
        **_names(head),
        ">Year": head["period"].to_list(),
        ">Value": [_value(row) for row in head.to_dicts()],
        **_units(head),
    }
    if "yoy_pct" in head.columns:
        growth = head.select("yoy_pct", "why_null").iter_rows()
        columns[">On year before"] = [f"{pct:+.1f} %" if why is None else _NONE for pct, why in growth]
    columns["Vintage"] = [
        str(day or "") + ("" if basis in {COUNTED, None} else f" ({basis})")
        for day, basis in head.select("vintage", "basis").iter_rows()
    ]
    whys = _whys(head) if "yoy_pct" in head.columns else []
    return [*_laid_out(columns), *whys, _said(result, rows.height, "figure")]


def _wide_shown(result: Result, width: int) -> list[RenderableType]:
    """The wide answer with the reason in the cell where there is no number; below one another what does not fit."""
    rows = result.wide()
    head, periods = rows.head(_SHOWN), sorted(period(result.frame).unique().to_list())
    reasons = [dict(each.split(": ") for each in text.split("; ") if each) for text in head["missing"].fill_null("")]
    values = {
        f">{each}": [
            why[each] if value is None else number_text(value) for value, why in zip(head[each], reasons, strict=True)
        ]
        for each in periods
    }
    texts = {**_names(head), **_units(head), "Vintage": head["vintages"].fill_null("").to_list()}
    same, rest = _same_and_rest(texts)
    room = width - sum(map(_width, rest.items()))
    tables = [
        shown.table([*rest, *some], zip(*rest.values(), *some.values(), strict=True)) for some in _fitting(values, room)
    ]
    return [shown.facts(same.items()), *tables, _said(result, rows.height, "row")]


def _fitting(columns: Mapping[str, list[str]], room: int) -> Iterator[dict[str, list[str]]]:
    """Columns in groups that have room beside one another: a number is never cut."""
    group: dict[str, list[str]] = {}
    for name, cells in columns.items():
        if group and sum(map(_width, group.items())) + _width((name, cells)) > room:
            yield group
            group = {}
        group[name] = cells
    yield group


def _width(column: tuple[str, list[str]]) -> int:
    """How many characters a column needs, with those between it and the next."""
    name, cells = column
    return max(map(len, (name.removeprefix(shown.RIGHT), *cells))) + _BETWEEN


def _names(rows: pl.DataFrame) -> dict[str, list[str]]:
    """The columns that say what each row is of."""
    areas = [state or _SHORT.get(name, name) for state, name in rows.select("state", "geo_name").iter_rows()]
    return {"Area": areas, "Category": rows["category_id"].to_list(), "Measure": rows["measure"].to_list()}


def _units(rows: pl.DataFrame) -> dict[str, list[str]]:
    """The columns that say what each number counts."""
    base = [str(year or "") for year in rows["base_year"]]
    return {"Unit": rows["unit"].to_list(), **({"Base year": base} if any(base) else {})}


def _laid_out(columns: Mapping[str, list[str]]) -> list[RenderableType]:
    """A table of the columns that differ from row to row; before it, once, what is the same in all rows.

    Numbers stay in the table whatever they are.
    """
    same, rest = _same_and_rest(columns)
    return [shown.facts(same.items()), shown.table(list(rest), zip(*rest.values(), strict=True))]


def _same_and_rest(columns: Mapping[str, list[str]]) -> tuple[dict[str, str], dict[str, list[str]]]:
    """What is the same in all rows, once, and the other columns."""
    same = {
        name: cells[0] for name, cells in columns.items() if not name.startswith(shown.RIGHT) and len(set(cells)) == 1
    }
    return same, {name: cells for name, cells in columns.items() if name not in same}


def _said(result: Result, count: int, what: str) -> Text:
    said = f"{shown.counted(count, what)} as known on {result.day}"
    if count > _SHOWN:
        said += f", of which {_SHOWN} are shown: --format csv prints all, --to FILE writes them"
    return Text(f"{said}.")


def _value(row: dict[str, Any]) -> str:
    return str(row["status"]) if row["value"] is None else number_text(row["value"])


def _whys(rows: pl.DataFrame) -> list[Text]:
    """Why some of the figures have no growth, each reason once."""
    told = rows.drop_nulls("why_null").group_by("why_null").agg(pl.col("measure").unique().sort()).sort("why_null")
    return [Text(f"{_NONE}: {why} ({', '.join(measures)})") for why, measures in told.iter_rows()]
