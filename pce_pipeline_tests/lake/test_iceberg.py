"""Iceberg tables hold what pointers name, whoever is killed or faster, and keep what tags name."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyiceberg.table import StaticTable
from pyiceberg.table import Table as IcebergTable

from pce_pipeline.lake.backends import DirectoryBackend
from pce_pipeline.lake.errors import DamagedObject, MissingObject
from pce_pipeline.lake.iceberg.catalogue import LakeCatalogue
from pce_pipeline.lake.iceberg.commits import FilesDoNotFit
from pce_pipeline.lake.iceberg.expiry import expire, held_versions, sweep
from pce_pipeline.lake.iceberg.places import IcebergPlace
from pce_pipeline.lake.iceberg.projection import Projected, project
from pce_pipeline.lake.iceberg.schemas import NoIcebergType, schema_of
from pce_pipeline.lake.layout import Layout
from pce_pipeline.lake.publication import NewPartition
from pce_pipeline.lake.resource import Lake
from pce_pipeline.lake.store import Store
from pce_pipeline.open_tables.pruning import prune_table
from pce_pipeline.tables.registry import load_registry
from pce_pipeline.tables.table import MONEY, Column, Table
from pce_pipeline_tests.lake.observed_backend import Killed, ObservedBackend
from pce_pipeline_tests.servers import S3

MINE = Table(
    "gold/mine",
    "One row per area and year.",
    ("geo_fips", "year"),
    (
        Column("geo_fips", pl.String, "the area"),
        Column("year", pl.Int32, "the year"),
        Column("value", MONEY, "a number", nullable=True),
    ),
)
LONG = timedelta(days=30)


class LakeOf(Lake):
    """A lake on a store that a test gives."""

    def __init__(self, store: Store) -> None:
        root = store.backend.describe()
        super().__init__(root, Layout("local", "sample"))
        self.__dict__["store"] = store


def lake_in(folder: Path, **observed: Any) -> tuple[LakeOf, ObservedBackend]:
    backend = ObservedBackend(DirectoryBackend(folder), **observed)
    return LakeOf(Store(backend)), backend


def publish(lake: Lake, years: Mapping[int, str | None], table: Table = MINE) -> None:
    """Publish years with two rows each, `{2024: "1.125"}`; None is a year without rows."""
    lake.table(table).publish([_of_year(table, *each) for each in years.items()], run_id="a run")


def _of_year(table: Table, year: int, value: str | None) -> NewPartition:
    rows = [] if value is None else [("01000", year, Decimal(value)), ("02000", year, None)]
    frame = pl.DataFrame(rows, schema=MINE.polars_schema, orient="row")
    more = [pl.lit(None, column.dtype).alias(column.name) for column in table.columns[3:]]
    return NewPartition(str(year), {f"year={year}/part-000.parquet": frame.with_columns(more)}, {}, "1")


def projected(lake: Lake, *tags: str, table: Table = MINE, rebuild: bool = False) -> Projected:
    return project(lake, table, tags, run_id="a run", rebuild=rebuild)


def loaded(lake: Lake, table: Table = MINE) -> IcebergTable:
    place = IcebergPlace.of(lake, table)
    return LakeCatalogue(place, place.newest()).load_table(table.name)


def rows_of(lake: Lake, snapshot: int | None = None, table: Table = MINE) -> list[tuple[Any, ...]]:
    """What pyiceberg's own manifests lead to, read as a foreign engine would."""
    iceberg = loaded(lake, table)
    found = iceberg.metadata.snapshot_by_id(snapshot) if snapshot is not None else iceberg.current_snapshot()
    if found is None:
        return []
    files = [
        entry.data_file.file_path
        for manifest in found.manifests(iceberg.io)
        for entry in manifest.fetch_manifest_entry(iceberg.io, discard_deleted=True)
    ]
    frames = [pl.read_parquet(iceberg.io.new_input(file).open().read()) for file in files]
    return sorted(row for frame in frames for row in frame.rows())


def snapshot_of(lake: Lake, tag: str) -> int:
    return loaded(lake).metadata.refs[tag].snapshot_id


def is_in_line(lake: Lake) -> bool:
    """Whether the Iceberg table has the pointer's rows, and the hint leads to it."""
    place = IcebergPlace.of(lake, MINE)
    published = sorted(lake.table(MINE).read().rows()) if lake.table(MINE).latest() else []
    return rows_of(lake) == published and place.hinted() == place.newest()


def test_an_iceberg_table_holds_what_the_pointer_names_and_tags_what_it_held(store: Store) -> None:
    lake = LakeOf(store)
    assert projected(lake, "extract-1").outcome == "empty"
    publish(lake, {2023: "1.125", 2024: "2", 2025: None})
    first = projected(lake, "extract-1", "release-1")
    assert (first.outcome, first.files, first.tags) == ("written", 2, ("extract-1", "release-1"))
    assert is_in_line(lake)
    publish(lake, {2024: "3", 2026: "4"})
    second = projected(lake, "extract-2")
    assert (second.outcome, second.files, second.tags) == ("written", 3, ("extract-2",))
    assert is_in_line(lake)
    assert [row[2] for row in rows_of(lake, snapshot_of(lake, "extract-1"))] == [
        Decimal("1.125"),
        Decimal(2),
        None,
        None,
    ]
    lake.table(MINE).withdraw(["2023", "2024", "2026"])
    assert projected(lake, "extract-3").files == 0
    assert rows_of(lake) == []


def test_where_nothing_changed_nothing_is_written_and_a_new_tag_alone_makes_no_snapshot(tmp_path: Path) -> None:
    lake, backend = lake_in(tmp_path)
    publish(lake, {2024: "1"})
    first = projected(lake, "extract-1")
    backend.writes.clear()
    assert projected(lake, "extract-1") == replace(first, outcome="unchanged")
    assert backend.writes == []
    tagged = projected(lake, "extract-2")
    assert (tagged.outcome, tagged.snapshot_id) == ("tagged", first.snapshot_id)
    assert snapshot_of(lake, "extract-1") == snapshot_of(lake, "extract-2")
    assert [operation for operation, _ in backend.writes] == ["create", "put"]


def test_a_snapshot_says_which_run_of_which_version_made_it_and_what_was_newest(store: Store) -> None:
    lake = LakeOf(store)
    publish(lake, {2024: "1"})
    projected(lake, "release-1", "extract-1")
    snapshot = loaded(lake).current_snapshot()
    assert snapshot is not None
    assert snapshot.summary is not None
    said = snapshot.summary.additional_properties
    assert (said["pce.run"], said["pce.tags"]) == ("a run", "extract-1,release-1")
    assert said["pce.version"]


def test_readers_without_our_code_find_the_newest_by_the_hint_with_its_decimals(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path), Layout("local", "sample"))
    publish(lake, {2023: "1.125", 2024: "2"})
    old = projected(lake, "extract-1").snapshot_id
    publish(lake, {2024: "3"})
    location = projected(lake, "extract-2").location
    number = (tmp_path / "local/iceberg/sample/gold/mine/metadata/version-hint.text").read_text()
    iceberg = StaticTable.from_metadata(f"{location}/metadata/v{number}.metadata.json")
    assert sorted(iceberg.scan().to_arrow()["value"].to_pylist(), key=str) == [
        Decimal("1.125"),
        Decimal("3.000"),
        None,
        None,
    ]
    as_of = iceberg.scan("year = 2024", snapshot_id=iceberg.metadata.refs["extract-1"].snapshot_id).to_arrow()
    assert as_of["value"].to_pylist() == [Decimal("2.000"), None]
    assert iceberg.schema().find_field("year").required
    assert not iceberg.schema().find_field("value").required
    with pl.Config(), pytest.warns(match="polars_iceberg"):
        found = pl.scan_iceberg(iceberg, snapshot_id=old).select(pl.col("value").sum()).collect()
    assert found.item() == Decimal("3.125")


@pytest.mark.s3
def test_a_bucket_is_read_by_engines_that_have_the_address_alone(s3: S3, s3_store: Store) -> None:
    lake = LakeOf(s3_store)
    publish(lake, {2023: "1.125", 2024: "2"})
    location = projected(lake, "extract-1").location
    assert location.startswith(f"s3://{s3.bucket}/")
    signs_in = {
        "s3.endpoint": s3.endpoint_url,
        "s3.access-key-id": s3.access_key,
        "s3.secret-access-key": s3.secret_key,
        "s3.region": "us-east-1",
    }
    found = StaticTable.from_metadata(f"{location}/metadata/v1.metadata.json", signs_in).scan("year = 2023").to_arrow()
    assert found["value"].to_pylist() == [Decimal("1.125"), None]


def test_a_projection_killed_anywhere_is_put_right_by_the_next_with_one_snapshot(tmp_path: Path) -> None:
    whole, backend = lake_in(tmp_path / "whole")
    publish(whole, {2023: "1", 2024: "2"})
    projected(whole, "extract-1")
    publish(whole, {2024: "3"})
    backend.writes.clear()
    projected(whole, "extract-2")
    assert len(backend.writes) >= 4
    for survived in range(len(backend.writes)):
        lake, watched = lake_in(tmp_path / str(survived))
        publish(lake, {2023: "1", 2024: "2"})
        projected(lake, "extract-1")
        publish(lake, {2024: "3"})
        dying, _ = lake_in(tmp_path / str(survived), dies_after=survived)
        with pytest.raises(Killed):
            projected(dying, "extract-2")
        projected(lake, "extract-2")
        assert is_in_line(lake)
        assert len(loaded(lake).metadata.snapshots) == 2
        assert rows_of(lake, snapshot_of(lake, "extract-2")) == rows_of(lake)
        watched.writes.clear()
        assert projected(lake, "extract-2").outcome == "unchanged"
        assert watched.writes == []


def test_a_run_that_comes_late_does_not_take_the_table_back(tmp_path: Path) -> None:
    """Before each write of the slow one, in turn, another publishes and projects: its rows stay."""
    rounds = 0
    while True:
        lake, _ = lake_in(tmp_path / str(rounds))
        publish(lake, {2024: "1"})
        seen: list[str] = []

        def overtake(operation: str, key: str, lake: Lake = lake, seen: list[str] = seen, at: int = rounds) -> None:
            seen.append(key)
            if len(seen) == at + 1:
                publish(lake, {2024: "2", 2025: "5"})
                projected(lake, "extract-2")

        slow, _ = lake_in(tmp_path / str(rounds), interject=overtake)
        projected(slow, "extract-1")
        if len(seen) <= rounds:
            break
        assert is_in_line(lake), rounds
        assert [row[2] for row in rows_of(lake)] == [Decimal(2), Decimal(5), None, None]
        rounds += 1
    assert rounds >= 4


def test_of_many_at_once_one_makes_the_snapshot(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path), Layout("local", "sample"))
    publish(lake, dict.fromkeys(range(2015, 2025), "1"))
    projected(lake, "extract-1")
    publish(lake, dict.fromkeys(range(2015, 2025, 2), "2"))
    with ThreadPoolExecutor(6) as threads:
        done = list(threads.map(lambda _: projected(lake, "extract-2").outcome, range(6)))
    assert sorted(done) == ["unchanged"] * 5 + ["written"]
    assert is_in_line(lake)
    assert len(loaded(lake).metadata.snapshots) == 2


def test_publishers_side_by_side_leave_a_table_with_all_that_they_published(tmp_path: Path) -> None:
    """Each publishes a year of its own and projects at once, and nobody comes after them."""
    lake = Lake(str(tmp_path), Layout("local", "sample"))

    def publish_and_project(year: int) -> str:
        own = Lake(str(tmp_path), Layout("local", "sample"))
        publish(own, {year: f"{year}"})
        return projected(own, f"extract-{year}").outcome

    years = range(2019, 2025)
    with ThreadPoolExecutor(len(years)) as threads:
        outcomes = list(threads.map(publish_and_project, years))
    assert set(outcomes) <= {"written", "tagged"}
    assert is_in_line(lake)
    assert {row[1] for row in rows_of(lake)} == set(years)
    assert loaded(lake).metadata.refs.keys() == {"main", *(f"extract-{year}" for year in years)}


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("publish"), st.integers(2020, 2023), st.integers(1, 3)),
            st.tuples(st.just("withdraw"), st.integers(2020, 2023), st.just(0)),
            st.tuples(st.just("project"), st.integers(1, 3), st.integers(0, 9)),
            st.tuples(st.just("prune"), st.just(0), st.just(0)),
        ),
        max_size=14,
    )
)
def test_whatever_happens_in_whatever_order_tags_answer_what_was_published_then(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, int]]
) -> None:
    folder = tmp_path_factory.mktemp("lake")
    lake, _ = lake_in(folder)
    then: dict[str, list[Any]] = {}
    for what, first, second in steps:
        if what == "publish":
            publish(lake, {first: str(second)})
        elif what == "withdraw":
            lake.table(MINE).withdraw([str(first)])
        elif what == "project":
            dying, _ = lake_in(folder, dies_after=second)
            try:
                projected(dying, f"extract-{first}")
            except Killed:
                projected(lake, f"extract-{first}")
            held = lake.table(MINE).latest()
            then[f"extract-{first}"] = sorted(lake.table(MINE).read().rows()) if held else []
        else:
            prune_table(lake, MINE, timedelta(), datetime.now(UTC) + timedelta(days=400))
    if IcebergPlace.of(lake, MINE).newest():
        projected(lake)
        assert is_in_line(lake)
        assert {tag: rows_of(lake, snapshot_of(lake, tag)) for tag in then if tag in loaded(lake).metadata.refs} == {
            tag: rows for tag, rows in then.items() if tag in loaded(lake).metadata.refs
        }
        assert loaded(lake).metadata.refs.keys() - {"main"} <= then.keys()


@pytest.mark.parametrize("hint", [None, b"1", b"99", b"nonsense", b"\xff"])
def test_a_hint_that_lags_or_lies_is_put_right(store: Store, hint: bytes | None) -> None:
    lake = LakeOf(store)
    publish(lake, {2024: "1"})
    projected(lake, "extract-1")
    publish(lake, {2024: "2"})
    second = projected(lake, "extract-2")
    place = IcebergPlace.of(lake, MINE)
    if hint is None:
        store.delete_many([place.hint])
    else:
        store.put(place.hint, hint)
    assert projected(lake, "extract-2") == replace(second, outcome="unchanged")
    assert place.hinted() == second.number == 2


def test_a_lake_that_was_moved_begins_a_new_history(tmp_path: Path) -> None:
    lake, _ = lake_in(tmp_path / "here")
    publish(lake, {2024: "1"})
    projected(lake, "extract-1")
    (tmp_path / "here").rename(tmp_path / "there")
    moved, _ = lake_in(tmp_path / "there")
    assert held_versions(moved, MINE) == set()
    assert prune_table(moved, MINE, LONG, datetime.now(UTC)) == 0
    again = projected(moved, "extract-2")
    assert (again.outcome, again.number, again.tags) == ("rebuilt", 2, ("extract-2",))
    assert loaded(moved).metadata.refs.keys() == {"main", "extract-2"}
    assert is_in_line(moved)


def test_a_rebuild_begins_a_new_history_whatever_lies_there(store: Store) -> None:
    lake = LakeOf(store)
    publish(lake, {2024: "1"})
    projected(lake, "extract-1")
    place = IcebergPlace.of(lake, MINE)
    store.put(place.metadata_key(1), b"{")
    with pytest.raises(DamagedObject, match="rebuild"):
        projected(lake, "extract-1")
    again = projected(lake, "extract-2", rebuild=True)
    assert (again.outcome, again.number) == ("rebuilt", 2)
    assert is_in_line(lake)
    assert projected(lake, "extract-2").outcome == "unchanged"


def test_a_version_that_is_gone_is_told_and_nothing_is_committed(store: Store) -> None:
    lake = LakeOf(store)
    publish(lake, {2024: "1"})
    (gone,) = lake.table(MINE).latest()["2024"].objects
    store.delete_many([f"{lake.prefix(MINE)}/{gone.version_key}"])
    with pytest.raises(MissingObject, match=gone.sha256):
        projected(lake, "extract-1")
    assert IcebergPlace.of(lake, MINE).newest() == 0


def test_a_column_that_comes_later_is_optional_and_files_of_before_have_nothing_of_it(store: Store) -> None:
    lake = LakeOf(store)
    publish(lake, {2023: "1", 2024: "2"})
    projected(lake, "extract-1")
    wider = replace(MINE, columns=(*MINE.columns, Column("sign", pl.Int32, "a sign", nullable=True)))
    publish(lake, {2024: "3"}, wider)
    assert projected(lake, "extract-2", table=wider).outcome == "written"
    schema = loaded(lake, wider).schema()
    assert [(field.field_id, field.name, field.required) for field in schema.fields] == [
        (wider.field_ids["geo_fips"], "geo_fips", True),
        (wider.field_ids["year"], "year", True),
        (wider.field_ids["value"], "value", False),
        (wider.field_ids["sign"], "sign", False),
    ]
    later = replace(MINE, columns=(*MINE.columns, Column("sign", pl.Int32, "a sign")))
    assert not schema_of(later, {wider.field_ids["year"]}).find_field("sign").required
    assert projected(lake, "extract-2", table=wider).outcome == "unchanged"


def test_files_that_do_not_have_the_columns_of_the_table_are_told(store: Store) -> None:
    lake = LakeOf(store)
    publish(lake, {2024: "1"})
    stricter = replace(MINE, columns=tuple(replace(column, nullable=False) for column in MINE.columns))
    with pytest.raises(FilesDoNotFit, match="gold/mine"):
        projected(lake, "extract-1", table=stricter)
    assert IcebergPlace.of(lake, MINE).newest() == 0


@pytest.mark.parametrize("of", load_registry("full", None).tables, ids=lambda of: of.name)
def test_each_table_of_ours_has_a_schema(of: Table) -> None:
    fields = schema_of(of).fields
    assert [(field.name, field.field_id, field.required) for field in fields] == [
        (column.name, of.field_ids[column.name], not column.nullable) for column in of.columns
    ]


def test_a_type_without_one_in_iceberg_is_named() -> None:
    odd = replace(MINE, columns=(*MINE.columns, Column("odd", pl.List(pl.Int8), "odd")))
    with pytest.raises(NoIcebergType, match="gold/mine: odd is List"):
        schema_of(odd)


def _prune(lake: Lake, *, in_days: int, older_than: timedelta = LONG) -> int:
    return prune_table(lake, MINE, older_than, datetime.now(UTC) + timedelta(days=in_days))


def _versions(lake: Lake) -> int:
    return len(lake.store.list(f"{lake.prefix(MINE)}/_versions"))


def test_pruning_keeps_what_is_current_and_what_a_tag_names_and_drops_the_rest(store: Store) -> None:
    lake = LakeOf(store)
    for value, tag in (("1", "extract-1"), ("2", "extract-1"), ("3", "extract-2")):
        publish(lake, {2024: value})
        projected(lake, tag)
    assert len(loaded(lake).metadata.snapshots) == _versions(lake) == 3
    assert _prune(lake, in_days=29) == 0
    assert len(loaded(lake).metadata.snapshots) == 3
    assert _prune(lake, in_days=31) == 1
    assert len(loaded(lake).metadata.snapshots) == 2
    assert rows_of(lake, snapshot_of(lake, "extract-1")) == [("01000", 2024, Decimal(2)), ("02000", 2024, None)]
    assert is_in_line(lake)
    assert _prune(lake, in_days=400) == 0
    projected(lake, "extract-2", rebuild=True)
    assert _prune(lake, in_days=400) == 1
    assert is_in_line(lake)


def test_the_age_of_a_snapshot_counts_from_when_it_was_replaced(store: Store) -> None:
    """What was current until a moment ago is what readers still read, however long ago it was made."""
    lake = LakeOf(store)
    publish(lake, {2024: "1"})
    projected(lake)
    first = loaded(lake).metadata.snapshots[0]
    publish(lake, {2024: "2"})
    projected(lake)
    later = datetime.fromtimestamp(first.timestamp_ms / 1000, UTC) + LONG
    assert expire(lake, MINE, LONG, later) == 0
    assert expire(lake, MINE, LONG, later + timedelta(days=1)) == 1


def test_sweeping_leaves_what_leads_to_a_file_and_what_may_be_on_its_way(store: Store) -> None:
    lake = LakeOf(store)
    for value in "12":
        publish(lake, {2024: value})
        projected(lake, f"extract-{value}")
    stray = f"{IcebergPlace.of(lake, MINE).folder}/of-a-killed-commit.avro"
    store.put(stray, b"")
    assert sweep(lake, MINE, timedelta(), datetime.now(UTC)) == []
    assert sweep(lake, MINE, timedelta(), datetime.now(UTC) + timedelta(days=2)) == [stray]
    assert is_in_line(lake)
    assert rows_of(lake, snapshot_of(lake, "extract-1")) != rows_of(lake)


def test_of_a_table_whose_metadata_cannot_be_read_nothing_is_pruned(store: Store) -> None:
    lake = LakeOf(store)
    for value in "12":
        publish(lake, {2024: value})
        projected(lake)
    place = IcebergPlace.of(lake, MINE)
    store.put(place.metadata_key(place.newest()), b"{}")
    assert _prune(lake, in_days=400) == 0
    assert _versions(lake) == 2


def test_a_lake_without_iceberg_tables_is_pruned_as_ever(store: Store) -> None:
    lake = LakeOf(store)
    for value in "12":
        publish(lake, {2024: value})
    assert _prune(lake, in_days=31) == 1
    assert _versions(lake) == 1
