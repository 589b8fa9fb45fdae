"""A dataset that only a folder of files declares goes its whole way, beside one of which nothing is held."""

import csv
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from pce_pipeline.catalog.errors import CatalogMistake
from pce_pipeline.catalog.reading import load_datasets
from pce_pipeline.tables.registry import load_registry
from pce_pipeline_tests.postgres_server import PostgresServer
from pce_pipeline_tests.tables.a_dataset import LINES as PINNED
from pce_pipeline_tests.tables.a_dataset import declare
from pce_pipeline_tests.worlds import World

YEARS = range(1995, 2025)
AREAS = {"00000": "United States", "01000": "Alabama", "02000": "Alaska"}
LINES = {
    51: ("Disposable personal income (millions of dollars)", "Millions of dollars"),
    52: ("Population (persons)", "Number of persons"),
}


def value(line: int, area: str, year: int) -> str:
    return str(int(area[:2] or 0) * 1000 + year) + (".5" if line == 51 else "")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files that declare the dataset, as a person would write them."""
    return declare(tmp_path_factory.mktemp("catalog"))


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory, server: PostgresServer, folder: Path) -> Iterator[World]:
    """A world that holds this dataset alone, from a file of BEA's form, and was refreshed."""
    file = tmp_path_factory.mktemp("files") / "SAINC51__ALL_AREAS_1995_2024.csv"
    with file.open("w", newline="") as opened:
        writer = csv.writer(opened)
        head = [
            "GeoFIPS",
            "GeoName",
            "Region",
            "TableName",
            "LineCode",
            "IndustryClassification",
            "Description",
            "Unit",
        ]
        writer.writerow([*head, *YEARS])
        for area, name in AREAS.items():
            for line, (text, unit) in LINES.items():
                figures = [value(line, area, year) for year in YEARS]
                writer.writerow([f' "{area}"', name, "", "SAINC51", line, "...", text, unit, *figures])
        writer.writerow(["Last updated: March 28, 2025-- new statistics for 2024."])
    with server.database(migrated=False) as url:
        world = World(tmp_path_factory.mktemp("world"), url, chosen_source="bulk", catalog=folder)
        world.extract("2025-03-28", files=[file], dataset="disposable_state")
        world.refresh(1997, 2024)
        yield world


def table(world: World, name: str) -> pl.DataFrame:
    return world.lake.table(next(each for each in world.registry.tables if each.name == name)).read()


def test_its_tables_follow_from_its_declaration(folder: Path) -> None:
    registry = load_registry("full", folder)
    names = [each.table.name for each in registry.derivations]
    assert {"silver/disposable_state", "gold/disposable_state_annual"} <= set(names)
    assert names.index("silver/disposable_state") < names.index("gold") < names.index("gold/disposable_state_annual")
    assert [each.name for each in registry.of_lake_only] == ["gold/disposable_state_annual"]
    annual = registry.gold["disposable_state"][0].table
    assert annual.column_names[-4:] == [
        "disposable_income_millions_usd",
        "disposable_income_status",
        "residents_persons",
        "residents_status",
    ]


@pytest.mark.postgres
def test_every_cell_arrives_in_gold_under_its_own_measure_and_unit(held: World) -> None:
    annual = table(held, "gold/disposable_state_annual")
    assert annual.height == len(AREAS) * len(range(1997, 2025))
    alabama = annual.row(by_predicate=(pl.col("state") == "AL") & (pl.col("year") == 2020), named=True)
    assert alabama["disposable_income_millions_usd"] == Decimal(value(51, "01000", 2020))
    assert alabama["residents_persons"] == Decimal(value(52, "01000", 2020))
    assert alabama["residents_status"] == "reported"
    facts = table(held, "gold")
    assert set(facts.select("dataset", "measure", "unit").unique().rows()) == {
        ("disposable_state", "disposable_income", "millions_usd"),
        ("disposable_state", "residents", "persons"),
    }


@pytest.mark.postgres
def test_years_before_the_first_one_stay_in_bronze_and_are_counted(held: World) -> None:
    assert table(held, "silver/disposable_state")["year"].min() == 1997
    (extract,) = held.bronze_of("disposable_state").manifests().values()
    assert min(extract.tables["SAINC51"].years) == 1995
    (record,) = [each for each in held.records() if each.job == "refresh"]
    silver = record.step("silver/disposable_state")
    assert silver is not None
    assert silver.inputs["left_out_before"] == {"first_year": 1997, "cells": 2 * len(AREAS) * len(LINES)}


@pytest.mark.postgres
def test_a_dataset_of_which_nothing_is_held_stops_nothing_and_says_so(held: World) -> None:
    (record,) = [each for each in held.records() if each.job == "refresh"]
    assert record.status == "succeeded"
    assert held.lake.table(held.registry.silver["pce_state"].table).latest() == {}
    assert held.query("SELECT count(*) FROM gold.pce_state_annual") == [(0,)]


@pytest.mark.postgres
def test_the_dimensions_hold_its_categories_beside_the_packaged_ones(held: World) -> None:
    assert held.query("SELECT count(*) FROM gold.dim_category WHERE scheme = 'disposable'") == [(1,)]
    assert held.query("SELECT count(*) > 200 FROM gold.dim_category") == [(True,)]


def test_a_measure_in_a_unit_that_is_not_beas_is_refused_with_file_and_line(tmp_path: Path) -> None:
    declare(tmp_path, lines=PINNED.replace("residents,Population", "disposable_income,Population"))
    with pytest.raises(CatalogMistake, match=r"lines\.csv.*3"):
        load_datasets("full", tmp_path)
