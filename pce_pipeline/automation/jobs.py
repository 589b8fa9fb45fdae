"""The two jobs everything runs through: take an extract, refresh years.

A job cannot span both partition sets, so the second is launched when the first has left something to do.
"""

from datetime import timedelta

import dagster as dg

from pce_pipeline.shell.stored_checks import stored_checks

EXTRACT = "extract"
REFRESH = "refresh"

# No hosted machine lets a job run longer: a run of which nothing was heard for so long died with its machine.
LONGEST_RUN = timedelta(hours=6)

RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"

extract_job = dg.define_asset_job(
    EXTRACT,
    selection=dg.AssetSelection.groups("bronze"),
    description="Take one extract of what BEA publishes into Bronze.",
)

# What a refresh has just written it need not read back; the page and `pce verify` do that when asked.
refresh_job = dg.define_asset_job(
    REFRESH,
    selection=dg.AssetSelection.groups("silver", "gold", "postgres")
    - dg.AssetSelection.checks(*(key for check in stored_checks for key in check.check_keys)),
    description="Bring a range of years from Bronze to Silver, Gold and Postgres.",
)


def range_tags(first: int, last: int) -> dict[str, str]:
    """The tags that make one run cover a range of years."""
    return {RANGE_START: str(first), RANGE_END: str(last)}
