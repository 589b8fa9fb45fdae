"""The annual table that a dataset has in Gold without any code of its own: a column and a status for each measure."""

import polars as pl

from pce_pipeline.catalog.dataset import Dataset, Measure
from pce_pipeline.tables.columns import CATEGORY, GEO_FIPS, GEO_LEVEL, STATE, STATUS_TEXT, YEAR
from pce_pipeline.tables.facts import GOLD_FACTS
from pce_pipeline.tables.lineage import Derivation, FromTable
from pce_pipeline.tables.table import MONEY, Column, Table


def value_column(measure: Measure) -> str:
    """The column that holds a measure, its unit in the name: `population_persons`."""
    return f"{measure.name}_{measure.unit}"


def status_column(measure: Measure) -> str:
    """The column that says why a value is missing."""
    return f"{measure.name}_status"


def source_of(measure: Measure, what: str = "value") -> str:
    """Where a column of a measure comes from."""
    return f"{what} of gold where measure = '{measure.name}'"


def has_categories(dataset: Dataset) -> bool:
    """Whether a measure is published for several categories, so that a row needs one."""
    return dataset.lines.select("measure", "category_id").unique()["measure"].is_duplicated().any()


def annual_table(dataset: Dataset, *, in_postgres: bool) -> Table:
    """The table: one row per area and year, and per category where a measure has several."""
    by_category = has_categories(dataset)
    place = ("geo_fips", *(("category_id",) if by_category else ()), "year")
    figures = [
        column
        for measure in dataset.measures.values()
        for column in (
            Column(
                value_column(measure),
                MONEY,
                measure.title,
                nullable=True,
                unit=measure.unit_title,
                source=source_of(measure),
            ),
            Column(
                status_column(measure),
                pl.String,
                f"status of {value_column(measure)}: {STATUS_TEXT}",
                source=source_of(measure, "status"),
            ),
        )
    ]
    return Table(
        name=f"gold/{dataset.name}_annual",
        grain=f"One row per area{', category' if by_category else ''} and year: {dataset.title}.",
        key=place,
        hazard="Areas contain the US and, where BEA has them, regions; measures have different units.",
        columns=(GEO_FIPS, GEO_LEVEL, STATE, *((CATEGORY,) if by_category else ()), YEAR, *figures),
        in_postgres=in_postgres,
    )


def annual(dataset: Dataset, *, in_postgres: bool = False) -> Derivation:
    """The table as it derives from the dataset's facts."""
    table = annual_table(dataset, in_postgres=in_postgres)
    return Derivation(table, (FromTable(GOLD_FACTS, part=dataset.name),), code_version="1")
