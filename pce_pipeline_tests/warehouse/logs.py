"""Logs of figures that were never published: what made-up vintages say, as the tables of the lake have it."""

import random
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal

import polars as pl

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.gold.known import VINTAGES
from pce_pipeline.tables.facts import GOLD_FACTS
from pce_pipeline.tables.vintages import DIM_VINTAGE, ENDINGS, gold_vintages

Figure = tuple[str, str, str, int]
"""Measure, category, area and year."""
Said = tuple[str | None, str]
"""A number as text, and its status."""
History = dict[int, dict[Figure, Said]]
"""What each vintage says, by its number."""

UNSAID: tuple[Said, ...] = ((None, "suppressed"), (None, "quarantined"), (None, "blank"), (None, "not_spoken_of"))
TAKEN = datetime(2026, 2, 23, 12, 30, 15, 250_000, tzinfo=UTC)


def figures_of(
    dataset: Dataset,
    years: Iterable[int],
    *,
    areas: Collection[str] | None = None,
    categories: Collection[str] | None = None,
) -> list[Figure]:
    """The figures of a dataset for these years: of some areas and categories, or of all."""
    lines = dataset.lines.select("measure", "category_id").unique().sort("category_id", "measure")
    chosen = [line for line in lines.rows() if categories is None or line[1] in categories]
    places = [area for area in dataset.areas["geo_fips"] if areas is None or area in areas]
    return [(measure, category, area, year) for measure, category in chosen for area in places for year in years]


def said_at_random(draw: random.Random, figures: Iterable[Figure], *, missing: float = 0.1) -> dict[Figure, Said]:
    """What one vintage says: a few numbers over and over, some reasons for none, and of some figures nothing."""
    numbers = [str(Decimal(draw.choice([-7, 0, 3, 1234, 98765])) / 10) for _ in range(5)]
    return {
        figure: draw.choice(UNSAID) if draw.random() < missing else (draw.choice(numbers), "reported")
        for figure in figures
        if draw.random() >= missing / 2
    }


def day_of(vintage: int) -> date:
    """The day of a vintage."""
    return date(vintage // 1_000_000, vintage // 10_000 % 100, vintage // 100 % 100)


def log_of(dataset: Dataset, history: Mapping[int, Mapping[Figure, Said]]) -> pl.DataFrame:
    """The log (`gold_vintages`) of what vintages say, the first of each value with a derived one beside it."""
    table = gold_vintages(dataset)
    areas = {row["geo_fips"]: row for row in dataset.areas.to_dicts()}
    rows = []
    for figure in sorted({figure for said in history.values() for figure in said}):
        stretches: list[tuple[int, Said]] = []
        for at in sorted(history):
            if figure not in history[at] and not stretches:
                continue
            now = history[at].get(figure, (None, "withdrawn"))
            if not stretches or stretches[-1][1] != now:
                stretches.append((at, now))
        ends = [at for at, _ in stretches[1:]]
        for (at, said), until in zip(stretches, [*ends, None], strict=True):
            rows.append((*figure, "counted", at, until, *said))
        at, (value, _) = stretches[0]
        if value is not None and ends:
            rows.append((*figure, "derived", at + 1, ends[0], str(Decimal(value) + 1), "reported"))
    records = [
        {
            "measure": measure,
            "category_id": category,
            "geo_fips": area,
            "geo_level": areas[area]["geo_level"],
            "state": areas[area]["state"],
            "year": year,
            "basis": basis,
            "valid_from": at,
            "valid_to": until,
            "value": None if value is None else Decimal(value),
            "status": status,
            "unit": dataset.measures[measure].unit,
            "base_year": 2017 if measure.startswith("real") else None,
            "decimals": 1,
            "bea_table": next(iter(dataset.tables)),
            "released_on": day_of(at),
            "ingested_at": TAKEN,
            "source_object": f"{at}/figures.csv",
        }
        for measure, category, area, year, basis, at, until, value, status in rows
    ]
    return table.conform(pl.DataFrame(records, schema=table.polars_schema))


def facts_at(dataset: Dataset, log: pl.DataFrame, day: date) -> pl.DataFrame:
    """The facts (GOLD_FACTS) as a log has them at the end of a day."""
    until = int(f"{day:%Y%m%d}99")
    holds = (pl.col("valid_from") <= until) & (pl.col("valid_to").is_null() | (pl.col("valid_to") > until))
    known = log.filter(holds, pl.col("basis") == "counted", ~pl.col("status").is_in(list(ENDINGS)))
    return known.with_columns(dataset=pl.lit(dataset.name)).select(GOLD_FACTS.column_names)


def vintages_of(dataset: Dataset, history: Mapping[int, object]) -> pl.DataFrame:
    """The vintages (VINTAGES) of a history."""
    (table, *_) = dataset.tables
    rows = [(table, "counted", at, day_of(at), TAKEN, None) for at in sorted(history)]
    return pl.DataFrame(rows, schema=VINTAGES, orient="row")


def dim_vintage_of(dataset: Dataset, history: Mapping[int, object]) -> pl.DataFrame:
    """DIM_VINTAGE of a history."""
    return pl.DataFrame(
        [
            {
                "dataset": dataset.name,
                "vintage_id": at,
                "extract": f"{day_of(at)}.{at % 100}",
                "extract_date": day_of(at),
                "released_on": day_of(at),
                "release_is": "release",
                "ingested_at": TAKEN,
                "origin": "file",
                "basis": "counted",
                "bea_tables": " ".join(dataset.tables),
            }
            for at in sorted(history)
        ],
        schema=DIM_VINTAGE.polars_schema,
    )
