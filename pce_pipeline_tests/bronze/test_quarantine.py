"""What could not be read is set aside with its reason, costs its own cell only, and heals."""

import io
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pce_pipeline.bea import values
from pce_pipeline.bea.errors import BeaFileRefused
from pce_pipeline.bronze.cells import read_extracts
from pce_pipeline.bronze.extract import publish
from pce_pipeline.bronze.feeds import BulkFeed
from pce_pipeline.bronze.quarantine import SCHEMA, listed, standing
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.gold.facts import conform_facts
from pce_pipeline.lake.layout import ExtractId
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

ALASKA, YEAR = "02000", 2021


def answer(
    bea: LookAlike,
    text: str,
    *,
    note: str = "",
    area: str = ALASKA,
    as_area: str | None = None,
    codes: Collection[str] = ("SAPCE1-13",),
) -> Any:
    """BEA's API with another text in one cell of line 13, or of each of other lines."""

    def change(results: dict[str, Any]) -> None:
        for row in results.get("Data", ()):
            if row["Code"] in codes and (row["GeoFips"], row["TimePeriod"]) == (area, str(YEAR)):
                row["DataValue"] = text
                row["GeoFips"] = as_area or area
                if note:
                    row["NoteRef"] = note

    return rewritten(bea, change)


def with_cell(text: str) -> Callable[[str, bytes], bytes]:
    """A change of the archive's SAPCE1: another text in Alaska's cell of line 13."""

    def change(name: str, body: bytes) -> bytes:
        if not name.startswith("SAPCE1__ALL"):
            return body
        lines = body.decode().split("\r\n" if b"\r\n" in body else "\n")
        at = [name.strip() for name in lines[0].split(",")].index(str(YEAR)) - lines[0].count(",") - 1
        changed = []
        for line in lines:
            parts = line.split(",")
            if line.lstrip().startswith(f'"{ALASKA}"') and ",SAPCE1,13," in line:
                parts[at] = text
            changed.append(",".join(parts))
        return "\n".join(changed).encode()

    return change


def archive(bea: LookAlike, text: str) -> BulkFeed:
    """BEA's archive with another text in Alaska's cell of line 13."""
    bea.emulator.archives[PCE_STATE.archive] = archive_with(archive_of(bea.emulator.release), with_cell(text))
    return bea.bulk()


def file_of(folder: Path, text: str) -> Path:
    path = folder / "received.csv"
    name = "SAPCE1__ALL"
    path.write_bytes(with_cell(text)(name, member_of(archive_of(2), name)))
    return path


def kept(lake: Lakeside, extract: ExtractId) -> list[dict[str, Any]]:
    body = lake.bronze.quarantine(extract)
    assert body is not None
    frame = pl.read_parquet(io.BytesIO(body))
    assert dict(frame.schema) == SCHEMA
    return frame.to_dicts()


def silver(lake: Lakeside) -> pl.DataFrame:
    made_of = {table: source.vintage.extracts for table, source in lake.current().sources.items()}
    read = read_extracts(lake.bronze, made_of, lake.bronze.manifests(), lake.dataset)
    return normalise(read.cells, read.lines, lake.bea.dataset).frame


def states(lake: Lakeside) -> list[tuple[str, str]]:
    rows = listed(lake.current())
    return list(rows.select("extract", "state").iter_rows())


@pytest.mark.parametrize("way", ["api", "archive", "file"])
@pytest.mark.parametrize(("text", "rule"), [("(T)", "code_is_unknown"), ("8012.1 1/", "number_has_a_mark")])
def test_one_cell_that_nobody_can_read_is_set_aside_and_all_others_go_on(tmp_path, lake, bea, way, text, rule):
    feed = {
        "api": lambda: answer(bea, text),
        "archive": lambda: archive(bea, text),
        "file": lambda: lake.files(file_of(tmp_path, text)),
    }[way]()
    extract = lake.taken(feed)
    manifest = lake.bronze.manifest(extract)
    (cell,) = kept(lake, extract)
    where = (cell["bea_table"], cell["line_code"], cell["geo_fips"], cell["year"])
    assert where == ("SAPCE1", 13, ALASKA, YEAR)
    assert (cell["value_text"], cell["rule"], cell["unit"]) == (text, rule, "Millions of current dollars")
    assert text in cell["reason"]
    (stored,) = [entry for entry in manifest.objects if entry.line in {13, None} and entry.rows]
    assert cell["object_key"] == stored.key
    assert manifest.tables["SAPCE1"].quarantined == 1
    assert lake.counts(extract)
    rows = silver(lake)
    assert rows.height == 3 * 60 * 28
    unread = rows.filter(status="quarantined")
    assert unread.select("line_code", "geo_fips", "year", "value", "value_text").rows() == [
        (13, ALASKA, YEAR, None, text)
    ]


def test_an_unknown_code_in_a_note_and_a_number_that_contradicts_its_note_are_set_aside(tmp_path, bea):
    for number, (text, note, kept_text) in enumerate([("0", "(T)", "(T)"), ("12.5", "(NA)", "12.5 (NA)")]):
        lake = Lakeside(tmp_path / str(number), bea)
        (cell,) = kept(lake, lake.taken(answer(bea, text, note=note)))
        assert cell["value_text"] == kept_text


def test_the_way_makes_no_difference_to_the_content_of_a_cell_that_cannot_be_read(lake, bea):
    first = lake.taken(answer(bea, "(T)"))
    assert lake.take(archive(bea, "(T)")) is None
    other = lake.taken(archive(bea, "(X)"))
    assert first < other


def test_a_row_of_an_unknown_area_is_set_aside_and_has_no_place_in_silver(lake, bea):
    lake.taken()
    extract = lake.taken(answer(bea, "5.0", area="56000", as_area="72000"))
    (row,) = kept(lake, extract)
    assert (row["geo_fips"], row["rule"], row["value_text"]) == ("72000", "area_is_unknown", "5.0")
    # the row that became another one is lacking, as always
    assert "category product.services, area 56000, 2021" in lake.why(extract)


def test_more_areas_than_are_known_take_nothing_away_and_nothing_needs_them_later(lake, bea):
    def one_more(results: dict[str, Any]) -> None:
        rows = results.get("Data", [])
        rows += [row | {"GeoFips": "72000"} for row in rows if row["GeoFips"] == ALASKA]

    extract = lake.taken(rewritten(bea, one_more))
    assert lake.counts(extract)
    assert lake.bronze.manifest(extract).tables["SAPCE1"].quarantined == 3 * 28
    assert silver(lake).height == 3 * 60 * 28
    assert lake.counts(lake.taken())


def test_a_live_answer_of_mostly_unknown_areas_is_kept_and_does_not_count(lake, bea):
    def moved(results: dict[str, Any]) -> None:
        for row in results.get("Data", []):
            row["GeoFips"] = "7" + row["GeoFips"][1:]

    extract = lake.taken(rewritten(bea, moved))
    assert not lake.counts(extract)
    assert "areas that the catalogue does not hold" in lake.why(extract)


def test_a_key_that_bea_repeats_with_other_values_is_one_cell_in_quarantine(lake, bea):
    def repeated(results: dict[str, Any]) -> None:
        rows = results.get("Data", [])
        mine = [row for row in rows if (row["Code"], row["GeoFips"]) == ("SAPCE1-13", ALASKA)]
        rows += [row | {"DataValue": "7.5"} if row["TimePeriod"] == str(YEAR) else dict(row) for row in mine]

    extract = lake.taken(rewritten(bea, repeated))
    manifest = lake.bronze.manifest(extract)
    assert lake.counts(extract)
    (cell,) = kept(lake, extract)
    assert (cell["rule"], cell["year"], cell["object_key"]) == ("key_is_repeated", YEAR, "SAPCE1/13.json.gz")
    assert "7.5 and " in cell["reason"] or " and 7.5" in cell["reason"]
    assert manifest.tables["SAPCE1"].rows == silver(lake).height == 3 * 60 * 28
    content = read_extracts(lake.bronze, {"SAPCE1": [extract]}, lake.bronze.manifests(), lake.dataset)
    assert content.repeated["rows"].to_list() == [1] * 28


def test_a_file_that_repeats_a_key_with_other_values_is_refused_and_the_archive_of_bea_is_not(tmp_path, lake, bea):
    name = "SAPCE1__ALL"
    body = member_of(archive_of(2), name)
    alaska = [line for line in body.splitlines() if line.lstrip().startswith(b'"02000"') and b",SAPCE1,13," in line]
    twice = body.replace(alaska[0], alaska[0] + b"\n" + b",".join([*alaska[0].split(b",")[:-1], b"7.5"]))
    path = tmp_path / "twice.csv"
    path.write_bytes(twice)
    with pytest.raises(BeaFileRefused, match="two things of one cell"):
        lake.take(lake.files(path))
    bea.emulator.archives[PCE_STATE.archive] = archive_with(
        archive_of(2), lambda each, was: twice if each.startswith(name) else was
    )
    (cell,) = kept(lake, lake.taken(bea.bulk()))
    assert cell["rule"] == "key_is_repeated"


@pytest.mark.parametrize(
    ("codes", "said"),
    [
        (["SAPCE1-13"], {"SAPCE1": "read elsewhere"}),
        (["SAPCE3-47"], {"SAPCE3": "read elsewhere"}),
        (["SAPCE1-13", "SAPCE3-47"], {"SAPCE1": "current", "SAPCE3": "current"}),
    ],
)
def test_a_cell_that_gold_takes_from_another_table_is_not_said_to_be_missing(lake, bea, codes, said):
    bea.dataset = with_services_in_two_tables()
    lake.taken(answer(bea, "(T)", codes=codes))
    assert said_of(lake) == said
    assert unread_in_gold(lake) is ("current" in said.values())
    assert set(standing(lake.current())["bea_table"]) == set(said)


def test_a_cell_is_not_read_in_a_table_of_another_release(lake, bea):
    bea.dataset = with_services_in_two_tables()
    lake.taken(answer(bea, "(T)", codes=["SAPCE1-13"]), tables=["SAPCE1"])
    bea.emulator.set_release(1)
    lake.taken(tables=["SAPCE3"])
    assert said_of(lake) == {"SAPCE1": "current"}
    assert unread_in_gold(lake)


def with_services_in_two_tables() -> Dataset:
    """PCE by state of total and services, which SAPCE1 and SAPCE3 both publish."""
    names, categories = ["SAPCE1", "SAPCE3"], ["product.pce", "product.services"]
    wanted = pl.col("bea_table").is_in(names) & pl.col("category_id").is_in(categories)
    return replace(
        PCE_STATE, tables={name: PCE_STATE.tables[name] for name in names}, lines=PCE_STATE.lines.filter(wanted)
    )


def said_of(lake: Lakeside) -> dict[str, str]:
    return dict(listed(lake.current()).select("bea_table", "state").iter_rows())


def unread_in_gold(lake: Lakeside) -> bool:
    facts = conform_facts(silver(lake), lake.bea.dataset, lake.current().releases)
    return not facts.filter(status="quarantined").is_empty()


def test_a_kill_at_any_write_leaves_a_quarantine_that_fits_its_extract(tmp_path, bea):
    calm = Lakeside(tmp_path / "calm", bea)
    prepared = calm.prepare(answer(bea, "(T)"))
    watched, backend = calm.dying(after=1000)
    publish(watched, prepared)
    writes = len(backend.writes)
    for kill in range(writes):
        lake = Lakeside(tmp_path / str(kill), bea)
        prepared = lake.prepare(answer(bea, "(T)"))
        dying, _ = lake.dying(after=kill)
        with pytest.raises(Killed):
            publish(dying, prepared)
        # as long as there is no manifest, nothing is listed
        assert lake.bronze.extracts() or states(lake) == []
        lake.take(answer(bea, "(T)"))
        assert lake.bronze.extracts() == [ExtractId(today())], kill
        assert [cell["value_text"] for cell in kept(lake, ExtractId(today()))] == ["(T)"]


def test_a_later_extract_with_a_good_value_heals(lake, bea):
    broken = lake.taken(answer(bea, "(T)"))
    assert states(lake) == [(str(broken), "current")]
    good = lake.taken()
    assert lake.counts(good)
    assert states(lake) == [(str(broken), "healed")]
    assert silver(lake).filter(status="quarantined").is_empty()
    # and a later one may break again
    again = lake.taken(answer(bea, "(T)"))
    assert states(lake) == [(str(again), "current"), (str(broken), "healed")]


def test_a_file_laid_over_the_current_figures_heals_its_own_cells(tmp_path, lake, bea):
    broken = lake.taken(answer(bea, "(T)"))
    path = file_of(tmp_path, "8012.1")
    good = lake.take(lake.files(path), tables=["SAPCE1"])
    assert good is not None
    assert lake.counts(good)
    assert states(lake) == [(str(broken), "healed")]


def test_a_reader_that_has_learned_a_code_sees_the_cell_healed_and_no_new_vintage(lake, bea, monkeypatch):
    broken = lake.taken(answer(bea, "(T)"))
    monkeypatch.setitem(values.STATUS_OF_CODE, "(T)", "near_zero")
    assert states(lake) == [(str(broken), "healed")]
    assert lake.take(answer(bea, "(T)")) is None


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_bytes(b"PAR1 and nothing")])
def test_a_quarantine_file_that_is_lost_or_damaged_is_made_again_from_bronze(lake, bea, harm):
    extract = lake.taken(answer(bea, "(T)"))
    (before,) = kept(lake, extract)
    harm(lake.folder / lake.bronze.quarantine_key(extract))
    assert states(lake) == [(str(extract), "current")]
    assert kept(lake, extract) == [before]


def test_an_extract_without_such_cells_has_no_quarantine(lake):
    extract = lake.taken()
    assert lake.bronze.quarantine(extract) is None
    assert lake.bronze.manifest(extract).tables["SAPCE1"].quarantined == 0
    assert states(lake) == []
