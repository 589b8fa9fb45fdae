"""Glue is told where the newest metadata is, and never of an earlier one; pyiceberg's own catalogue then reads it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pyiceberg.catalog.glue import GlueCatalog

from pce_pipeline.lake.iceberg.glue import Glue, GlueDatabaseMissing, glue_name
from pce_pipeline.lake.iceberg.projection import Projected, project
from pce_pipeline.lake.layout import Layout
from pce_pipeline.lake.publication import NewPartition
from pce_pipeline.lake.resource import Lake
from pce_pipeline.settings import Settings
from pce_pipeline.tables.table import Column, Table
from pce_pipeline_tests.alerts.aws import aws_on_loopback, client, environment

AREAS = Table("gold/dim_area", "One row per area.", ("name",), (Column("name", pl.String, "its name"),), partition=None)


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with aws_on_loopback() as address:
        yield address


@pytest.fixture
def glue(moto: str) -> Iterator[Any]:
    """A client of a Glue with an empty database, which this process takes for the real one."""
    there = client("glue", moto)
    there.create_database(DatabaseInput={"Name": "pce_test"})
    with environment(moto):
        yield there
    there.delete_database(Name="pce_test")


def published(folder: Path, name: str, tag: str) -> Projected:
    lake = Lake(str(folder), Layout("local", "sample"))
    rows = pl.DataFrame({"name": [name]})
    lake.table(AREAS).publish([NewPartition("all", {"part-000.parquet": rows}, {}, "1")], run_id="r")
    return project(lake, AREAS, [tag], run_id="r")


def said(glue: Any) -> str:
    held = glue.get_table(DatabaseName="pce_test", Name="gold_dim_area")["Table"]
    assert held["Parameters"]["table_type"] == "ICEBERG"
    return str(held["Parameters"]["metadata_location"]).rpartition("/")[2]


def test_glue_is_told_once_of_each_metadata_and_never_of_an_earlier_one(glue: Any, tmp_path: Path) -> None:
    told = Glue("pce_test")
    assert glue_name(AREAS) == "gold_dim_area"
    first = published(tmp_path, "Alabama", "extract-1")
    assert (told.tell("gold_dim_area", first), said(glue)) == (True, "v1.metadata.json")
    assert not told.tell("gold_dim_area", first)
    second = published(tmp_path, "Alaska", "extract-2")
    assert (told.tell("gold_dim_area", second), said(glue)) == (True, "v2.metadata.json")
    assert (told.tell("gold_dim_area", first), said(glue)) == (False, "v2.metadata.json")
    elsewhere = replace(first, location="s3://elsewhere/gold/dim_area")
    assert (told.tell("gold_dim_area", elsewhere), said(glue)) == (True, "v1.metadata.json")


def test_the_catalogue_of_others_reads_every_tag_by_the_name_in_glue(glue: Any, tmp_path: Path, moto: str) -> None:
    told = Glue("pce_test")
    for name, tag in (("Alabama", "extract-1"), ("Alaska", "extract-2")):
        told.tell("gold_dim_area", published(tmp_path, name, tag))
    catalogue = GlueCatalog("glue", **{"glue.endpoint": moto, "glue.region": "us-east-1"})
    table = catalogue.load_table("pce_test.gold_dim_area")
    assert table.scan().to_arrow()["name"].to_pylist() == ["Alaska"]
    then = table.scan(snapshot_id=table.metadata.refs["extract-1"].snapshot_id)
    assert then.to_arrow()["name"].to_pylist() == ["Alabama"]


@pytest.mark.usefixtures("glue")
def test_without_a_database_nobody_is_told_and_one_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    assert Glue.of(Settings()) is None
    absent = Glue.of(Settings(glue_database="pce_absent"))
    assert absent is not None
    with pytest.raises(GlueDatabaseMissing, match="pce_absent"):
        absent.tell("gold_dim_area", published(tmp_path, "Alabama", "extract-1"))
