"""When an extract comes to exist, under which date, compared with what; and that no kill leaves half of one."""

import gzip
from datetime import UTC, date, datetime, timedelta

import pytest

from pce_pipeline.bea.errors import BeaFileRefused
from pce_pipeline.bronze.extract import next_extract_id, publish
from pce_pipeline.bronze.rules import bronze_rules
from pce_pipeline.emulator.faults import Fault, FaultKind
from pce_pipeline.errors import UsageError
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.quality.rules import judge
from pce_pipeline_tests.bronze.look_alike import Lakeside, LookAlike, answers_of, archive_of, member_of, today
from pce_pipeline_tests.lake.observed_backend import Killed

LINES = {"SAPCE1-1", "SAPCE1-2", "SAPCE1-13"}


def years_changed(lake: Lakeside, before: ExtractId, after: ExtractId, table: str = "SAPCE1") -> set[int]:
    old, new = (lake.bronze.manifest(extract).tables[table].years for extract in (before, after))
    return {year for year in old.keys() | new.keys() if old.get(year) != new.get(year)}


def test_an_extract_holds_every_line_that_was_asked_for_and_says_where_each_answer_came_from(lake, bea):
    extract = lake.taken()
    manifest = lake.bronze.manifest(extract)
    assert (extract, manifest.origin, manifest.world) == (ExtractId(today()), "api", "sample-smoke")
    assert manifest.scope == {"SAPCE1": (1, 2, 13)}
    assert manifest.tables["SAPCE1"].rows == sum(entry.rows for entry in manifest.objects) == 3 * 60 * 28
    assert manifest.tables["SAPCE1"].last_updated == date(2025, 9, 26)
    assert {entry.key for entry in manifest.objects} == {
        "SAPCE1/lines.json.gz", "SAPCE1/1.json.gz", "SAPCE1/2.json.gz", "SAPCE1/13.json.gz",
    }  # fmt: skip
    (one,) = [entry for entry in manifest.objects if entry.line == 13]
    assert one.endpoint == "http://bea/api/data"
    assert one.parameters["TableName"] == "SAPCE1"
    assert "UserID" not in one.parameters
    assert set(bea.asked()) == LINES


@pytest.mark.parametrize("writes", [0, 1, 2, 5, 7])
def test_a_killed_extract_resumes_where_it_stopped(lake, bea, writes):
    dying, _ = lake.dying(after=writes)
    with pytest.raises(Killed):
        lake.prepare(bronze=dying)
    whole = [key for key in lake.staged() if key.endswith(".entry.json") and "lines" not in key]
    bea.asked()
    extract = lake.taken()
    assert sum(bea.asked().values()) == 3 - len(whole)
    assert lake.bronze.verify(extract) == []
    assert lake.staged() == []


def test_a_kill_at_any_write_of_publishing_leads_to_one_whole_extract(tmp_path, bea):
    calm = Lakeside(tmp_path / "calm", bea)
    prepared = calm.prepare()
    watched, backend = calm.dying(after=1000)
    publish(watched, prepared)
    for kill in range(len(backend.writes)):
        lake = Lakeside(tmp_path / str(kill), bea)
        prepared = lake.prepare()
        dying, _ = lake.dying(after=kill)
        with pytest.raises(Killed):
            publish(dying, prepared)
        lake.take()
        assert lake.bronze.extracts() == [ExtractId(today())], kill
        assert lake.bronze.verify(ExtractId(today())) == []
        assert lake.staged() == []


def test_publishing_the_same_again_after_a_kill_makes_no_second_extract(lake):
    prepared = lake.prepare()
    first = publish(lake.bronze, prepared)
    assert publish(lake.bronze, prepared) == first
    assert lake.bronze.extracts() == [first]


def test_remains_of_an_extract_that_was_never_finished_are_left_alone(lake, bea):
    dying, _ = lake.dying(after=2)
    with pytest.raises(Killed):
        publish(dying, lake.prepare())
    lake.bronze.discard_staging(ExtractId(today()))
    bea.emulator.set_release(3)
    remains = lake.listing()
    assert lake.take() == ExtractId(today(), 2)
    assert set(remains) < set(lake.listing())
    assert next_extract_id(lake.bronze, today()) == ExtractId(today(), 3)


def test_an_extract_never_adds_to_one_that_came_in_between(lake, bea):
    late = lake.prepare()
    bea.emulator.set_release(3)
    between = lake.taken()
    before = [key for key in lake.listing() if "/downloads/" not in key]
    assert between == ExtractId(today())
    assert publish(lake.bronze, late) == ExtractId(today(), 2)
    assert lake.bronze.verify(between) == []
    assert set(before) < set(lake.listing())


def test_unchanged_data_makes_no_extract_and_says_that_it_was_compared(lake):
    extract = lake.taken()
    before = lake.listing()
    started = datetime.now(UTC)
    assert lake.take() is None
    assert set(lake.listing()) - set(before) == {"local/bronze/sample-smoke/pce_state/_verified.json"}
    verified = lake.bronze.verified()
    assert verified.tables["SAPCE1"].extract == str(extract)
    assert verified.tables["SAPCE1"].last_updated == date(2025, 9, 26)
    assert started <= verified.tables["SAPCE1"].checked_at <= verified.checked_at


def test_a_second_different_extract_of_a_day_is_its_number_two(lake, bea):
    first = lake.taken()
    bea.emulator.set_release(3)
    second = lake.taken()
    assert [str(extract) for extract in lake.bronze.extracts()] == [f"{today()}", f"{today()}.2"]
    assert years_changed(lake, first, second) == {2021, 2022, 2023, 2024, 2025}
    bea.emulator.set_release(2)
    third = lake.taken()
    assert third == ExtractId(today(), 3)
    assert years_changed(lake, first, third) == set()
    # a release that goes back to fewer years takes nothing away by itself
    assert [lake.counts(each) for each in (first, second, third)] == [True, True, False]


def test_a_silent_revision_changes_exactly_the_hashes_of_its_years(lake, bea):
    first = lake.taken()
    bea.emulator.set_faults(Fault(FaultKind.SILENT_REVISION, lines=(13,)))
    second = lake.taken()
    assert years_changed(lake, first, second) == {2023, 2024}
    old, new = lake.bronze.manifest(first), lake.bronze.manifest(second)
    assert old.tables["SAPCE1"].last_updated == new.tables["SAPCE1"].last_updated


def test_a_subset_of_the_tables_is_an_extract_and_the_newest_of_each_table_counts(tmp_path):
    bea = LookAlike(2, profile="full")
    lake = Lakeside(tmp_path, bea)
    both = lake.taken(bea.bulk(), tables=["SAPCE1", "SAPCE2"])
    one = lake.taken(LookAlike(3, profile="full").bulk(), tables=["SAPCE2"])
    assert set(lake.bronze.manifest(one).tables) == {"SAPCE2"}
    sources = lake.current().sources
    assert {table: each.vintage.at for table, each in sources.items()} == {"SAPCE1": both, "SAPCE2": one}


@pytest.mark.parametrize("feed", ["api", "bulk"])
@pytest.mark.parametrize("days", [-1, 1])
def test_bea_itself_says_only_what_it_publishes_today(lake, bea, feed, days):
    with pytest.raises(UsageError, match="only what it publishes today"):
        lake.take(getattr(bea, feed)(), extract=ExtractId(today() + timedelta(days=days)))
    assert lake.listing() == []
    assert bea.log == []


@pytest.mark.parametrize(("day", "problem"), [("2025-09-25", "2025-09-26"), ("2999-01-01", "future")])
def test_a_file_is_no_extract_of_a_day_before_its_last_update_or_after_today(lake, bea, tmp_path, day, problem):
    (tmp_path / "SAPCE.zip").write_bytes(archive_of(2))
    with pytest.raises(UsageError, match=problem):
        lake.take(lake.files(tmp_path / "SAPCE.zip"), extract=day)
    assert lake.listing() == []


def test_an_archived_extract_sorts_by_its_day_and_is_compared_with_what_was_known_then(lake, bea, tmp_path):
    old, middle = tmp_path / "old.zip", tmp_path / "middle.zip"
    old.write_bytes(archive_of(1))
    middle.write_bytes(archive_of(2))
    newest = lake.taken(bea.api())
    assert lake.take(lake.files(middle), extract="2025-10-02") == ExtractId(date(2025, 10, 2))
    assert lake.take(lake.files(old), extract="2024-10-03") == ExtractId(date(2024, 10, 3))
    assert lake.take(lake.files(old), extract="2025-01-31") is None
    assert lake.take(lake.files(middle), extract="2025-11-30") is None
    assert [str(extract) for extract in lake.bronze.extracts()] == ["2024-10-03", "2025-10-02", str(newest)]
    (source,) = lake.current().sources.values()
    assert (source.vintage.at, source.newest.at) == (ExtractId(date(2025, 10, 2)), newest)


def test_a_file_that_holds_nothing_new_is_no_comparison_with_bea(lake, bea, tmp_path):
    (tmp_path / "SAPCE.zip").write_bytes(archive_of(2))
    lake.take()
    assert lake.take(lake.files(tmp_path / "SAPCE.zip")) is None
    assert lake.bronze.verified() is None
    assert lake.staged() == []


@pytest.mark.parametrize("profile", ["full", "smoke"])
def test_the_same_figures_have_the_same_hashes_whichever_way_they_came(tmp_path, profile):
    bea = LookAlike(2, profile=profile)
    lake = Lakeside(tmp_path / "lake", bea)
    archive = archive_of(2)
    files = {
        "archive.zip": archive,
        "SAPCE1.csv.gz": gzip.compress(member_of(archive, "SAPCE1__ALL_AREAS")),
        "answers.json": answers_of(bea, ["SAPCE1"]),
    }
    for name, body in files.items():
        (tmp_path / name).write_bytes(body)
    first = lake.taken(tables=["SAPCE1"])
    entry = lake.bronze.manifest(first).tables["SAPCE1"]
    feeds = {name: lake.files(tmp_path / name) for name in files} | {"bulk": bea.bulk()}
    for name, feed in feeds.items():
        prepared = lake.prepare(feed, tables=["SAPCE1"])
        assert prepared.changed == (), name
        assert prepared.manifest.tables["SAPCE1"] == entry, name
        assert prepared.equals == {"SAPCE1": first}, name
        assert all(result.passed for result in judge(bronze_rules, "bronze/pce_state", prepared.subject)), name


def test_several_files_make_one_extract_and_none_of_them_twice(tmp_path):
    bea = LookAlike(2, profile="full")
    lake = Lakeside(tmp_path / "lake", bea)
    paths = []
    for table in ("SAPCE1", "SAPCE2"):
        path = tmp_path / f"{table} as kept, März.csv"
        path.write_bytes(member_of(archive_of(2), f"{table}__ALL_AREAS"))
        paths.append(path)
    extract = lake.taken(lake.files(*paths), tables=["SAPCE1", "SAPCE2"])
    manifest = lake.bronze.manifest(extract)
    assert {entry.tables for entry in manifest.objects} == {("SAPCE1",), ("SAPCE2",)}
    assert lake.bronze.verify(extract) == []
    with pytest.raises(BeaFileRefused, match="SAPCE1 line 1 more than once"):
        lake.prepare(lake.files(paths[0], paths[0]), tables=["SAPCE1"])
    with pytest.raises(BeaFileRefused, match="none of SAPCE1"):
        lake.prepare(lake.files(*paths), tables=["SAPCE1"])
    with pytest.raises(BeaFileRefused, match="holds no SAPCE3, SAPCE4"):
        lake.prepare(lake.files(*paths))
    with pytest.raises(UsageError, match="cannot be read"):
        lake.prepare(lake.files(tmp_path / "absent.csv"))
