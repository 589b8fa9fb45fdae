"""What revision is still to come: real figures that BEA has not revised yet, and how far new figures usually move.

Pure functions over logs of figures (`gold_vintages`) as they stood at the extract. They say what `gold/price_releases`
and `gold/revision_stats` said then.
"""

from collections.abc import Iterator, Mapping

import polars as pl

from pce_pipeline.bulletins.bulletin import Outlook, StandingOf, UsualRevision
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.gold.known import AsOf
from pce_pipeline.gold.price_releases import NEEDED, NOT_YET, as_by, needed, standings
from pce_pipeline.gold.revisions import revision_stats
from pce_pipeline.tables.vintages import COUNTED

STATE = "state"
_OF = ["dataset", "measure", "belongs_to"]


def has_clocks(dataset: Dataset) -> bool:
    """Whether a dataset has prices, real figures, or the nominal ones that they are made with."""
    return not NEEDED.keys().isdisjoint(dataset.measures)


def looked_at(dataset: Dataset) -> pl.Expr:
    """Which rows of the log of a dataset's figures are looked at: totals of the states that count."""
    totals = dataset.categories.filter(pl.col("role") == "total")["category_id"]
    is_total = pl.col("category_id").is_in(totals.implode()) & (pl.col("geo_level") == STATE)
    is_needed = pl.any_horizontal(
        (pl.col("measure") == measure) & (pl.col("category_id") == category) for measure, category in NEEDED.items()
    )
    return (pl.col("basis") == COUNTED) & (is_total | is_needed)


def outlook_of(
    dataset: Dataset,
    as_of: AsOf,
    logs: Mapping[str, pl.DataFrame],
    vintages: pl.DataFrame,
    datasets: Mapping[str, Dataset],
) -> Outlook:
    """The outlook of a dataset of years at the time of an extract.

    `logs` has the rows that are looked at (`looked_at`), of the dataset and of all others with clocks; `vintages`
    (VINTAGES) are the dataset's.
    """
    known = vintages.filter(as_of.is_known("at") & (pl.col("basis") == COUNTED))
    return Outlook(
        not_yet_revised=tuple(_not_yet_revised(dataset, as_of, logs, datasets)) if has_clocks(dataset) else (),
        usual=tuple(_usual(dataset, as_by(logs[dataset.name], as_of), known)),
    )


def _not_yet_revised(
    dataset: Dataset, as_of: AsOf, logs: Mapping[str, pl.DataFrame], datasets: Mapping[str, Dataset]
) -> Iterator[StandingOf]:
    """What of the dataset's prices, or of prices that are made with its figures, BEA has yet to revise."""
    homes = {name: measure.home for each in datasets.values() for name, measure in each.measures.items()}
    then = {name: needed(as_by(log, as_of)) for name, log in logs.items() if has_clocks(datasets[name])}
    states = dataset.areas.filter(pl.col("geo_level") == STATE)
    told = (
        standings(then, homes)
        .join(states, on="geo_fips", how="semi")
        .filter((pl.col("dataset") == dataset.name) | pl.col("belongs_to").is_in(list(dataset.measures)))
    )
    is_late = pl.col("real_figures") == NOT_YET
    rows = (
        told.with_columns(of_cells=pl.len().over("dataset", "measure"))
        .group_by(_OF)
        .agg(
            years=pl.col("year").filter(is_late).unique().sort(),
            cells=is_late.sum(),
            of_cells=pl.col("of_cells").first(),
        )
        .filter(pl.col("cells") > 0)
        .sort(_OF)
    )
    for of_dataset, measure, belongs_to, years, cells, of_cells in rows.iter_rows():
        yield StandingOf(
            dataset=of_dataset,
            measure=measure,
            belongs_to=belongs_to,
            years=tuple(years),
            cells=cells,
            of_cells=of_cells,
        )


def _usual(dataset: Dataset, log: pl.DataFrame, vintages: pl.DataFrame) -> Iterator[UsualRevision]:
    """How far the states' newest figure of each total moves until the last release of the next year."""
    newest = log.filter(
        (pl.col("geo_level") == STATE) & (pl.col("status") == "reported") & pl.col("valid_to").is_null()
    )
    years = dict(newest.group_by("measure").agg(pl.col("year").max()).iter_rows())
    of_table = dict(newest.select("measure", "bea_table").unique("measure").iter_rows())
    released = dict(vintages.sort("at").unique("bea_table", keep="last").select("bea_table", "released_on").iter_rows())
    stats = revision_stats([log], vintages, dataset).filter(
        ~pl.col("is_comprehensive") & (pl.col("geo_level") == STATE)
    )
    names = dict(dataset.categories.select("category_id", "name").iter_rows())
    totals = newest.select("measure", "category_id").unique().sort("measure", "category_id")
    for measure, category in totals.iter_rows():
        year = years[measure]
        age = released[of_table[measure]].year + 1 - year
        found = stats.filter(measure=measure, category_id=category, age_years=age)
        yield UsualRevision(
            measure=measure,
            measure_title=dataset.measures[measure].title,
            category=names.get(category, category),
            year=year,
            n_releases=found["n_releases"].item() if found.height else 0,
            abs_pct90=found["abs_pct90"].item() if found.height else None,
        )
