"""What BEA may do while an extract is taken: publish anew, fail, or change what it publishes."""

from typing import Any

import pytest

from pce_pipeline.bea.errors import (
    BeaApiError,
    BeaError,
    BeaFileRefused,
    BeaKeyRejected,
    BeaRateLimited,
    BeaRequestRejected,
    BeaTransportError,
    BeaUnknownField,
)
from pce_pipeline.bronze.cells import read_extracts
from pce_pipeline.bronze.errors import FileUnusable
from pce_pipeline.bronze.extract import publish
from pce_pipeline.bronze.feeds import ReleaseKeptMoving
from pce_pipeline.bronze.rules import bronze_rules
from pce_pipeline.emulator.faults import Fault, FaultKind, Target
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.observability import progress
from pce_pipeline.quality.rules import judge
from pce_pipeline.silver.errors import LineMeaningChanged
from pce_pipeline.silver.observations import normalise
from pce_pipeline_tests.bronze.look_alike import (
    Lakeside,
    LookAlike,
    archive_of,
    archive_with,
    member_of,
    rewritten,
    today,
)
from pce_pipeline_tests.datasets import PCE_STATE
from pce_pipeline_tests.lake.observed_backend import Killed

API: tuple[Target, ...] = ("GetData", "GetParameterValuesFiltered")

HARMLESS = {
    FaultKind.SLOW,
    FaultKind.BOM,
    FaultKind.LATIN1,
    FaultKind.SINGLE_AS_DICT,
    FaultKind.RESULTS_AS_LIST,
    FaultKind.UNKNOWN_FIELD,
    FaultKind.YEAR_IS_ERROR,
    FaultKind.RELEASE_CHANGES,
    FaultKind.CALENDAR_WITHOUT_NAME,
    FaultKind.MARKS_CHANGED,
    FaultKind.LAYOUT_OF_BEFORE,  # of tables that had several: test_layouts_of_before.py
    FaultKind.FILES_DIFFER,  # of files alone: test_sources_compared.py
}
OF_ERRORS = {FaultKind.ERROR_AT_TOP, FaultKind.ERROR_AS_LIST}
OF_MEANING = {
    FaultKind.LINES_SWAPPED,
    FaultKind.LINES_RENAMED,
    FaultKind.LINE_DROPPED,
    FaultKind.LINE_ADDED,
    FaultKind.CELLS_DROPPED,
}
REVISIONS = {FaultKind.SILENT_REVISION}
FATAL: dict[FaultKind, type[BeaError]] = {
    FaultKind.DROP: BeaTransportError,
    FaultKind.SERVER_ERROR: BeaTransportError,
    FaultKind.TOO_MANY: BeaRateLimited,
    FaultKind.API_ERROR: BeaApiError,
    FaultKind.EMPTY_BODY: BeaTransportError,
    FaultKind.HTML: BeaTransportError,
    FaultKind.TRUNCATED: BeaTransportError,
    FaultKind.NO_DATA: BeaTransportError,
    FaultKind.TABLE_RENAMED: BeaRequestRejected,
}


def content(lake: Lakeside, extract: ExtractId | None) -> dict[str, str]:
    assert extract is not None
    return {table: entry.content_sha256 for table, entry in lake.bronze.manifest(extract).tables.items()}


def silver(lake: Lakeside, extract: ExtractId | None, *, tolerate: bool = False):
    assert extract is not None
    dataset = lake.bea.dataset
    sources = {table: [extract] for table in lake.bronze.manifest(extract).tables}
    read = read_extracts(lake.bronze, sources, lake.bronze.manifests(), lake.dataset, tolerate_unknown=tolerate)
    return normalise(read.cells, read.lines, dataset)


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The content of an extract of the second release that nothing disturbs."""
    lake = Lakeside(tmp_path_factory.mktemp("calm"), LookAlike(2))
    return content(lake, lake.take())


def test_every_fault_of_the_look_alike_is_spoken_for_here():
    assert HARMLESS | OF_ERRORS | OF_MEANING | REVISIONS | FATAL.keys() == set(FaultKind)


@pytest.mark.parametrize("after", range(4))
def test_a_release_that_comes_out_midway_is_in_the_extract_whole(tmp_path, after):
    expected = Lakeside(tmp_path / "calm", LookAlike(3))
    bea = LookAlike(2, Fault(FaultKind.RELEASE_CHANGES, after=after))
    lake = Lakeside(tmp_path / "moving", bea)
    extract = lake.taken()
    manifest = lake.bronze.manifest(extract)
    assert {str(entry.last_updated) for entry in manifest.objects if entry.line} == {
        "2026-09-30" if after < 3 else "2025-09-26"
    }
    calm = expected.taken() if after < 3 else Lakeside(tmp_path / "before", LookAlike(2)).take()
    compare = expected if after < 3 else Lakeside(tmp_path / "before", LookAlike(2))
    assert content(lake, extract) == content(compare, calm)


def test_a_table_whose_lines_change_midway_is_taken_with_the_new_lines(tmp_path):
    bea = LookAlike(2, profile="full")
    lake = Lakeside(tmp_path, bea)

    def a_line_is_added(results: dict[str, Any]) -> None:
        if "Data" in results:
            bea.emulator.set_faults(Fault(FaultKind.LINE_ADDED))

    extract = lake.taken(rewritten(bea, a_line_is_added), tables=["SAPCE1"])
    assert lake.bronze.manifest(extract).scope["SAPCE1"] == tuple(range(1, 26))
    assert bea.asked() == {f"SAPCE1-{line}": 1 for line in range(1, 26)}


def test_a_release_that_keeps_moving_is_given_up_and_leaves_no_extract(lake, bea):
    turn = 0

    def another_day_each_time(results: dict[str, Any]) -> None:
        nonlocal turn
        turn += 1
        for note in results.get("Notes", ()):
            note["NoteText"] = note["NoteText"].replace("September 26", f"September {turn % 25 + 1}")

    with pytest.raises(ReleaseKeptMoving, match="in an hour"):
        lake.take(rewritten(bea, another_day_each_time))
    assert lake.bronze.extracts() == []


def test_resumption_never_mixes_releases(tmp_path, lake, bea):
    dying, _ = lake.dying(after=4)
    with pytest.raises(Killed):
        lake.prepare(bronze=dying)
    bea.emulator.set_release(3)
    bea.asked()
    extract = lake.taken()
    assert sum(bea.asked().values()) == 3
    fresh = Lakeside(tmp_path / "fresh", LookAlike(3))
    assert content(lake, extract) == content(fresh, fresh.take())


def test_answers_without_a_date_make_an_extract_but_are_not_resumed(lake, bea):
    def undated(results: dict[str, Any]) -> None:
        for note in results.get("Notes", ()):
            note["NoteText"] = "Dollars."

    dying, _ = lake.dying(after=4)
    with pytest.raises(Killed):
        lake.prepare(rewritten(bea, undated), bronze=dying)
    bea.asked()
    extract = lake.taken(rewritten(bea, undated))
    assert sum(bea.asked().values()) == 3
    assert lake.bronze.manifest(extract).tables["SAPCE1"].last_updated is None


@pytest.mark.parametrize("kind", sorted(HARMLESS))
def test_a_harmless_oddity_of_an_answer_does_not_change_its_content(tmp_path, kind, calm):
    lake = Lakeside(tmp_path, LookAlike(2, Fault(kind, on=API, after=99, seconds=0.0)))
    if kind is not FaultKind.RELEASE_CHANGES:
        lake.bea.emulator.set_faults(Fault(kind, on=API, seconds=0.0))
    assert content(lake, lake.take()) == calm


@pytest.mark.parametrize(
    ("kind", "on", "after"),
    [(kind, "GetData", 2) for kind in sorted(FATAL)]
    + [(kind, "GetParameterValuesFiltered", 0) for kind in sorted(FATAL) if kind is not FaultKind.NO_DATA],
)
def test_no_error_and_no_part_of_an_answer_is_ever_taken_for_data(lake, bea, kind, on, after):
    bea.emulator.set_faults(Fault(kind, on=(on,), after=after, seconds=3600.0))
    with pytest.raises(FATAL[kind]) as error:
        lake.take()
    assert error.value.remedy
    assert lake.bronze.extracts() == []
    assert lake.bronze.verified() is None
    assert [key for key in lake.listing() if "/downloads/" not in key] == []
    bea.emulator.set_faults()
    assert lake.take() == ExtractId(today())
    assert lake.bronze.verify(ExtractId(today())) == []


@pytest.mark.parametrize("code", ["1", "4", "40", "101"])
@pytest.mark.parametrize("shape", sorted(OF_ERRORS))
def test_errors_in_any_place_and_shape_are_errors(lake, bea, code, shape):
    bea.emulator.set_faults(Fault(FaultKind.API_ERROR, code=code), Fault(shape))
    with pytest.raises(BeaApiError) as error:
        lake.take()
    assert error.value.code == code
    assert isinstance(error.value, BeaKeyRejected) == (code in {"1", "4"})
    assert lake.bronze.extracts() == []


@pytest.mark.parametrize(
    "kind",
    [FaultKind.DROP, FaultKind.SERVER_ERROR, FaultKind.EMPTY_BODY, FaultKind.HTML, FaultKind.TRUNCATED],
)
def test_a_broken_archive_is_never_taken_for_data(lake, bea, kind):
    bea.emulator.set_faults(Fault(kind, on=("archive",)))
    with pytest.raises((BeaTransportError, BeaFileRefused)):
        lake.take(bea.bulk())
    assert lake.listing() == []


def test_an_empty_answer_is_judged_incomplete_and_asked_for_again(lake, bea):
    def without_rows(results: dict[str, Any]) -> None:
        if results.get("Data") and results["Data"][0]["Code"] == "SAPCE1-13":
            results["Data"] = []

    prepared = lake.prepare(rewritten(bea, without_rows))
    assert [
        result.name for result in judge(bronze_rules, "bronze/pce_state", prepared.subject) if not result.passed
    ] == ["manifest_is_complete"]


def test_an_unknown_field_is_kept_in_bronze_and_does_not_count_unless_tolerated(tmp_path, lake, bea):
    bea.emulator.set_faults(Fault(FaultKind.UNKNOWN_FIELD))
    extract = lake.taken()
    assert not lake.counts(extract)
    assert "unknown fields: Results.Data.Reliability" in lake.why(extract)
    prepared = lake.prepare(tolerate=True)
    assert prepared.manifest.verdicts["SAPCE1"].counts
    assert all(result.passed for result in judge(bronze_rules, "bronze/pce_state", prepared.subject))
    plain = Lakeside(tmp_path / "plain", LookAlike())
    assert silver(lake, extract, tolerate=True).frame.equals(silver(plain, plain.take()).frame)


def test_an_unknown_field_of_the_line_list_is_kept_as_well(lake, bea):
    def with_news(results: dict[str, Any]) -> None:
        for value in results.get("ParamValue", ()):
            value["Since"] = "1997"

    extract = lake.taken(rewritten(bea, with_news))
    assert not lake.counts(extract)
    with pytest.raises(BeaUnknownField):
        silver(lake, extract)
    assert silver(lake, extract, tolerate=True).frame.height == 3 * 60 * 28


def with_unknown_column(name: str, body: bytes) -> bytes:
    if not name.startswith("SAPCE1__ALL"):
        return body
    header, *rows = body.decode().split("\r\n")
    data = [f"{row},x" for row in rows if row.startswith(' "')]
    return "\r\n".join([f"{header},Reliability", *data, *rows[len(data) :]]).encode()


def test_an_unknown_column_of_the_archive_is_kept_in_bronze_and_does_not_count(tmp_path, calm):
    bea = LookAlike()
    bea.emulator.archives[PCE_STATE.archive] = archive_with(archive_of(2), with_unknown_column)
    lake = Lakeside(tmp_path / "lake", bea)
    extract = lake.taken(bea.bulk())
    assert not lake.counts(extract)
    assert content(lake, extract) == calm
    assert silver(lake, extract, tolerate=True).frame.height == 3 * 60 * 28


@pytest.mark.parametrize("way", ["zip", "csv"])
def test_a_file_with_an_unknown_column_is_refused_and_not_stored_unless_tolerated(tmp_path, way, calm):
    odd = archive_with(archive_of(2), with_unknown_column)
    lake = Lakeside(tmp_path / "lake", LookAlike())
    path = tmp_path / f"kept.{way}"
    path.write_bytes(odd if way == "zip" else member_of(odd, "SAPCE1__ALL"))
    with pytest.raises(FileUnusable, match="columns that are not BEA's: Reliability"):
        lake.take(lake.files(path))
    assert lake.listing() == []
    extract = publish(lake.bronze, lake.prepare(lake.files(path), tolerate=True))
    assert lake.counts(extract)
    assert content(lake, extract) == calm


@pytest.mark.parametrize("way", ["api", "bulk"])
def test_a_new_line_is_kept_in_bronze_and_left_out_of_silver(tmp_path, way):
    bea = LookAlike(2, Fault(FaultKind.LINE_ADDED, tables=("SAPCE1",)), profile="full")
    lake = Lakeside(tmp_path, bea)
    extract = lake.taken(getattr(bea, way)(), tables=["SAPCE1"])
    manifest = lake.bronze.manifest(extract)
    assert manifest.scope["SAPCE1"] == manifest.tables["SAPCE1"].lines == tuple(range(1, 26))
    normal = silver(lake, extract)
    assert normal.left_out.rows() == [("SAPCE1", 25, normal.left_out["description"].item(), 60 * 28)]
    assert "Services of a kind not seen before" in normal.left_out["description"].item()
    assert normal.frame["line_code"].max() == 24
    other = LookAlike(2, Fault(FaultKind.LINE_ADDED, tables=("SAPCE1",)), profile="full")
    assert lake.prepare(other.bulk() if way == "api" else other.api(), tables=["SAPCE1"]).changed == ()


@pytest.mark.parametrize("way", ["api", "bulk"])
def test_a_line_that_means_something_else_is_kept_in_bronze_and_does_not_count(tmp_path, way):
    bea = LookAlike(2, Fault(FaultKind.LINES_SWAPPED, tables=("SAPCE1",), lines=(2, 13)))
    lake = Lakeside(tmp_path, bea)
    extract = lake.taken(getattr(bea, way)())
    assert lake.bronze.manifest(extract).scope["SAPCE1"] == (1, 2, 13)
    assert not lake.counts(extract)
    assert "line 2 was pinned as 'Goods' and now says" in lake.why(extract)
    with pytest.raises(LineMeaningChanged) as stopped:
        silver(lake, extract)
    assert {difference.line_code for difference in stopped.value.differences} == {2, 13}


@pytest.mark.parametrize("way", ["api", "bulk"])
def test_a_line_that_bea_no_longer_lists_is_a_loss_that_does_not_count(tmp_path, way):
    bea = LookAlike(2)
    lake = Lakeside(tmp_path, bea)
    whole = lake.taken(getattr(bea, way)())
    bea.emulator.set_faults(Fault(FaultKind.LINE_DROPPED, tables=("SAPCE1",), lines=(2, 13)))
    bea.emulator.archives.clear()
    cut = lake.taken(getattr(bea, way)())
    assert lake.bronze.manifest(cut).scope["SAPCE1"] == (1,)
    assert not lake.counts(cut)
    assert f"{whole} also holds 3,360 cells of pce: 2 categories (product.goods, product.services)" in lake.why(cut)


def test_a_first_answer_without_a_pinned_line_counts_and_lacks_it(tmp_path):
    bea = LookAlike(2, Fault(FaultKind.LINE_DROPPED, tables=("SAPCE1",), lines=(2, 13)))
    lake = Lakeside(tmp_path, bea)
    extract = lake.taken()
    assert lake.counts(extract)
    assert silver(lake, extract).frame["line_code"].unique().to_list() == [1]


def test_a_renamed_line_is_kept_in_bronze_and_does_not_count(lake, bea):
    def renamed(results: dict[str, Any]) -> None:
        for value in results.get("ParamValue", ()):
            value["Desc"] = value["Desc"].replace(": Goods", ": Goods, without motor vehicles")

    extract = lake.taken(rewritten(bea, renamed))
    assert not lake.counts(extract)
    assert "without motor vehicles" in lake.why(extract)


def test_a_gathering_can_be_watched(lake):
    seen: list[tuple[int, int, str]] = []

    class Watching:
        def stage(self, name: str) -> None:
            del name

        def advance(self, done: int, total: int, what: str) -> None:
            seen.append((done, total, what))

    with progress.watched_by(Watching()):
        lake.take()
    assert [(done, total) for done, total, _ in seen] == [(1, 3), (2, 3), (3, 3)]
    assert {what for *_, what in seen} == {"SAPCE1 line 1", "SAPCE1 line 2", "SAPCE1 line 13"}
