"""The verb that answers with figures, as they are known now or were known on a day: from the lake alone."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import polars as pl
import typer
from rich.console import RenderableType
from rich.text import Text

from pce_pipeline.bronze.current import Current, current_of
from pce_pipeline.bronze.errors import NotKnownYet
from pce_pipeline.bronze.history import History, log_of
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.cli import shown
from pce_pipeline.cli.choosing import Choice, Form, as_bytes, chosen, day_of, listed, write_rows
from pce_pipeline.cli.session import Answer, Session
from pce_pipeline.errors import UsageError
from pce_pipeline.gold.known import BESIDE, AsOf, as_known, known_cells, with_cells
from pce_pipeline.gold.meaning import growth as with_growth
from pce_pipeline.gold.meaning import sum_over_areas, sum_over_categories, why_no_growth
from pce_pipeline.gold.price_releases import MADE_WITH_NOMINAL, NEEDED, NOT_YET, as_by, needed, standings
from pce_pipeline.gold.vintages import figures
from pce_pipeline.tables.vintages import COUNTED
from pce_pipeline.tables.years import years_text

_SHOWN = 40
_NONE = "none"
_NO_LEVEL_OVER_YEARS = "{measure} compares areas within one year: two years of it cannot be compared."


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
    state: Annotated[
        str | None, typer.Option(help="Only these areas: CA,TX, US, states, a region, or FIPS codes.")
    ] = None,
    category: Annotated[str | None, typer.Option(help="Only these categories, by id or name.")] = None,
    measure: Annotated[str | None, typer.Option(help="Only these measures.")] = None,
    years: Annotated[str | None, typer.Option(help="Only these years: 2023, 2015...2018, 2015...")] = None,
    *,
    growth: Annotated[
        bool, typer.Option("--growth", help="With the change on the year before, where that has a meaning.")
    ] = False,
    sum_over: Annotated[
        Sum | None, typer.Option("--sum", help="Add up over areas or categories, where that has a meaning.")
    ] = None,
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
    if sum_over is not None and not listed(measure):
        raise UsageError("It is not said what to add up.", remedy="Name a measure: --measure pce")
    of_years = [each for each in session.datasets.values() if not each.is_monthly]
    if not of_years:
        tables = [each.table.name for name in session.datasets for each in session.registry.gold[name]]
        raise UsageError(
            f"The figures of {', '.join(session.datasets)} are by month, and this command answers by year.",
            remedy=f"Read {', '.join(tables)} in the lake or in Postgres.",
        )
    choice = chosen(
        of_years,
        state=state,
        category=category,
        measure=measure,
        years=years,
        newest=today.year,
    )
    with session.watched():
        wanted = choice if choice.years is None or not growth else replace(choice, years=_one_more(choice.years))
        held = current_of(session.lake, session.registry.datasets)
        rows = _with_standing(_known(session, held, wanted, moment), session, held, moment)
        notes = [*_of_levels(rows, session), *_not_yet_revised(choice.of_years(rows)), *_pinned(rows, held)]
        rows = rows.drop("belongs_to", "newest_released_on")
        if sum_over is not None:
            rows = _each_dataset(rows, session, partial(_added_up, over=sum_over))
        if growth:
            rows = choice.of_years(_each_dataset(rows, session, partial(_with_growth, is_asked=bool(choice.measures))))
            if rows.is_empty():
                raise _nothing_known(moment)
    known = {"as_of": str(moment.day), "clock": clock.value, "notes": notes}
    if to is not None:
        write_rows(to, rows, form)
        said = f"{shown.counted(rows.height, 'figure')} as known on {moment.day} are in {to}."
        return Answer({**known, "rows": rows.height, "file": str(to)}, [Text(said)])
    if form in {Form.CSV, Form.JSON}:
        return Answer({}, as_is=as_bytes(rows, form).decode())
    return Answer({**known, "figures": rows.to_dicts()}, [*_shown(rows, moment), *map(Text, notes)])


def _known(session: Session, held: Mapping[str, Current], choice: Choice, moment: AsOf) -> pl.DataFrame:
    """The figures chosen of every dataset that has any; raises `UsageError` where nothing was known, or is chosen."""
    found: list[pl.DataFrame] = []
    first: dict[str, str] = {}
    for name, now in ((name, held[name]) for name in session.datasets if name in session.registry.logs):
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
        raise _nothing_known(moment)
    return rows


def _nothing_known(moment: AsOf) -> UsageError:
    return UsageError(
        f"Nothing was known on {moment.day} of these areas, categories, measures and years together.",
        remedy="Leave one of them out to see what there is.",
    )


def _one_more(years: range) -> range:
    """The years with the one before, which growth is on."""
    return range(years.start - 1, years.stop)


def _each_dataset(
    rows: pl.DataFrame, session: Session, make: Callable[[pl.DataFrame, Dataset], pl.DataFrame]
) -> pl.DataFrame:
    """What is made of the rows of each dataset by itself."""
    parts = rows.partition_by("dataset", maintain_order=True)
    return pl.concat([make(part, session.datasets[part["dataset"][0]]) for part in parts], how="diagonal")


def _added_up(rows: pl.DataFrame, dataset: Dataset, *, over: Sum) -> pl.DataFrame:
    """The rows added up over areas or categories; raises `Meaningless` where that has no meaning."""
    if over is Sum.AREAS:
        total, by, what = sum_over_areas(rows, dataset), "category_id", "areas"
        named = {"geo_fips": pl.lit("sum"), "geo_name": pl.format("sum of {} areas", what)}
        level = pl.col("geo_level").first()
    else:
        total, by, what = sum_over_categories(rows, dataset), "geo_fips", "categories"
        named, level = {"category_id": pl.format("sum of {} categories", what)}, pl.col("geo_level").first()
    key = ["measure", by, "year"]
    newest = (pl.col(name).max() for name in ("released_on", "vintage"))
    same = (pl.col(name).first() for name in ("dataset", "unit", "basis", "bea_table"))
    areas = [pl.col(name).first() for name in ("geo_name", "state")] if over is Sum.CATEGORIES else []
    of_rows = rows.group_by(key).agg(level, *same, *newest, *areas)
    status = pl.when(pl.col("value").is_null()).then(pl.lit("a figure is missing")).otherwise(pl.lit("reported"))
    both = total.join(of_rows, on=key, maintain_order="left").with_columns(**named, status=status)
    lacking = [pl.lit(None, dtype=rows.schema[name]).alias(name) for name in rows.columns if name not in both.columns]
    return both.with_columns(lacking).select(rows.columns)


def _with_growth(rows: pl.DataFrame, dataset: Dataset, *, is_asked: bool) -> pl.DataFrame:
    """The rows with their growth; a measure that has none is refused if it was asked for, else told beside its rows."""
    without = [name for name in rows["measure"].unique() if not dataset.measures[name].growth_is_meaningful]
    if is_asked or not without:
        return with_growth(rows, dataset)
    has_none = pl.col("measure").is_in(without)
    told = [
        rows.filter(pl.col("measure") == name).with_columns(
            why_null=pl.lit(why_no_growth(dataset.measures[name])), yoy_pct=pl.lit(None, dtype=pl.Float64)
        )
        for name in sorted(without)
    ]
    return pl.concat([with_growth(rows.filter(~has_none), dataset), *told], how="diagonal")


def _of_levels(rows: pl.DataFrame, session: Session) -> list[str]:
    """What is to be known of figures of several years that cannot be compared over years."""
    years = rows.group_by("dataset", "measure").agg(pl.col("year").n_unique()).filter(pl.col("year") > 1)
    measures = {
        name: session.datasets[dataset].measures[name]
        for dataset, name in years.select("dataset", "measure").sort(pl.all()).iter_rows()
    }
    return [
        _NO_LEVEL_OVER_YEARS.format(measure=name)
        for name, measure in measures.items()
        if "years" not in measure.comparable_over
    ]


def _with_standing(rows: pl.DataFrame, session: Session, held: Mapping[str, Current], moment: AsOf) -> pl.DataFrame:
    """The rows with `real_figures`, and what it goes by: how a real figure stands to the nominal ones known then.

    Whatever datasets the call is about, all that are held tell it.
    """
    of_prices = rows.filter(pl.col("measure").is_in(list(MADE_WITH_NOMINAL)))
    logs: dict[str, pl.DataFrame] = {}
    homes: dict[str, str] = {}
    for name, now in held.items() if of_prices.height else ():
        homes |= {measure: of.home for measure, of in now.dataset.measures.items()}
        if not NEEDED.keys().isdisjoint(now.dataset.measures):
            history = History(now)
            log = log_of(now, session.lake, session.registry.logs[name], of_prices["year"].unique())
            of_totals = log.filter(pl.col("measure").is_in(list(NEEDED)))
            logs[name] = needed(as_by(figures(of_totals, history.vintages, now.dataset), moment))
    told = standings(logs, homes)
    return rows.join(told, on=["dataset", "measure", "geo_fips", "year"], how="left", maintain_order="left")


def _not_yet_revised(rows: pl.DataFrame) -> list[str]:
    """Which of the figures were made with nominal ones that BEA has revised since."""
    late = rows.filter(pl.col("real_figures") == NOT_YET)
    groups = late.group_by("dataset", "belongs_to").agg(
        pl.col("measure").unique().sort(), pl.col("year").unique().sort(), pl.col("newest_released_on").max()
    )
    return [
        f"{', '.join(measures)} of {dataset}, {years_text(years)}: {NOT_YET}. They were made with {belongs_to} as it "
        f"was before the release of {day}."
        for dataset, belongs_to, measures, years, day in groups.sort("dataset", "belongs_to").iter_rows()
    ]


def _pinned(rows: pl.DataFrame, held: Mapping[str, Current]) -> list[str]:
    """Which datasets are pinned: tables and Postgres show them as of an earlier vintage."""
    return [
        f"{name} is pinned to {now.pin.extract}: Postgres and the tables of Gold show that vintage, and these figures "
        "are those that were known."
        for name, now in held.items()
        if now.pin is not None and name in rows["dataset"]
    ]


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
    cells = known_cells(log, history.vintages, moment)
    names = dataset.areas.select("geo_fips", "geo_name")
    return (
        with_cells(facts, cells, dataset, ["basis", "bea_table", "base_year", "released_on", "valid_from"])
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
    head = rows.head(_SHOWN)
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
                str(row["year"]),
                shown.figure(row["value"]) if row["value"] is not None else row["status"],
                row["unit"],
                *([str(row["base_year"] or "")] if has_base else []),
                *([f"{row['yoy_pct']:+.1f} %" if row["why_null"] is None else _NONE] if grows else []),
                str(row["vintage"]) + ("" if row["basis"] == COUNTED else f" ({row['basis']})"),
            )
            for row in head.to_dicts()
        ],
    )
    said = f"{shown.counted(rows.height, 'figure')} as known on {moment.day}"
    if rows.height > _SHOWN:
        said += f", of which {_SHOWN} are shown: --format csv prints all, --to FILE writes them"
    return [table, *(_whys(head) if grows else []), Text(f"{said}.")]


def _whys(rows: pl.DataFrame) -> list[Text]:
    """Why some of the figures have no growth, each reason once."""
    told = rows.drop_nulls("why_null").group_by("why_null").agg(pl.col("measure").unique().sort()).sort("why_null")
    return [Text(f"{_NONE}: {why} ({', '.join(measures)})") for why, measures in told.iter_rows()]


def _day(number: str) -> pl.Expr:
    """The day of a vintage's number."""
    return pl.col(number).cast(pl.String).str.head(8).str.to_date("%Y%m%d")
