"""The file format of tables: what is in a footer, and how files of before are written again, once."""

import io
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from pce_pipeline.lake.backends import DirectoryBackend
from pce_pipeline.lake.errors import DamagedObject
from pce_pipeline.lake.iceberg.projection import project
from pce_pipeline.lake.integrity import sha256_of
from pce_pipeline.lake.layout import Layout
from pce_pipeline.lake.parquet import from_parquet, to_parquet
from pce_pipeline.lake.pointer import FILE_FORMAT
from pce_pipeline.lake.publication import NewPartition, Publication, TableStore
from pce_pipeline.lake.resource import Lake, files_of_year
from pce_pipeline.lake.store import Store, open_store
from pce_pipeline.tables.field_ids import FIELD_IDS, field_id
from pce_pipeline.tables.registry import load_registry
from pce_pipeline.tables.table import Column, SchemaViolation, Table
from pce_pipeline_tests.lake.observed_backend import Killed, ObservedBackend

NOW = datetime(2026, 2, 23, 12, 30, tzinfo=UTC)
COLUMNS = (
    Column("state", pl.String, "the state"),
    Column("year", pl.Int32, "the year"),
    Column("value", pl.Decimal(18, 3), "a number", nullable=True),
)
PREFIX = "local/silver/bea/pce_state"
TABLES = load_registry("full", None).tables


def rows(year, states):
    return pl.DataFrame(
        {"state": list(states), "year": [year] * len(states), "value": [Decimal(value) for value in states.values()]},
        schema={"state": pl.String, "year": pl.Int32, "value": pl.Decimal(18, 3)},
    )


def of_year(year, inputs="extract 1", **states):
    files = {f"year={year}/state={state}/part-000.parquet": rows(year, {state: v}) for state, v in states.items()}
    return NewPartition(str(year), files, {"bronze": inputs}, "1", {"note": "a test"})


PUBLISHED = [of_year(2020, CA="1", NY="2"), of_year(2021, CA="3", NY="4", US="5"), of_year(2022, CA="6")]


def table(store):
    return TableStore(store, PREFIX, "silver/pce_state", {"state", "year"})


def publish(store, *new):
    return table(store).publish(new, run_id="run", now=NOW)


def publish_as_before(store):
    """What the code of lake format 2 wrote: a version and its copy for each file, without numbers or NOT NULL."""
    partitions = {}
    for new in PUBLISHED:
        publish(store, new)
    for key, partition in table(store).latest().items():
        record = json.loads(store.get(f"{PREFIX}/year={key}/_manifest.json"))["partition"]
        for name in ("cuts", "file_format"):
            record.pop(name, None)
        record["objects"] = []
        e_tags = {}
        for path in partition.paths:
            body = to_parquet(pl.read_parquet(io.BytesIO(store.get(f"{PREFIX}/{path}"))))
            version = f"_versions/year={key}/{sha256_of(body)}.parquet"
            store.put(f"{PREFIX}/{version}", body)
            e_tags[path] = store.put(f"{PREFIX}/{path}", body)
            record["objects"].append(
                {"path": path, "version_key": version, "sha256": sha256_of(body), "bytes": len(body), "rows": 1}
            )
        manifest = {"format": 2, "table": "silver/pce_state", "partition": record, "e_tags": e_tags}
        store.put(f"{PREFIX}/year={key}/_manifest.json", json.dumps(manifest).encode())
        store.delete_many([f"{PREFIX}/{partition.objects[0].version_key}"])
        partitions[key] = record
    pointer = {"format": 2, "table": "silver/pce_state", "partitions": partitions}
    store.put(f"{PREFIX}/_latest.json", json.dumps(pointer).encode())


def bytes_of(store):
    return {info.key: store.get(info.key) for info in store.list(PREFIX) if not info.key.endswith("_manifest.json")}


def known(store):
    """All that is said of the partitions but which files they are."""
    return {
        key: (each.content_sha256, each.inputs, each.code_version, each.run_id, each.published_at, each.files)
        for key, each in table(store).latest().items()
    }


@pytest.mark.parametrize("of", TABLES, ids=lambda of: of.name)
def test_a_file_of_each_table_numbers_its_columns_and_says_which_are_never_null(of):
    schema = pq.ParquetFile(io.BytesIO(to_parquet(pl.DataFrame(schema=of.polars_schema), of.required))).schema
    found = {(column.name, _number(schema, place), column.max_definition_level) for place, column in _columns(schema)}
    assert found == {(column.name, field_id(column.name), int(column.nullable)) for column in of.columns}
    assert of.field_ids == {name: number for name, number, _ in found}


def _columns(schema):
    return ((place, schema.column(place)) for place in range(len(schema)))


def _number(schema, place):
    return int(schema.to_arrow_schema().field(place).metadata[b"PARQUET:field_id"])


def test_numbers_are_only_appended():
    assert list(FIELD_IDS.values()) == list(range(1, len(FIELD_IDS) + 1))
    first = "".join(f"{name} {number}\n" for name, number in [*FIELD_IDS.items()][:158])
    assert sha256_of(first.encode()) == "a6f17e47325a6616d7c67956718ac96fcd826a666d3901a31f5e2aa5363d87a8"


def test_each_column_that_the_package_declares_has_its_own_number_and_others_one_of_their_names():
    assert {column.name for of in TABLES for column in of.columns} <= FIELD_IDS.keys()
    assert field_id("rents_millions_usd") == field_id("rents_millions_usd") > 1_000_000
    assert field_id("rents_millions_usd") != field_id("rents_millions_eur")


def test_two_columns_with_one_number_are_refused():
    columns = tuple(Column(name, pl.Int32, "a number") for name in ("m22107_usd", "m50670_usd"))
    with pytest.raises(SchemaViolation, match="m22107_usd, m50670_usd"):
        _ = Table("gold/mine", "One row.", ("m22107_usd",), columns).field_ids


def test_a_null_in_a_column_that_is_never_null_is_not_written():
    with pytest.raises(pl.exceptions.SchemaError):
        to_parquet(pl.DataFrame({"year": [2021, None]}), {"year"})


def test_a_table_cut_by_area_has_one_version_a_year_and_a_file_for_each_area(store):
    silver = next(of for of in TABLES if of.files_by is not None)
    areas = pl.DataFrame({silver.files_by: ["01000", "01000", "02000"], "value": [1, 2, 3]})
    files = files_of_year(silver, 2021, areas, {"01000": "AL", "02000": "AK"})
    publish(store, NewPartition("2021", files, {}, "1"))
    (version,) = table(store).latest()["2021"].objects
    assert pl.read_parquet(io.BytesIO(store.get(f"{PREFIX}/{version.version_key}"))).equals(areas)
    assert list(files) == [f"year=2021/state={state}/part-000.parquet" for state in ("AL", "AK")]
    for path, frame in files.items():
        assert pl.read_parquet(io.BytesIO(store.get(f"{PREFIX}/{path}"))).equals(frame)


def test_files_of_before_are_read_verified_and_healed(store):
    publish_as_before(store)
    assert table(store).read().rows() == [
        row for new in PUBLISHED for frame in new.files.values() for row in frame.rows()
    ]
    assert table(store).verify() == []
    rotten = table(store).latest()["2021"].objects[1].version_key
    store.put(f"{PREFIX}/{rotten}", b"rot")
    assert table(store).heal().withdrawn == []
    assert table(store).verify() == []


def test_files_of_before_are_written_again_once_and_nothing_that_is_said_of_them_changes(store):
    publish_as_before(store)
    before = known(store)
    assert table(store).bring_to_format() == ["2020", "2021", "2022"]
    assert known(store) == before
    assert {each.file_format for each in table(store).latest().values()} == {FILE_FORMAT}
    assert table(store).verify() == []
    objects = store.list(PREFIX)
    assert table(store).bring_to_format() == []
    assert store.list(PREFIX) == objects
    assert publish(store, *PUBLISHED).unchanged == ["2020", "2021", "2022"]


def test_a_lake_that_was_carried_along_is_the_one_that_would_be_made_anew(tmp_path: Path):
    carried, new = open_store(tmp_path / "carried"), open_store(tmp_path / "new")
    publish_as_before(carried)
    table(carried).bring_to_format()
    table(carried).prune(NOW - NOW, datetime(2100, 1, 1, tzinfo=UTC))
    publish(new, *PUBLISHED)
    ours = {key: body for key, body in bytes_of(carried).items() if not key.endswith("_latest.json")}
    assert ours == {key: body for key, body in bytes_of(new).items() if not key.endswith("_latest.json")}


def test_a_publication_brings_its_whole_table_to_the_format(store):
    publish_as_before(store)
    assert publish(store, of_year(2023, CA="7")).written == ["2023"]
    assert {each.file_format for each in table(store).latest().values()} == {FILE_FORMAT}
    assert table(store).verify() == []


def test_bringing_to_the_format_may_be_killed_anywhere_and_is_gone_on_with(tmp_path: Path):
    publish_as_before(open_store(tmp_path / "whole"))
    backend = ObservedBackend(DirectoryBackend(tmp_path / "whole"))
    table(Store(backend)).bring_to_format()
    expected = bytes_of(open_store(tmp_path / "whole"))
    for survived in range(len(backend.writes)):
        folder = tmp_path / str(survived)
        publish_as_before(open_store(folder))
        before = known(open_store(folder))
        with pytest.raises(Killed):
            table(Store(ObservedBackend(DirectoryBackend(folder), dies_after=survived))).bring_to_format()
        store = open_store(folder)
        assert known(store) == before
        assert table(store).read().height == 6
        table(store).bring_to_format()
        assert bytes_of(store) == expected
        assert table(store).verify() == []
    assert len(backend.writes) > 10


def test_what_another_run_publishes_meanwhile_is_not_undone(store):
    publish_as_before(store)
    done: list[Publication] = []

    def rival(operation, key):
        if key.endswith("_latest.json") and not done:
            done.append(publish(store, of_year(2021, CA="99")))

    table(Store(ObservedBackend(store.backend, interject=rival))).bring_to_format()
    assert table(store).read(["2021"]).rows() == [("CA", 2021, Decimal("99.000"))]
    assert {each.file_format for each in table(store).latest().values()} == {FILE_FORMAT}
    assert table(store).verify() == []


def test_a_damaged_file_of_before_is_left_for_heal(store):
    publish_as_before(store)
    rotten = table(store).latest()["2021"].objects[0].version_key
    store.put(f"{PREFIX}/{rotten}", b"rot")
    assert table(store).bring_to_format() == ["2020", "2022"]
    assert [damage.key for damage in table(store).verify()] == [f"{PREFIX}/{rotten}"]
    assert table(store).heal().withdrawn == []
    assert {each.file_format for each in table(store).latest().values()} == {FILE_FORMAT}
    assert table(store).verify() == []


def test_what_is_projected_is_brought_to_the_format_first_and_damage_is_told(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path), Layout("local", "bea"))
    of = Table("silver/pce_state", "One row.", ("state", "year"), COLUMNS)
    publish_as_before(lake.store)
    rotten = table(lake.store).latest()["2021"].objects[0].version_key
    lake.store.put(f"{PREFIX}/{rotten}", b"rot")
    with pytest.raises(DamagedObject, match="pce heal") as caught:
        project(lake, of, [], run_id="run")
    assert caught.value.key.startswith(f"{PREFIX}/_versions/year=2021/")
    table(lake.store).heal()
    assert project(lake, of, [], run_id="run").files == 3
    assert table(lake.store).verify() == []


def test_files_of_before_and_of_now_are_read_together():
    old, new = to_parquet(rows(2020, {"CA": "1"})), to_parquet(rows(2021, {"CA": "2"}), {"state", "year"})
    for bodies in ([old, new], [new, old]):
        assert from_parquet(bodies).sort("year")["value"].to_list() == [Decimal(1), Decimal(2)]
