"""Which release of nominal figures prices and real figures belong to, settled by the figures themselves.

BEA revises nominal spending and income in September, residents by a clock of their own, and prices and real figures in
the February after. So the newest nominal figure beside a deflator is often not the one that it was made with. The right
release agrees with the prices in every year, a wrong one fails in whole years: among the releases that are held, the
one is taken from which fewest cells are off, if there is no year in which most are. Where none is like that, the
release is not held, and nothing is compared: an older one never stands in.

Pure functions over the rows of `gold_vintages` of all years.
"""

from collections.abc import Mapping, Sequence
from datetime import date

import polars as pl

from pce_pipeline.quality.price_releases import Belonging
from pce_pipeline.quality.prices import (
    DEFLATOR,
    INCOME,
    LEVEL,
    PCE,
    REAL_INCOME,
    REAL_PCE,
    SUBJECTS,
    Subject,
    compared,
)
from pce_pipeline.tables.price_releases import PRICE_RELEASES
from pce_pipeline.tables.vintages import COUNTED

_CELL = ["geo_fips", "year"]
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
        states = _wide(log)
        if not states.is_empty():
            of_subjects = {
                each.measure: _settled(states, each, homes.get(each.measure, ""), logs, calendar) for each in SUBJECTS
            }
            found[dataset] = tuple(
                _belonging(dataset, int(at), prices, of_subjects, logs)
                for (at,), prices in states.group_by("vintage_id", maintain_order=True)
                for at in [str(at)]
            )
    return found


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
    years = both.group_by(*of, "year").agg(compared=pl.len(), off=(pl.col("value") != pl.col("expected")).sum())
    chosen = (
        years.group_by(of)
        .agg(pl.col("off").sum(), fails=(pl.col("off") > _MOSTLY * pl.col("compared")).any())
        .filter(~pl.col("fails"))
        .sort("measure", "off", "source_vintage_id", "source", descending=[False, False, True, False])
        .unique("measure", keep="first", maintain_order=True)
    )
    return both.join(chosen.select(of), on=of).sort(*of, *_CELL)


def is_summary(log: pl.DataFrame) -> bool:
    """Whether a dataset has prices beside the nominal figures that they were made with: it repeats those of others."""
    return {LEVEL, PCE.measure} <= {*log["measure"]}


def price_releases(found: Mapping[str, Sequence[Belonging]]) -> pl.DataFrame:
    """PRICE_RELEASES of all datasets."""
    rows = [each.rows for of_dataset in found.values() for each in of_dataset]
    return PRICE_RELEASES.conform(pl.concat([pl.DataFrame(schema=PRICE_RELEASES.polars_schema), *rows]))


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


def _wide(log: pl.DataFrame) -> pl.DataFrame:
    """The prices of each vintage: _PLACE, released_on, and a column for each measure; no rows where there are none."""
    states = _states(log.filter(pl.col("measure").is_in(list(_OF_PRICES))))
    released = states.group_by("vintage_id").agg(pl.col("released_on").max())
    if states.is_empty():
        return pl.DataFrame(schema=_PLACE)
    wide = states.pivot("measure", index=list(_PLACE), values="value")
    lacking = [pl.lit(None, dtype=pl.Float64).alias(name) for name in _OF_PRICES if name not in wide.columns]
    return wide.with_columns(lacking).join(released, on="vintage_id").sort("vintage_id", *_CELL)


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
    states: pl.DataFrame,
    subject: Subject,
    home: str,
    logs: Mapping[str, pl.DataFrame],
    calendar: Mapping[str, Sequence[date]],
) -> dict[int, dict[str, object]]:
    """What each vintage of prices belongs to, by its number: the columns of PRICE_RELEASES from nominal_dataset on."""
    candidates = _candidates(subject, logs)
    nominal = ["nominal_dataset", "nominal_vintage_id", "nominal_released_on"]
    of_prices = ["vintage_id", "released_on"]
    cells = compared(states.join(candidates, on=_CELL), subject, [*of_prices, *nominal])
    off = (pl.col("found") - pl.col("expected")).abs() > pl.col("tolerance")
    years = cells.group_by(*of_prices, *nominal, "year").agg(compared=pl.len(), off=off.sum())
    fitting = (
        years.group_by(*of_prices, *nominal)
        .agg(
            cells_compared=pl.col("compared").sum().cast(pl.Int32),
            cells_off=pl.col("off").sum().cast(pl.Int32),
            fails=(pl.col("off") > _MOSTLY * pl.col("compared")).any(),
        )
        .filter(~pl.col("fails"))
        .sort(
            "vintage_id",
            "cells_off",
            pl.col("nominal_dataset") != home,
            pl.col("nominal_released_on") > pl.col("released_on"),
            (pl.col("nominal_released_on") - pl.col("released_on")).abs(),
            *nominal,
        )
        .unique("vintage_id", keep="first", maintain_order=True)
    )
    chosen = {row.pop("vintage_id"): row for row in fitting.drop("released_on", "fails").to_dicts()}
    known = {*calendar.get(home, ()), *candidates.filter(nominal_dataset=home)["nominal_released_on"]}
    return {
        at: {**chosen[at], "settled_by": "figures"}
        if at in chosen
        else _by_calendar([day for day in known if day < released])
        for at, released in states.select(of_prices).unique().iter_rows()
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
    at: int,
    prices: pl.DataFrame,
    settled: Mapping[str, Mapping[int, Mapping[str, object]]],
    logs: Mapping[str, pl.DataFrame],
) -> Belonging:
    released = prices["released_on"][0]
    rows = [
        {
            "dataset": dataset,
            "vintage_id": at,
            "released_on": released,
            "measure": measure,
            "belongs_to": subject.measure,
            **settled[subject.measure][at],
        }
        for subject in SUBJECTS
        for measure in subject.made_with_it
        if prices[measure].is_not_null().any()
    ]
    return Belonging(
        dataset,
        at,
        released,
        prices.drop("vintage_id", "released_on"),
        {
            subject.measure: _as_known(subject, settled[subject.measure][at], logs)
            for subject in SUBJECTS
            if settled[subject.measure][at].get("nominal_dataset") is not None
        },
        pl.DataFrame(rows, schema=PRICE_RELEASES.polars_schema),
    )


def _as_known(subject: Subject, of: Mapping[str, object], logs: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """The figures of the release that was found."""
    states = _states(logs[str(of["nominal_dataset"])].filter(pl.col("measure") == subject.measure))
    return states.filter(pl.col("vintage_id") == of["nominal_vintage_id"]).select(*_CELL, nominal="value")
