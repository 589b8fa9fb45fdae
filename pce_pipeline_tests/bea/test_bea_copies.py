"""Files as people have them read like BEA's own, cell by cell; what could mean two things is refused in their words."""

import bz2
import csv
import gzip
import io
import json
import lzma
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pce_pipeline.bea.bulk import read_archive
from pce_pipeline.bea.documents import read_document
from pce_pipeline.bea.errors import BeaFileRefused, BeaUnknownField
from pce_pipeline.bea.values import content_hashes, typed

MILLIONS = "Millions of current dollars"
HEADER = ["GeoFIPS", "GeoName", "Region", "TableName", "LineCode", "IndustryClassification", "Description", "Unit"]
REMARKS = (
    "Note: See the included footnote file.",
    "SAPCE1: Personal consumption expenditures (PCE) by major type of product 1/",
    "Last updated: October 3, 2024-- new statistics for 2023; revised statistics for 2019-2022.",
    "U.S. Bureau of Economic Analysis",
)
CELLS: Mapping[tuple[str, int], tuple[str, ...]] = {
    ("00000", 1): ("14437543.0", "14225657.2"),
    ("00000", 2): ("4532816.6", "(NA)"),
    ("01000", 1): ("177059.6", "175833.9"),
    ("01000", 2): ("(D)", "-10.0"),
    ("98000", 1): ("854.4", "(L)"),
    ("98000", 2): ("0.0", "3"),
}


@dataclass(frozen=True)
class Copy:
    """How one copy of a table is written."""

    table: str = "SAPCE1"
    unit: str = MILLIONS
    years: tuple[str, ...] = ("2022", "2023")
    separator: str = ","
    line_end: str = "\r\n"
    encoding: str = "utf-8"
    bom: bytes = b""
    header: str = "as is"
    index: str | None = None
    float_codes: bool = False
    area: str = "quoted"
    padding: int = 0
    trailing: int = 0
    thousands: bool = False
    drop_zero: bool = False
    blank_codes: bool = False
    remarks: tuple[str, ...] = REMARKS


def area_of(code: str, way: str) -> str:
    return {
        "quoted": code,
        "bare": str(int(code)),
        "float": f"{int(code)}.0",
        "quotes inside": f' "{code}"',
        "apostrophe": f"'{code}",
        "formula": f'="{code}"',
    }[way]


def value_of(text: str, copy: Copy) -> str:
    if text.startswith("("):
        return "" if copy.blank_codes else text
    if copy.drop_zero:
        text = text.removesuffix(".0")
    whole, point, decimals = text.removeprefix("-").partition(".")
    sign = "-" if text.startswith("-") else ""
    return f"{sign}{int(whole):,}{point}{decimals}" if copy.thousands else text


SPELLED: Mapping[str, Callable[[str], str]] = {
    "as is": str,
    "upper": str.upper,
    "lower": str.lower,
    "blanks": lambda name: f"  {name.replace('F', ' F')} ",
}


def rendered(copy: Copy, cells: Mapping[tuple[str, int], tuple[str, ...]] = CELLS) -> bytes:
    """The table as the copy writes it."""
    header = [SPELLED[copy.header](name) for name in (*HEADER, *copy.years)]
    rows = [
        [
            area_of(area, copy.area),
            "Doña Ana, NM" if area == "01000" else "Somewhere",
            " ",
            copy.table,
            f"{line}.0" if copy.float_codes else str(line),
            "...",
            "  Goods " if line == 2 else "Personal consumption expenditures ",
            copy.unit,
            *(value_of(value, copy) for value in values),
        ]
        for (area, line), values in cells.items()
    ]
    lines = [header, *rows]
    if copy.index is not None:
        lines = [[copy.index, *header], *([str(number), *row] for number, row in enumerate(rows))]
    lines = [[*line, *[""] * copy.trailing] for line in lines]
    width = len(lines[0]) if copy.padding < 0 else 2 + copy.padding
    number = [] if copy.index is None else [str(len(rows))]
    lines += [[*number, remark, *[""] * (width - len(number) - 1)] for remark in copy.remarks]
    stream = io.StringIO()
    csv.writer(stream, delimiter=copy.separator, lineterminator=copy.line_end).writerows(lines)
    text = stream.getvalue()
    if copy.area == "quoted" and copy.index is None:
        for area in {area for area, _ in cells}:
            text = text.replace(f"{copy.line_end}{area}{copy.separator}", f'{copy.line_end} "{area}"{copy.separator}')
    return copy.bom + text.encode(copy.encoding)


def hashes(content: bytes) -> dict[str, dict[int, str]]:
    return content_hashes(typed(read_document(content).frame))


ORIGINAL = hashes(rendered(Copy()))

COPIES = {
    "saved by a spreadsheet": Copy(area="bare", padding=-1, drop_zero=True),
    "with remarks padded further than the data": Copy(padding=90),
    "with quotes inside the codes": Copy(area="quotes inside", line_end="\n", remarks=()),
    "with codes kept as text by apostrophes": Copy(area="apostrophe"),
    "with codes kept as text by formulas": Copy(area="formula"),
    "with an index column without a name": Copy(index="", area="bare", remarks=()),
    "with an index column and remarks": Copy(index="", padding=-1, line_end="\n"),
    "with an index column that was read back": Copy(index="Unnamed: 0", remarks=()),
    "with codes as floating-point numbers": Copy(area="float", float_codes=True),
    "with an empty column at the end": Copy(trailing=1),
    "with three empty columns at the end": Copy(trailing=3, padding=-1),
    "with line ends of Unix": Copy(line_end="\n"),
    "with line ends of an old Mac": Copy(line_end="\r"),
    "with line ends that were translated twice": Copy(line_end="\r\r\n"),
    "with a BOM": Copy(bom=b"\xef\xbb\xbf"),
    "in latin-1": Copy(encoding="latin-1"),
    "in latin-1 after a BOM": Copy(encoding="latin-1", bom=b"\xef\xbb\xbf"),
    "with tabs": Copy(separator="\t"),
    "with semicolons": Copy(separator=";"),
    "with upright strokes": Copy(separator="|"),
    "with commas between thousands": Copy(thousands=True),
    "with commas between thousands and tabs between columns": Copy(thousands=True, separator="\t"),
    "with a header in capitals": Copy(header="upper"),
    "with a header in small letters": Copy(header="lower"),
    "with blanks in its header": Copy(header="blanks"),
    "under the table's name in small letters": Copy(table="sapce1"),
    "with the unit in other case and with a footnote mark": Copy(unit=f" {MILLIONS}  1/"),
}


@pytest.mark.parametrize("copy", COPIES.values(), ids=COPIES)
def test_a_copy_reads_like_the_original(copy):
    content = rendered(copy)
    assert hashes(content) == ORIGINAL
    read, original = read_document(content), read_document(rendered(Copy()))
    assert read.lines.equals(original.lines)
    assert read.notes == (original.notes if copy.remarks else {})


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_packed_copy_reads_like_the_original(pack):
    assert hashes(pack(rendered(Copy(area="bare", padding=-1)))) == ORIGINAL


@pytest.mark.parametrize("name", ["here/and there/SAPCE1.csv", "SAPCE1.txt", "SAPCE1.TSV"])
def test_members_in_folders_and_under_other_endings_are_read(zip_file, name):
    packed = zip_file({name: rendered(Copy(separator="\t")), "__MACOSX/._SAPCE1.csv": b"\x00\x05\x16\x07"})
    assert hashes(packed) == ORIGINAL


def test_a_line_that_names_the_separator_is_no_data():
    assert hashes(b"sep=;\r\n" + rendered(Copy(separator=";"))) == ORIGINAL


def test_years_as_r_and_pandas_spell_them_are_years():
    for years in (("X2022", "X2023"), ("2022.0", "2023.0")):
        assert hashes(rendered(Copy(years=years))) == ORIGINAL


def test_columns_in_another_order_and_unused_ones_left_out_make_no_difference():
    table = pl.read_csv(rendered(Copy(remarks=())), infer_schema=False).with_columns(
        pl.col("GeoFIPS").str.strip_chars(' "')
    )
    for columns in (sorted(table.columns), [name for name in table.columns if name not in {"Region", "GeoName"}]):
        assert hashes(table.select(columns).write_csv().encode()) == ORIGINAL


def test_an_empty_cell_is_blank_and_never_not_available():
    cells = typed(read_document(rendered(Copy(blank_codes=True, area="bare", padding=-1))).frame)
    assert cells.filter(pl.col("value_text") == "")["status"].to_list() == ["blank"] * 3
    assert set(cells["status"]) == {"reported", "blank"}


def test_remarks_below_an_index_column_are_remarks():
    numbered = rendered(Copy(index="", remarks=()))
    assert hashes(numbered + "\r\n".join(f'"{remark}"' for remark in REMARKS).encode()) == ORIGINAL


def test_an_empty_line_anywhere_says_nothing():
    lines = rendered(Copy(padding=-1)).split(b"\r\n")
    assert hashes(b"\r\n".join([b"", *lines[:3], b"", b",,,,,,,,,", *lines[3:]])) == ORIGINAL


def test_a_remark_whose_commas_were_taken_for_separators_is_still_a_remark():
    content = rendered(Copy()).replace(f'"{REMARKS[2]}"'.encode(), REMARKS[2].encode())
    assert hashes(content) == ORIGINAL
    assert read_document(content).notes["SAPCE1"].new_years == (2023,)


def refusal(content: bytes) -> str:
    with pytest.raises(BeaFileRefused) as refused:
        read_document(content)
    return f"{refused.value.message} {refused.value.remedy}"


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
    for number in ("14.437.543", "14 437 543", "14'437'543.0"):
        said = refusal(rendered(Copy(separator=";"), {("01000", 1): (number, "3")}))
        assert f"something else than a comma ({number})" in said


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


@pytest.mark.parametrize("copy_first", [True, False])
def test_of_an_original_and_a_copy_in_one_zip_the_original_is_taken(zip_file, copy_first):
    worn = rendered(Copy(area="bare", padding=-1, drop_zero=True, blank_codes=True, index=""))
    members = {"a.csv": worn, "b.csv": rendered(Copy())} if copy_first else {"a.csv": rendered(Copy()), "b.csv": worn}
    assert read_archive(zip_file(members)).frame.equals(read_document(rendered(Copy())).frame)


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


def answered(rows, **results):
    return {"BEAAPI": {"Results": {"Data": rows, **results}}}


def api_rows(number=str):
    return [
        {
            "Code": f"SAPCE1-{line}",
            "GeoFips": number(area),
            "GeoName": "Somewhere",
            "TimePeriod": number(year),
            "CL_UNIT": MILLIONS,
            "UNIT_MULT": number("6"),
            "DataValue": "0" if value.startswith("(") else number(value),
        }
        | ({"NoteRef": value} if value.startswith("(") else {})
        for (area, line), values in CELLS.items()
        for year, value in zip(("2022", "2023"), values, strict=True)
    ]


def as_number(text):
    return float(text) if "." in text else int(text)


def json_lines(items):
    return "\n".join(json.dumps(item) for item in items)


ANSWERS = {
    "one": lambda: json.dumps(answered(api_rows())),
    "a list of answers": lambda: json.dumps([answered(api_rows()[:5]), answered(api_rows()[5:])]),
    "one answer a line": lambda: json_lines([answered(api_rows()[:5]), answered(api_rows()[5:])]) + "\n\n",
    "the results": lambda: json.dumps(answered(api_rows())["BEAAPI"]["Results"]),
    "the envelope without its name": lambda: json.dumps(answered(api_rows())["BEAAPI"]),
    "the rows": lambda: json.dumps(api_rows()),
    "one row a line": lambda: json_lines(api_rows()),
    "numbers for texts": lambda: json.dumps(answered(api_rows(as_number))),
    "rows with numbers": lambda: json.dumps(api_rows(as_number)),
    "rows with empty notes": lambda: json.dumps([{"NoteRef": None, **row} for row in api_rows()]),
    "answers written for people": lambda: "\n".join(
        json.dumps(answered(rows), indent=2) for rows in (api_rows()[:5], api_rows()[5:])
    ),
    "missing notes as NaN": lambda: json.dumps([{"NoteRef": float("nan"), **row} for row in api_rows()]),
    "whole numbers with a decimal": lambda: json.dumps(api_rows(float)),
    "an answer twice": lambda: json.dumps([answered(api_rows()), answered(api_rows()[:3])]),
}


@pytest.mark.parametrize("write", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_answers_read_like_the_original_however_they_were_kept(write, line_end):
    assert hashes(write().replace("\n", line_end).encode()) == ORIGINAL


def test_answers_that_contradict_each_other_are_refused():
    other = [row | {"DataValue": "7"} for row in api_rows()[:1]]
    assert "two things of one cell of 2022" in refusal(json.dumps([answered(api_rows()), answered(other)]).encode())


def test_an_answer_that_is_cut_off_is_refused_with_its_line():
    content = json_lines([answered(api_rows()), answered(api_rows())])[:-9].encode()
    assert "what begins in line 2 is cut off or something else" in refusal(content)


def test_other_json_is_refused_with_the_forms_that_are_wanted():
    said = refusal(b'{"Code": {"0": "SAPCE1-1"}}')
    assert "not an answer of BEA's API" in said
    assert "alone, in a list, or one a line" in said


def client_frame(rows, separator=",", line_terminator="\n") -> bytes:
    columns = ["Code", "GeoFips", "GeoName", "TimePeriod", "CL_UNIT", "UNIT_MULT", "DataValue", "NoteRef"]
    frame = pl.DataFrame([{name: row.get(name, "") for name in columns} for row in rows])
    return frame.write_csv(separator=separator, line_terminator=line_terminator).encode()


def test_the_data_frame_of_beas_python_client_reads_like_the_original():
    plain = client_frame(api_rows())
    assert hashes(plain) == ORIGINAL
    assert hashes(client_frame(api_rows(), separator=";", line_terminator="\r\n")) == ORIGINAL
    numbered = b"".join(
        (str(number - 1).encode() if number else b"") + b"," + line
        for number, line in enumerate(plain.splitlines(keepends=True))
    )
    assert hashes(numbered) == ORIGINAL
    floats = [
        row
        | {
            "GeoFips": f"{int(row['GeoFips'])}.0",
            "UNIT_MULT": "6.0",
            "DataValue": "0.0" if "NoteRef" in row else row["DataValue"],
        }
        for row in api_rows()
    ]
    assert hashes(client_frame(floats)) == ORIGINAL
    described = [row | {"GeoName": "Goods"} for row in api_rows()]
    lines = read_document(client_frame(described).replace(b"GeoName", b"Description", 1)).lines
    assert set(lines["description"]) == {"Goods"}


def test_a_data_frame_whose_number_contradicts_its_note_is_refused():
    rows = [api_rows()[0] | {"NoteRef": "(D)"}]
    assert "Line 2 of the file says '14437543.0', but '(D)' beside it" in refusal(client_frame(rows))


@pytest.mark.parametrize("cut", ["SAPCE1-2,98000,Some", "SAPCE1-2", "SA"])
def test_a_data_frame_that_ends_in_the_middle_of_a_line_is_refused(cut):
    refusal(client_frame(api_rows()) + cut.encode())


NUMBERS = st.integers(-99999999, 999999999).map(
    lambda tenths: f"{'-' if tenths < 0 else ''}{abs(tenths) // 10}.{abs(tenths) % 10}"
)
TABLES = st.dictionaries(
    st.tuples(st.sampled_from(["00000", "01000", "06000", "11000", "98000"]), st.integers(1, 130)),
    st.tuples(NUMBERS, st.one_of(NUMBERS, st.sampled_from(["(NA)", "(D)", "(L)"]))),
    min_size=1,
    max_size=6,
)
WAYS = st.builds(
    Copy,
    separator=st.sampled_from(",\t;|"),
    line_end=st.sampled_from(["\r\n", "\n", "\r", "\r\r\n"]),
    encoding=st.sampled_from(["utf-8", "latin-1"]),
    bom=st.sampled_from([b"", b"\xef\xbb\xbf"]),
    header=st.sampled_from(["as is", "upper", "lower", "blanks"]),
    index=st.sampled_from([None, "", "Unnamed: 0"]),
    float_codes=st.booleans(),
    area=st.sampled_from(["quoted", "bare", "float", "quotes inside", "apostrophe", "formula"]),
    padding=st.sampled_from([-1, 0, 3]),
    trailing=st.sampled_from([0, 1, 4]),
    thousands=st.booleans(),
    drop_zero=st.booleans(),
    remarks=st.sampled_from([(), REMARKS, REMARKS[2:3]]),
)


def outcome(content: bytes) -> tuple[dict[str, dict[int, str]] | None, str]:
    try:
        return hashes(content), ""
    except BeaFileRefused as refused:
        return None, refused.message


@settings(max_examples=100, deadline=None)
@given(TABLES, WAYS, st.sampled_from([bytes, gzip.compress, bz2.compress, lzma.compress]))
def test_any_table_in_any_combination_of_forms_reads_the_same_or_is_refused_as_doubtful(cells, copy, pack):
    read, said = outcome(pack(rendered(copy, cells)))
    if copy.thousands and copy.drop_zero and copy.separator != ",":
        assert read == hashes(rendered(Copy(), cells)) or "which may be" in said
    else:
        assert (read, said) == (hashes(rendered(Copy(), cells)), "")
