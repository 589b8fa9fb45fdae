"""Silver in Dagster: one asset, partitioned by year."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import polars as pl

from pce_pipeline.bronze.assets import BRONZE
from pce_pipeline.bronze.current import current
from pce_pipeline.bronze.reading import read_extracts
from pce_pipeline.catalog import Catalog
from pce_pipeline.lake.io_managers import YearlyOutput, yearly_output
from pce_pipeline.lake.resource import Lake
from pce_pipeline.lineage import SILVER
from pce_pipeline.metadata import declared, describe
from pce_pipeline.observability.records import RunJournal
from pce_pipeline.observability.steps import recorded_step
from pce_pipeline.partitions import ALL_EXTRACTS, ONE_RUN, YEARS
from pce_pipeline.quality.checks import check_specs, report
from pce_pipeline.quality.rules import judge
from pce_pipeline.quality.silver import SilverYears, silver_rules
from pce_pipeline.settings import Settings
from pce_pipeline.silver.observations import normalise

KEY = dg.AssetKey(["silver", "pce_state"])


@dg.asset(
    key=KEY,
    partitions_def=YEARS,
    backfill_policy=ONE_RUN,
    deps=[dg.AssetDep(BRONZE, partition_mapping=ALL_EXTRACTS)],
    check_specs=check_specs(silver_rules, KEY),
    io_manager_key="lake_io",
    kinds={"polars", "parquet"},
    code_version=SILVER.code_version,
    description=describe(SILVER.table),
    metadata=declared(SILVER.table),
)
def silver_pce_state(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    catalog: dg.ResourceParam[Catalog],
    settings: dg.ResourceParam[Settings],
    journal: dg.ResourceParam[RunJournal],
) -> Iterator[Any]:
    """Silver of the years that the current extracts cover; the others are not published yet and stay as they are."""
    with recorded_step(context, journal, SILVER.table.name) as step:
        now = current(lake.bronze, catalog)
        made_of = {table: each.vintage for table, each in now.sources.items() if table in catalog.tables}
        covered = {year for vintage in made_of.values() for year in vintage.years}
        years = [int(year) for year in context.partition_keys if int(year) in covered]
        content = read_extracts(
            lake.bronze,
            {table: [layer.extract for layer in vintage.layers] for table, vintage in made_of.items()},
            tolerate_unknown=settings.tolerate_unknown_fields,
        )
        cells = content.cells.filter(pl.col("year").is_in(years))
        repeated = int(content.repeated.filter(pl.col("year").is_in(years))["rows"].sum())
        normal = normalise(cells, content.lines, catalog)
        subject = SilverYears(
            frame=normal.frame,
            left_out=normal.left_out,
            rows_in=cells.height + repeated,
            repeated=repeated,
            set_aside=normal.set_aside,
            catalog=catalog,
            held={table: [year for year in years if year in vintage.years] for table, vintage in made_of.items()},
            spoken_of=now.spoken_of(catalog, years),
        )
        yield from report(judge(silver_rules, subject), KEY, step, thresholds=settings.threshold_checks)
        for layer in (layer for vintage in made_of.values() for layer in vintage.layers):
            step.extract(str(layer.extract))
        step.inputs(extracts={table: str(vintage) for table, vintage in made_of.items()})
        yield yearly_output(
            YearlyOutput(
                SILVER,
                normal.frame,
                inputs={
                    year: {
                        name: digest
                        for _, vintage in sorted(made_of.items())
                        for name, digest in vintage.inputs(year).items()
                    }
                    for year in years
                },
                details={
                    "extracts": {table: str(vintage) for table, vintage in sorted(made_of.items())},
                    "left_out": normal.left_out.to_dicts(),
                    "base_years": normal.base_years.to_dicts(),
                },
                releases=dict.fromkeys(years, now.releases),
            )
        )
