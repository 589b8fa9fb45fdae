"""Every published table of some datasets, and how they derive from one another.

A dataset has a table in Silver, its rows in the facts, and tables in Gold: those that a module of its name in this room
declares (`gold(dataset)`), or one wide annual table made from its measures. The grain of the facts is the year: a
dataset of months has none among them, nor a log of every value, and its tables read Silver.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.catalog.reading import load_datasets
from pce_pipeline.tables import wide
from pce_pipeline.tables.dimensions import DIMENSIONS, PIECES_OF_LOGS
from pce_pipeline.tables.facts import GOLD_FACTS
from pce_pipeline.tables.lineage import Derivation, FromBronze, FromTable, Piece
from pce_pipeline.tables.silver import silver_table
from pce_pipeline.tables.table import Table
from pce_pipeline.tables.vintages import gold_vintages, revisions_table, silver_vintages


@dataclass(frozen=True)
class Registry:
    """The datasets at hand, and the tables that follow from them.

    For example, what each table of the sample is made from:

        >>> registry = load_registry("smoke", None)
        >>> [derivation.table.name for derivation in registry.derivations]
        ['silver/pce_state', 'silver/pce_state_vintages', 'gold', 'gold/pce_state_annual', 'gold/pce_state_metrics', \
'gold/pce_state_vintages', 'gold/pce_state_revisions']
    """

    datasets: Mapping[str, Dataset]
    """The datasets by name."""
    silver: Mapping[str, Derivation]
    """The table of each in Silver."""
    logs: Mapping[str, Derivation]
    """The log of every value in Silver, of each that is of years."""
    facts: Derivation
    """The conformed facts of all that are of years."""
    gold: Mapping[str, tuple[Derivation, ...]]
    """The tables that each has in Gold of its current figures."""
    figures: Mapping[str, Derivation]
    """The log of every value of the figures in Gold, of each that is of years."""
    revisions: Mapping[str, Derivation]
    """What was revised in Gold, of each that is of years."""
    pieces: Mapping[str, Piece]
    """The tables in one piece that are made of other tables, by name, each after those that it is made of."""

    @cached_property
    def derivations(self) -> tuple[Derivation, ...]:
        """The yearly tables, each after those that it is made from."""
        of_gold = (each for tables in self.gold.values() for each in tables)
        return (
            *self.silver.values(),
            *self.logs.values(),
            self.facts,
            *of_gold,
            *self.figures.values(),
            *self.revisions.values(),
        )

    @cached_property
    def tables(self) -> tuple[Table, ...]:
        """All tables: the yearly ones, then the dimensions."""
        return *(each.table for each in self.derivations), *self.in_one_piece

    @cached_property
    def in_one_piece(self) -> tuple[Table, ...]:
        """The tables without partitions, in the order they are loaded: the dimensions, then what is made of tables."""
        return *DIMENSIONS, *(each.table for each in self.pieces.values())

    @cached_property
    def loaded(self) -> tuple[Table, ...]:
        """The yearly tables that Postgres holds, in the order they are loaded."""
        return tuple(table for table in self.tables if table.in_postgres and table.is_yearly)

    @cached_property
    def in_postgres(self) -> tuple[Table, ...]:
        """Every table that Postgres holds, in the order they are loaded."""
        of_tables = [each.table for each in self.pieces.values() if each.made_of]
        first = [table for table in self.in_one_piece if table not in of_tables]
        return tuple(table for table in (*first, *self.loaded, *of_tables) if table.in_postgres)

    @cached_property
    def of_lake_only(self) -> tuple[Table, ...]:
        """The tables of Gold that analysts would look for in Postgres, and that it has no table for."""
        return tuple(each.table for own in self.gold.values() for each in own if not each.table.in_postgres)

    def has_table_in_postgres(self, dataset: str) -> bool:
        """Whether Postgres has any table for the figures of a dataset."""
        return any(each.table.in_postgres for each in self.gold[dataset])

    @cached_property
    def bea_tables(self) -> Mapping[str, str]:
        """The dataset of each of BEA's tables."""
        return {table: dataset.name for dataset in self.datasets.values() for table in dataset.tables}

    def datasets_of(self, derivation: Derivation) -> tuple[str, ...]:
        """The datasets that a table is made of."""
        found: dict[str, None] = {}
        for each in derivation.inputs:
            if isinstance(each, FromBronze):
                found[each.dataset] = None
            elif each.part is not None:
                found[each.part] = None
            else:
                found |= dict.fromkeys(self.datasets_of(self.derivation_of(each.table)))
        return tuple(found)

    def derivations_of(self, datasets: Collection[str] | None = None) -> tuple[Derivation, ...]:
        """The yearly tables that are made of any of these datasets, or all."""
        return tuple(
            each
            for each in self.derivations
            if datasets is None or not set(datasets).isdisjoint(self.datasets_of(each))
        )

    def derivation_of(self, table: Table) -> Derivation:
        """How a yearly table derives."""
        return next(each for each in self.derivations if each.table.name == table.name)

    def dataset_of(self, table: Table) -> Dataset:
        """The one dataset that a table of Silver or Gold is of."""
        (name,) = self.datasets_of(self.derivation_of(table))
        return self.datasets[name]

    def reach_of(self, datasets: Collection[str] | None = None) -> int:
        """How many years after a changed one may be stale as well, in tables of these datasets or of all."""
        return max(each.reach for each in self.derivations_of(datasets))


def registry_of(datasets: Mapping[str, Dataset]) -> Registry:
    """The tables of these datasets."""
    silver = {
        name: Derivation(silver_table(dataset), (FromBronze(name),), code_version="1")
        for name, dataset in datasets.items()
    }
    gold = {name: _gold(dataset) for name, dataset in datasets.items()}
    in_postgres = {name: any(each.table.in_postgres for each in tables) for name, tables in gold.items()}
    of_years = {name: dataset for name, dataset in datasets.items() if not dataset.is_monthly}
    figures = {name: _figures(dataset, in_postgres=in_postgres[name]) for name, dataset in of_years.items()}
    return Registry(
        datasets=datasets,
        silver=silver,
        logs={
            name: Derivation(
                silver_vintages(dataset),
                (FromBronze(name, of="vintages"),),
                code_version="1",
                covers_all_vintages=True,
            )
            for name, dataset in of_years.items()
        },
        facts=Derivation(GOLD_FACTS, tuple(FromTable(silver[name].table) for name in of_years), code_version="1"),
        gold=gold,
        figures=figures,
        revisions={
            name: _revisions(dataset, figures[name].table, in_postgres=in_postgres[name])
            for name, dataset in of_years.items()
        },
        pieces={each.table.name: each for each in (*PIECES_OF_LOGS, *_pieces(datasets))},
    )


@cache
def load_registry(profile: str, folder: Path | None) -> Registry:
    """The tables of the datasets of a profile, and of the user's own folder."""
    return registry_of(load_datasets(profile, folder))


def _figures(dataset: Dataset, *, in_postgres: bool) -> Derivation:
    return Derivation(
        gold_vintages(dataset, in_postgres=in_postgres),
        (FromTable(silver_vintages(dataset), by_year=True),),
        code_version="1",
        covers_all_vintages=True,
        follows=(GOLD_FACTS,),
    )


def _revisions(dataset: Dataset, log: Table, *, in_postgres: bool) -> Derivation:
    return Derivation(
        revisions_table(dataset, in_postgres=in_postgres),
        (FromTable(log, by_year=True), FromBronze(dataset.name, of="beginnings")),
        code_version="1",
        covers_all_vintages=True,
        follows=(GOLD_FACTS,),
    )


def _gold(dataset: Dataset) -> tuple[Derivation, ...]:
    own = _module_of(dataset.name)
    if own is None:
        return (wide.annual(dataset),)
    found: tuple[Derivation, ...] = own.gold(dataset)
    return found


def _pieces(datasets: Mapping[str, Dataset]) -> Iterator[Piece]:
    """The tables in one piece that the modules of datasets declare (`pieces(datasets)`)."""
    for name in datasets:
        own = _module_of(name)
        if own is not None and hasattr(own, "pieces"):
            yield from own.pieces(datasets)


def _module_of(dataset: str) -> ModuleType | None:
    """The module of this room that declares the tables of a dataset; None where there is none."""
    own = f"{__package__}.{dataset}"
    return None if find_spec(own) is None else import_module(own)
