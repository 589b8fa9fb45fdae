"""The annual table of any dataset: a column and a status for each measure, from its facts."""

import polars as pl

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.gold.formulas import level
from pce_pipeline.gold.made import GoldTable, Inputs
from pce_pipeline.quality.wide import WideYears, wide_rules
from pce_pipeline.tables.table import NOT_PUBLISHED, Table
from pce_pipeline.tables.wide import status_column, value_column


def wide(facts: pl.DataFrame, dataset: Dataset, table: Table) -> pl.DataFrame:
    """The table's rows of a dataset's conformed facts (GOLD_FACTS): one per area and year, or per category as well.

    A measure that BEA does not publish for a row, or that is not held, is NULL, and its status says `not_published`.
    """
    rows = facts.lazy().select("geo_fips", "geo_level", "state", "category_id", "year").unique(table.key)
    for measure in dataset.measures.values():
        value, status = value_column(measure), status_column(measure)
        of_measure = (
            facts.lazy()
            .filter(pl.col("measure") == measure.name)
            .select(*table.key, pl.col("value").alias(value), pl.col("status").alias(status))
        )
        rows = rows.join(of_measure, on=table.key, how="left").with_columns(pl.col(status).fill_null(NOT_PUBLISHED))
    return rows.select(table.column_names).sort(table.key).collect()


def wide_table(table: Table, dataset: Dataset) -> GoldTable[WideYears]:
    """How the wide annual table of a dataset is made."""

    def compute(inputs: Inputs) -> tuple[pl.DataFrame, WideYears]:
        rows = wide(inputs.facts, inputs.dataset, table)
        return rows, WideYears(rows, inputs.facts, inputs.dataset, table)

    formulas = {value_column(measure): level(name) for name, measure in dataset.measures.items()}
    return GoldTable(table, compute, wide_rules, formulas)
