"""The logs of every value in Dagster: an asset for each dataset in Silver, and what Gold makes of it."""

from collections.abc import Collection
from functools import cache

import dagster as dg
import polars as pl

from pce_pipeline.bronze.history import FOLDED, PublishedLog, decoded_of, fold_year
from pce_pipeline.bronze.line_history import FoldedLines, fold_lines, input_name
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.contracts.declared import Contracts
from pce_pipeline.errors import PceError
from pce_pipeline.gold.price_releases import is_summary, needed, price_releases_of, repeated
from pce_pipeline.gold.revisions import revision_stats, revisions
from pce_pipeline.gold.vintages import figures
from pce_pipeline.lake.parquet import in_threads
from pce_pipeline.observability.logs import without_secrets
from pce_pipeline.quality.line_history import Stretches
from pce_pipeline.quality.price_releases import PriceReleases
from pce_pipeline.quality.prices import LEVEL
from pce_pipeline.quality.revisions import RevisionYears
from pce_pipeline.quality.vintages import LogYears
from pce_pipeline.shell.pieces import PieceRun, piece_asset
from pce_pipeline.shell.ranges import Made, YearlyRun
from pce_pipeline.shell.yearly import yearly_asset
from pce_pipeline.tables.line_history import LINE_HISTORY
from pce_pipeline.tables.lineage import Derivation, Piece
from pce_pipeline.tables.price_releases import PRICE_RELEASES
from pce_pipeline.tables.registry import Registry
from pce_pipeline.tables.vintages import REVISION_STATS

_YEARS_AT_ONCE = 2
"""How many years are worked on at the same time: each holds all vintages of its year."""


def log_asset(dataset: Dataset, contracts: Contracts) -> dg.AssetsDefinition:
    """The asset of the log of a dataset's cells, in Silver."""
    derivation = contracts.registry.logs[dataset.name]

    def compute(run: YearlyRun) -> Made[LogYears]:
        decoded = run.once("decoded", lambda: cache(decoded_of(run.now)))
        published = run.once("published", lambda: PublishedLog(run.lake, derivation))
        history = run.histories[dataset.name]
        folded = in_threads(
            lambda year: fold_year(history, year, decoded, published.of_year(year)), run.years, at_once=_YEARS_AT_ONCE
        )
        found = dict(zip(run.years, folded, strict=True))
        logs = {year: each.log for year, each in found.items()}
        return Made(
            logs,
            subject=LogYears(derivation.table, logs),
            details_of_years={year: {FOLDED: each.keys} for year, each in found.items()},
        )

    return yearly_asset(derivation, contracts, compute)


def figures_asset(derivation: Derivation, contracts: Contracts) -> dg.AssetsDefinition:
    """The asset of the log of a dataset's figures, in Gold."""
    (source,) = derivation.tables

    def compute(run: YearlyRun) -> Made[LogYears]:
        vintages = run.histories[run.dataset.name].vintages
        made = in_threads(
            lambda year: figures(run.of_year(source.table, year), vintages, run.dataset),
            run.years,
            at_once=_YEARS_AT_ONCE,
        )
        logs = dict(zip(run.years, made, strict=True))
        return Made(logs, subject=LogYears(derivation.table, logs))

    return yearly_asset(derivation, contracts, compute)


def revisions_asset(derivation: Derivation, contracts: Contracts) -> dg.AssetsDefinition:
    """The asset of what was revised of a dataset."""
    (source,) = derivation.tables

    def compute(run: YearlyRun) -> Made[RevisionYears]:
        vintages = run.histories[run.dataset.name].vintages
        logs = {year: run.of_year(source.table, year) for year in run.years}
        found = {year: revisions(log, vintages, run.dataset) for year, log in logs.items()}
        return Made(found, subject=RevisionYears(derivation.table, found, logs))

    return yearly_asset(derivation, contracts, compute)


def stats_asset(contracts: Contracts) -> dg.AssetsDefinition:
    """The asset of how far figures usually move, of all datasets and years."""
    registry = contracts.registry

    def make(run: PieceRun) -> tuple[pl.DataFrame, pl.DataFrame]:
        frame = run.unchanged
        if frame is None:
            frame = pl.concat(_stats_of(name, registry, run) for name in run.held)
        return frame, frame

    return piece_asset(registry.pieces[REVISION_STATS.name], contracts, make)


def price_releases_asset(contracts: Contracts) -> dg.AssetsDefinition:
    """The asset that says which release of nominal figures each price and real figure belongs to."""
    registry = contracts.registry
    with_prices = [name for name, each in registry.datasets.items() if LEVEL in each.measures]

    def make(run: PieceRun) -> tuple[pl.DataFrame, PriceReleases]:
        logs = {name: _needed(name, registry, run) for name in with_prices if name in run.held}
        years = {str(year) for log in logs.values() for year in log.filter(measure=LEVEL)["year"].unique()}
        logs |= {name: _needed(name, registry, run, years) for name in run.held if name not in logs}
        frame, found = price_releases_of(logs, registry.datasets)
        summaries = [
            repeated(logs, name).with_columns(dataset=pl.lit(name)) for name, log in logs.items() if is_summary(log)
        ]
        newest = [of_dataset[-1] for of_dataset in found.values()]
        return frame, PriceReleases(frame, newest, pl.concat(summaries) if summaries else None)

    return piece_asset(registry.pieces[PRICE_RELEASES.name], contracts, make)


def line_history_asset(contracts: Contracts) -> dg.AssetsDefinition:
    """The asset of what BEA's lines were called over time, of all datasets."""
    piece = contracts.registry.pieces[LINE_HISTORY.name]

    def make(run: PieceRun) -> tuple[pl.DataFrame, Stretches]:
        if run.unchanged is not None and run.before is not None:
            run.details.update(run.before.details)
            return run.unchanged, Stretches(run.unchanged)
        before, unread = _lines_before(run, piece), {}
        folded = {name: FoldedLines(pl.DataFrame(schema=LINE_HISTORY.polars_schema), {}) for name in run.held} | before
        for name, now in run.held.items():
            try:
                folded[name] = fold_lines(now, decoded_of(now), before.get(name))
            except PceError as error:
                # one damaged extract keeps neither the other datasets nor any figure from Postgres
                unread[name] = without_secrets(str(error))
                del run.inputs[input_name(name)]
        run.details[FOLDED] = {name: each.keys for name, each in folded.items()}
        frame = pl.concat(each.rows for each in folded.values()).sort(LINE_HISTORY.key)
        return frame, Stretches(frame, unread)

    return piece_asset(piece, contracts, make)


def _lines_before(run: PieceRun, piece: Piece) -> dict[str, FoldedLines]:
    """What was folded before of each dataset; nothing where it is not there, damaged, or of other code."""
    if run.before is None or run.before.code_version != piece.code_version or FOLDED not in run.before.details:
        return {}
    rows = run.lake.table(piece.table).read_version(run.before)
    if rows is None:
        return {}
    return {
        name: FoldedLines(rows.filter(dataset=name), {table: tuple(each) for table, each in keys.items()})
        for name, keys in run.before.details[FOLDED].items()
    }


def _needed(name: str, registry: Registry, run: PieceRun, years: Collection[str] | None = None) -> pl.DataFrame:
    """Those rows of the log of a dataset's figures that prices are compared with, of all years or of some."""
    partitions = run.published[registry.figures[name].table.name]
    store = run.lake.table(registry.figures[name].table)
    rows = [needed(store.read_partition(each)) for year, each in partitions.items() if years is None or year in years]
    return pl.concat([needed(pl.DataFrame(schema=registry.figures[name].table.polars_schema)), *rows])


def _stats_of(name: str, registry: Registry, run: PieceRun) -> pl.DataFrame:
    table = registry.figures[name].table
    years = run.published[table.name]
    if not years:
        return pl.DataFrame(schema=REVISION_STATS.polars_schema)
    logs = (run.lake.table(table).read_partition(each) for each in years.values())
    return revision_stats(logs, run.histories[name].vintages, registry.datasets[name])
