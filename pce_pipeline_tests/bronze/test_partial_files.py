"""Files that hold a part, an older release, or what is held already: each finds its place and takes nothing away."""

import csv
import io
import json
import zipfile
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec
import pytest

from pce_pipeline.automation.state import _known
from pce_pipeline.bea.errors import BeaFileRefused
from pce_pipeline.bronze.cells import read_extracts
from pce_pipeline.bronze.current import EXTRACTS, lost_extracts
from pce_pipeline.bronze.deciding import check_pin, fuller_before, plan_drop, plan_undo, plan_use
from pce_pipeline.bronze.decisions import DecisionKind
from pce_pipeline.bronze.errors import DecisionRefused, FileUnusable
from pce_pipeline.bronze.extract import Place, next_extract_id, places, publish
from pce_pipeline.bronze.manifest import Manifest
from pce_pipeline.bronze.watermarks import watermarks_of
from pce_pipeline.emulator.faults import Fault, FaultKind
from pce_pipeline.errors import UsageError
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.lake.pointer import Partition
from pce_pipeline.silver.observations import normalise
from pce_pipeline_tests.bronze.look_alike import Lakeside, LookAlike, archive_of, member_of, today

OF_RELEASE = {1: date(2024, 10, 3), 2: date(2025, 9, 26), 3: date(2026, 9, 30)}
HEADER = 8  # columns before the years

Cut = Callable[..., Path]


@pytest.fixture
def lake(tmp_path: Path) -> Lakeside:
    return Lakeside(tmp_path / "lake", LookAlike(2, profile="smoke"))


@pytest.fixture
def cut(tmp_path: Path) -> Cut:
    """A file of some areas and years of SAPCE1 as one release published it, each row changed if one says how."""

    def made(
        release: int = 2,
        *,
        areas: Iterable[str] | None = None,
        years: Iterable[int] | None = None,
        change: Callable[[list[str]], None] | None = None,
        dated: bool = True,
    ) -> Path:
        rows = list(
            csv.reader(io.StringIO(member_of(archive_of(release), "SAPCE1__ALL").decode()), skipinitialspace=True)
        )
        header = rows[0]
        wanted = [*range(HEADER), *(header.index(str(year)) for year in years or map(int, header[HEADER:]))]
        kept = [header] + [row for row in rows[1:] if len(row) > HEADER and (areas is None or row[0] in set(areas))]
        remarks = [row for row in rows[1:] if len(row) == 1 and (dated or "updated" not in row[0])]
        path = tmp_path / f"cut-{len(list(tmp_path.iterdir()))}.csv"
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            for row in kept:
                picked = [row[column] for column in wanted]
                if change is not None and row is not header:
                    change(picked)
                writer.writerow(picked)
            writer.writerows(remarks)
        return path

    return made


def take(lake: Lakeside, *paths: Path, asked: date | None = None) -> list[ExtractId | None]:
    """What `pce extract --file` does with each place; None where nothing was new."""
    feed = lake.files(*paths)
    found = []
    for place in places(feed, ["SAPCE1"], asked, lake.current()):
        extract = next_extract_id(lake.bronze, place.day)
        found.append(lake.take(lake.files(*place.files), extract=extract, tables=place.tables))
    return found


def taken(lake: Lakeside, path: Path, *, asked: date | None = None) -> ExtractId:
    (extract,) = take(lake, path, asked=asked)
    assert extract is not None
    return extract


def current(lake: Lakeside) -> str:
    return str(lake.current().sources["SAPCE1"].newest)


def years(lake: Lakeside) -> set[int]:
    return lake.current().covered_years


def value(lake: Lakeside, area: str, year: int, line: int = 1) -> str | None:
    """What Silver would say of a cell."""
    layers = {table: source.vintage.extracts for table, source in lake.current().sources.items()}
    content = read_extracts(lake.bronze, layers, lake.bronze.manifests(), lake.dataset)
    silver = normalise(content.cells, content.lines, lake.bea.dataset).frame
    found = silver.filter(geo_fips=area, year=year, line_code=line)["value_text"]
    return found.item() if found.len() else None


def use(lake: Lakeside, extract: ExtractId, kind: DecisionKind) -> None:
    now = lake.current()
    planned = plan_use(lake.bronze, lake.bea.dataset, now, extract, kind, why="a test", at=datetime.now(UTC))
    lake.bronze.decisions.add(planned.decision)


def test_a_file_of_five_years_takes_no_year_away(lake, cut):
    taken(lake, cut(2))
    before = value(lake, "01000", 2000)
    extract = taken(lake, cut(3, years=range(2021, 2026)))
    assert not lake.counts(extract)
    assert "1997...2020" in lake.why(extract)
    assert years(lake) == set(range(1997, 2025))
    assert value(lake, "01000", 2000) == before


def test_a_file_of_one_state_takes_no_other_state_away(lake, cut):
    taken(lake, cut(2))
    extract = taken(lake, cut(3, areas=["02000"]))
    assert not lake.counts(extract)
    assert "59 areas" in lake.why(extract)
    assert value(lake, "01000", 2024) is not None


def test_two_state_files_of_one_release_give_two_states(lake, cut):
    first = taken(lake, cut(areas=["01000"]))
    second = taken(lake, cut(areas=["02000"]))
    assert (first, second) == (ExtractId(OF_RELEASE[2]), ExtractId(OF_RELEASE[2], 2))
    assert current(lake) == f"{first} with {second}"
    assert value(lake, "01000", 2024) is not None
    assert value(lake, "02000", 2024) is not None


def test_parts_of_a_newer_release_count_once_they_cover_what_is_held(lake, cut):
    held = taken(lake, cut(1))
    areas = lake.bea.dataset.areas["geo_fips"].to_list()
    first = taken(lake, cut(2, areas=areas[:30]))
    assert not lake.counts(first)
    assert current(lake) == str(held)
    second = taken(lake, cut(2, areas=areas[30:]))
    assert lake.counts(second)
    assert current(lake) == f"{first} with {second}"
    assert years(lake) == set(range(1997, 2025))


def test_parts_that_contradict_each_other_complete_nothing(lake, cut):
    def revised(row: list[str]) -> None:
        row[-1] = f"{float(row[-1]) + 7:.1f}"

    taken(lake, cut(1))
    areas = lake.bea.dataset.areas["geo_fips"].to_list()
    taken(lake, cut(2, areas=areas[:30]))
    other = taken(lake, cut(2, areas=areas[29:], change=revised))
    assert not lake.counts(other)
    assert current(lake) == str(OF_RELEASE[1])


def test_an_old_file_goes_to_its_own_day_and_changes_nothing_today(lake, cut):
    newest = lake.taken()
    before = value(lake, "01000", 2020)
    assert taken(lake, cut(1)) == ExtractId(OF_RELEASE[1])
    assert current(lake) == str(newest)
    assert value(lake, "01000", 2020) == before


def test_an_old_file_never_becomes_current_whatever_day_is_asked_for(lake, cut):
    newest = lake.taken()
    (place,) = places(lake.files(path := cut(1)), ["SAPCE1"], today(), lake.current())
    assert place == Place(OF_RELEASE[1], ("SAPCE1",), (path,), asked=today())
    assert taken(lake, path, asked=today()) == ExtractId(OF_RELEASE[1])
    assert current(lake) == str(newest)


@pytest.mark.parametrize(
    ("dated", "month", "day", "date_is"),
    [
        (False, date(2024, 10, 31), date(2024, 10, 31), "month"),
        (True, date(2024, 10, 31), date(2024, 10, 3), "day"),
        (True, date(2024, 12, 31), date(2024, 12, 31), "month"),
    ],
)
def test_a_file_of_a_month_is_of_its_last_day_or_of_its_own_in_it(lake, cut, dated, month, day, date_is):
    path = cut(1, dated=dated)
    (place,) = places(lake.files(path), ["SAPCE1"], month, lake.current(), "month")
    assert place == Place(day, ("SAPCE1",), (path,), date_is=date_is)


def test_an_old_file_of_a_later_month_goes_to_its_own_day_and_it_is_said(lake, cut):
    lake.taken()
    (place,) = places(lake.files(path := cut(1)), ["SAPCE1"], date(2026, 12, 31), lake.current(), "month")
    assert place == Place(OF_RELEASE[1], ("SAPCE1",), (path,), asked=date(2026, 12, 31))


def test_a_file_may_be_of_a_later_day_than_its_release_while_nothing_newer_was_out(lake, cut):
    taken(lake, cut(2))
    assert taken(lake, cut(1), asked=date(2025, 1, 31)) == ExtractId(date(2025, 1, 31))
    assert current(lake) == str(OF_RELEASE[2])


def test_even_at_a_day_of_its_own_choosing_an_older_release_does_not_count(lake, cut):
    newest = lake.taken()
    forced = lake.prepare(lake.files(cut(1)), extract=next_extract_id(lake.bronze, today()))
    assert not forced.manifest.verdicts["SAPCE1"].counts
    assert "which is newer" in forced.manifest.verdicts["SAPCE1"].why
    publish(lake.bronze, forced)
    assert current(lake) == str(newest)


def test_a_file_that_says_no_day_needs_one(lake, cut):
    path = cut(2, dated=False)
    with pytest.raises(UsageError, match="does not say when BEA last updated SAPCE1") as refused:
        take(lake, path)
    assert "--date" in refused.value.remedy
    assert lake.listing() == []
    assert taken(lake, path, asked=OF_RELEASE[2]) == ExtractId(OF_RELEASE[2])
    # without a date inside it is of the day it was given, so it is known again with one
    assert take(lake, cut(2)) == [None]


def test_tables_of_several_days_become_an_extract_for_each_day(tmp_path):
    lake = Lakeside(tmp_path / "lake", LookAlike(2, profile="full"))
    archive = tmp_path / "mixed.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("a/SAPCE1__ALL_AREAS_1997_2024.csv", member_of(archive_of(2), "SAPCE1__ALL"))
        packed.writestr("a/SAPCE2__ALL_AREAS_1997_2023.csv", member_of(archive_of(1), "SAPCE2__ALL"))
    found = places(lake.files(archive), list(lake.bea.dataset.tables), None, lake.current())
    assert [(place.day, place.tables) for place in found] == [
        (OF_RELEASE[1], ("SAPCE2",)),
        (OF_RELEASE[2], ("SAPCE1",)),
    ]
    for place in found:
        lake.take(lake.files(*place.files), extract=ExtractId(place.day), tables=place.tables)
    assert {table: str(source.vintage) for table, source in lake.current().sources.items()} == {
        "SAPCE1": str(OF_RELEASE[2]),
        "SAPCE2": str(OF_RELEASE[1]),
    }
    assert lake.current().releases == {"SAPCE1": str(OF_RELEASE[2]), "SAPCE2": str(OF_RELEASE[1])}


def test_a_spreadsheet_copy_of_a_held_release_is_known_again_and_no_revision(lake, cut):
    def saved_again(row: list[str]) -> None:
        row[0] = str(int(row[0]))
        for column in range(HEADER, len(row)):
            row[column] = "" if row[column].startswith("(") else row[column].removesuffix(".0")

    newest = taken(lake, cut(2))
    assert take(lake, cut(2, change=saved_again)) == [None]
    assert take(lake, cut(2, areas=["01000", "02000"], years=(2020, 2021), change=saved_again)) == [None]
    assert lake.bronze.extracts() == [newest]


def test_an_empty_cell_says_nothing_and_takes_no_figure_away(lake, cut):
    def emptied(row: list[str]) -> None:
        if row[0] == "01000":
            row[-2] = ""

    taken(lake, cut(1))
    extract = taken(lake, cut(2, change=emptied))
    assert not lake.counts(extract)
    assert "area 01000, 2023" in lake.why(extract)
    use(lake, extract, "over")
    assert value(lake, "01000", 2023) is not None
    assert value(lake, "01000", 2024) is not None


def test_an_empty_cell_of_the_only_file_is_blank_and_never_not_available(lake, cut):
    def emptied(row: list[str]) -> None:
        row[-1] = ""

    extract = taken(lake, cut(2, areas=["01000"], change=emptied))
    content = read_extracts(lake.bronze, {"SAPCE1": [extract]}, lake.bronze.manifests(), lake.dataset)
    assert content.cells.filter(year=2024)["status"].unique().to_list() == ["blank"]


def test_a_partial_file_imported_twice_is_kept_once(lake, cut):
    lake.taken()
    extract = taken(lake, cut(3, areas=["02000"]))
    assert take(lake, cut(3, areas=["02000"])) == [None]
    assert take(lake, cut(3, areas=["02000"], years=(2020, 2021))) == [None]
    assert lake.bronze.extracts() == [extract, ExtractId(today())]


@pytest.mark.parametrize(
    ("column", "text", "said"),
    [
        (6, "Goods and more", "now says 'Goods and more'"),
        (7, "Thousands of current dollars", "comes in another unit"),
        (0, "99123", "rows of SAPCE1 are of areas that the catalogue does not hold: 99123"),
        (8, "about 5", "cells of SAPCE1 are neither numbers nor known codes: 'about 5'"),
    ],
)
def test_a_file_that_silver_could_not_be_made_of_is_refused_before_anything_is_stored(lake, cut, column, text, said):
    def changed(row: list[str]) -> None:
        if row[4] == "2" or (row[4] == "13" and column in {0, 8}):
            row[column] = text

    with pytest.raises(FileUnusable, match=said):
        take(lake, cut(2, areas=["01000"], years=[2021], change=changed))
    assert lake.listing() == []


def test_a_live_answer_equal_to_the_current_one_makes_none_although_a_part_lies_between(lake, cut):
    first = lake.taken()
    taken(lake, cut(3, areas=["02000"]), asked=today())
    assert lake.take() is None
    assert lake.bronze.verified().tables["SAPCE1"].extract == str(first)


@pytest.mark.parametrize("first", ["live", "part"])
def test_a_part_never_makes_the_release_of_bea_look_known(lake, cut, first):
    if first == "live":
        lake.taken()
    taken(lake, cut(3, years=range(2021, 2026)))
    now = lake.current()
    source = now.unpinned["SAPCE1"]
    known = _known(watermarks_of(now)["SAPCE1"], source, source, lake.bea.dataset)
    if first == "live":
        assert (known.last_updated, known.is_complete) == (OF_RELEASE[2], True)
    else:
        assert not known.is_complete


def test_a_whole_file_is_as_good_as_an_answer(lake, cut):
    taken(lake, cut(2))
    now = lake.current()
    source = now.unpinned["SAPCE1"]
    known = _known(watermarks_of(now)["SAPCE1"], source, source, lake.bea.dataset)
    assert (known.last_updated, known.is_complete) == (OF_RELEASE[2], True)


def test_what_lies_over_the_current_figures_is_shown_and_taken_back(lake, cut):
    base = taken(lake, cut(1))
    part = taken(lake, cut(2, years=range(2023, 2025)))
    before = value(lake, "01000", 2023)
    use(lake, part, "over")
    assert current(lake) == f"{base} with {part}"
    assert years(lake) == set(range(1997, 2025))
    assert value(lake, "01000", 2023) != before
    assert value(lake, "01000", 2000) is not None
    now = lake.current()
    assert now.releases == {"SAPCE1": "2024-10-03 with 2025-09-26"}
    undo = plan_undo(now, part, why="enough", at=datetime.now(UTC))
    (loss,) = undo.losses
    assert loss.startswith("SAPCE1: 180 cells of pce: 3 categories (product.goods, product.pce, product.services)")
    assert loss.endswith("60 areas, 2024")
    lake.bronze.decisions.add(undo.decision)
    assert current(lake) == str(base)
    assert value(lake, "01000", 2023) == before


def test_an_answer_that_lacks_what_counts_is_accepted_by_a_decision_that_spells_the_loss_out(lake, bea):
    lake.taken()
    lake.bea.emulator.set_faults(Fault(FaultKind.CELLS_DROPPED, areas=("02000",)))
    refused = lake.taken()
    assert not lake.counts(refused)
    now = lake.current()
    planned = plan_use(lake.bronze, lake.bea.dataset, now, refused, "instead", why="BEA said so", at=datetime.now(UTC))
    (loss,) = planned.losses
    assert loss.startswith("SAPCE1: 84 cells of pce: 3 categories (product.goods, product.pce, product.services)")
    assert loss.endswith("area 02000, 1997...2024")
    lake.bronze.decisions.add(planned.decision)
    assert current(lake) == str(refused)
    assert value(lake, "02000", 2024) is None
    # the same answer again is what counts now
    assert lake.take() is None
    assert lake.bronze.verified().tables["SAPCE1"].extract == str(refused)


def test_a_dropped_file_counts_no_more_and_its_bytes_stay(lake, cut):
    older = taken(lake, cut(1))
    wrong = taken(lake, cut(2))
    now = lake.current()
    lake.bronze.decisions.add(
        plan_drop(lake.bronze, lake.bea.dataset, now, wrong, why="wrong", at=datetime.now(UTC)).decision
    )
    assert current(lake) == str(older)
    assert lake.bronze.verify(wrong) == []
    with pytest.raises(DecisionRefused, match="dropped before"):
        plan_drop(lake.bronze, lake.bea.dataset, lake.current(), wrong, why="again", at=datetime.now(UTC))
    with pytest.raises(DecisionRefused, match="was dropped"):
        use(lake, wrong, "over")
    # taken again it is a new extract, because the dropped one is not compared with
    assert taken(lake, cut(2)) == wrong.next_of_day


def test_what_failed_by_a_dropped_file_is_judged_anew(lake, cut):
    def invented(row: list[str]) -> None:
        row[-1] = "1.0"

    wrong = taken(lake, cut(2, change=invented))
    lake.bea.emulator.set_faults(Fault(FaultKind.CELLS_DROPPED, areas=("02000",)))
    live = lake.taken()
    assert not lake.counts(live)
    now = lake.current()
    drop = plan_drop(lake.bronze, lake.bea.dataset, now, wrong, why="invented", at=datetime.now(UTC)).decision
    assert drop.verdicts[str(live)]["SAPCE1"].counts
    lake.bronze.decisions.add(drop)
    assert current(lake) == str(live)


def test_decisions_that_make_no_sense_are_refused_with_what_there_is(lake, cut):
    live = lake.taken()
    with pytest.raises(DecisionRefused, match="counts already"):
        use(lake, live, "instead")
    with pytest.raises(DecisionRefused, match=f"There is no extract {OF_RELEASE[1]}") as refused:
        use(lake, ExtractId(OF_RELEASE[1]), "over")
    assert str(live) in refused.value.remedy
    with pytest.raises(DecisionRefused, match="BEA itself answered"):
        plan_drop(lake.bronze, lake.bea.dataset, lake.current(), live, why="", at=datetime.now(UTC))
    with pytest.raises(DecisionRefused, match="not in use"):
        plan_undo(lake.current(), live, why="", at=datetime.now(UTC))
    old = taken(lake, cut(1))
    lake.bronze.write_pin(old, now=datetime.now(UTC), reason="a test")
    with pytest.raises(DecisionRefused, match="is pinned") as refused:
        plan_drop(lake.bronze, lake.bea.dataset, lake.current(), old, why="", at=datetime.now(UTC))
    assert "pin --clear" in refused.value.remedy


def as_before(lake: Lakeside) -> None:
    """Make every manifest one of the version that recorded neither cells nor verdicts."""
    for path in lake.folder.rglob("manifest.json"):
        stored = json.loads(path.read_text())
        del stored["verdicts"]
        stored["format"] = 1
        for entry in stored["tables"].values():
            del entry["holds"]
        path.write_text(json.dumps(stored))


def test_a_lake_that_a_partial_file_has_damaged_mends_itself(lake, cut):
    whole = taken(lake, cut(2))
    part = taken(lake, cut(3, years=range(2021, 2026)))
    expected = {extract: each.verdicts for extract, each in lake.bronze.manifests().items()}
    as_before(lake)
    assert all(each.verdicts is None for each in lake.bronze.manifests().values())
    assert current(lake) == str(whole)
    assert years(lake) == set(range(1997, 2025))
    assert {extract: each.verdicts for extract, each in lake.bronze.manifests().items()} == expected
    assert sorted(path.parent.name for path in lake.folder.rglob("scope.json")) == [str(whole), str(part)]
    assert lake.bronze.verify(part) == []


def test_an_old_archive_that_was_stored_as_of_a_later_day_counts_no_more(lake, cut):
    whole = taken(lake, cut(2))
    forced = lake.prepare(lake.files(cut(1)), extract=ExtractId(date(2025, 12, 1)))
    manifest: Manifest = msgspec.structs.replace(forced.manifest, verdicts=None)
    lake.bronze.publish(manifest.extract, manifest, forced.objects)
    as_before_one = lake.current()
    assert str(as_before_one.sources["SAPCE1"].newest) == str(whole)
    assert "which is newer" in as_before_one.manifests[manifest.extract].verdicts["SAPCE1"].why


def test_an_extract_of_before_with_a_damaged_object_counts_as_it_did_until_it_is_restored(lake):
    live = lake.taken()
    as_before(lake)
    (answer,) = lake.folder.rglob("SAPCE1/2.json.gz")
    body = answer.read_bytes()
    answer.write_bytes(b"rot")
    assert current(lake) == str(live)
    assert not list(lake.folder.rglob("scope.json"))
    answer.write_bytes(body)
    assert current(lake) == str(live)
    assert len(list(lake.folder.rglob("scope.json"))) == 1


@pytest.fixture
def wide(tmp_path: Path) -> Lakeside:
    """A lake for all tables, of which SAPCE3 repeats the lines of SAPCE1."""
    return Lakeside(tmp_path / "wide", LookAlike(2, profile="full"))


def test_a_file_of_one_line_does_not_cover_its_table_because_another_table_repeats_the_others(wide, tmp_path):
    for table in ("SAPCE1", "SAPCE3"):
        path = tmp_path / f"{table}.csv"
        path.write_bytes(member_of(archive_of(2), f"{table}__ALL"))
        wide.take(wide.files(path), extract=next_extract_id(wide.bronze, OF_RELEASE[2]), tables=[table])
    rows = member_of(archive_of(2), "SAPCE1__ALL").decode().split("\r\n")
    kept = [row for row in rows if not row.startswith(' "') or ",SAPCE1,16," in row]
    changed = [
        row.replace(",SAPCE1,16,", ",SAPCE1,16,").rpartition(",")[0] + ",9.9" if '"06000"' in row else row
        for row in kept
    ]
    path = tmp_path / "one.csv"
    path.write_text("\r\n".join(changed))
    extract = wide.take(wide.files(path), extract=next_extract_id(wide.bronze, OF_RELEASE[2]), tables=["SAPCE1"])
    assert not wide.counts(extract)
    assert "23 categories" in wide.why(extract)


@pytest.mark.parametrize(("renamed", "counts"), [(False, True), (True, False)])
def test_a_line_that_moved_to_a_table_of_the_same_answer_is_no_loss_if_that_table_counts(wide, renamed, counts):
    wide.take(wide.bea.bulk(), tables=["SAPCE1", "SAPCE3"])
    faults = [Fault(FaultKind.LINE_DROPPED, tables=("SAPCE1",), lines=(16,))]
    faults += [Fault(FaultKind.LINES_RENAMED, tables=("SAPCE3",), lines=(50,))] if renamed else []
    bea = LookAlike(3, *faults, profile="full")
    extract = wide.take(bea.bulk(), tables=["SAPCE1", "SAPCE3"])
    assert wide.counts(extract, "SAPCE3") is not renamed
    assert wide.counts(extract, "SAPCE1") is counts


@pytest.mark.parametrize("year", [1990, 2026])
def test_a_file_with_a_year_that_cannot_be_is_refused_before_anything_is_stored(lake, tmp_path, cut, year):
    path = cut(2, areas=["01000"])
    rows = [row.split(",") for row in path.read_text().splitlines()]
    rows[0][-1] = str(year)
    path.write_text("\n".join(",".join(row) for row in rows))
    with pytest.raises(FileUnusable, match=f"figures of {year}; on 2025-09-26 BEA could have published 1997 to 2025"):
        take(lake, path)
    assert lake.listing() == []


def test_a_copy_that_contradicts_its_own_release_says_in_how_many_cells(lake, cut):
    def rounded(row: list[str]) -> None:
        row[-1] = f"{float(row[-1]):.0f}"

    taken(lake, cut(2))
    extract = taken(lake, cut(2, change=rounded))
    verdict = lake.current().manifests[extract].verdicts["SAPCE1"]
    assert verdict.counts
    assert 100 < verdict.contradicts <= 180
    assert f"says otherwise in {verdict.contradicts} of them although both are of 2025-09-26" in verdict.why


def test_an_extract_that_lies_below_another_one_is_taken_back_after_it(lake, cut):
    taken(lake, cut(1))
    lower = taken(lake, cut(2, areas=["01000"]))
    upper = taken(lake, cut(2, areas=["02000"], years=(2023, 2024)))
    use(lake, lower, "over")
    use(lake, upper, "over")
    now = datetime.now(UTC)
    with pytest.raises(DecisionRefused, match=f"{upper} lies over {lower}") as refused:
        plan_undo(lake.current(), lower, why="", at=now)
    assert f"pce use {upper} --undo" in refused.value.remedy
    for extract in (upper, lower):
        lake.bronze.decisions.add(plan_undo(lake.current(), extract, why="", at=datetime.now(UTC)).decision)
    assert current(lake) == str(OF_RELEASE[1])


def test_an_answer_laid_over_the_current_figures_makes_its_release_known(lake):
    lake.taken()
    lake.bea.emulator.set_release(3)
    lake.bea.emulator.set_faults(Fault(FaultKind.CELLS_DROPPED, areas=("02000",), years=(2000,)))
    refused = lake.taken()
    use(lake, refused, "over")
    now = lake.current()
    source = now.unpinned["SAPCE1"]
    known = _known(watermarks_of(now)["SAPCE1"], source, source, lake.bea.dataset)
    assert known.last_updated == OF_RELEASE[3]
    assert value(lake, "02000", 2000) is not None


def test_a_part_that_was_there_first_is_laid_over_a_fuller_older_vintage_by_a_decision(lake, cut):
    parts = [taken(lake, cut(2, areas=[area], years=range(2020, 2025))) for area in ("01000", "02000")]
    assert fuller_before(lake.current(), "SAPCE1") is None
    whole = taken(lake, cut(1))
    assert current(lake) == " with ".join(map(str, parts)), "a later arrival changes nothing by itself"
    assert value(lake, "06000", 2023) is None
    newer = value(lake, "01000", 2023)
    assert fuller_before(lake.current(), "SAPCE1") is not None
    with pytest.raises(DecisionRefused, match="counts already"):
        use(lake, whole, "over")
    use(lake, parts[-1], "over")
    assert current(lake) == " with ".join(map(str, [whole, *parts]))
    assert value(lake, "06000", 2023) is not None
    assert value(lake, "01000", 2023) == newer
    with pytest.raises(DecisionRefused, match="counts already"):
        use(lake, parts[-1], "over")


def client_frame(path: Path, *lines: int) -> Path:
    """SAPCE1 of two states and a year as BEA's Python client gives it: without a text for its lines."""
    header = "Code,GeoFips,GeoName,TimePeriod,CL_UNIT,UNIT_MULT,DataValue"
    rows = [
        f"SAPCE1-{line},{area},{name},2021,Millions of current dollars,6,{number}00.5"
        for number, (area, name) in enumerate([("01000", "Alabama"), ("02000", "Alaska")], start=1)
        for line in lines
    ]
    path.write_text("\n".join([header, *rows]))
    return path


def test_a_file_without_texts_of_its_lines_is_published_by_their_codes(lake, tmp_path):
    extract = taken(lake, client_frame(tmp_path / "frame.csv", 1, 2), asked=date(2022, 12, 1))
    assert lake.bronze.manifest(extract).scope == {"SAPCE1": (1, 2)}
    assert (value(lake, "01000", 2021), value(lake, "02000", 2021, line=2)) == ("100.5", "200.5")


def test_an_extract_of_before_that_lists_no_line_of_its_file_is_read_whole(lake, tmp_path):
    extract = taken(lake, client_frame(tmp_path / "frame.csv", 1, 2), asked=date(2022, 12, 1))
    manifests = lake.bronze.manifests()
    unlisted = {extract: msgspec.structs.replace(manifests[extract], scope={"SAPCE1": ()})}
    assert read_extracts(lake.bronze, {"SAPCE1": [extract]}, unlisted, lake.dataset).cells.height == 4


def test_a_file_of_lines_that_the_catalogue_does_not_hold_is_refused_before_anything_is_stored(wide, tmp_path):
    with pytest.raises(FileUnusable, match=r"SAPCE1 has no line that the catalogue holds \(but 901, 902\)"):
        take(wide, client_frame(tmp_path / "frame.csv", 901, 902), asked=date(2022, 12, 1))
    assert wide.bronze.extracts() == []


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.json", json.dumps({"BEAAPI": {"Results": {"Data": []}}}).encode(), "and no figure either"),
        ("inner.zip", {"inside.zip": b"PK\x03\x04"}, "but inside.zip"),
        ("answers.zip", {"a.json": b"{}", "b.csv.gz": b"\x1f\x8b"}, "but a.json, b.csv.gz"),
    ],
)
def test_a_file_without_a_table_says_what_is_in_it(lake, tmp_path, name, content, said):
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            for member, body in content.items():
                archive.writestr(member, body)
    with pytest.raises(BeaFileRefused) as refused:
        take(lake, path)
    assert f"{name} holds no table of BEA, {said}." in str(refused.value)


def test_taking_back_a_decision_judges_anew_what_followed_it(lake, cut):
    whole = taken(lake, cut(1))
    part = taken(lake, cut(2, areas=["01000"]))
    use(lake, part, "instead")
    later = taken(lake, cut(3, areas=["01000"]))
    assert lake.counts(later)
    undo = plan_undo(lake.current(), part, why="a mistake", at=datetime.now(UTC))
    lake.bronze.decisions.add(undo.decision)
    assert current(lake) == str(whole)
    assert value(lake, "02000", 2023) is not None


def test_dropping_what_was_used_judges_anew_what_followed_it(lake, cut):
    whole = taken(lake, cut(1))
    part = taken(lake, cut(2, areas=["01000"]))
    use(lake, part, "instead")
    taken(lake, cut(3, areas=["01000"]))
    drop = plan_drop(lake.bronze, lake.bea.dataset, lake.current(), part, why="wrong", at=datetime.now(UTC))
    lake.bronze.decisions.add(drop.decision)
    assert current(lake) == str(whole)


def test_dropping_an_old_file_lets_no_part_take_a_newer_whole_away(lake, cut):
    old = taken(lake, cut(1))
    part = taken(lake, cut(3, years=[2019, 2020]))
    whole = taken(lake, cut(2))
    assert not lake.counts(part)
    assert current(lake) == str(whole)
    drop = plan_drop(lake.bronze, lake.bea.dataset, lake.current(), old, why="old", at=datetime.now(UTC))
    assert drop.losses == []
    lake.bronze.decisions.add(drop.decision)
    assert current(lake) == str(whole)
    assert value(lake, "01000", 2023) is not None


def test_a_pin_up_to_which_nothing_counts_is_refused(lake, cut):
    old, new = taken(lake, cut(1)), taken(lake, cut(2))
    check_pin(lake.current(), old)
    drop = plan_drop(lake.bronze, lake.bea.dataset, lake.current(), old, why="old", at=datetime.now(UTC))
    lake.bronze.decisions.add(drop.decision)
    check_pin(lake.current(), new)
    with pytest.raises(DecisionRefused, match=f"{old} was dropped"):
        check_pin(lake.current(), old)
    with pytest.raises(DecisionRefused, match="a pin would take everything away"):
        check_pin(lake.current(), ExtractId(date(2020, 1, 1)))


def test_extracts_of_which_something_was_made_and_whose_manifest_is_gone_are_lost(lake, cut):
    first, second = taken(lake, cut(1)), taken(lake, cut(2))

    def made_of(*vintages: str) -> dict[str, Partition]:
        details = {EXTRACTS: {f"T{number}": vintage for number, vintage in enumerate(vintages)}}
        partition = Partition(
            key="2021",
            objects=(),
            rows=0,
            content_sha256="",
            inputs={},
            code_version="1",
            details=details,
            run_id="run",
            published_at=datetime.now(UTC),
        )
        return {"2021": partition}

    assert lost_extracts(lake.current(), made_of(str(first), f"{first} with {second}")) == []
    assert lost_extracts(lake.current(), made_of(f"{first} with 2026-02-23.2")) == ["2026-02-23.2"]
