"""Every published table, in the order in which they build on one another."""

from pce_pipeline.tables.dimensions import CATEGORY_LINE, DIM_CATEGORY, DIM_GEOGRAPHY
from pce_pipeline.tables.facts import GOLD_FACTS
from pce_pipeline.tables.pce_state import GOLD_PCE_STATE_ANNUAL, GOLD_PCE_STATE_METRICS, SILVER_PCE_STATE

TABLES = (
    SILVER_PCE_STATE,
    GOLD_FACTS,
    GOLD_PCE_STATE_ANNUAL,
    GOLD_PCE_STATE_METRICS,
    DIM_GEOGRAPHY,
    DIM_CATEGORY,
    CATEGORY_LINE,
)
