"""The two partition sets: extract dates of Bronze, calendar years of everything after it.

Dynamic partitions keep the order of insertion, so nothing here says which extract is the newest: the lake's
manifests do. How far a derived table looks back is declared in `lineage` and becomes a partition mapping here.
"""

import dagster as dg

from pce_pipeline.tables.lineage import Derivation
from pce_pipeline.tables.years import FIRST_YEAR

EXTRACTS = dg.DynamicPartitionsDefinition(name="pce_state_extracts")

YEARS = dg.TimeWindowPartitionsDefinition(cron_schedule="0 0 1 1 *", fmt="%Y", start=str(FIRST_YEAR), end_offset=1)

SAME_YEAR = dg.TimeWindowPartitionMapping()

ALL_EXTRACTS = dg.AllPartitionMapping()

ONE_RUN = dg.BackfillPolicy.single_run()


def partition_keys_of(context: dg.AssetExecutionContext) -> list[str]:
    """The partitions of a run; none where only tables in one piece were asked for."""
    return list(context.partition_keys) if context.has_partition_key or context.has_partition_key_range else []


def mapping_of(derivation: Derivation) -> dg.TimeWindowPartitionMapping:
    """Dagster's view of a derivation's reach; the years before the first one do not exist and are not asked for."""
    return dg.TimeWindowPartitionMapping(
        start_offset=-derivation.reach, allow_nonexistent_upstream_partitions=derivation.reach > 0
    )
