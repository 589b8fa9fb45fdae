"""What an answer says of itself: whatever leaves the lake takes this along.

A figure without its unit, base, vintage and source is one that nobody can cite or repeat. So every answer carries them
beside its rows, and every form in which rows leave (a header sheet, a sidecar, metadata of Parquet) writes the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from pce_pipeline.catalog.dataset import Measure
from pce_pipeline.citation import BEA, SAMPLE, cite
from pce_pipeline.tables.years import years_text

_FEW = 4


@dataclass(frozen=True)
class About:
    """What rows are, from where, as known when, and how to cite them."""

    title: str
    """What the rows are, in one line."""
    units: Mapping[str, str]
    """The unit of each measure or column of numbers, by its name."""
    base_years: Mapping[str, int | None]
    """The year in whose prices each of them is, by its name; None where prices play no part."""
    as_of: date | None
    """The day on whose end the rows were known; None where they are read as published now."""
    vintages: Sequence[str]
    """The vintages that the rows are from, oldest first: a dataset and the day of its vintage each."""
    source: str
    """Who published the figures, in one line."""
    is_sample: bool
    """Whether they are the sample's synthetic figures, which nobody published."""
    citation: str
    """One line to cite the rows by."""
    notes: Sequence[str]
    """What a reader must know beside the rows, a sentence each."""


def about(
    frame: pl.DataFrame,
    datasets: Mapping[str, tuple[str, Mapping[str, Measure]]],
    *,
    as_of: date | None,
    computed: Sequence[str],
    is_sample: bool,
    notes: Sequence[str],
    today: date,
) -> About:
    """What the rows of an answer (`query.COLUMNS`) are.

    `datasets` has the title and the measures of each dataset, `computed` the names of what is no figure of BEA's but
    made of such.
    """
    title = _title(frame)
    vintages = frame.select("dataset", "vintage").drop_nulls().unique().sort("vintage", "dataset")
    units = dict(frame.select("measure", "unit").unique(maintain_order=True).iter_rows())
    titles = {name: measure.unit_title for _, measures in datasets.values() for name, measure in measures.items()}
    bases = frame.group_by("measure", maintain_order=True).agg(pl.col("base_year").drop_nulls().unique().sort())
    several = [
        f"{measure} is at prices of {', '.join(map(str, years))}: two base years cannot be compared."
        for measure, years in bases.iter_rows()
        if len(years) > 1
    ]
    return About(
        title=title,
        units={name: titles.get(name, str(unit)) for name, unit in units.items()},
        base_years={measure: years[-1] if len(years) else None for measure, years in bases.iter_rows()},
        as_of=as_of,
        vintages=[f"{dataset} {day}" for dataset, day in vintages.iter_rows()],
        source=SAMPLE if is_sample else BEA,
        is_sample=is_sample,
        citation=_citation(
            frame,
            title,
            [datasets[name][0] for name in frame["dataset"].unique(maintain_order=True)],
            as_of=as_of,
            computed=computed,
            is_sample=is_sample,
            today=today,
        ),
        notes=[*notes, *several],
    )


def _title(frame: pl.DataFrame) -> str:
    names = frame["measure"].unique(maintain_order=True).to_list()
    categories = frame["category_name"].drop_nulls().unique(maintain_order=True).to_list()
    areas = frame["geo_name"].drop_nulls().unique(maintain_order=True).to_list()
    of = [_some(each, what) for each, what in ((names, "measures"), (categories, "categories"), (areas, "areas"))]
    return f"{of[0]} of {of[1]}, {of[2]}, {years_text(frame['year'].unique())}"


def _some(names: Sequence[str], what: str) -> str:
    return ", ".join(names) if len(names) <= _FEW else f"{len(names)} {what}"


def _citation(
    frame: pl.DataFrame,
    title: str,
    datasets: Sequence[str],
    *,
    as_of: date | None,
    computed: Sequence[str],
    is_sample: bool,
    today: date,
) -> str:
    known = f", as known on {as_of}" if as_of is not None else ""
    made = f" {', '.join(computed)} computed from these figures by pce_pipeline." if computed else ""
    tables = sorted({each for text in frame["bea_table"].drop_nulls().unique() for each in text.split(", ")})
    released = max(frame["released_on"].drop_nulls().to_list(), default=None)
    last = f", last updated {released}" if released is not None else ""
    return cite(
        f"{title}{known}.{made}",
        of=f"{'; '.join(datasets)} (table {', '.join(tables)}{last})",
        is_sample=is_sample,
        today=today,
    )
