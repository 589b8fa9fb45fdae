"""What is derived from what, how far back it looks, and which version of our code derived it.

Declared once and used twice: Dagster's partition mappings and the lake's own test for staleness come from here, so
that a run started by hand, a CI runner with a fresh instance and the sensor all agree on what is out of date.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pce_pipeline.tables.dimensions import CATEGORY_LINE, DIM_CATEGORY, DIM_GEOGRAPHY
from pce_pipeline.tables.facts import GOLD_FACTS
from pce_pipeline.tables.pce_state import GOLD_PCE_STATE_ANNUAL, GOLD_PCE_STATE_METRICS, SILVER_PCE_STATE
from pce_pipeline.tables.table import Table


@dataclass(frozen=True)
class Derivation:
    """One yearly table of the lake: `upstream` is None for Silver, which reads Bronze extracts.

    `reach` is how many years before its own a row needs. Raise `code_version` when the same input should give other
    rows: years made by another version count as stale.
    """

    table: Table
    upstream: Table | None
    reach: int
    code_version: str

    def upstream_years(self, year: int) -> range:
        """The years of the upstream table that `year` is computed from."""
        return range(year - self.reach, year + 1)


SILVER = Derivation(SILVER_PCE_STATE, upstream=None, reach=0, code_version="1")
FACTS = Derivation(GOLD_FACTS, upstream=SILVER_PCE_STATE, reach=0, code_version="1")
ANNUAL = Derivation(GOLD_PCE_STATE_ANNUAL, upstream=GOLD_FACTS, reach=0, code_version="1")
METRICS = Derivation(GOLD_PCE_STATE_METRICS, upstream=GOLD_FACTS, reach=4, code_version="1")

DERIVATIONS = (SILVER, FACTS, ANNUAL, METRICS)

MAX_REACH = max(derivation.reach for derivation in DERIVATIONS)

DIMENSIONS = (DIM_GEOGRAPHY, DIM_CATEGORY, CATEGORY_LINE)
DIMENSION_CODE_VERSION = "1"

LOADED = (GOLD_PCE_STATE_ANNUAL, GOLD_PCE_STATE_METRICS)
"""The yearly tables that Postgres holds, in the order they are loaded."""

IN_POSTGRES = (*DIMENSIONS, *LOADED)
"""Every table of Gold that Postgres holds, in the order they are loaded."""


def derivation_of(table: Table) -> Derivation:
    """The derivation of a yearly table."""
    return next(derivation for derivation in DERIVATIONS if derivation.table is table)


def inputs_of(derivation: Derivation, year: int, upstream_hashes: Mapping[str, str]) -> dict[str, str]:
    """What a year of a derived table was or would be computed from: `<upstream>/<year>` to content hash.

    Years that the upstream table does not hold are left out, so that their later arrival makes this year stale.
    """
    if derivation.upstream is None:
        return {}
    return {
        f"{derivation.upstream.name}/{upstream_year}": upstream_hashes[str(upstream_year)]
        for upstream_year in derivation.upstream_years(year)
        if str(upstream_year) in upstream_hashes
    }
