"""Values that somebody took from BEA's files: kept with their provenance, answering when asked for, never current."""

import bz2
import contextlib
import gzip
import io
import random
import zipfile
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pce_pipeline.bea.documents import read_document
from pce_pipeline.bea.errors import BeaFileRefused
from pce_pipeline.bea.values import typed
from pce_pipeline.bronze.deciding import Planned, plan_drop, plan_use
from pce_pipeline.bronze.derived import DerivedFeed, LongColumns, in_layout_of_bea
from pce_pipeline.bronze.errors import DecisionRefused
from pce_pipeline.bronze.history import History
from pce_pipeline.bronze.judgement import content_of
from pce_pipeline.errors import UsageError
from pce_pipeline.gold.known import AsOf
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline_tests.bronze.look_alike import Lakeside, LookAlike
from pce_pipeline_tests.bronze.test_partial_files import Cut, cut, taken  # noqa: F401 (a fixture)
from pce_pipeline_tests.bronze.test_what_was_known import known, published
from pce_pipeline_tests.datasets import PCE_STATE

COLUMNS = LongColumns(area="stabbr", line="line", year="year", value="value")
CELL = ["geo_fips", "line_code", "year"]
WHY = "data set PCEstate of a package"
TEXT = "stabbr,line,year,value\nAL,1,2017,100.5\nUS,1,2017,20000\nDC,1,2017,NA\nAL,2,2017,50\n"


@pytest.fixture
def lake(tmp_path: Path) -> Lakeside:
    return Lakeside(tmp_path / "lake", LookAlike(2, profile="smoke"))


def derived_feed(lake: Lakeside, folder: Path, text: str = TEXT) -> DerivedFeed:
    path = folder / "values.csv"
    path.write_text(text)
    return DerivedFeed(path, COLUMNS, lake.bea.dataset, WHY)


def derive(lake: Lakeside, folder: Path, text: str = TEXT, day: str = "2018-10-31") -> ExtractId | None:
    return lake.take(derived_feed(lake, folder, text), extract=day, tables=["SAPCE1"])


def drop(lake: Lakeside, extract: ExtractId) -> Planned:
    planned = plan_drop(lake.bronze, lake.bea.dataset, lake.current(), extract, why="x", at=datetime.now(UTC))
    lake.bronze.decisions.add(planned.decision)
    return planned


def layout(text: str) -> str:
    return in_layout_of_bea("values.csv", text.encode(), COLUMNS, PCE_STATE, "SAPCE1").decode()


def test_values_that_end_without_a_line_end_may_be_cut_and_are_refused() -> None:
    with pytest.raises(BeaFileRefused, match="may be cut off"):
        layout("stabbr,line,year,value\nAL,1,2017,100\nAL,1,2018,2000")
    assert layout("stabbr,line,year,value\nAL,1,2017,100.5\nAL,1,2018,200.5")


def test_values_cut_anywhere_say_no_other_figure() -> None:
    text = "stabbr,line,year,value\nAL,1,2017,100\nUS,1,2017,20000\nAL,1,2018,2000\n"
    whole = layout(text)
    for end in range(len(text)):
        with contextlib.suppress(BeaFileRefused, UsageError):
            assert set(layout(text[:end]).replace("\n", ",").split(",")) <= set(whole.replace("\n", ",").split(","))


def test_a_long_csv_is_kept_as_received_and_read_as_a_file_of_beas(lake: Lakeside, tmp_path: Path) -> None:
    extract = derive(lake, tmp_path)
    assert extract is not None
    manifest = lake.bronze.manifest(extract)
    assert (manifest.origin, manifest.provenance, manifest.is_live) == ("derived", WHY, False)
    objects = {entry.key: body for entry, body in lake.bronze.read_objects(extract)}
    assert objects["001-values.csv"] == TEXT.encode()
    cells = content_of(lake.bronze, manifest, ["SAPCE1"], lake.dataset).cells.sort("line_code", "geo_fips")
    assert cells.select("line_code", "geo_fips", "year", "value", "status").rows() == [
        (1, "00000", 2017, Decimal(20000), "reported"),
        (1, "01000", 2017, Decimal("100.5"), "reported"),
        (1, "11000", 2017, None, "blank"),
        (2, "01000", 2017, Decimal(50), "reported"),
    ]


def test_it_changes_nothing_and_answers_where_it_is_asked_for(lake: Lakeside, cut: Cut, tmp_path: Path) -> None:  # noqa: F811
    taken(lake, cut(1, years=[2017, 2021]))
    before = published(lake.current())
    extract = derive(lake, tmp_path, day="2025-01-31")
    now = lake.current()
    assert published(now).equals(before)
    assert known(now, AsOf(date(2025, 12, 31))).equals(before)
    asked = known(now, AsOf(date(2025, 12, 31), include=("derived",)))
    changed = asked.join(before, on=["measure", "category_id", "geo_fips", "year", "value"], how="anti")
    assert set(changed["geo_fips"]) == {"00000", "01000"}
    assert set(History(now).vintages["basis"]) == {"counted", "derived"}
    assert extract is not None
    with pytest.raises(DecisionRefused, match="derived"):
        plan_use(lake.bronze, lake.bea.dataset, now, extract, "over", why="x", at=datetime.now(UTC))


def test_beas_own_file_counts_as_if_it_were_not_there(lake: Lakeside, cut: Cut, tmp_path: Path) -> None:  # noqa: F811
    derive(lake, tmp_path, day="2024-10-31")
    real = taken(lake, cut(1))
    assert lake.counts(real)
    assert lake.current().sources["SAPCE1"].newest.at == real


def test_the_same_values_again_are_not_kept(lake: Lakeside, tmp_path: Path) -> None:
    first = derive(lake, tmp_path)
    assert first is not None
    assert derive(lake, tmp_path, day="2019-01-31") is None
    drop(lake, first)
    assert derive(lake, tmp_path, day="2019-01-31") is not None


def test_the_same_values_of_an_earlier_day_tell_since_when_they_are_known(lake: Lakeside, tmp_path: Path) -> None:
    assert derive(lake, tmp_path) is not None
    assert derive(lake, tmp_path, day="2018-05-31") is not None


def test_values_that_came_back_after_others_are_kept(lake: Lakeside, cut: Cut, tmp_path: Path) -> None:  # noqa: F811
    assert derive(lake, tmp_path, day="2024-01-31") is not None
    taken(lake, cut(1))
    assert derive(lake, tmp_path, day="2025-01-31") is not None


def values_of(extract: Path, *, areas: set[str], change: str = "") -> str:
    """A long CSV of what BEA's own file says of these areas."""
    cells = read_document(extract.read_bytes(), ["SAPCE1"]).frame.filter(
        pl.col("geo_fips").is_in(areas), pl.col("line_code") == 1
    )
    rows = cells.select("geo_fips", "line_code", "year", "value_text").rows()
    return "stabbr,line,year,value\n" + "".join(f'{a},{line},{year},"{text}{change}"\n' for a, line, year, text in rows)


def test_what_beas_own_file_says_already_is_not_kept(lake: Lakeside, cut: Cut, tmp_path: Path) -> None:  # noqa: F811
    path = cut(1, years=[2021, 2022])
    real = taken(lake, path)
    text = values_of(path, areas={"01000", "02000"})
    feed = derived_feed(lake, tmp_path, text)
    same = lake.prepare(feed, extract="2025-01-31", tables=["SAPCE1"])
    assert (same.changed, same.equals) == ((), {"SAPCE1": real})
    assert derive(lake, tmp_path, text, day="2024-01-31") is not None
    assert derive(lake, tmp_path, values_of(path, areas={"01000"}, change="1"), day="2025-01-31") is not None


def test_beas_own_file_of_the_same_values_is_kept_and_counts(lake: Lakeside, cut: Cut, tmp_path: Path) -> None:  # noqa: F811
    path = cut(1, areas=["01000"], years=[2021, 2022])
    assert derive(lake, tmp_path, values_of(path, areas={"01000"}), day="2024-10-03") is not None
    assert lake.counts(taken(lake, path))


def test_dropping_derived_values_judges_nothing_anew(lake: Lakeside, cut: Cut, tmp_path: Path) -> None:  # noqa: F811
    extract = derive(lake, tmp_path, day="2024-01-31")
    taken(lake, cut(1))
    part = taken(lake, cut(2, areas=["01000"]))
    taken(lake, cut(2))
    assert extract is not None
    assert not lake.counts(part)
    planned = drop(lake, extract)
    assert (planned.becomes, planned.loses, planned.decision.verdicts) == ({}, {}, {})
    assert set(History(lake.current()).vintages["basis"]) == {"counted", "partial"}


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("XX,1,2021,5", "row 2, column stabbr: 'XX' is no area of SAPCE1"),
        ("AL,1,2021,5\n\nXX,1,2021,5", "row 4, column stabbr: 'XX' is no area"),
        ("1,1,2021,5", "row 2, column stabbr: '1' is no area"),
        ("AL,99,2021,5", "row 2, column line: '99' is no line"),
        ("AL,Nothing of ours,2021,5", "column line: 'Nothing of ours' is no line"),
        ("AL,1,21,5", "row 2, column year: '21' is no year"),
        ("AL,2,2021,5\nAL,1,2021,5\nAL,1,2021,5.0\nAL,1,2021,6", "rows 3 and 5, column value: '5' and '6' are given"),
        ("AL,1,2021,NA\nAL,2,2021,abc", "row 2, column value: '' is no number, and no other row has one"),
    ],
)
def test_what_cannot_be_placed_is_refused_with_row_and_column(row: str, says: str) -> None:
    with pytest.raises(BeaFileRefused, match=says) as refused:
        layout(f"stabbr,line,year,value\n{row}\n")
    assert refused.value.table == "SAPCE1"
    assert refused.value.remedy


def test_a_cell_that_is_there_twice_is_named_by_line_and_area() -> None:
    with pytest.raises(BeaFileRefused) as refused:
        layout("stabbr,line,year,value\nAL,2,2021,5\nAL,2,2021,6\n")
    assert (refused.value.line, refused.value.area) == (2, "01000")


def test_a_cell_that_is_there_twice_with_one_number_is_one_cell() -> None:
    assert layout("stabbr,line,year,value\nAL,1,2021,5\nAL,1,2021,5.0\n").splitlines()[1:] == [
        "01000,Alabama,,SAPCE1,1,...,Personal consumption expenditures,Millions of current dollars,5"
    ]


@pytest.mark.parametrize("area", ["AL", "1000", "01000", "Alabama", "alabama", "Alabama *"])
@pytest.mark.parametrize(
    "line", ["1", "1.0", "Personal consumption expenditures", " Personal consumption expenditures 1/"]
)
def test_areas_and_lines_go_by_code_and_by_name(area: str, line: str) -> None:
    (_, row) = layout(f"stabbr,line,year,value\n{area},{line},2021,5\n").splitlines()
    assert row.startswith("01000,Alabama,,SAPCE1,1,")


def test_a_column_that_is_called_otherwise_is_named_with_its_option() -> None:
    with pytest.raises(UsageError, match="has no column stabbr, but state, line"):
        layout("state,line,year,value\nAL,1,2021,5\n")


def test_every_area_of_the_catalogue_goes_by_code_postal_code_and_name() -> None:
    areas = PCE_STATE.areas.select("geo_fips", "path_segment", "geo_name").rows()
    for words in zip(*areas, strict=True):
        rows = "".join(f'"{word}",1,2021,5\n' for word in words)
        assert layout(f"stabbr,line,year,value\n{rows}").count("\n") == 1 + len(areas)


cells = st.dictionaries(
    st.tuples(
        st.sampled_from(PCE_STATE.areas["geo_fips"].to_list()),
        st.sampled_from(sorted(PCE_STATE.line_codes("SAPCE1"))),
        st.integers(1997, 2017),
    ),
    st.decimals(-999_999, 999_999_999, places=1),
    min_size=1,
)


@given(cells, st.randoms())
def test_what_is_written_in_any_order_is_read_again_as_bea_would_have_it(
    values: dict[tuple[str, int, int], Decimal], order: random.Random
) -> None:
    rows = [f"{area},{line},{year},{value}\n" for (area, line, year), value in values.items()]
    order.shuffle(rows)
    made = layout("stabbr,line,year,value\n" + "".join(rows)).encode()
    read = typed(read_document(made, ["SAPCE1"]).frame).filter(pl.col("status") != "blank")
    found = {(area, line, year): value for area, line, year, value in read.select(*CELL, "value").iter_rows()}
    assert found == values


def zipped(members: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


@pytest.mark.parametrize(
    "packed",
    [
        zipped({"values.csv": TEXT.encode(), "readme.txt": b"from a package"}),
        zipped({"values.zip": zipped({"values.csv": TEXT.encode()})}),
        zipped({"values.csv": TEXT.encode(), "__MACOSX/._values.csv": b"\x00"}),
        gzip.compress(TEXT.encode()),
        bz2.compress(TEXT.encode()),
    ],
    ids=["zip", "zip in a zip", "zip of a Mac", "gz", "bz2"],
)
def test_a_csv_may_come_packed(packed: bytes) -> None:
    made = in_layout_of_bea("values.zip", packed, COLUMNS, PCE_STATE, "SAPCE1")
    assert made == layout(TEXT).encode()


@pytest.mark.parametrize(
    ("packed", "says"),
    [
        (b"PK\x03\x04 and no more", "cannot be opened"),
        (zipped({"a.csv": TEXT.encode(), "b.csv": TEXT.encode()}), "holds 2 files of values: a.csv, b.csv"),
        (zipped({"readme.txt": b"nothing"}), "holds 0 files of values"),
        (zipped({"a.zip": zipped({"b.zip": zipped({"values.csv": TEXT.encode()})})}), "This is zip, and no CSV"),
        (TEXT.encode("utf-16"), "UTF-16"),
        (b'[{"area": "AL"}]', "This is json, and no CSV"),
        (TEXT.replace(",", ";").encode(), "has no column stabbr"),
        (b"stabbr,line,year,value\n", "has no rows"),
        (TEXT.encode() + b"AL,1,2016,5,6\n", "is no CSV"),
    ],
)
def test_what_is_no_csv_is_refused_with_what_it_is(packed: bytes, says: str) -> None:
    with pytest.raises((BeaFileRefused, UsageError), match=says):
        in_layout_of_bea("values.zip", packed, COLUMNS, PCE_STATE, "SAPCE1")


def test_real_derived_values_of_2018_come_in(real_data: Path, tmp_path: Path) -> None:
    lake = Lakeside(tmp_path / "lake", LookAlike(2, profile="full"))
    path = real_data / "PCEstate_1997-2017_committed-2019-03-02.zip"
    extract = lake.take(DerivedFeed(path, COLUMNS, lake.bea.dataset, WHY), extract="2018-10-31", tables=["SAPCE1"])
    assert extract is not None
    cells = content_of(lake.bronze, lake.bronze.manifest(extract), ["SAPCE1"], lake.dataset).cells
    alabama = cells.filter((pl.col("geo_fips") == "01000") & (pl.col("year") == 1997) & (pl.col("line_code") == 1))
    assert cells.height == 26_208
    assert alabama["value"].item() == Decimal("74340.3")
