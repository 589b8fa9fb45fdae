"""The verb that answers with figures, as they are known now or were known on a day: from the lake alone."""

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import polars as pl
import typer
from rich.console import RenderableType
from rich.text import Text

from pce_pipeline.bronze.errors import NotKnownYet
from pce_pipeline.bronze.history import History, log_of
from pce_pipeline.cli import shown
from pce_pipeline.cli.choosing import Choice, Form, as_bytes, chosen, day_of, listed, write_rows
from pce_pipeline.cli.session import Answer, Session
from pce_pipeline.errors import UsageError
from pce_pipeline.gold.known import BESIDE, AsOf, as_known, known_cells
from pce_pipeline.tables.vintages import COUNTED

_SHOWN = 40
_FIGURE = ["measure", "category_id", "geo_fips", "year"]


class By(StrEnum):
    """The clocks."""

    EXTRACT = "extract"
    RELEASE = "release"
    INGEST = "ingest"


def query(
    session: Session,
    as_of: Annotated[
        str | None, typer.Option(metavar="DATE", help="As known at the end of this day; today if it is left out.")
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
    state: Annotated[str | None, typer.Option(help="Only these areas: CA,TX, US, a region, or FIPS codes.")] = None,
    category: Annotated[str | None, typer.Option(help="Only these categories, by id or name.")] = None,
    measure: Annotated[str | None, typer.Option(help="Only these measures.")] = None,
    years: Annotated[str | None, typer.Option(help="Only these years: 2023, 2015...2018, 2015...")] = None,
    form: Annotated[Form, typer.Option("--format", help="How to write the rows.")] = Form.TABLE,
    to: Annotated[Path | None, typer.Option(help="Write the rows into this file.")] = None,
) -> Answer:
    """Figures as they are known now, or were known on a day: one row each, from the lake alone."""
    if form is Form.PARQUET and to is None:
        raise UsageError("Parquet is not for a terminal.", remedy="Name a file: --to figures.parquet")
    today = datetime.now(UTC).date()
    moment = AsOf(day_of(as_of) if as_of else today, clock=clock.value, include=_beside(include))
    if moment.day > today:
        raise UsageError(f"{moment.day} is in the future.", remedy=f"The latest day is {today}.")
    choice = chosen(
        list(session.datasets.values()),
        state=state,
        category=category,
        measure=measure,
        years=years,
        newest=today.year,
    )
    with session.watched():
        rows = _known(session, choice, moment)
    if to is not None:
        write_rows(to, rows, form)
        said = f"{shown.counted(rows.height, 'figure')} as known on {moment.day} are in {to}."
        document = {"as_of": str(moment.day), "clock": clock.value, "rows": rows.height, "file": str(to)}
        return Answer(document, [Text(said)])
    if form in {Form.CSV, Form.JSON}:
        return Answer({}, as_is=as_bytes(rows, form).decode())
    return Answer({"as_of": str(moment.day), "clock": clock.value, "figures": rows.to_dicts()}, _shown(rows, moment))


def _known(session: Session, choice: Choice, moment: AsOf) -> pl.DataFrame:
    """The figures chosen of every dataset that has any; raises `UsageError` where nothing was known, or is chosen."""
    found: list[pl.DataFrame] = []
    first: dict[str, str] = {}
    for name, now in session.held().items():
        if choice.measures and set(choice.measures).isdisjoint(now.dataset.measures):
            continue
        history = History(now)
        if not moment.knows_any_of(history.vintages):
            first |= _first(history, moment)
            continue
        log = log_of(now, session.lake, session.registry.logs[name], choice.years)
        found.append(_rows(choice.of(log), history, moment))
    if not found:
        raise NotKnownYet(str(moment.day), first)
    rows = pl.concat(found)
    if rows.is_empty():
        raise UsageError(
            f"Nothing was known on {moment.day} of these areas, categories, measures and years together.",
            remedy="Leave one of them out to see what there is.",
        )
    return rows


def _first(history: History, moment: AsOf) -> dict[str, str]:
    """The first day on which anything of a dataset that may answer was known by a clock, by its name."""
    of_clock = {"extract": _day("at"), "release": pl.col("released_on")}
    known = history.vintages.filter(pl.col("basis").is_in([COUNTED, *moment.include]))
    day = known.select(of_clock.get(moment.clock, pl.col("ingested_at").dt.date())).to_series().min()
    return {history.dataset.name: str(day)} if day is not None else {}


def _beside(text: str | None) -> tuple[str, ...]:
    words = listed(text)
    for word in words:
        if word not in BESIDE:
            raise UsageError(f"There are no {word!r} values.", remedy=f"Write {', '.join(BESIDE)}, or both.")
    return tuple(words)


def _rows(log: pl.DataFrame, history: History, moment: AsOf) -> pl.DataFrame:
    """The figures that were known, each with the table, vintage and release that it is from."""
    dataset = history.dataset
    facts = as_known(log, history.vintages, dataset, moment)
    tables = pl.DataFrame({"bea_table": list(dataset.tables)}).with_row_index("order")
    cells = (
        known_cells(log, history.vintages, moment)
        .join(tables, on="bea_table")
        .sort("order", maintain_order=True)
        .select(*_FIGURE, "value", "status", "basis", "bea_table", "base_year", "released_on", "valid_from")
    )
    names = dataset.areas.select("geo_fips", "geo_name")
    return (
        facts.join(cells, on=[*_FIGURE, "value", "status"], how="left", nulls_equal=True, maintain_order="left")
        .unique(_FIGURE, keep="first", maintain_order=True)
        .join(names, on="geo_fips", maintain_order="left")
        .select(
            "dataset",
            *("measure", "category_id", "geo_fips", "geo_name"),
            *("geo_level", "state", "year"),
            *("value", "status", "unit", "base_year", "basis", "bea_table", "released_on"),
            vintage=_day("valid_from"),
        )
    )


def _shown(rows: pl.DataFrame, moment: AsOf) -> list[RenderableType]:
    several = rows["dataset"].n_unique() > 1
    table = shown.table(
        [*(["Dataset"] if several else []), "Area", "Category", "Measure", ">Year", ">Value", "Unit", "Vintage"],
        [
            (
                *([row["dataset"]] if several else []),
                row["state"] or row["geo_name"],
                row["category_id"],
                row["measure"],
                str(row["year"]),
                shown.figure(row["value"]) if row["value"] is not None else row["status"],
                row["unit"],
                str(row["vintage"]) + ("" if row["basis"] == COUNTED else f" ({row['basis']})"),
            )
            for row in rows.head(_SHOWN).to_dicts()
        ],
    )
    said = f"{shown.counted(rows.height, 'figure')} as known on {moment.day}"
    if rows.height > _SHOWN:
        said += f", of which {_SHOWN} are shown: --format csv prints all, --to FILE writes them"
    return [table, Text(f"{said}.")]


def _day(number: str) -> pl.Expr:
    """The day of a vintage's number."""
    return pl.col(number).cast(pl.String).str.head(8).str.to_date("%Y%m%d")
