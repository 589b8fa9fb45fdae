"""The partition sets: extract dates of each dataset in Bronze, calendar years of everything after it.

Dynamic partitions keep the order of insertion, so nothing here says which extract is the newest: the lake's
manifests do. How far a derived table looks back is declared in `lineage` and becomes a partition mapping here.
"""

import dagster as dg

from pce_pipeline.tables.lineage import FromTable
from pce_pipeline.tables.years import FIRST_YEAR

YEARS = dg.TimeWindowPartitionsDefinition(cron_schedule="0 0 1 1 *", fmt="%Y", start=str(FIRST_YEAR), end_offset=1)

SAME_YEAR = dg.TimeWindowPartitionMapping()

ALL_EXTRACTS = dg.AllPartitionMapping()

ONE_RUN = dg.BackfillPolicy.single_run()


def partition_keys_of(context: dg.AssetExecutionContext) -> list[str]:
    """The partitions of a run; none where only tables in one piece were asked for."""
    return list(context.partition_keys) if context.has_partition_key or context.has_partition_key_range else []


def extracts_of(dataset: str) -> dg.DynamicPartitionsDefinition:
    """The extract dates of a dataset."""
    return dg.DynamicPartitionsDefinition(name=f"{dataset}_extracts")


def mapping_of(source: FromTable) -> dg.TimeWindowPartitionMapping:
    """Dagster's view of an input's reach; the years before the first one do not exist and are not asked for."""
    return dg.TimeWindowPartitionMapping(
        start_offset=-source.reach, allow_nonexistent_upstream_partitions=source.reach > 0
    )
