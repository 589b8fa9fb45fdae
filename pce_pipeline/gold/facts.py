"""The conformed facts: one measure, one unit and one category however many of BEA's tables publish the figure.

Every gold table derives from these. What BEA's tables are called ends here.
"""

from collections.abc import Mapping
from types import MappingProxyType

import polars as pl

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.tables.facts import GOLD_FACTS
from pce_pipeline.tables.table import QUARANTINED

_FIGURE = ["measure", "category_id", "geo_fips", "year"]
_NO_RELEASES: Mapping[str, str] = MappingProxyType({})


def accounted(silver: pl.DataFrame, dataset: Dataset) -> dict[str, int]:
    """What becomes of rows of Silver among the facts, counted from Silver alone.

    `facts` is how many figures they are; `again` how many rows repeat the figure of another table of BEA's, and
    `outside` how many are of lines that the dataset does not have. They add up to the rows.
    """
    line = ["bea_table", "line_code"]
    lines = dataset.lines.select(*line, "measure", shared=pl.len().over("measure", "category_id") > 1)
    rows = silver.select(*line, "category_id", "geo_fips", "year").join(lines, on=line)
    shared = rows.filter("shared")
    again = shared.height - shared.select(_FIGURE).n_unique() if shared.height else 0
    return {"facts": rows.height - again, "again": again, "outside": silver.height - rows.height}


def conform_facts(silver: pl.DataFrame, dataset: Dataset, releases: Mapping[str, str] = _NO_RELEASES) -> pl.DataFrame:
    """GOLD_FACTS of silver rows (SILVER_PCE_STATE), for all years or a selection.

    Where two tables publish the same measure, category, area and year, the first in the catalogue's order gives the
    fact: SAPCE1 before SAPCE3. A quarantined cell gives way to a readable one of another table of the same release;
    `releases` names the release of each table where it is known. Lines outside the profile are left out.
    """
    tables = pl.LazyFrame(
        list(enumerate(dataset.tables)), schema={"order": pl.Int32, "bea_table": pl.String}, orient="row"
    )
    units = {measure.name: measure.unit for measure in dataset.measures.values()}
    lines = (
        dataset.lines.lazy()
        .join(tables, on="bea_table")
        .select(
            "bea_table",
            "line_code",
            "order",
            "measure",
            pl.col("measure").replace_strict(units, return_dtype=pl.String).alias("conformed_unit"),
            shared=pl.len().over("measure", "category_id") > 1,
        )
    )
    rows = silver.lazy().join(lines, on=["bea_table", "line_code"])
    # Only a sixth of the rows can have a rival: looking at these alone makes the whole more than twice as fast.
    shared = rows.filter("shared").sort("order", maintain_order=True)
    if (silver["status"] == QUARANTINED).any():
        release = pl.col("bea_table").replace_strict(releases, default="", return_dtype=pl.String)
        first = release.sort_by("order").first()  # not the first row: of two sorts in a row polars keeps the last alone
        gives_way = (pl.col("status") == QUARANTINED) | (release != first.over(_FIGURE))
        shared = shared.sort(gives_way, "order", maintain_order=True)
    first_of_shared = shared.unique(_FIGURE, keep="first", maintain_order=True)
    return (
        pl.concat([rows.filter(~pl.col("shared")), first_of_shared])
        .with_columns(dataset=pl.lit(dataset.name), unit=pl.col("conformed_unit"))
        .select(GOLD_FACTS.column_names)
        .sort(GOLD_FACTS.key)
        .collect()
    )
