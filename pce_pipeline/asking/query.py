"""One query for shell, Python and tests: figures and what follows from them, as known now or at the end of any day.

The answer is a tidy frame, one row per figure, with everything that a reader needs beside the number. Measures come
from the logs of all vintages; columns of Gold are read where Gold is made of what counts now, and else computed.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

import polars as pl

from pce_pipeline.asking.about import About, about
from pce_pipeline.asking.choosing import Choice, Numbers, Words, chosen, day_of, listed
from pce_pipeline.asking.columns import GoldColumn, column_rows, columns_of
from pce_pipeline.asking.guard import notes_of_levels, refuse_growth_by_name, refuse_what_is_not_published
from pce_pipeline.asking.published import SumOver, added_up, grown, published_rows, with_standing
from pce_pipeline.asking.reading import Reader, figures_known, first_days, table_as_known
from pce_pipeline.asking.wide import wide
from pce_pipeline.bronze.errors import NotKnownYet
from pce_pipeline.bronze.history import History
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.errors import UsageError
from pce_pipeline.gold.known import BESIDE, AsOf, Clock
from pce_pipeline.gold.price_releases import NOT_YET
from pce_pipeline.lake.resource import Lake
from pce_pipeline.tables.columns import FIGURE
from pce_pipeline.tables.registry import Registry
from pce_pipeline.tables.table import MONEY
from pce_pipeline.tables.years import years_text

COLUMNS = (
    "dataset",
    "measure",
    "category_id",
    "category_name",
    "geo_fips",
    "geo_name",
    "geo_level",
    "state",
    "year",
    "value",
    "status",
    "unit",
    "base_year",
    "basis",
    "bea_table",
    "released_on",
    "vintage",
    "real_figures",
)
"""The columns of an answer; one with figures of months has `month` after `year`, one with growth `yoy_pct` and
`why_null` at the end. `value` is Decimal(18,3) where all are published figures, and else Float64."""


@dataclass(frozen=True)
class Question:
    """What is asked, in the words of who asks; everything where nothing is chosen."""

    areas: Words = None
    """Areas: postal codes, US, `states`, `regions`, names or FIPS codes."""
    categories: Words = None
    """Categories, by id or name."""
    measures: Words = None
    """Measures, or columns of Gold that have a formula, such as `pce_yoy_pct`."""
    years: Numbers = None
    """Years."""
    months: Numbers = None
    """Months, of what is published by month."""
    as_of: str | date | None = None
    """The day at whose end the figures were known; None for now."""
    clock: Clock = "extract"
    """By which clock: what BEA published on the day (`extract`), released (`release`), or we took (`ingest`)."""
    include: Words = None
    """What answers beside what counts: `partial`, `derived`."""
    growth: bool = False
    """Whether the change on the year before is wanted as well."""
    sum_over: SumOver | None = None
    """What figures are added up over: `areas`, `categories`."""


@dataclass(frozen=True)
class Result:
    """An answer."""

    frame: pl.DataFrame
    """One row per figure (COLUMNS)."""
    about: About
    """What the rows are, from where, and how to cite them."""
    day: date
    """The day at whose end they were known: the one that was asked for, or today."""

    def wide(self) -> pl.DataFrame:
        """One row per area, category and measure, and a column per year or month (`wide.wide`).

        Raises `UsageError` for an answer with growth, which has two numbers a year.
        """
        return wide(self.frame)


def query(
    lake: Lake, registry: Registry, question: Question, *, datasets: Collection[str] | None = None, is_sample: bool
) -> Result:
    """The figures that a question asks for, of these datasets or all.

    Raises `UsageError` for what cannot be answered, among it `Meaningless` and `NotPublished` for what has no meaning
    or is not published, `NotKnownYet` for a day before the first vintage, and `SchemaViolation` or a `LakeError` where
    the lake is damaged.
    """
    today = datetime.now(UTC).date()
    moment = _moment(question, today)
    of = {name: each for name, each in registry.datasets.items() if datasets is None or name in datasets}
    choice, columns = _understood(question, registry, of, newest=today.year)
    in_years = {measure for each in of.values() if not each.is_monthly for measure in each.measures}
    asked = [columns[name] for name in choice.measures if name not in in_years]
    _refuse_what_does_not_go_together(question, choice, asked)
    if not choice.measures and not in_years:
        raise _months_need_a_name(list(of), registry)
    told = refuse_what_is_not_published(choice, of.values(), columns)
    reader = Reader(lake, registry)
    is_now = question.as_of is None and question.clock == "extract" and not moment.include
    parts = [_of_column(reader, column, choice, moment, is_now=is_now) for column in asked]
    told += [note for part in parts if "belongs_to" in part.columns for note in _not_yet_revised(part)]
    repeats: list[str] = []
    names = tuple(name for name in choice.measures if name in in_years)
    if names or not choice.measures:
        of_years = [name for name, each in of.items() if not each.is_monthly]
        rows, late = _published(reader, of_years, replace(choice, measures=names), moment, question)
        told += late
        if names and datasets is None:
            rows, repeats = _at_home(rows, of)
        parts.insert(0, rows)
    frame = _together(parts)
    if frame.is_empty():
        raise _nothing_known(moment)
    there = set(frame["measure"].unique())
    lacking = [name for name in dict.fromkeys([*names, *(each.name for each in asked)]) if name not in there]
    told += [f"Of {name} nothing was known of these areas, categories and years." for name in lacking]
    told += notes_of_levels(frame, of, columns)
    told += [*_of_gold(frame, reader, asked), *repeats]
    said = about(
        frame,
        {name: (each.title, each.measures) for name, each in of.items()},
        as_of=None if question.as_of is None else moment.day,
        computed=[column.name for column in asked if not column.is_level],
        is_sample=is_sample,
        notes=told,
        today=today,
    )
    return Result(frame, said, moment.day)


def _understood(
    question: Question, registry: Registry, datasets: Mapping[str, Dataset], *, newest: int
) -> tuple[Choice, Mapping[str, GoldColumn]]:
    """What the words of a question mean, and the columns of Gold that there are to ask for."""
    columns = columns_of(registry, list(datasets), of_months=question.months is not None)
    refuse_growth_by_name(question.measures, datasets.values(), columns)
    choice = chosen(
        datasets.values(),
        areas=question.areas,
        categories=question.categories,
        measures=question.measures,
        years=question.years,
        months=question.months,
        columns=columns,
        newest=newest,
    )
    return choice, columns


def _moment(question: Question, today: date) -> AsOf:
    words = listed(question.include)
    for word in words:
        if word not in BESIDE:
            raise UsageError(f"There are no {word!r} values.", remedy=f"Write {', '.join(BESIDE)}, or both.")
    moment = AsOf(
        today if question.as_of is None else day_of(question.as_of), clock=question.clock, include=tuple(words)
    )
    if moment.day > today:
        raise UsageError(f"{moment.day} is in the future.", remedy=f"The latest day is {today}.")
    return moment


def _refuse_what_does_not_go_together(question: Question, choice: Choice, asked: Sequence[GoldColumn]) -> None:
    if question.sum_over is not None and not choice.measures:
        raise UsageError("It is not said what to add up.", remedy="Name a measure, such as pce.")
    if asked and (question.growth or question.sum_over is not None):
        name = asked[0].name
        raise UsageError(
            f"Growth and sums are made of measures, and {name} is a column of {asked[0].made.table.name}.",
            remedy=f"Ask for {name} alone" + (f", or for {asked[0].measure.name}." if asked[0].is_level else "."),
        )
    if choice.months and not any(each.is_of_months for each in asked):
        raise UsageError(
            "Nothing that is asked for is published by month.",
            remedy="Leave the months out, or name what is, such as pce_mom_pct.",
        )
    of_months = [each.name for each in asked if each.is_of_months]
    if of_months and question.as_of is not None:
        raise UsageError(
            f"Of months no log is kept, so {', '.join(of_months)} cannot be had as of a day.",
            remedy="Leave the day out, and ask for other measures apart.",
        )


def _months_need_a_name(datasets: Sequence[str], registry: Registry) -> UsageError:
    tables = [each.table.name for name in datasets for each in registry.gold[name]]
    return UsageError(
        f"The figures of {', '.join(datasets)} are by month, and it is not said which of them.",
        remedy=f"Name columns of {', '.join(tables)}, such as pce_mom_pct, as the measure.",
    )


def _published(
    reader: Reader, datasets: Collection[str], choice: Choice, moment: AsOf, question: Question
) -> tuple[pl.DataFrame, list[str]]:
    """The rows of published figures, and what is to be known of them."""
    years = choice.years
    if years is not None and question.growth:
        years = tuple(sorted({each - back for each in years for back in (0, 1)}))
    rows = published_rows(reader, datasets, replace(choice, years=years), moment)
    if rows.is_empty():
        raise _nothing_known(moment)
    notes = _not_yet_revised(choice.of_years(rows))
    rows = rows.drop("belongs_to", "newest_released_on")
    if question.sum_over is not None:
        rows = added_up(rows, reader.registry.datasets, question.sum_over)
    if question.growth:
        rows = grown(rows, reader.registry.datasets, is_asked=bool(choice.measures))
    return choice.of_years(rows), notes


def _of_column(reader: Reader, column: GoldColumn, choice: Choice, moment: AsOf, *, is_now: bool) -> pl.DataFrame:
    """The rows of a column of Gold."""
    dataset, years = column.dataset.name, choice.years
    if column.is_of_months:
        rows = reader.table_now(column, years)
        if rows is None:
            raise _nothing_known(moment)
        return column_rows(column, rows, reader.months(column, years), choice)
    history = History(reader.held[dataset])
    if not moment.knows_any_of(history.vintages):
        raise NotKnownYet(str(moment.day), dict(first_days(history, moment)))
    rows = reader.table_now(column, years) if is_now else None
    if rows is None:
        rows = table_as_known(reader, dataset, column.made, years, moment)
    back = {term.back for term in column.formula.terms}
    needed = None if years is None else {year - each for year in years for each in back}
    measures = [term.measure for term in column.formula.terms]
    log = reader.log(dataset, needed).filter(pl.col("measure").is_in(measures))
    found = column_rows(column, rows, figures_known(log, history, moment), choice)
    if not column.is_level:
        return found
    of_measure = found.with_columns(measure=pl.lit(column.measure.name))
    return with_standing(of_measure, reader, moment).with_columns(measure=pl.lit(column.name))


def _together(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The rows of several parts with the columns of an answer, and one type of value."""
    is_exact = all(part.schema["value"] == MONEY for part in parts)
    whole = pl.concat(
        [part if is_exact else part.with_columns(pl.col("value").cast(pl.Float64)) for part in parts], how="diagonal"
    )
    if "real_figures" not in whole.columns:
        whole = whole.with_columns(real_figures=pl.lit(None, dtype=pl.String))
    more = [name for name in ("yoy_pct", "why_null") if name in whole.columns]
    columns = [each for name in COLUMNS for each in ((name, "month") if name == "year" else (name,))]
    return whole.select(*(name for name in columns if name in whole.columns), *more)


def _at_home(frame: pl.DataFrame, datasets: Mapping[str, Dataset]) -> tuple[pl.DataFrame, list[str]]:
    """The rows without those that repeat what another dataset publishes first, and where these are to be had."""
    homes = {name: measure.home for each in datasets.values() for name, measure in each.measures.items()}
    home = pl.col("measure").replace_strict(homes, default=None, return_dtype=pl.String)
    repeats = (home != pl.col("dataset")) & (home == pl.col("dataset")).any().over(FIGURE)
    marked = frame.with_columns(repeats=repeats.fill_null(value=False))
    told = [
        f"{name} has {', '.join(measures)} as well, of its vintage {vintage}: left out, name the dataset to see it."
        for name, measures, vintage in marked.filter("repeats")
        .group_by("dataset")
        .agg(pl.col("measure").unique().sort(), pl.col("vintage").max())
        .sort("dataset")
        .iter_rows()
    ]
    return marked.filter(~pl.col("repeats")).drop("repeats"), told


def _nothing_known(moment: AsOf) -> UsageError:
    return UsageError(
        f"Nothing was known on {moment.day} of these areas, categories, measures and years together.",
        remedy="Leave one of them out to see what there is.",
    )


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


def _of_gold(frame: pl.DataFrame, reader: Reader, asked: Sequence[GoldColumn]) -> list[str]:
    """Which datasets are pinned, and which tables of months are not made of what counts now."""
    pinned = [
        f"{name} is pinned to {now.pin.extract}: Postgres and the tables of Gold show that vintage, and these figures "
        + ("are its months." if now.dataset.is_monthly else "are those that were known.")
        for name, now in reader.held.items()
        if now.pin is not None and name in frame["dataset"]
    ]
    behind = [
        f"{column.made.table.name} is not made of what counts now, {years_text(late)}: bring it there with pce refresh."
        for column in {each.made.table.name: each for each in asked if each.is_of_months}.values()
        if (late := _behind(reader, column, frame["year"].unique().to_list()))
    ]
    return [*pinned, *behind]


def _behind(reader: Reader, column: GoldColumn, years: Collection[int]) -> list[int]:
    """The years of a table of months that it has of other figures than count now."""
    late = reader.published(column.dataset.name).not_published.get(column.made.table.name, ())
    return sorted(set(late) & set(years))
