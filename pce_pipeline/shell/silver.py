"""Silver in Dagster: an asset for each dataset, partitioned by year."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import dagster as dg
import polars as pl

from pce_pipeline.bronze.cells import KeptCells, kept_cells, laid_over
from pce_pipeline.bronze.current import EXTRACTS
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.contracts.declared import Contracts
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.quality.silver import SilverYears
from pce_pipeline.shell.audit import Read
from pce_pipeline.shell.ranges import Made, YearlyRun
from pce_pipeline.shell.yearly import yearly_asset
from pce_pipeline.silver.observations import normalise
from pce_pipeline.tables.years import FIRST_YEAR


def silver_asset(dataset: Dataset, contracts: Contracts) -> dg.AssetsDefinition:
    """The asset of a dataset's table in Silver."""
    return yearly_asset(contracts.registry.silver[dataset.name], contracts, _silver)


def _silver(run: YearlyRun) -> Made[SilverYears]:
    """Silver of the years of a run: the cells of the current extracts, normalised."""
    made_of = {table: source.vintage for table, source in run.now.known_sources.items()}
    layers = {table: vintage.extracts for table, vintage in made_of.items()}
    kept = run.once("kept", lambda: _kept(run))
    content = laid_over(kept, layers, run.dataset, pl.col("year").is_in(run.years))
    cells = content.cells
    repeated = int(content.repeated["rows"].sum())
    normal = normalise(cells, content.lines, run.dataset)
    for extract in (extract for vintage in made_of.values() for extract in vintage.extracts):
        run.step.extract(str(extract))
    run.step.inputs(extracts={table: str(vintage) for table, vintage in made_of.items()})
    before = run.once("before", lambda: laid_over(kept, layers, run.dataset, pl.col("year") < FIRST_YEAR).cells.height)
    if before:
        run.step.inputs(left_out_before={"first_year": FIRST_YEAR, "cells": before})
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
            "base_years": normal.base_years.to_dicts(),
        },
        details_of_years=_left_out(normal.left_out, cells, run.years),
        read=_read(cells, content.repeated, normal.set_aside),
    )


def _kept(run: YearlyRun) -> Callable[[ExtractId], KeptCells]:
    """How the extracts are read: each is opened once for all ranges, as the bytes in which it is kept."""
    tolerant = run.settings.tolerate_unknown_fields
    return cache(
        lambda extract: kept_cells(run.now.bronze, run.now.manifests[extract], run.dataset, tolerate_unknown=tolerant)
    )


def _left_out(lines: pl.DataFrame, cells: pl.DataFrame, years: Sequence[int]) -> dict[int, dict[str, Any]]:
    """What a year's manifest says of the lines that were left out: each with its rows of that year."""
    line = ["bea_table", "line_code"]
    counted = cells.join(lines, on=line, how="semi").group_by(*line, "year").agg(of_year=pl.len().cast(pl.Int64))
    found = {}
    for year in years:
        of_year = lines.join(counted.filter(pl.col("year") == year), on=line, how="left", maintain_order="left")
        found[year] = {
            "left_out": of_year.with_columns(rows=pl.col("of_year").fill_null(0)).select(lines.columns).to_dicts()
        }
    return found


def _read(cells: pl.DataFrame, repeated: pl.DataFrame, set_aside: pl.DataFrame) -> Read:
    """The rows of BEA's answers by year, and those of them that have no place in Silver."""
    rows: dict[str, int] = {}
    for year, count in (
        *cells.group_by("year").len().iter_rows(),
        *repeated.group_by("year").agg(pl.col("rows").sum()).iter_rows(),
    ):
        rows[str(year)] = rows.get(str(year), 0) + count
    return Read(rows, {str(year): count for year, count in set_aside.group_by("year").len().iter_rows()})
