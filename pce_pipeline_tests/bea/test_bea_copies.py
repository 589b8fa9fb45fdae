"""Files as people have them read like BEA's own, cell by cell, and in any combination of forms."""

import bz2
import csv
import gzip
import io
import lzma

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pce_pipeline.bea.bulk import read_archive
from pce_pipeline.bea.documents import read_document
from pce_pipeline.bea.errors import BeaFileRefused
from pce_pipeline.bea.values import typed
from pce_pipeline_tests.bea.copies import MILLIONS, ORIGINAL, REMARKS, Copy, hashes, rendered
from pce_pipeline_tests.examples import examples

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


@pytest.mark.parametrize("with_header", [True, False])
def test_lines_that_a_spreadsheet_took_for_one_cell_each_are_read(zip_file, with_header):
    header, *lines = rendered(Copy()).decode().split("\r\n")
    stream = io.StringIO()
    csv.writer(stream, quoting=csv.QUOTE_ALL).writerows([line] for line in lines[:-1])
    content = ((f'"{header}"' if with_header else header) + "\r\n" + stream.getvalue()).encode()
    assert hashes(content) == hashes(zip_file({"a.csv": content})) == ORIGINAL
    assert read_document(content).notes == read_document(rendered(Copy())).notes


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


@pytest.mark.parametrize("copy_first", [True, False])
def test_of_an_original_and_a_copy_in_one_zip_the_original_is_taken(zip_file, copy_first):
    worn = rendered(Copy(area="bare", padding=-1, drop_zero=True, blank_codes=True, index=""))
    members = {"a.csv": worn, "b.csv": rendered(Copy())} if copy_first else {"a.csv": rendered(Copy()), "b.csv": worn}
    assert read_archive(zip_file(members)).frame.equals(read_document(rendered(Copy())).frame)


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


@settings(max_examples=examples(100), deadline=None)
@given(TABLES, WAYS, st.sampled_from([bytes, gzip.compress, bz2.compress, lzma.compress]))
def test_any_table_in_any_combination_of_forms_reads_the_same_or_is_refused_as_doubtful(cells, copy, pack):
    read, said = outcome(pack(rendered(copy, cells)))
    if copy.thousands and copy.drop_zero and copy.separator != ",":
        assert read == hashes(rendered(Copy(), cells)) or "which may be" in said
    else:
        assert (read, said) == (hashes(rendered(Copy(), cells)), "")
