"""The Gold of the nation's months: spending, real spending and prices side by side, and how they grow."""

from typing import Any

import polars as pl

from pce_pipeline.gold.made import GoldTable, Inputs
from pce_pipeline.gold.pce_us_monthly.months import cells_of, us_months
from pce_pipeline.gold.pce_us_monthly.months_rules import UsMonths, months_rules
from pce_pipeline.tables.pce_us_monthly import GOLD_PCE_US_MONTHLY
from pce_pipeline.tables.silver import silver_table


def _months(inputs: Inputs) -> tuple[pl.DataFrame, UsMonths]:
    """The months of the years, with their growth from those of the year before."""
    cells = cells_of(inputs.of(silver_table(inputs.dataset)), inputs.dataset)
    rows = us_months(cells, inputs.years)
    return rows, UsMonths(rows, cells, inputs.dataset, inputs.years)


TABLES: tuple[GoldTable[Any], ...] = (GoldTable(GOLD_PCE_US_MONTHLY, _months, months_rules),)
"""Its table."""
