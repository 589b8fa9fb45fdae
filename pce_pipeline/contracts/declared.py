"""The contracts of all assets of some datasets: which rules each table keeps, and what it may be joined to."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import polars as pl

from pce_pipeline.bronze.rules import bronze_rules
from pce_pipeline.certificates.rules import certificate_rules
from pce_pipeline.contracts.contract import Contract
from pce_pipeline.contracts.stored import LAKE_RULES, POSTGRES_RULES, RELEASE_RULES
from pce_pipeline.gold.dimensions import DIMENSION_FRAMES
from pce_pipeline.gold.packages import package_of, tables_of
from pce_pipeline.open_tables.rules import open_table_rules
from pce_pipeline.quality.dimensions import dimension_rules
from pce_pipeline.quality.facts import facts_rules
from pce_pipeline.quality.price_releases import price_releases_rules
from pce_pipeline.quality.revision_stats import stats_rules
from pce_pipeline.quality.revisions import revisions_rules
from pce_pipeline.quality.rows import (
    TableRows,
    figures_are_near_the_last_version,
    references_resolve,
    rows_are_as_many_as_before,
)
from pce_pipeline.quality.rules import Rule
from pce_pipeline.quality.silver import silver_rules
from pce_pipeline.quality.vintages import log_rules
from pce_pipeline.tables.dimensions import DIMENSIONS
from pce_pipeline.tables.joins import Join, joins_of
from pce_pipeline.tables.lineage import Derivation
from pce_pipeline.tables.price_releases import PRICE_RELEASES
from pce_pipeline.tables.registry import Registry
from pce_pipeline.tables.table import Table
from pce_pipeline.tables.vintages import REVISION_STATS

CERTIFICATES = "gold/certificates"
ICEBERG = "gold/iceberg"


class Contracts:
    """The contracts of the datasets at hand.

    For example, what a table's years keep before they are published:

        >>> from pce_pipeline.tables.registry import load_registry
        >>> contracts = Contracts(load_registry("smoke", None))
        >>> [rule.name for rule in contracts.of("gold/pce_state_annual").of_rows]
        ['references_resolve', 'rows_are_as_many_as_before']
    """

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    @cached_property
    def all(self) -> Mapping[str, Contract]:
        """Every contract, by asset: layer by layer, each table after those that it is made of."""
        return {each.asset: each for each in (*self._bronze(), *self._lake(), *self._postgres())}

    def of(self, asset: str) -> Contract:
        """The contract of an asset."""
        return self.all[asset]

    def rule(self, asset: str, name: str) -> Rule[Any] | None:
        """A rule of an asset; None where this version has none of that name there."""
        contract = self.all.get(asset)
        return None if contract is None else contract.rule(name)

    def keys_of(self, table: Table) -> dict[Join, pl.DataFrame]:
        """For each join of a table, the keys that the dimension has."""
        return {join: self._keys[join] for join in joins_of(table)}

    @cached_property
    def _keys(self) -> Mapping[Join, pl.DataFrame]:
        datasets = self.registry.datasets
        frames = {name: frame(datasets) for name, frame in DIMENSION_FRAMES.items()}
        today = pl.concat([each.lines.select("bea_table", "layout", "line_code") for each in datasets.values()])
        joins = {join for table in self.registry.tables for join in joins_of(table)}
        return {
            join: (
                frames[join.to.name].join(today, on=["bea_table", "layout", "line_code"], how="semi")
                if join.within
                else frames[join.to.name]
            ).select(join.to_columns)
            for join in joins
        }

    def _bronze(self) -> Iterator[Contract]:
        for name, dataset in self.registry.datasets.items():
            yield Contract(
                f"bronze/{name}",
                f"BEA's answers as received, one extract per vintage, write-once ({dataset.title}).",
                "bronze",
                rules=bronze_rules,
            )

    def _lake(self) -> Iterator[Contract]:
        own = self._own_rules
        for derivation in self.registry.derivations:
            yield self._of_table(derivation.table, own[derivation.table.name], derivation)
        for table in self.registry.in_one_piece:
            yield self._of_table(table, own[table.name])
        yield Contract(
            CERTIFICATES,
            "One certificate per dataset and vintage that counts: what was published of it, provably.",
            "gold",
            rules=certificate_rules,
        )
        yield Contract(
            ICEBERG,
            "Every table of Silver and Gold as an Apache Iceberg table, with its history and tags.",
            "gold",
            rules=open_table_rules,
        )

    def _of_table(self, table: Table, rules: Sequence[Rule[Any]], derivation: Derivation | None = None) -> Contract:
        joins = joins_of(table)
        of_rows: list[Rule[TableRows]] = [references_resolve] if joins else []
        if derivation is not None and not derivation.covers_all_vintages:
            of_rows.append(rows_are_as_many_as_before)
            if derivation in self.registry.silver.values():
                of_rows.append(figures_are_near_the_last_version)
        is_of_release = derivation is not None and table.layer == "gold"
        return Contract(
            table.name,
            table.grain,
            table.layer,
            table=table,
            rules=tuple(rules),
            of_rows=tuple(of_rows),
            of_stored=(*LAKE_RULES, *(RELEASE_RULES if is_of_release else ())),
            joins=joins,
        )

    def _postgres(self) -> Iterator[Contract]:
        for table in self.registry.in_postgres:
            yield Contract(
                f"postgres/{table.relation}",
                f"The rows of {table.name}, loaded by an idempotent merge in one transaction with all other tables.",
                "postgres",
                table=table,
                of_stored=(*POSTGRES_RULES, *(RELEASE_RULES if table.is_yearly else ())),
                joins=joins_of(table),
            )

    @cached_property
    def _own_rules(self) -> Mapping[str, Sequence[Rule[Any]]]:
        """The rules that each table has of its own, by its name."""
        registry = self.registry
        found: dict[str, Sequence[Rule[Any]]] = {registry.facts.table.name: facts_rules}
        for name, dataset in registry.datasets.items():
            found[registry.silver[name].table.name] = silver_rules
            found |= {each.table.name: each.rules for each in tables_of(dataset, registry)}
            found |= {each.table.name: each.rules for each in getattr(package_of(name), "PIECES", ())}
        found |= {each.table.name: log_rules for each in (*registry.logs.values(), *registry.figures.values())}
        found |= {each.table.name: revisions_rules for each in registry.revisions.values()}
        found |= {each.name: dimension_rules for each in DIMENSIONS}
        return {**found, REVISION_STATS.name: stats_rules, PRICE_RELEASES.name: price_releases_rules}
