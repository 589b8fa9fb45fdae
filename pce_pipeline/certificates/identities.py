"""Which accounting identities hold of the cells of a vintage: how many sums, and how far the furthest are off.

Pure functions over frames; the rules are those of `quality`, and of the tables of Gold.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.certificates.statement import Identity, Residual
from pce_pipeline.certificates.vintages import DatasetVintage, sha256_of_plain
from pce_pipeline.gold.facts import conform_facts
from pce_pipeline.gold.made import GoldTable, Inputs
from pce_pipeline.gold.packages import package_of
from pce_pipeline.quality.completeness import nulls_are_few
from pce_pipeline.quality.facts import tables_are_of_one_release
from pce_pipeline.quality.findings import together
from pce_pipeline.quality.identities import (
    FactYears,
    children_add_up_to_parents,
    per_capita_times_population_is_the_total,
    states_add_up_to_regions,
    states_add_up_to_the_nation,
)
from pce_pipeline.quality.prices import prices_rules
from pce_pipeline.quality.rules import Figure, Finding, Rule
from pce_pipeline.silver.observations import table_years
from pce_pipeline.tables.registry import Registry
from pce_pipeline.tables.table import content_sha256

_IDENTITIES: tuple[Rule[FactYears], ...] = (
    tables_are_of_one_release,
    children_add_up_to_parents,
    states_add_up_to_regions,
    states_add_up_to_the_nation,
    per_capita_times_population_is_the_total,
    *prices_rules,
)


def catalogue_sha256(dataset: Dataset) -> str:
    """A hash of what the catalogue says of a dataset that its identities depend on."""
    measures = [
        (each.name, each.unit, each.decimals, sorted(each.adds_up_over), each.per_capita_of)
        for each in dataset.measures.values()
    ]
    frames = [content_sha256(frame) for frame in (dataset.lines, dataset.categories, dataset.areas)]
    return sha256_of_plain([*frames, measures, [repr(each) for each in dataset.known_exceptions]])


def identities_of_facts(cells: pl.DataFrame, vintage: DatasetVintage, dataset: Dataset) -> tuple[Identity, ...]:
    """What the identities of yearly figures say of the cells (the columns of Silver) of a vintage."""
    return identities_of_ranges([cells], vintage, dataset)


def identities_of_ranges(
    ranges: Iterable[pl.DataFrame], vintage: DatasetVintage, dataset: Dataset, whole_units: pl.DataFrame | None = None
) -> tuple[Identity, ...]:
    """The same of cells that come in ranges of years, of which at least one; `whole_units` as `FactYears` has them."""
    found: list[list[Finding]] = [[] for _ in _IDENTITIES]
    for cells in ranges:
        facts = conform_facts(cells, dataset, vintage.releases)
        subject = FactYears(facts, dataset, table_years(cells), releases=vintage.releases, whole_units=whole_units)
        for seen, rule in zip(found, _IDENTITIES, strict=True):
            seen.append(rule.find(subject))
    return tuple(_identity(rule, together(seen)) for seen, rule in zip(found, _IDENTITIES, strict=True))


def identities_of_months(cells: pl.DataFrame, dataset: Dataset, registry: Registry) -> tuple[Identity, ...]:
    """What the rules of the tables say that are made of the cells of a dataset of months alone."""
    silver = registry.silver[dataset.name].table
    package = package_of(dataset.name)
    tables: Sequence[GoldTable[Any]] = () if package is None else package.TABLES
    alone = {
        each.table.name
        for each in registry.gold[dataset.name]
        if all(source.table.name == silver.name for source in each.tables)
    }
    found: list[Identity] = []
    for each in tables:
        if each.table.name in alone:
            inputs = Inputs({silver.name: cells}, dataset, cells["year"].unique().sort().to_list())
            _, subject = each.compute(inputs)
            found += [_identity(rule, rule.find(subject)) for rule in each.rules if _is_identity(rule)]
    return tuple(found)


def _is_identity(rule: Rule[Any]) -> bool:
    """Whether a rule is about sums: how many figures have no number is no identity."""
    return rule.kind == "threshold" and rule.name != nulls_are_few.name


def _identity(rule: Rule[Any], found: Finding) -> Identity:
    return Identity(
        name=rule.name,
        says=rule.description,
        result="nothing to compare" if not found.has_subject else "holds" if found.passed else "does not hold",
        summary=found.told,
        figures={name: _plain(figure) for name, figure in sorted(found.counted.items())},
        examples=found.spelled_out,
        largest_residuals=tuple(_residuals(found.largest)),
    )


def _residuals(largest: Iterable[Mapping[str, Figure]]) -> Iterable[Residual]:
    for row in largest:
        yield Residual(
            measure=str(row["measure"]),
            category_id=str(row["category_id"]),
            geo_fips=str(row["geo_fips"]),
            year=int(row["year"]),
            explained_by=str(row["explained_by"]),
            **{name: _decimal(float(row[name])) for name in ("published", "added_up", "deviation", "tolerance")},
        )


def _plain(figure: Figure) -> int | str:
    return _decimal(figure) if isinstance(figure, float) else figure


def _decimal(number: float) -> str:
    """Three places; sums of floats differ behind them with the number of threads. Adding zero makes -0 one."""
    return f"{round(number, 3) + 0.0:.3f}"
