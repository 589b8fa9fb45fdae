"""Silver in Dagster: an asset for each dataset, partitioned by year."""

import dagster as dg
import polars as pl

from pce_pipeline.bronze.cells import read_extracts
from pce_pipeline.bronze.current import EXTRACTS
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.quality.silver import SilverYears, silver_rules
from pce_pipeline.shell.audit import Read
from pce_pipeline.shell.yearly import Made, YearlyRun, yearly_asset
from pce_pipeline.silver.observations import normalise
from pce_pipeline.tables.registry import Registry
from pce_pipeline.tables.years import FIRST_YEAR


def silver_asset(dataset: Dataset, registry: Registry) -> dg.AssetsDefinition:
    """The asset of a dataset's table in Silver."""
    return yearly_asset(registry.silver[dataset.name], registry, silver_rules, _silver)


def _silver(run: YearlyRun) -> Made[SilverYears]:
    """Silver of the years of a run: the cells of the current extracts, normalised."""
    made_of = {table: source.vintage for table, source in run.now.known_sources.items()}
    content = read_extracts(
        run.now.bronze,
        {table: vintage.extracts for table, vintage in made_of.items()},
        run.now.manifests,
        run.dataset,
        tolerate_unknown=run.settings.tolerate_unknown_fields,
    )
    cells = content.cells.filter(pl.col("year").is_in(run.years))
    repeated = int(content.repeated.filter(pl.col("year").is_in(run.years))["rows"].sum())
    normal = normalise(cells, content.lines, run.dataset)
    for extract in (extract for vintage in made_of.values() for extract in vintage.extracts):
        run.step.extract(str(extract))
    run.step.inputs(extracts={table: str(vintage) for table, vintage in made_of.items()})
    before = content.cells.filter(pl.col("year") < FIRST_YEAR)
    if not before.is_empty():
        run.step.inputs(left_out_before={"first_year": FIRST_YEAR, "cells": before.height})
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
            spoken_of=run.now.spoken_of(run.years),
        ),
        details={
            EXTRACTS: {table: str(vintage) for table, vintage in made_of.items()},
            "left_out": normal.left_out.to_dicts(),
            "base_years": normal.base_years.to_dicts(),
        },
        read=_read(cells, content.repeated, normal.set_aside),
    )


def _read(cells: pl.DataFrame, repeated: pl.DataFrame, set_aside: pl.DataFrame) -> Read:
    """The rows of BEA's answers by year, and those of them that have no place in Silver."""
    rows: dict[str, int] = {}
    for year, count in (
        *cells.group_by("year").len().iter_rows(),
        *repeated.group_by("year").agg(pl.col("rows").sum()).iter_rows(),
    ):
        rows[str(year)] = rows.get(str(year), 0) + count
    return Read(rows, {str(year): count for year, count in set_aside.group_by("year").len().iter_rows()})
