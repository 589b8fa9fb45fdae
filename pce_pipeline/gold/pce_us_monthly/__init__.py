"""The Gold of the nation's months: spending, real spending and prices side by side, and how they grow.

Beside them, made of them and of annual spending by state: months of states, estimated, and how far these are off.
"""

from collections.abc import Callable
from typing import Any

import polars as pl

from pce_pipeline.gold.made import GoldPiece, GoldTable, Inputs
from pce_pipeline.gold.pce_us_monthly.formulas import of_months
from pce_pipeline.gold.pce_us_monthly.months import cells_of, us_months
from pce_pipeline.gold.pce_us_monthly.months_rules import UsMonths, months_rules
from pce_pipeline.gold.pce_us_monthly.state_months import (
    ANNUAL_MEASURE,
    Panel,
    monthly_errors,
    panel_of,
    state_months,
)
from pce_pipeline.gold.pce_us_monthly.state_months_rules import StateMonths, monthly_errors_rules, state_months_rules
from pce_pipeline.tables.pce_state import GOLD_PCE_STATE_ANNUAL
from pce_pipeline.tables.pce_us_monthly import (
    GOLD_PCE_MONTHLY_ERRORS,
    GOLD_PCE_STATE_MONTHLY,
    GOLD_PCE_US_MONTHLY,
    SPENDING_LOG,
)
from pce_pipeline.tables.silver import silver_table


def _months(inputs: Inputs) -> tuple[pl.DataFrame, UsMonths]:
    """The months of the years, with their growth from those of the year before."""
    cells = cells_of(inputs.of(silver_table(inputs.dataset)), inputs.dataset)
    rows = us_months(cells, inputs.years)
    return rows, UsMonths(rows, cells, inputs.dataset, inputs.years)


def _errors(inputs: Inputs) -> tuple[pl.DataFrame, pl.DataFrame]:
    """How far annual means of estimated months are off."""
    panel = panel_of(inputs.of(GOLD_PCE_US_MONTHLY), inputs.of(GOLD_PCE_STATE_ANNUAL), inputs.dataset)
    frame = monthly_errors(panel, inputs.tables[SPENDING_LOG])
    return frame, frame


def _estimates(inputs: Inputs) -> tuple[pl.DataFrame, StateMonths]:
    """The months of states."""
    panel = panel_of(inputs.of(GOLD_PCE_US_MONTHLY), inputs.of(GOLD_PCE_STATE_ANNUAL), inputs.dataset)
    frame = state_months(panel, inputs.of(GOLD_PCE_MONTHLY_ERRORS))
    return frame, _judged(frame, inputs, panel)


def _judged(frame: pl.DataFrame, inputs: Inputs, panel: Panel | None) -> StateMonths:
    phis = inputs.of(GOLD_PCE_MONTHLY_ERRORS).drop_nulls("phi").select("category_id", "phi").unique()
    return StateMonths(frame, panel, dict(phis.iter_rows()))


def _again(frame: pl.DataFrame, ask: Callable[[], Inputs]) -> StateMonths:
    """What is published, beside what it was made of: nothing is estimated for it."""
    inputs = ask()
    panel = panel_of(inputs.of(GOLD_PCE_US_MONTHLY), inputs.of(GOLD_PCE_STATE_ANNUAL), inputs.dataset)
    return _judged(frame, inputs, panel)


_ALL = pl.lit(value=True)
_OF_PRODUCTS = pl.col("category_id").str.starts_with("product.")
_READ = {GOLD_PCE_US_MONTHLY.name: _OF_PRODUCTS, GOLD_PCE_STATE_ANNUAL.name: _OF_PRODUCTS}

PIECES: tuple[GoldPiece[Any], ...] = (
    GoldPiece(
        GOLD_PCE_MONTHLY_ERRORS,
        {**_READ, SPENDING_LOG: _OF_PRODUCTS & (pl.col("measure") == ANNUAL_MEASURE)},
        _errors,
        lambda frame, _: frame,
        monthly_errors_rules,
    ),
    GoldPiece(
        GOLD_PCE_STATE_MONTHLY,
        {**_READ, GOLD_PCE_MONTHLY_ERRORS.name: _ALL},
        _estimates,
        _again,
        state_months_rules,
    ),
)
"""What is made of its table and of those of spending by state, in one piece each."""

TABLES: tuple[GoldTable[Any], ...] = (GoldTable(GOLD_PCE_US_MONTHLY, _months, months_rules, of_months()),)
"""Its table."""
