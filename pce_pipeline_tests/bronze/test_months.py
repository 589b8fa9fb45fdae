"""Extracts of national months: taken by API and without a key, judged month by month, read from what people keep."""

import gzip
import io
import json
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pce_pipeline.bea.documents import read_document
from pce_pipeline.bea.errors import BeaContentError, BeaFileRefused, BeaTransportError, BeaUnknownField
from pce_pipeline.bronze.as_known import as_known
from pce_pipeline.bronze.cells import kept_cells, read_extracts
from pce_pipeline.bronze.derived import DerivedFeed, LongColumns
from pce_pipeline.bronze.errors import FileUnusable
from pce_pipeline.bronze.extract import Prepared, places, publish
from pce_pipeline.bronze.feeds import ReleaseKeptMoving
from pce_pipeline.bronze.history import changed_since
from pce_pipeline.bronze.judgement import is_complete, missing_of_catalogue
from pce_pipeline.bronze.quarantine import SCHEMA, listed, set_aside
from pce_pipeline.bronze.reading import Content
from pce_pipeline.bronze.scope import blocks_of, cells_of, in_words, without
from pce_pipeline.catalog.reading import load_datasets
from pce_pipeline.emulator.faults import Fault, FaultKind
from pce_pipeline.errors import UsageError
from pce_pipeline.gold.changes import changes
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.silver.observations import normalise
from pce_pipeline_tests.bronze.look_alike import Lakeside, LookAlike, today

MONTHS = load_datasets("full")["pce_us_monthly"]
TABLES = ["T20804", "T20805", "T20806"]


def lakeside(folder: Path, *faults: Fault, release: int = 2) -> Lakeside:
    return Lakeside(folder, LookAlike(release, *faults, dataset=MONTHS))


def files_of(lake: Lakeside, folder: Path) -> tuple[Path, Path]:
    """BEA's two files as somebody downloads them: the register, and the values of all series."""
    found = []
    for name in ("SeriesRegister.txt", "NipaDataM.txt"):
        path = folder / name
        body = lake.bea.emulator.series_file(name)
        assert body is not None
        path.write_bytes(body)
        found.append(path)
    return found[0], found[1]


def hashes(prepared: Prepared) -> dict[str, str]:
    return {table: entry.content_sha256 for table, entry in prepared.manifest.tables.items()}


def imported(lake: Lakeside, *paths: Path, day: date | None = None) -> Prepared:
    feed, tables = lake.files(*paths).holding(TABLES)
    (place,) = places(feed, tables, day, lake.current())
    return lake.prepare(lake.files(*place.files), extract=ExtractId(place.day), tables=place.tables)


def test_an_extract_by_api_has_three_answers_and_counts(tmp_path: Path) -> None:
    lake = lakeside(tmp_path)
    extract = lake.taken(lake.bea.months())
    manifest = lake.bronze.manifest(extract)
    assert sorted(entry.key for entry in manifest.objects) == [f"{table}/months.json.gz" for table in TABLES]
    assert {table: entry.last_updated for table, entry in manifest.tables.items()} == dict.fromkeys(
        TABLES, date(2025, 9, 26)
    )
    assert all(lake.counts(extract, table) for table in TABLES)
    (vintage,) = lake.current().vintages("T20806")
    assert (min(vintage.years), max(vintage.years)) == (2007, 2025)
    assert all(is_complete(each, MONTHS) for table in TABLES for each in lake.current().vintages(table))
    assert lake.staged() == []


def test_a_key_is_in_no_object_and_no_manifest(tmp_path: Path) -> None:
    lake = lakeside(tmp_path)
    lake.taken(lake.bea.months())
    kept = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    plain = [gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body for body in kept]
    assert not any(b"5ec2e7a0" in body.lower() for body in plain)


def test_without_a_key_the_same_release_is_the_same_content_and_no_new_extract(tmp_path: Path) -> None:
    lake = lakeside(tmp_path)
    lake.taken(lake.bea.months())
    by_series = lake.prepare(lake.bea.series())
    assert by_series.changed == ()
    (entry,) = by_series.manifest.objects
    assert entry.parameters["Last-Modified"] == "Fri, 26 Sep 2025 12:30:00 GMT"
    assert int(entry.parameters["bytes"]) > entry.bytes
    assert {table.last_updated for table in by_series.manifest.tables.values()} == {None}
    assert b"A065RC" not in by_series.objects["NipaDataM.txt"]


def test_a_series_extract_counts_and_is_followed_by_the_next_release(tmp_path: Path) -> None:
    lake = lakeside(tmp_path)
    first = lake.taken(lake.bea.series())
    assert lake.counts(first, "T20805")
    lake.bea.emulator.set_release(3)
    second = lake.taken(lake.bea.series())
    assert lake.counts(second, "T20805")
    found = changed_since(lake.current(), second)
    assert found["T20805"]["new"] == 12 * 25  # September 2025 to August 2026, of the pinned lines
    assert found["T20805"]["gone"] == 0
    assert found["T20805"]["changed"] > 0


def test_an_answer_that_lacks_months_that_counted_is_kept_and_does_not_count(tmp_path: Path) -> None:
    lake = lakeside(tmp_path)
    lake.taken(lake.bea.months())
    lake.bea.emulator.set_faults(Fault(FaultKind.CELLS_DROPPED, tables=("T20805",), years=(2025,)))
    extract = lake.taken(lake.bea.months())
    assert not lake.counts(extract, "T20805")
    assert "2025M01...2025M08" in lake.why(extract, "T20805")
    assert lake.current().sources["T20805"].vintage.at < extract


@pytest.mark.parametrize("fault", [FaultKind.LINES_SWAPPED, FaultKind.LINE_ADDED, FaultKind.MARKS_CHANGED])
def test_lines_that_are_printed_elsewhere_or_added_are_read_by_their_texts(tmp_path: Path, fault: FaultKind) -> None:
    lake = lakeside(tmp_path)
    pinned = pl.col("line_code") <= 25
    before = kept_cells(lake.bronze, lake.bronze.manifest(lake.taken(lake.bea.months())), MONTHS)
    lake.bea.emulator.set_faults(Fault(fault))
    again = lake.take(lake.bea.months())
    assert (again is None) == (fault is not FaultKind.LINE_ADDED)
    if again is not None:
        after = kept_cells(lake.bronze, lake.bronze.manifest(again), MONTHS)
        assert lake.counts(again, "T20805")
        assert after.of_year(2024).filter(pinned).equals(before.of_year(2024).filter(pinned))


def test_a_line_whose_text_changed_keeps_its_table_from_counting(tmp_path: Path) -> None:
    lake = lakeside(tmp_path, Fault(FaultKind.LINES_RENAMED, tables=("T20804",), lines=(19,)))
    extract = lake.taken(lake.bea.months())
    assert not lake.counts(extract, "T20804")
    assert "Redefined: Food services and accommodations" in lake.why(extract, "T20804")
    assert lake.counts(extract, "T20805")


@pytest.mark.parametrize("kind", [FaultKind.TRUNCATED, FaultKind.HTML, FaultKind.SERVER_ERROR, FaultKind.DROP])
@pytest.mark.parametrize("way", ["months", "series"])
def test_what_breaks_on_the_way_is_told_and_leaves_nothing(tmp_path: Path, kind: FaultKind, way: str) -> None:
    lake = lakeside(tmp_path, Fault(kind, on=("GetData", "archive")))
    with pytest.raises(BeaTransportError):
        lake.take(getattr(lake.bea, way)())
    assert lake.bronze.extracts() == []


def test_what_passes_by_itself_costs_one_more_try(tmp_path: Path) -> None:
    lake = lakeside(tmp_path, Fault(FaultKind.SERVER_ERROR, on=("archive", "GetData"), first=1))
    assert lake.prepare(lake.bea.series()).changed == tuple(TABLES)


def test_a_release_that_comes_midway_is_taken_whole(tmp_path: Path) -> None:
    lake = lakeside(tmp_path, Fault(FaultKind.RELEASE_CHANGES, after=2, first=1))
    extract = lake.taken(lake.bea.months())
    released = {entry.last_updated for entry in lake.bronze.manifest(extract).tables.values()}
    assert released == {date(2026, 9, 30)}


def test_a_release_that_never_rests_is_given_up(tmp_path: Path) -> None:
    lake = lakeside(
        tmp_path, *(Fault(FaultKind.RELEASE_CHANGES, after=2 + 6 * nth, first=1) for nth in range(3)), release=1
    )
    with pytest.raises(ReleaseKeptMoving):
        lake.take(lake.bea.months())


def test_fields_that_nobody_knows_are_kept_and_do_not_count(tmp_path: Path) -> None:
    lake = lakeside(tmp_path, Fault(FaultKind.UNKNOWN_FIELD, tables=("T20806",)))
    extract = lake.taken(lake.bea.months())
    assert not lake.counts(extract, "T20806")
    path = tmp_path / "kept.json"
    path.write_bytes(gzip.decompress(dict(_objects(lake, extract))["T20806/months.json.gz"]))
    with pytest.raises((BeaUnknownField, FileUnusable)):
        imported(lakeside(tmp_path / "other"), path)


def _objects(lake: Lakeside, extract: ExtractId) -> list[tuple[str, bytes]]:
    return [(entry.key, body) for entry, body in lake.bronze.read_objects(extract)]


def test_both_files_together_are_one_extract_of_the_day_that_is_given(tmp_path: Path) -> None:
    lake = lakeside(tmp_path / "lake")
    register, values = files_of(lake, tmp_path)
    live = lake.prepare(lake.bea.series())
    for order in ((register, values), (values, register)):
        found = imported(lake, *order, day=date(2025, 9, 26))
        assert hashes(found) == hashes(live)
        (entry,) = found.manifest.objects
        assert entry.key == "001-NipaDataM.txt"
        assert found.objects[entry.key] == live.objects["NipaDataM.txt"]


def test_a_zip_with_both_files_is_one_extract_too(tmp_path: Path) -> None:
    lake = lakeside(tmp_path / "lake")
    register, values = files_of(lake, tmp_path)
    packed = tmp_path / "FlatFiles.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(register, "SeriesRegister.txt")
        archive.write(values, "nipadataM.txt")
        archive.writestr("nipadataQ.txt", "%SeriesCode,Period,Value\r\nA191RC,2025Q1,1\r\n")
    assert hashes(imported(lake, packed, day=date(2025, 9, 26))) == hashes(lake.prepare(lake.bea.series()))


@pytest.mark.parametrize("alone", [0, 1])
def test_one_of_the_files_alone_is_refused_with_what_is_missing(tmp_path: Path, alone: int) -> None:
    lake = lakeside(tmp_path / "lake")
    both = files_of(lake, tmp_path)
    with pytest.raises(BeaFileRefused) as refused:
        imported(lake, both[alone], day=date(2025, 9, 26))
    assert both[1 - alone].name in refused.value.remedy


def test_series_without_a_day_are_refused_with_what_to_write(tmp_path: Path) -> None:
    lake = lakeside(tmp_path / "lake")
    with pytest.raises(UsageError, match="does not say when BEA last updated"):
        imported(lake, *files_of(lake, tmp_path))


def kept_answer(lake: Lakeside, table: str, keep: Callable[[dict[str, str]], bool]) -> bytes:
    body = lake.prepare(lake.bea.months()).objects[f"{table}/months.json.gz"]
    loaded = json.loads(gzip.decompress(body))
    results = loaded["BEAAPI"]["Results"]
    results["Data"] = [row for row in results["Data"] if keep(row)]
    return json.dumps(loaded).encode()


def test_a_kept_answer_of_some_lines_and_years_is_a_part_and_loses_nothing(tmp_path: Path) -> None:
    lake = lakeside(tmp_path / "lake")
    path = tmp_path / "answer.json"
    path.write_bytes(kept_answer(lake, "T20804", lambda row: row["LineNumber"] == "1" and row["TimePeriod"] >= "2024"))
    part = imported(lake, path)
    assert part.manifest.extract_date == "2025-09-26"
    assert part.manifest.tables["T20804"].rows == 20
    whole = lake.taken(lake.bea.months())
    again = imported(lake, path)
    assert again.changed == ()
    assert lake.current().sources["T20804"].vintage.at == whole


def test_an_answer_with_a_month_that_was_not_over_is_refused(tmp_path: Path) -> None:
    lake = lakeside(tmp_path / "lake")
    path = tmp_path / "answer.json"
    path.write_bytes(
        kept_answer(lake, "T20804", lambda row: row["TimePeriod"] >= "2025").replace(b'"2025M08"', b'"2025M09"')
    )
    with pytest.raises(FileUnusable, match="2025M09"):
        imported(lake, path)


def test_a_month_that_is_there_twice_and_differently_is_refused(tmp_path: Path) -> None:
    lake = lakeside(tmp_path / "lake")
    loaded = json.loads(kept_answer(lake, "T20805", lambda row: row["TimePeriod"] >= "2025"))
    rows = loaded["BEAAPI"]["Results"]["Data"]
    path = tmp_path / "answer.json"
    path.write_text(json.dumps({**loaded, "BEAAPI": {"Results": {"Data": [*rows, {**rows[0], "DataValue": "1"}]}}}))
    with pytest.raises(BeaFileRefused, match="line 1 of 2025M01 is there more than once, and differently: 1 and"):
        imported(lake, path, day=date(2025, 9, 26))
    path.write_text(json.dumps({**loaded, "BEAAPI": {"Results": {"Data": [*rows, rows[0]]}}}))
    assert imported(lake, path, day=date(2025, 9, 26)).manifest.tables["T20805"].rows == len(rows)


def test_derived_values_of_months_are_refused(tmp_path: Path) -> None:
    lake = lakeside(tmp_path)
    feed = DerivedFeed(tmp_path / "any.csv", LongColumns(), MONTHS, "somebody's paper")
    with pytest.raises(UsageError, match="by year"):
        lake.prepare(feed, extract="2025-09-26", tables=["T20805"])


def test_of_a_month_that_cannot_be_read_the_month_is_kept_and_a_later_extract_heals_it(tmp_path: Path) -> None:
    lake = lakeside(tmp_path / "lake")
    path = tmp_path / "answer.json"
    odd = kept_answer(lake, "T20805", lambda row: row["TimePeriod"] >= "2025")
    loaded = json.loads(odd)
    for row in loaded["BEAAPI"]["Results"]["Data"]:
        if row["LineNumber"] == "9" and row["TimePeriod"] in {"2025M02", "2025M03"}:
            row["DataValue"] = "(T)"
    path.write_text(json.dumps(loaded))
    part = imported(lake, path)
    assert part.manifest.tables["T20805"].quarantined == 2
    assert dict(part.quarantine.schema) == SCHEMA
    assert part.quarantine["month"].to_list() == [2, 3]
    content = part.content
    assert isinstance(content, Content)
    assert set_aside(content, MONTHS).equals(part.quarantine)
    publish(lake.bronze, part)
    found = listed(lake.current())
    assert found.select("line_code", "year", "month", "state").rows() == [
        (9, 2025, 2, "current"),
        (9, 2025, 3, "current"),
    ]
    lake.taken(lake.bea.months())
    assert listed(lake.current())["state"].unique().to_list() == ["healed"]


def test_what_changed_between_two_days_is_told_month_by_month(tmp_path: Path) -> None:
    lake = lakeside(tmp_path)
    first = lake.taken(lake.bea.months())
    lake.bea.emulator.set_release(3)
    second = lake.taken(lake.bea.months())
    before, after = (as_known(lake.current(), each).known for each in (first, second))
    found = changes(before, after)
    assert found.columns[:5] == ["measure", "category_id", "geo_fips", "year", "month"]
    new = found.filter(kind="new", category_id="product.pce", measure="pce_annual_rate")
    assert new.select("year", "month").rows() == [
        *((2025, month) for month in range(9, 13)),
        *((2026, month) for month in range(1, 9)),
    ]
    assert set(found["kind"]) == {"new", "revision"}


def test_silver_of_months_has_them_beside_the_year(tmp_path: Path) -> None:
    lake = lakeside(tmp_path)
    extract = lake.taken(lake.bea.months())
    now = lake.current()
    content = read_extracts(lake.bronze, {table: [extract] for table in TABLES}, now.manifests, MONTHS)
    silver = normalise(content.cells.filter(pl.col("year") == 2024), content.lines, MONTHS)
    assert silver.frame.columns[6:8] == ["year", "month"]
    assert silver.frame.height == 12 * (27 + 25 + 25)
    assert set(silver.left_out["line_code"]) == {26, 27, 28, 29, 30, 31}
    assert now.spoken_of([2025]).height == 8 * (27 + 25 + 25)


def test_a_part_misses_the_months_up_to_its_newest_one(tmp_path: Path) -> None:
    lake = lakeside(tmp_path / "lake")
    path = tmp_path / "answer.json"
    path.write_bytes(kept_answer(lake, "T20806", lambda row: "2024" < row["TimePeriod"] < "2025M03"))
    lake.take(lake.files(path), extract="2025-09-26", tables=["T20806"])
    (vintage,) = lake.current().vintages("T20806")
    missing = missing_of_catalogue(vintage, MONTHS)
    assert missing.height == 25 * 12 * (2024 - 2007)
    assert "2007M01...2023M12" in in_words(missing)


CELLS = st.sets(
    st.tuples(
        st.sampled_from(["pce_annual_rate", "pce_price_index"]),
        st.sampled_from(["product.pce", "product.goods"]),
        st.just("00000"),
        st.integers(2023, 2025),
        st.integers(1, 12),
    ),
    max_size=40,
)
SCHEMA_OF_CELLS = {
    "measure": pl.String,
    "category_id": pl.String,
    "geo_fips": pl.String,
    "year": pl.Int32,
    "month": pl.Int32,
}


@given(CELLS, CELLS)
def test_cells_of_months_become_blocks_and_back(
    cells: set[tuple[str, str, str, int, int]], others: set[tuple[str, str, str, int, int]]
) -> None:
    frame, other = (pl.DataFrame(sorted(each), schema=SCHEMA_OF_CELLS, orient="row") for each in (cells, others))
    blocks = blocks_of(frame)
    assert set(cells_of(blocks).rows()) == cells
    assert blocks_of(frame.sample(fraction=1.0, shuffle=True, seed=1)) == blocks
    assert set(without(frame, other).rows()) == cells - others


def test_a_document_of_series_holds_what_was_taken_and_nothing_else(tmp_path: Path) -> None:
    lake = lakeside(tmp_path)
    body = lake.prepare(lake.bea.series()).objects["NipaDataM.txt"]
    assert read_document(body, TABLES).frame.height == 56_544
    with pytest.raises(BeaContentError):
        read_document(body[:-4])


def test_an_extract_of_today_is_of_today(tmp_path: Path) -> None:
    lake = lakeside(tmp_path)
    assert lake.taken(lake.bea.series()).day == today()
    assert io.BytesIO(_objects(lake, lake.bronze.extracts()[0])[0][1]).read(11) == b"%SeriesCode"
