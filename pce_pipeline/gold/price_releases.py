"""Which release of nominal figures prices and real figures belong to, settled by the figures themselves.

BEA revises nominal spending and income in September, residents by a clock of their own, and prices and real figures in
the February after. So the newest nominal figure beside a deflator is often not the one that it was made with. The right
release agrees with the prices in every year, a wrong one fails in whole years: of the releases that are held, and in no
year of which most cells are off, the one is taken that agrees in most cells. Where none is like that, the release is
not held, and nothing is compared: an older one never stands in.

Pure functions over the rows of `gold_vintages` of all years.
"""

from collections.abc import Mapping, Sequence
from datetime import date

import polars as pl

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.gold.known import AsOf
from pce_pipeline.quality.price_releases import Belonging
from pce_pipeline.quality.prices import (
    DEFLATOR,
    INCOME,
    LEVEL,
    PCE,
    REAL_INCOME,
    REAL_PCE,
    RESIDENTS,
    SUBJECTS,
    Subject,
    compared,
)
from pce_pipeline.tables.price_releases import PRICE_RELEASES
from pce_pipeline.tables.vintages import COUNTED

Released = dict[int, dict[str, date]]
"""The day on which BEA released each measure of prices, by vintage."""
Settled = dict[int, dict[str, dict[str, object]]]
"""What each measure belongs to, by vintage: columns of PRICE_RELEASES."""

_CELL = ["geo_fips", "year"]
_CELLS = {"geo_fips": pl.String, "year": pl.Int32}
_MOSTLY = 0.5
_NO_SOURCE = pl.DataFrame(
    schema={
        "measure": pl.String,
        "geo_fips": pl.String,
        "year": pl.Int32,
        "expected": pl.Float64,
        "source": pl.String,
        "source_vintage_id": pl.Int32,
    }
)
_PLACE = {"vintage_id": pl.Int32, "geo_fips": pl.String, "geo_level": pl.String, "year": pl.Int32}


_OF_PRICES = {
    LEVEL: "prices.all_items",
    DEFLATOR: "prices.all_items",
    REAL_PCE: PCE.category_id,
    REAL_INCOME: INCOME.category_id,
    "real_pce_per_capita": PCE.category_id,
    "real_personal_income_per_capita": INCOME.category_id,
}
"""The measures of prices, each with the category that is looked at."""

MADE_WITH_NOMINAL = frozenset(_OF_PRICES) - {LEVEL}
"""The measures that are made with nominal figures of a release: a price level is made with their weights alone."""

NEEDED = {
    **_OF_PRICES,
    **{each.measure: each.category_id for each in SUBJECTS},
    "pce_per_capita": PCE.category_id,
    "personal_income_per_capita": INCOME.category_id,
}
"""The measures that are needed of the logs, each with its category."""


def needed(log: pl.DataFrame) -> pl.DataFrame:
    """Those rows of a log (`gold_vintages`) that anything here looks at: what counts, and is a number."""
    wanted = pl.any_horizontal(
        (pl.col("measure") == measure) & (pl.col("category_id") == category) for measure, category in NEEDED.items()
    )
    return log.filter(wanted & (pl.col("basis") == COUNTED) & pl.col("value").is_not_null()).select(
        "measure",
        "geo_fips",
        "geo_level",
        "year",
        "valid_from",
        "valid_to",
        pl.col("value").cast(pl.Float64),
        "released_on",
    )


def belongings(
    logs: Mapping[str, pl.DataFrame], homes: Mapping[str, str], calendar: Mapping[str, Sequence[date]]
) -> dict[str, tuple[Belonging, ...]]:
    """The vintages of prices of each dataset that has any, in order.

    `logs` are the needed rows of each dataset; `homes` names the dataset that publishes each measure first; `calendar`
    has the days on which each is known to have been released.
    """
    found = {}
    for dataset, log in logs.items():
        states = _states(log.filter(pl.col("measure").is_in(list(_OF_PRICES))))
        if not states.is_empty():
            wide, released = _wide(states), _released(states)
            of_subjects = {
                each.measure: _settled(wide, released, each, homes.get(each.measure, ""), logs, calendar)
                for each in SUBJECTS
            }
            found[dataset] = tuple(
                _belonging(dataset, prices, released[prices["vintage_id"][0]], of_subjects, logs)
                for prices in wide.partition_by("vintage_id", maintain_order=True)
            )
    return found


OF_THIS = "real figures are of this nominal figure"
NOT_YET = "real figures not yet revised"
NOT_HELD = "the nominal figure that they were made with is not held"
"""How a real figure stands to the newest nominal one: the texts are those of serving.v_state_prices."""

_STANDING_SCHEMA = {
    "dataset": pl.String,
    "measure": pl.String,
    "geo_fips": pl.String,
    "year": pl.Int32,
    "real_figures": pl.String,
    "belongs_to": pl.String,
    "newest_released_on": pl.Date,
}


def as_by(log: pl.DataFrame, as_of: AsOf) -> pl.DataFrame:
    """A log (`gold_vintages`) as it stood at a time: later vintages were not known, and ended nothing."""
    cell = ["measure", "category_id", "geo_fips", "year"]
    known = log.filter((pl.col("basis") == COUNTED) & as_of.is_known("valid_from")).sort(*cell, "valid_from")
    return known.with_columns(valid_to=pl.col("valid_from").shift(-1).over(cell))


def standings(logs: Mapping[str, pl.DataFrame], homes: Mapping[str, str]) -> pl.DataFrame:
    """How each of the newest real figures and deflators stands to the newest nominal figures, cell by cell.

    `logs` are the needed rows of each dataset, of all states of some years. Columns dataset, measure, geo_fips, year,
    real_figures, belongs_to, newest_released_on. A price level has no line: it is no real figure.
    """
    found = [pl.DataFrame(schema=_STANDING_SCHEMA)]
    for of_dataset in belongings(logs, homes, {}).values():
        newest = of_dataset[-1]
        of_subjects = {
            subject.measure: _standing(newest, subject, _newest(subject, logs, homes.get(subject.measure, "")))
            for subject in SUBJECTS
        }
        found += [of_subjects[PCE.measure], of_subjects[INCOME.measure], _of_heads(of_subjects)]
    return pl.concat(found)


def _newest(subject: Subject, logs: Mapping[str, pl.DataFrame], home: str) -> pl.DataFrame:
    """The newest figure of each area and year, whichever dataset has it: geo_fips, year, now, newest_released_on."""
    rows = [
        log.filter((pl.col("measure") == subject.measure) & pl.col("valid_to").is_null()).select(
            *_CELL, now="value", newest_released_on="released_on", is_home=pl.lit(name == home)
        )
        for name, log in logs.items()
    ]
    newest = pl.concat(rows).sort("newest_released_on", "is_home", maintain_order=True)
    return newest.unique(_CELL, keep="last", maintain_order=True).drop("is_home")


def _standing(prices: Belonging, subject: Subject, newest: pl.DataFrame) -> pl.DataFrame:
    """How the figures of a vintage of prices that are made with a subject stand to its newest figures."""
    then = prices.nominal.get(subject.measure, pl.DataFrame(schema={**_CELLS, "nominal": pl.Float64}))
    measures = [name for name in subject.made_with_it if name in prices.released and name != LEVEL]
    cells = prices.prices.unpivot(measures, index=_CELL, variable_name="measure").drop_nulls("value")
    both = cells.join(then, on=_CELL, how="left").join(newest, on=_CELL, how="left")
    day = pl.col("measure").replace_strict(prices.released, return_dtype=pl.Date)
    is_newer = pl.col("nominal").is_not_null() | (pl.col("newest_released_on") > day)
    standing = (
        pl.when(pl.col("nominal") == pl.col("now"))
        .then(pl.lit(OF_THIS))
        .when(pl.col("now").is_not_null() & is_newer)
        .then(pl.lit(NOT_YET))
        .otherwise(pl.lit(NOT_HELD))
    )
    columns = {"dataset": pl.lit(prices.dataset), "real_figures": standing, "belongs_to": pl.lit(subject.measure)}
    return both.with_columns(**columns).select(list(_STANDING_SCHEMA))


def _of_heads(of_subjects: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Figures per resident, which are made with residents and with their totals: the worse of both holds."""
    totals = pl.concat([of_subjects[PCE.measure], of_subjects[INCOME.measure]]).with_columns(
        pl.col("measure") + "_per_capita"
    )
    worst_last = pl.col("real_figures").replace_strict({OF_THIS: 0, NOT_HELD: 1, NOT_YET: 2})
    heads = of_subjects[RESIDENTS.measure]
    of_totals = totals.join(heads, on=["measure", *_CELL], how="semi")
    both = pl.concat([heads, of_totals]).sort(worst_last, maintain_order=True)
    return both.unique(["measure", *_CELL], keep="last", maintain_order=True)


def repeated(logs: Mapping[str, pl.DataFrame], dataset: str) -> pl.DataFrame:
    """What a dataset repeats of others beside the release that each measure comes from, settled as for prices.

    Columns measure, source, source_vintage_id, geo_fips, year, value, expected: the newest, and those of the source. A
    measure of which no release that is held agrees in every year is left out.
    """
    of = ["measure", "source", "source_vintage_id"]
    mine = logs[dataset].filter(pl.col("valid_to").is_null()).select("measure", *_CELL, "value")
    sources = [
        _states(log.filter(pl.col("measure") == measure)).select(
            "measure", *_CELL, expected="value", source=pl.lit(name), source_vintage_id="vintage_id"
        )
        for name, log in logs.items()
        for measure in sorted({*mine["measure"]} & {*log["measure"]})
        if name != dataset
    ]
    both = mine.join(pl.concat([_NO_SOURCE, *sources]), on=["measure", *_CELL])
    is_off = both.with_columns(is_off=pl.col("value") != pl.col("expected"))
    chosen = fitting(is_off, ["measure"], ["source_vintage_id", "source"])
    return both.join(chosen.select(of), on=of).sort(*of, *_CELL)


def fitting(compared: pl.DataFrame, subject: Sequence[str], candidate: Sequence[str]) -> pl.DataFrame:
    """The candidate of each subject that has its figures: the one with the fewest that are off, if any is like it.

    `compared` has the columns of both beside `year` and `is_off`. A candidate of which most figures of a year are off
    is of another release. Of equals it is the last by the first column of `candidate`, and the first by the others.
    Columns are those of both, sorted by the subject.
    """
    years = compared.group_by(*subject, *candidate, "year").agg(compared=pl.len(), off=pl.col("is_off").sum())
    return (
        years.group_by(*subject, *candidate)
        .agg(pl.col("off").sum(), fails=(pl.col("off") > _MOSTLY * pl.col("compared")).any())
        .filter(~pl.col("fails"))
        .sort(
            *subject,
            "off",
            *candidate,
            descending=[*[False] * len(subject), False, True, *[False] * (len(candidate) - 1)],
        )
        .unique(subject, keep="first", maintain_order=True)
        .select(*subject, *candidate)
    )


def is_summary(log: pl.DataFrame) -> bool:
    """Whether a dataset has prices beside the nominal figures that they were made with: it repeats those of others."""
    return {LEVEL, PCE.measure} <= {*log["measure"]}


def price_releases(found: Mapping[str, Sequence[Belonging]]) -> pl.DataFrame:
    """PRICE_RELEASES of all datasets."""
    rows = [each.rows for of_dataset in found.values() for each in of_dataset]
    return PRICE_RELEASES.conform(pl.concat([pl.DataFrame(schema=PRICE_RELEASES.polars_schema), *rows]))


def price_releases_of(
    logs: Mapping[str, pl.DataFrame], datasets: Mapping[str, Dataset]
) -> tuple[pl.DataFrame, dict[str, tuple[Belonging, ...]]]:
    """PRICE_RELEASES of all `datasets`, and the vintages of prices that it tells of.

    `logs` are the needed rows (`needed`) of each dataset.
    """
    calendar = {name: each.known_releases for name, each in datasets.items()}
    homes = {measure.name: measure.home for each in datasets.values() for measure in each.measures.values()}
    found = belongings(logs, homes, calendar)
    return price_releases(found), found


def _states(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows as they stood at each vintage that changed any of them: vintage_id beside them."""
    changes = pl.concat([rows["valid_from"], rows["valid_to"].drop_nulls()]).unique().sort().alias("vintage_id")
    return (
        rows.join(changes.to_frame(), how="cross")
        .filter(
            (pl.col("valid_from") <= pl.col("vintage_id"))
            & (pl.col("valid_to").is_null() | (pl.col("valid_to") > pl.col("vintage_id")))
        )
        .drop("valid_from", "valid_to")
    )


def _wide(states: pl.DataFrame) -> pl.DataFrame:
    """The prices of each vintage: _PLACE, and a column for each measure."""
    wide = states.pivot("measure", index=list(_PLACE), values="value")
    lacking = [pl.lit(None, dtype=pl.Float64).alias(name) for name in _OF_PRICES if name not in wide.columns]
    return wide.with_columns(lacking).sort("vintage_id", *_CELL)


def _released(states: pl.DataFrame) -> Released:
    """The day of the newest release of each measure, by vintage: its tables may be of several releases."""
    days = states.group_by("vintage_id", "measure").agg(pl.col("released_on").max()).sort(pl.all())
    found: Released = {}
    for at, measure, day in days.iter_rows():
        found.setdefault(at, {})[measure] = day
    return found


def _day_of(subject: Subject, released: Mapping[str, date]) -> date | None:
    """The day of the prices that are compared: levels count where there is nothing else."""
    of_subject = {measure: released[measure] for measure in subject.made_with_it if measure in released}
    others = [day for measure, day in of_subject.items() if measure != LEVEL]
    return max(others or of_subject.values(), default=None)


def _candidates(subject: Subject, logs: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Every release of it that is held: nominal_dataset, nominal_vintage_id, nominal_released_on, _CELL, nominal."""
    found = []
    for dataset, log in logs.items():
        states = _states(log.filter(pl.col("measure") == subject.measure))
        found.append(
            states.select(
                pl.lit(dataset).alias("nominal_dataset"),
                pl.col("vintage_id").alias("nominal_vintage_id"),
                pl.col("released_on").max().over("vintage_id").alias("nominal_released_on"),
                *_CELL,
                pl.col("value").alias("nominal"),
            )
        )
    return pl.concat(found)


def _settled(
    wide: pl.DataFrame,
    released: Released,
    subject: Subject,
    home: str,
    logs: Mapping[str, pl.DataFrame],
    calendar: Mapping[str, Sequence[date]],
) -> Settled:
    """What each measure of each vintage of prices belongs to: the columns of PRICE_RELEASES from nominal_dataset on."""
    candidates = _candidates(subject, logs)
    nominal = ["nominal_dataset", "nominal_vintage_id", "nominal_released_on"]
    cells = compared(wide.join(candidates, on=_CELL), subject, ["vintage_id", *nominal])
    off = (pl.col("found") - pl.col("expected")).abs() > pl.col("tolerance")
    years = cells.group_by("vintage_id", *nominal, "year").agg(compared=pl.len(), off=off.sum())
    days = {at: _day_of(subject, of_measures) for at, of_measures in released.items()}
    apart = pl.col("nominal_released_on") - pl.col("vintage_id").replace_strict(days, return_dtype=pl.Date)
    fitting = (
        years.group_by("vintage_id", *nominal)
        .agg(
            cells_compared=pl.col("compared").sum().cast(pl.Int32),
            cells_off=pl.col("off").sum().cast(pl.Int32),
            fails=(pl.col("off") > _MOSTLY * pl.col("compared")).any(),
        )
        .filter(~pl.col("fails"))
        .sort(
            "vintage_id",
            pl.col("cells_off") - pl.col("cells_compared"),  # where most cells agree
            apart > pl.duration(),  # prices are not made with what came out after them
            pl.col("nominal_dataset") != home,
            apart.abs(),
            *nominal,
        )
        .unique("vintage_id", keep="first", maintain_order=True)
    )
    chosen = {row.pop("vintage_id"): row for row in fitting.drop("fails").to_dicts()}
    known = {*calendar.get(home, ()), *candidates.filter(nominal_dataset=home)["nominal_released_on"]}

    def of_measure(at: int, day: date) -> dict[str, object]:
        if at in chosen and day == days[at]:
            return {**chosen[at], "settled_by": "figures"}
        return _by_calendar([each for each in known if each < day])

    return {
        at: {measure: of_measure(at, day) for measure, day in of.items() if measure in subject.made_with_it}
        for at, of in _days_within(released, subject).items()
    }


def _days_within(released: Released, subject: Subject) -> Released:
    """The days of the measures, those of one comparison alike: a level of another release is compared with nothing."""
    return {
        at: {
            measure: day if measure == LEVEL else _day_of(subject, of_measures) or day
            for measure, day in of_measures.items()
        }
        for at, of_measures in released.items()
    }


def _by_calendar(before: Sequence[date]) -> dict[str, object]:
    return {
        "nominal_released_on": max(before, default=None),
        "settled_by": "calendar" if before else "unknown",
        "cells_compared": 0,
        "cells_off": 0,
    }


def _belonging(
    dataset: str,
    prices: pl.DataFrame,
    released: Mapping[str, date],
    settled: Mapping[str, Settled],
    logs: Mapping[str, pl.DataFrame],
) -> Belonging:
    at = prices["vintage_id"][0]
    rows = [
        {
            "dataset": dataset,
            "vintage_id": at,
            "released_on": released[measure],
            "measure": measure,
            "belongs_to": subject.measure,
            **belongs_to,
        }
        for subject in SUBJECTS
        for measure, belongs_to in settled[subject.measure][at].items()
    ]
    held = {
        subject.measure: belongs_to
        for subject in SUBJECTS
        for belongs_to in settled[subject.measure][at].values()
        if belongs_to.get("nominal_dataset") is not None
    }
    return Belonging(
        dataset,
        released,
        prices.drop("vintage_id"),
        {each.measure: _as_known(each, held[each.measure], logs) for each in SUBJECTS if each.measure in held},
        pl.DataFrame(rows, schema=PRICE_RELEASES.polars_schema),
    )


def _as_known(subject: Subject, of: Mapping[str, object], logs: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """The figures of the release that was found."""
    states = _states(logs[str(of["nominal_dataset"])].filter(pl.col("measure") == subject.measure))
    return states.filter(pl.col("vintage_id") == of["nominal_vintage_id"]).select(*_CELL, nominal="value")
