"""Silver in Dagster: one asset, partitioned by year."""

import dagster as dg
import polars as pl

from pce_pipeline.bronze.assets import BRONZE
from pce_pipeline.bronze.reading import read_extracts
from pce_pipeline.quality.silver import SilverYears, silver_rules
from pce_pipeline.shell.partitions import ALL_EXTRACTS
from pce_pipeline.shell.yearly import Made, YearlyRun, yearly_asset
from pce_pipeline.silver.observations import normalise
from pce_pipeline.tables.lineage import SILVER


def _silver(run: YearlyRun) -> Made[SilverYears]:
    """Silver of the years of a run: the cells of the current extracts, normalised."""
    made_of = {table: each.vintage for table, each in run.now.sources.items() if table in run.dataset.tables}
    content = read_extracts(
        run.lake.bronze,
        {table: vintage.extracts for table, vintage in made_of.items()},
        tolerate_unknown=run.settings.tolerate_unknown_fields,
    )
    cells = content.cells.filter(pl.col("year").is_in(run.years))
    repeated = int(content.repeated.filter(pl.col("year").is_in(run.years))["rows"].sum())
    normal = normalise(cells, content.lines, run.dataset)
    for extract in (extract for vintage in made_of.values() for extract in vintage.extracts):
        run.step.extract(str(extract))
    run.step.inputs(extracts={table: str(vintage) for table, vintage in made_of.items()})
    return Made(
        normal.frame,
        subject=SilverYears(
            frame=normal.frame,
            left_out=normal.left_out,
            rows_in=cells.height + repeated,
            repeated=repeated,
            set_aside=normal.set_aside,
            dataset=run.dataset,
            held={table: [year for year in run.years if year in vintage.years] for table, vintage in made_of.items()},
            spoken_of=run.now.spoken_of(run.dataset, run.years),
        ),
        inputs={
            year: {name: digest for _, each in sorted(made_of.items()) for name, digest in each.inputs(year).items()}
            for year in run.years
        },
        details={
            "extracts": {table: str(vintage) for table, vintage in sorted(made_of.items())},
            "left_out": normal.left_out.to_dicts(),
            "base_years": normal.base_years.to_dicts(),
        },
        releases=dict.fromkeys(run.years, run.now.releases),
    )


silver_pce_state = yearly_asset(
    SILVER, silver_rules, _silver, deps=[dg.AssetDep(BRONZE, partition_mapping=ALL_EXTRACTS)]
)
