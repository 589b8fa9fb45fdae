"""The two partition sets: extract dates of Bronze, calendar years of everything after it.

Dynamic partitions keep the order of insertion, so nothing here says which extract is the newest: the lake's
manifests do. How far a derived table looks back is declared in `lineage` and becomes a partition mapping here.
"""

from collections.abc import Iterable

import dagster as dg

from pce_pipeline.catalog import load_catalog
from pce_pipeline.errors import UsageError
from pce_pipeline.lineage import MAX_REACH, Derivation

EXTRACTS = dg.DynamicPartitionsDefinition(name="pce_state_extracts")

FIRST_YEAR = load_catalog().first_year

YEARS = dg.TimeWindowPartitionsDefinition(cron_schedule="0 0 1 1 *", fmt="%Y", start=str(FIRST_YEAR), end_offset=1)

SAME_YEAR = dg.TimeWindowPartitionMapping()

ALL_EXTRACTS = dg.AllPartitionMapping()

ONE_RUN = dg.BackfillPolicy.single_run()


def mapping_of(derivation: Derivation) -> dg.TimeWindowPartitionMapping:
    """Dagster's view of a derivation's reach; the years before the first one do not exist and are not asked for."""
    return dg.TimeWindowPartitionMapping(
        start_offset=-derivation.reach, allow_nonexistent_upstream_partitions=derivation.reach > 0
    )


def parse_years(text: str, *, newest: int) -> tuple[int, int]:
    """`2015...2018` or `2023` as first and last year; `newest` closes an open end (`2015...`).

    Raises `UsageError` for anything else, and for years before the first one BEA publishes.
    """
    first, separator, last = text.strip().partition("...")
    try:
        start = int(first) if first else FIRST_YEAR
        end = (int(last) if last else newest) if separator else start
    except ValueError:
        raise UsageError(f"{text!r} is no range of years.", remedy="Write 2023, 2015...2018 or 2015...") from None
    if not FIRST_YEAR <= start <= end:
        raise UsageError(
            f"{text!r} is no range of years from {FIRST_YEAR} on.", remedy="Write 2023, 2015...2018 or 2015..."
        )
    return start, end


def hull_with_reach(years: Iterable[int], *, newest: int) -> tuple[int, int]:
    """The range to run so that every window over a changed year is computed again."""
    changed = sorted(years)
    return changed[0], max(changed[-1], min(changed[-1] + MAX_REACH, newest))
