"""A file that cannot be read for certain is refused in the words of somebody who has it."""

import json

import polars as pl
import pytest

from pce_pipeline.bea.bulk import read_archive
from pce_pipeline.bea.documents import read_document
from pce_pipeline.bea.errors import BeaFileRefused, BeaUnknownField
from pce_pipeline.bea.values import typed
from pce_pipeline_tests.bea.copies import MILLIONS, ORIGINAL, Copy, hashes, refusal, rendered


@pytest.mark.parametrize("number", ["14437543,0", "14.437.543,0", "14 437 543,0", "12,5", "1234,567"])
@pytest.mark.parametrize("separator", [";", ",", "\t"])
def test_decimals_with_a_comma_are_refused(number, separator):
    said = refusal(rendered(Copy(separator=separator), {("01000", 1): (number, "1.5")}))
    assert f"writes decimals with a comma ({number})" in said
    assert "Save it with a decimal point" in said
    assert "or download BEA's zip" in said


def test_decimals_with_a_comma_that_shift_the_columns_are_refused_with_their_line():
    content = rendered(Copy()).replace(b"14437543.0", b"14437543,0")
    assert "Line 2 of the file has 11 fields, its header 10" in refusal(content)


@pytest.mark.parametrize(("separator", "unit"), [(",", "Index"), (";", "Index"), (";", "Dollars"), ("\t", "Dollars")])
def test_a_comma_before_three_digits_is_refused_where_nothing_shows_what_it_is(separator, unit):
    said = refusal(rendered(Copy(separator=separator, unit=unit), {("01000", 1): ("95,310", "101,250")}))
    assert "writes 101,250, which may be 101250 or 101.250" in said


def test_one_index_is_enough_for_a_comma_before_three_digits_to_be_in_doubt():
    cells = {("01000", 1): ("95,310", "101,250"), ("01000", 2): ("38,196", "346")}
    dollars = rendered(Copy(unit="Dollars"), cells)
    assert read_document(dollars).frame.height == 4
    assert "which may be" in refusal(dollars.replace(b"Dollars", b"Index", 1))


@pytest.mark.parametrize("beside", ["95,310.5", "1,234,567", "854.4"])
def test_a_comma_before_three_digits_separates_thousands_where_another_number_shows_it(beside):
    content = rendered(Copy(separator=";"), {("01000", 1): ("38,196", beside)})
    values = typed(read_document(content).frame)["value"].to_list()
    assert values == [38196, pl.Series([beside.replace(",", "")]).cast(pl.Decimal(18, 3)).item()]


def test_whole_dollars_with_commas_are_thousands_where_commas_separate_the_columns():
    frame = read_document(rendered(Copy(unit="Dollars"), {("01000", 1): ("38,196", "346")})).frame
    assert typed(frame)["value"].to_list() == [38196, 346]


def test_points_that_may_stand_between_thousands_are_refused():
    cells = {("01000", 1): ("38.196", "1.346")}
    assert "which may be 38196 or 38.196" in refusal(rendered(Copy(separator=";", unit="Dollars"), cells))
    assert read_document(rendered(Copy(separator=";", unit="Index"), cells)).frame.height == 2
    with_decimal = {("01000", 1): ("38.196", "1.5")}
    assert read_document(rendered(Copy(separator=";", unit="Dollars"), with_decimal)).frame.height == 2
    for number in ("14.437.543", "14 437 543", "14'437'543.0"):
        said = refusal(rendered(Copy(separator=";"), {("01000", 1): (number, "3")}))
        assert f"something else than a comma ({number})" in said


@pytest.mark.parametrize("separator", [",", "\t", ";", "|"])
def test_three_digits_behind_every_point_of_dollars_or_persons_are_in_doubt_whatever_separates_the_columns(separator):
    cells = {("01000", 1): ("39.657", "41.012"), ("02000", 1): ("6.545", "346")}
    said = refusal(rendered(Copy(separator=separator, unit="Number of persons"), cells))
    assert "nothing in it shows whether its points stand between thousands or before decimals" in said


def test_a_decimal_of_another_unit_shows_nothing_of_the_points_of_dollars():
    cells = {("01000", 1): ("854.4", "38.1"), ("01000", 2): ("39.657", "41.012")}
    content = rendered(Copy(unit="Millions of current dollars"), cells)
    lines = content.decode().splitlines()
    mixed = "\n".join(
        line.replace("Millions of current dollars", "Dollars") if "39.657" in line else line for line in lines
    )
    assert "which may be 39657 or 39.657" in refusal(mixed.encode())


@pytest.mark.parametrize("separator", [",", "\t"])
def test_points_of_thousands_show_nothing_of_the_commas_beside_them(separator):
    cells = {("01000", 1): ("54.612", "55.001"), ("01000", 2): ("89,970", "108,406")}
    content = rendered(Copy(separator=separator, unit="Dollars"), cells).decode().splitlines()
    mixed = "\n".join(line.replace("Dollars", "Index") if "89,970" in line else line for line in content)
    assert "which may be" in refusal(mixed.encode())


def test_an_index_with_a_point_shows_that_the_commas_of_dollars_are_of_thousands():
    cells = {("01000", 1): ("54,612", "55,001"), ("01000", 2): ("89.970", "108.406")}
    content = rendered(Copy(separator=";", unit="Dollars"), cells).decode().splitlines()
    mixed = "\n".join(line.replace("Dollars", "Index") if "89.970" in line else line for line in content)
    values = typed(read_document(mixed.encode()).frame)["value"].to_list()
    assert sorted(map(float, values)) == [89.97, 108.406, 54612, 55001]


def test_numbers_of_an_answer_in_json_are_doubted_as_those_of_a_file(answer, row):
    rows = [row("SAPCE2-1", "01000", "2021", "39.657", CL_UNIT="Dollars", UNIT_MULT="0")]
    assert "which may be 39657 or 39.657" in refusal(json.dumps(answer(rows, table="SAPCE2")).encode())


@pytest.mark.parametrize(
    ("code", "name", "other"), [("01000", "Georgia", "Alabama"), ("98000", "alabama 1/", "Far West")]
)
def test_a_row_with_the_name_of_another_area_than_its_code_is_refused(csv_file, code, name, other):
    content = csv_file(areas=(code,))
    assert read_document(content).frame.height == 2, "a name that is no area's says nothing"
    said = refusal(content.replace(b"Somewhere, far away", name.encode()))
    assert f"gives {code} the name {name.removesuffix(' 1/')}, and {code} is {other}" in said
    assert "Was one of its columns sorted without the others?" in said
    assert read_document(content.replace(b"Somewhere, far away", f"{other} 2/".encode())).frame.height == 2


def test_json_that_is_nested_without_end_is_refused():
    assert "nested deeper" in refusal(b"[" * 50_000 + b"]" * 50_000)


def test_powers_of_ten_are_refused():
    said = refusal(rendered(Copy(), {("01000", 1): ("1.44E+07", "3")}))
    assert "as powers of ten (1.44E+07), so that digits may be lost" in said


@pytest.mark.parametrize("code", ["1", "01", "X1000", "", "123456", "1000.5"])
def test_an_area_code_that_is_none_is_refused_with_its_line(code):
    content = rendered(Copy()).replace(b' "98000"', code.encode(), 1)
    said = refusal(content)
    assert f"Line 6 of the file says {code!r} as GeoFIPS, which is not an area code of five digits" in said


def test_a_line_code_that_is_none_is_refused_with_its_line():
    content = rendered(Copy()).replace(b",2,...", b",two,...", 1)
    assert "Line 3 of the file says 'two' as LineCode, which is not a line code" in refusal(content)


def test_one_file_below_another_is_refused():
    twice = rendered(Copy(remarks=())) + rendered(Copy(remarks=()))
    said = refusal(twice)
    assert "Line 8 of the file says 'GeoFIPS'" in said
    assert "Was one file pasted below another" in said


def test_a_cell_that_is_there_twice_counts_once_or_is_refused():
    line = rendered(Copy()).split(b"\r\n")[3]
    again = rendered(Copy()).replace(line, line + b"\r\n" + line.replace(b"177059.6", b'"177,059.60"'))
    assert hashes(again) == ORIGINAL
    assert read_document(again).frame.height == 12
    other = rendered(Copy()).replace(line, line + b"\r\n" + line.replace(b"177059.6", b"177059.7"))
    with pytest.raises(BeaFileRefused, match=r"two things of one cell of 2022: '177059.6'.*'177059.7'") as refused:
        read_document(other)
    assert (refused.value.table, refused.value.line, refused.value.area) == ("SAPCE1", 1, "01000")
    emptied = rendered(Copy()).replace(line, line + b"\r\n" + line.replace(b"177059.6", b""))
    assert "two things of one cell of 2022" in refusal(emptied)


def test_a_column_without_a_name_that_says_something_is_refused():
    content = rendered(Copy(index="", remarks=())).replace(b"\r\n3,", b"\r\n2,")
    assert "Column 1 of the file has no name in the header, but says '0'" in refusal(content)
    shifted = rendered(Copy(trailing=1)).replace(b"854.4,(L),", b"854.4,(L),7")
    assert "Line 6 of the file has 11 fields, its header 10" in refusal(shifted)


@pytest.mark.parametrize("unit", ["", "14437543.0"])
def test_a_cell_that_cannot_be_a_unit_is_refused_because_the_line_may_be_shifted(unit):
    content = rendered(Copy()).replace(f"{MILLIONS},14437543.0,14225657.2".encode(), f"{unit},1.0,2.0".encode())
    assert f"Line 2 of the file says {unit!r} as Unit, which is not a unit" in refusal(content)


@pytest.mark.parametrize("mark", ["'", '"'])
def test_quotation_marks_that_became_part_of_texts_are_dropped(mark):
    content = rendered(Copy(area="bare", separator="\t")).decode()
    for text in (MILLIONS, "  Goods ", "SAPCE1", "Personal consumption expenditures "):
        written = f"{mark}{text}{mark}" if mark == "'" else f'"""{text}"""'
        content = content.replace(f"\t{text}\t", f"\t{written}\t")
    assert hashes(content.encode()) == ORIGINAL
    assert read_document(content.encode()).lines["description"].to_list()[1] == "Goods"


def test_two_columns_of_one_name_or_year_are_refused():
    assert "two columns of one name: 2022" in refusal(rendered(Copy(years=("2022", "2022"))))
    assert "two columns of one year" in refusal(rendered(Copy(years=("2022", "X2022"))))
    assert "no column of a year" in refusal(
        rendered(Copy(years=()), {("01000", 1): ()}),
    )


def test_a_sorted_table_whose_header_is_below_its_data_is_refused():
    header, *rows = rendered(Copy(remarks=())).split(b"\r\n")[:-1]
    said = refusal(b"\r\n".join([rows[0], header, *rows[1:]]))
    assert "Line 1 of the file stands above the header, but is not a title" in said


@pytest.mark.parametrize("cut", [b',854.4,(L)\r\n "98000",', b' "98000",', b"8000"])
def test_a_file_that_ends_in_the_middle_of_a_line_is_refused(cut):
    whole = rendered(Copy(remarks=(), area="quoted"))
    assert hashes(whole) == ORIGINAL
    end = whole.rindex(cut) + len(cut)
    refusal(whole[:end])


def test_a_column_that_is_news_is_unknown_and_not_dropped():
    with pytest.raises(BeaUnknownField, match="Reliability"):
        read_document(rendered(Copy(years=("2022", "Reliability"))))
    read = read_document(rendered(Copy(years=("2022", "Reliability"))), tolerate_unknown=True)
    assert read.frame["year"].unique().to_list() == [2022]


def test_a_copy_that_contradicts_the_original_is_refused(zip_file):
    changed = rendered(Copy(blank_codes=True)).replace(b"854.4", b"854.5")
    with pytest.raises(BeaFileRefused, match=r"holds SAPCE1 twice, and differently: b.csv and a.csv"):
        read_archive(zip_file({"a.csv": changed, "b.csv": rendered(Copy())}))


def test_a_zip_without_a_table_is_refused(zip_file):
    for members in ({"a.csv": b"a,b\n1,2\n", "b.csv": b"a,b\n1,2\n"}, {"picture.png": b"\x89PNG"}):
        assert "holds no table of BEA's by year" in refusal(zip_file(members))


def test_what_is_wrong_with_the_only_file_of_a_zip_is_said(zip_file):
    assert "its header lacks GeoFIPS" in refusal(zip_file({"a.csv": b"a,b\n1,2\n"}))
    shifted = rendered(Copy()).replace(b",SAPCE1,1,...,Personal", b",1,...,Personal")
    assert "Line 2 of the file has 9 fields" in refusal(zip_file({"a.csv": shifted}))
