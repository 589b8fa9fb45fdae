"""The jobs everything runs through: one for each dataset that takes its extracts, and one that refreshes years.

Dagster lets no job span two partition sets, so a refresh is launched when an extract has left something to do.
"""

from collections.abc import Collection, Sequence
from datetime import timedelta

import dagster as dg

from pce_pipeline.automation.newest_release import release_checks
from pce_pipeline.bronze.feeds import NO_FILES, Files
from pce_pipeline.instance.private import AssetJob
from pce_pipeline.shell.keys import (
    BULLETINS_KEY,
    CERTIFICATES,
    EXPLORER_KEY,
    ICEBERG_KEY,
    bronze_key,
    key_of,
    postgres_key,
)
from pce_pipeline.shell.stored_checks import stored_checks
from pce_pipeline.tables.registry import Registry

REFRESH = "refresh"

# No hosted machine lets a job run longer: a run of which nothing was heard for so long died with its machine.
LONGEST_RUN = timedelta(hours=6)

RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"


def extract_job_name(dataset: str) -> str:
    """The job that takes extracts of a dataset."""
    return f"extract_{dataset}"


def build_jobs(registry: Registry) -> list[AssetJob]:
    """All jobs, the refresh last."""
    takes = [
        dg.define_asset_job(
            extract_job_name(name),
            selection=dg.AssetSelection.assets(bronze_key(name)),
            description=f"Take one extract of what BEA publishes into Bronze: {dataset.title}.",
        )
        for name, dataset in registry.datasets.items()
    ]
    # What a refresh has just written it need not read back, nor BEA be asked again; who starts it has done that.
    standalone = [key for check in (*stored_checks(registry), release_checks(registry)) for key in check.check_keys]
    refresh = dg.define_asset_job(
        REFRESH,
        selection=dg.AssetSelection.groups("silver", "gold", "postgres") - dg.AssetSelection.checks(*standalone),
        description="Bring a range of years from Bronze to Silver, Gold and Postgres.",
    )
    return [*takes, refresh]


def assets_of(registry: Registry, datasets: Collection[str]) -> list[dg.AssetKey]:
    """What a refresh of these datasets makes: their tables, what they share, files made of them, and Postgres's."""
    tables = [each.table for each in registry.derivations_of(datasets)]
    in_postgres = [table for table in (*registry.in_one_piece, *tables) if table.in_postgres]
    notes = [CERTIFICATES, BULLETINS_KEY, EXPLORER_KEY, ICEBERG_KEY]
    return [*map(key_of, (*tables, *registry.in_one_piece)), *notes, *map(postgres_key, in_postgres)]


def extract_config(dataset: str, tables: Sequence[str] = (), files: Files = NO_FILES) -> dict[str, object]:
    """Run configuration of a dataset's extract job."""
    op = bronze_key(dataset).to_python_identifier()
    return {"ops": {op: {"config": {"tables": list(tables), **files.config()}}}}


def range_tags(first: int, last: int) -> dict[str, str]:
    """The tags that make one run cover a range of years."""
    return {RANGE_START: str(first), RANGE_END: str(last)}
