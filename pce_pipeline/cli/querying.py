"""The verb that answers with figures, as they are known now or were known on a day: a thin shell of `asking.query`."""

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
from pce_pipeline.cli.session import Answer, Session
from pce_pipeline.tables.vintages import COUNTED

_SHOWN = 40
_NONE = "none"
TERMINAL = "terminal"
"""Where --plot draws if it names no file."""


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
            datasets=list(session.datasets),
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
    if to is not None:
        write_rows(to, rows, form, about)
        said = f"{shown.counted(result.frame.height, 'figure')} as known on {result.day} are in {to}."
        return Answer({**known, "rows": rows.height, "file": str(to), "plot": plot}, [*drawn, Text(said)])
    if drawn:
        return Answer({**known, "rows": rows.height, "plot": plot}, drawn)
    if form in {Form.CSV, Form.JSON}:
        return Answer({}, as_is=as_text(rows, form))
    table = _wide_shown(result) if is_wide else _shown(result)
    return Answer({**known, "figures": rows.to_dicts()}, [*table, *map(Text, about.notes)])


def _drawn(result: Result, plot: str, width: int) -> Text:
    """The figures as lines in the terminal, or that they are in a file now."""
    if plot == TERMINAL:
        return plot_in_terminal(result.frame, result.about, width=width)
    plot_file(result.frame, result.about, Path(plot))
    return Text(f"A chart of {shown.counted(result.frame.height, 'figure')} is in {plot}.")


def _shown(result: Result) -> list[RenderableType]:
    rows = result.frame
    head = rows.head(_SHOWN).with_columns(period=period(rows.head(_SHOWN)))
    several, grows = rows["dataset"].n_unique() > 1, "yoy_pct" in rows.columns
    has_base = head["base_year"].is_not_null().any()
    columns = [*(["Dataset"] if several else []), "Area", "Category", "Measure", ">Year", ">Value", "Unit"]
    table = shown.table(
        [*columns, *([">Base"] if has_base else []), *([">On year before"] if grows else []), "Vintage"],
        [
            (
                *([row["dataset"]] if several else []),
                row["state"] or row["geo_name"],
                row["category_id"],
                row["measure"],
                row["period"],
                _value(row),
                row["unit"],
                *([str(row["base_year"] or "")] if has_base else []),
                *([f"{row['yoy_pct']:+.1f} %" if row["why_null"] is None else _NONE] if grows else []),
                str(row["vintage"] or "") + ("" if row["basis"] in {COUNTED, None} else f" ({row['basis']})"),
            )
            for row in head.to_dicts()
        ],
    )
    return [table, *(_whys(head) if grows else []), _said(result, rows.height, "figure")]


def _wide_shown(result: Result) -> list[RenderableType]:
    """The wide answer with the reason in the cell where there is no number."""
    rows = result.wide()
    periods = sorted(period(result.frame).unique().to_list())
    has_base = rows["base_year"].is_not_null().any()
    reasons = [dict(each.split(": ") for each in text.split("; ") if each) for text in rows["missing"]]
    table = shown.table(
        ["Area", "Category", "Measure", "Unit", *([">Base"] if has_base else []), *(f">{each}" for each in periods)],
        [
            (
                row["state"] or row["geo_name"],
                row["category_id"],
                row["measure"],
                row["unit"],
                *([str(row["base_year"] or "")] if has_base else []),
                *(shown.figure(row[each]) if row[each] is not None else why.get(each, "") for each in periods),
            )
            for row, why in zip(rows.head(_SHOWN).to_dicts(), reasons, strict=False)
        ],
    )
    return [table, _said(result, rows.height, "row")]


def _said(result: Result, count: int, what: str) -> Text:
    said = f"{shown.counted(count, what)} as known on {result.day}"
    if count > _SHOWN:
        said += f", of which {_SHOWN} are shown: --format csv prints all, --to FILE writes them"
    return Text(f"{said}.")


def _value(row: dict[str, Any]) -> str:
    return str(row["status"]) if row["value"] is None else shown.figure(row["value"])


def _whys(rows: pl.DataFrame) -> list[Text]:
    """Why some of the figures have no growth, each reason once."""
    told = rows.drop_nulls("why_null").group_by("why_null").agg(pl.col("measure").unique().sort()).sort("why_null")
    return [Text(f"{_NONE}: {why} ({', '.join(measures)})") for why, measures in told.iter_rows()]
