"""Archives and CSV files: the right member, every cell, and nothing unsafe."""

import random
import struct
from datetime import date

import polars as pl
import pytest

from pce_pipeline.bea.bulk import (
    check_archive,
    definition_in,
    fullest_sheet,
    members_of,
    read_archive,
    read_csv,
    tables_in,
)
from pce_pipeline.bea.errors import BeaContentError, BeaFileRefused, BeaUnknownField
from pce_pipeline.bea.observations import LINE_SCHEMA, OBSERVATION_SCHEMA
from pce_pipeline.bea.values import typed


def test_a_file_becomes_observations_lines_and_a_note(csv_file):
    read = read_csv(csv_file())
    assert dict(read.frame.schema) == OBSERVATION_SCHEMA
    assert read.frame.sort("geo_fips", "year").rows() == [
        ("SAPCE1", 1, "00000", 2020, "1.5", "Millions of current dollars", 6),
        ("SAPCE1", 1, "00000", 2021, "(L)", "Millions of current dollars", 6),
        ("SAPCE1", 1, "01000", 2020, "1.5", "Millions of current dollars", 6),
        ("SAPCE1", 1, "01000", 2021, "(L)", "Millions of current dollars", 6),
    ]
    assert dict(read.lines.schema) == LINE_SCHEMA
    assert read.lines.rows() == [("SAPCE1", 1, "Less: Goods")]
    assert read.notes["SAPCE1"].last_updated == date(2022, 10, 6)


def test_line_ends_encodings_spaces_and_a_missing_footer_make_no_difference(csv_file):
    content = csv_file()
    expected = read_csv(content).frame
    for variant in (
        content.replace(b"\r\n", b"\n"),
        b"\xef\xbb\xbf" + content,
        content.replace(b'\n "', b'\n"'),
        content.replace(b"Somewhere", "Doña".encode("latin-1")),
        content.replace(b"Somewhere", "Doña".encode()),
        content.replace(b",1.5,", b", 1.5 ,"),
        content + b"\r\n\r\n",
    ):
        assert read_csv(variant).frame.equals(expected)
    bare = read_csv(content[: content.index(b'"Note')])
    assert bare.frame.equals(expected)
    assert bare.notes == {}


@pytest.mark.parametrize(
    ("unit", "multiplier"),
    [("Billions of dollars", 9), ("Thousands of dollars", 3), ("Dollars", 0), ("Index", 0), ("Number of jobs", 0)],
)
def test_the_unit_says_its_power_of_ten(csv_file, unit, multiplier):
    content = csv_file().replace(b"Millions of current dollars", unit.encode())
    assert read_csv(content).frame["unit_multiplier"].unique().to_list() == [multiplier]


def test_a_line_of_another_length_is_refused(csv_file):
    with pytest.raises(BeaContentError, match=r"Line 3 .* 9 fields"):
        read_csv(csv_file().replace(b',1.5,(L)\r\n"Note', b',1.5\r\n"Note'))


def test_unknown_columns_are_refused(csv_file):
    with pytest.raises(BeaUnknownField) as caught:
        read_csv(csv_file(years=("2020", "2021:Q1")))
    assert caught.value.fields == ("2021:Q1",)


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b'"unfinished', b"\x00\x01"])
def test_what_is_no_table_is_refused(content):
    with pytest.raises(BeaFileRefused):
        read_csv(content)


def test_a_header_without_data_is_refused(csv_file):
    with pytest.raises(BeaFileRefused, match="no data"):
        read_csv(csv_file(areas=()))


def test_a_missing_table_is_named_with_those_there_are(csv_file, zip_file):
    with pytest.raises(BeaFileRefused, match=r"no table SARPI.*holds SAPCE1"):
        read_csv(csv_file(), ["SARPI"])
    with pytest.raises(BeaFileRefused, match=r"no table SARPI.*holds SAPCE1"):
        read_archive(zip_file({"a.csv": csv_file()}), ["SAPCE1", "SARPI"])


def test_members_are_what_they_hold_and_only_the_fullest_counts(csv_file, zip_file):
    archive = zip_file(
        {
            "SAPCE1__ALL_AREAS_1997_2021.csv": csv_file("SAPCE2", areas=("00000", "01000", "02000"), values=("7", "8")),
            "SAPCE1_AL.csv": csv_file("SAPCE1", areas=("01000",)),
            "misnamed.CSV": csv_file("SAPCE1"),
            "SAPCE1_US.csv": csv_file("SAPCE1", areas=("00000",)),
            "SQGDP1.csv": csv_file("SQGDP1", years=("2020:Q1", "2020:Q2")),
            "SAPCE1__definition.xml": b"<x/>",
            "odd.csv": b"a,b\r\n1,2",
            "empty.csv": b"",
        }
    )
    assert tables_in(archive) == ("SAPCE1", "SAPCE2", "SQGDP1")
    assert read_archive(archive, ["SAPCE1"]).frame.equals(read_csv(csv_file("SAPCE1")).frame)
    everything = read_archive(archive)
    assert everything.frame.group_by("bea_table").len().sort("bea_table").rows() == [("SAPCE1", 4), ("SAPCE2", 6)]
    with pytest.raises(BeaUnknownField):
        read_archive(archive, ["SQGDP1"])


def test_copies_count_once_and_contradictions_are_refused(csv_file, zip_file):
    twice = zip_file({"a.csv": csv_file(), "b.csv": csv_file().replace(b"\r\n", b"\n")})
    assert read_archive(twice, ["SAPCE1"]).frame.height == 4
    newer = csv_file(values=("2", "3"), note="Last updated: October 3, 2024.")
    two_vintages = zip_file({"b.csv": newer, "a.csv": csv_file()})
    assert read_archive(two_vintages, ["SAPCE1"]).notes["SAPCE1"].last_updated == date(2024, 10, 3)
    with pytest.raises(BeaFileRefused, match="twice, and differently"):
        read_archive(zip_file({"a.csv": csv_file(), "b.csv": csv_file(values=("2", "3"))}), ["SAPCE1"])


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../x.csv", "a/../../x.csv", "C:/x.csv", "a\\x.csv", "a/..", "x\x00.csv"]
)
def test_unsafe_names_are_refused(csv_file, zip_file, name):
    placeholder = "~" * len(name.encode())
    content = zip_file({placeholder: csv_file()}).replace(placeholder.encode(), name.encode())
    with pytest.raises(BeaFileRefused, match="unsafe name"):
        read_archive(content)


def test_encrypted_members_are_refused(csv_file, zip_file):
    content = bytearray(zip_file({"a.csv": csv_file()}))
    directory = content.index(b"PK\x01\x02")
    for flags in (6, directory + 8):
        content[flags] |= 1
    with pytest.raises(BeaFileRefused, match=r"member a\.csv is encrypted"):
        read_archive(bytes(content))


def test_encrypted_members_are_refused_whatever_they_are(zip_file):
    content = bytearray(zip_file({"a.bin": b"x"}))
    content[content.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(BeaFileRefused, match=r"member a\.bin is encrypted"):
        tables_in(bytes(content))


@pytest.mark.parametrize("offset", [7, 2**31])
def test_a_member_that_is_not_where_the_directory_says_is_damaged(csv_file, zip_file, offset):
    content = bytearray(zip_file({"a.csv": csv_file()}))
    at = content.index(b"PK\x01\x02")
    content[at + 42 : at + 46] = struct.pack("<I", offset)
    with pytest.raises(BeaFileRefused):
        read_archive(bytes(content))


@pytest.mark.parametrize("method", [12, 14, 99])
def test_a_member_that_is_packed_otherwise_than_it_says_is_damaged(csv_file, zip_file, method):
    content = bytearray(zip_file({"a.csv": csv_file()}))
    for at in (8, content.index(b"PK\x01\x02") + 10):
        content[at : at + 2] = struct.pack("<H", method)
    with pytest.raises(BeaFileRefused, match="is damaged"):
        read_archive(bytes(content))


def test_bombs_are_refused_before_they_are_read(csv_file, zip_file):
    with pytest.raises(BeaFileRefused, match="-fold"):
        read_archive(zip_file({"a.csv": b"0" * 2_000_000}))


def forged(zip_file, *sizes):
    """An archive whose directory says of each member how large it is, and how large packed; none is a table."""
    content = bytearray(zip_file({f"{number}.bin": b"" for number in range(len(sizes))}))
    directory = -1
    for size, packed in sizes:
        directory = content.index(b"PK\x01\x02", directory + 1)
        content[directory + 20 : directory + 28] = struct.pack("<II", packed, size)
    return bytes(content)


MEGABYTE = 1024 * 1024


@pytest.mark.parametrize(
    "sizes",
    [
        [(512 * MEGABYTE, 3 * MEGABYTE)],
        [(511 * MEGABYTE, 3 * MEGABYTE), (MEGABYTE, 0)],
        [(2_000_000, 10_000)],
        [(MEGABYTE, 1)],
    ],
)
def test_an_archive_at_its_limits_is_read(zip_file, sizes):
    assert tables_in(forged(zip_file, *sizes)) == ()


@pytest.mark.parametrize(
    ("sizes", "reason"),
    [
        ([(512 * MEGABYTE + 1, 3 * MEGABYTE)], "would unpack to more than 512 MB"),
        ([(511 * MEGABYTE, 3 * MEGABYTE), (MEGABYTE, 0), (1, 1)], "would unpack to more than 512 MB"),
        ([(2_000_001, 10_000)], r"0\.bin would grow 200-fold"),
        ([(MEGABYTE + 1, 1)], r"0\.bin would grow 1048577-fold"),
        ([(5, 5), (MEGABYTE + 1, 0)], r"1\.bin would grow 1048577-fold"),
    ],
)
def test_an_archive_one_byte_beyond_a_limit_is_refused(zip_file, sizes, reason):
    with pytest.raises(BeaFileRefused, match=reason):
        tables_in(forged(zip_file, *sizes))


def test_an_archive_has_ten_thousand_members_at_most(zip_file):
    assert tables_in(zip_file({f"{number}": b"" for number in range(10_000)})) == ()
    with pytest.raises(BeaFileRefused, match="10001 members, more than 10000"):
        tables_in(zip_file({f"{number}": b"" for number in range(10_001)}))


def test_a_flag_that_does_not_say_encrypted_is_no_obstacle(csv_file, zip_file):
    content = bytearray(zip_file({"a.csv": csv_file()}))
    directory = content.index(b"PK\x01\x02")
    for flags in (6, directory + 8):
        content[flags] |= 2
    assert tables_in(bytes(content)) == ("SAPCE1",)


def with_wrong_checksum(content, name):
    """The archive with another checksum for a member: it shows only once the member is read to its end."""
    damaged = bytearray(content)
    for signature, field in ((b"PK\x03\x04", 14), (b"PK\x01\x02", 16)):
        at = damaged.index(name.encode(), damaged.index(signature)) - (30 if signature == b"PK\x03\x04" else 46)
        damaged[at + field] ^= 0xFF
    return bytes(damaged)


MANY_AREAS = [f"{number:05d}" for number in range(1000, 2100)]


def years_down(*rows):
    """A file with a line for each (code, area, year, value), as BEA's API and its clients give them."""
    lines = ["Code,GeoFips,GeoName,TimePeriod,CL_UNIT,UNIT_MULT,DataValue"]
    lines += [
        f"{code},{area},Somewhere,{year},Millions of current dollars,6,{value}" for code, area, year, value in rows
    ]
    return "\n".join(lines).encode()


def test_a_file_longer_than_a_glance_is_read_whole(csv_file, zip_file):
    content = csv_file(areas=MANY_AREAS)
    assert len(content) > 64 * 1024
    assert read_archive(zip_file({"a.csv": content})).frame.equals(read_csv(content).frame)
    cut = content[: 64 * 1024]
    exactly = cut[: cut.rindex(b"\r\n") + 2]
    exactly += b"\n" * (64 * 1024 - len(exactly))
    assert len(exactly) == 64 * 1024
    assert read_archive(zip_file({"a.csv": exactly})).frame.equals(read_csv(exactly).frame)


def test_a_table_far_down_in_a_file_with_years_down_is_found(zip_file):
    rows = [("SAPCE1-1", area, 2020, "1.5") for area in MANY_AREAS] + [("SAPCE2-1", "01000", 2020, "7")]
    content = years_down(*rows)
    assert content.index(b"SAPCE2") > 64 * 1024
    archive = zip_file({"a.csv": content})
    assert tables_in(archive) == ("SAPCE1", "SAPCE2")
    assert read_archive(archive, ["SAPCE2"]).frame["value_text"].to_list() == ["7"]


def test_what_is_not_asked_for_is_not_read_to_its_end(csv_file, zip_file):
    other = csv_file("SAPCE2", areas=MANY_AREAS)
    archive = with_wrong_checksum(zip_file({"a.csv": csv_file(), "b.csv": other}), "b.csv")
    assert read_archive(archive, ["SAPCE1"]).frame.height == 4
    for read in (
        lambda: read_archive(archive),
        lambda: read_archive(archive, ["SAPCE2"]),
        lambda: check_archive(archive),
    ):
        with pytest.raises(BeaFileRefused, match=r"member b\.csv is damaged"):
            read()


def test_a_damaged_member_that_holds_no_table_is_found_by_the_check_alone(csv_file, zip_file):
    archive = with_wrong_checksum(zip_file({"a.csv": csv_file(), "b.bin": b"x"}), "b.bin")
    assert read_archive(archive).frame.height == 4
    with pytest.raises(BeaFileRefused, match=r"member b\.bin is damaged"):
        check_archive(archive)


def test_tables_asked_for_together_come_each_from_its_own_member(csv_file, zip_file):
    archive = zip_file({"a.csv": csv_file("SAPCE1"), "b.csv": csv_file("SAPCE2", areas=("00000", "01000", "02000"))})
    read = read_archive(archive, ["SAPCE1", "SAPCE2"])
    assert read.frame.group_by("bea_table").len().sort("bea_table").rows() == [("SAPCE1", 4), ("SAPCE2", 6)]


def test_what_is_no_table_does_not_hide_what_comes_after_it(csv_file, zip_file):
    without_a_table = csv_file().replace(b",SAPCE1,", b",,").replace(b"SAPCE1: A title", b"A title")
    for nothing in (b"a,b\r\n1,2", without_a_table):
        assert tables_in(zip_file({"a.csv": nothing, "b.csv": csv_file()})) == ("SAPCE1",)


def test_an_archive_without_tables_by_year_says_which_others_it_holds(csv_file, zip_file):
    quarters = csv_file("SQGDP1", years=("2020:Q1", "2020:Q2"))
    with pytest.raises(BeaFileRefused, match=r"no table of BEA's by year: SQGDP1\."):
        read_archive(zip_file({"a.csv": quarters}))
    with pytest.raises(BeaFileRefused, match=r"no table of BEA's by year\."):
        read_archive(zip_file({"a.bin": b"x"}))


def test_of_two_files_with_the_same_areas_the_one_with_more_years_counts(csv_file, zip_file):
    long, short = csv_file(years=("2020", "2021")), csv_file(years=("2020",), values=("9",))
    assert read_archive(zip_file({"a.csv": short, "b.csv": long})).frame.height == 4
    down = [("SAPCE1-1", "01000", year, value) for year, value in ((2020, "1.5"), (2021, "2.5"))]
    archive = zip_file({"a.csv": years_down(*down), "b.csv": years_down(("SAPCE1-1", "01000", 2020, "9"))})
    assert read_archive(archive).frame.sort("year")["value_text"].to_list() == ["1.5", "2.5"]


@pytest.mark.parametrize(
    ("original", "copy"),
    [(("100.0", "(L)"), ("100", "(L)")), (("1000", "2.5"), ("1,000", "2.5")), (("1000", "(L)"), ("1000", ""))],
)
def test_of_a_file_and_its_copy_the_original_counts(csv_file, zip_file, original, copy):
    quoted = tuple(f'"{value}"' for value in copy)
    files = [csv_file(values=original), csv_file(values=quoted)]
    for names in (("a.csv", "b.csv"), ("b.csv", "a.csv")):
        read = read_archive(zip_file(dict(zip(names, files, strict=True))))
        assert sorted(set(read.frame["value_text"])) == sorted(original)


def cells(*places):
    """A file with years down that says ten of each (line, area, year)."""
    return years_down(*((f"SAPCE1-{line}", area, year, "10.0") for line, area, year in places))


EVERY_CELL = [(line, area, year) for line in (1, 2) for area in ("01000", "02000") for year in (2020, 2021)]


@pytest.mark.parametrize(
    "part_of",
    [
        lambda line, area, year: area,  # noqa: ARG005 (a part for each area)
        lambda line, area, year: line,  # noqa: ARG005
        lambda line, area, year: year,  # noqa: ARG005
        lambda line, area, year: (line, area, year),
        lambda line, area, year: (line, area) == (1, "01000") or year,
    ],
    ids=["areas", "lines", "years", "cells", "of different shapes"],
)
def test_members_that_hold_parts_of_a_table_are_put_together(zip_file, part_of):
    parts: dict[object, list[tuple[int, str, int]]] = {}
    for cell in EVERY_CELL:
        parts.setdefault(part_of(*cell), []).append(cell)
    archive = zip_file({f"{number}.csv": cells(*part) for number, part in enumerate(parts.values())})
    read = read_archive(archive).frame
    assert sorted(read.select("line_code", "geo_fips", "year").rows()) == EVERY_CELL


def test_files_of_today_that_hold_parts_of_a_table_are_put_together(csv_file, zip_file):
    alabama, others = csv_file(areas=("01000",)), csv_file(areas=("02000", "04000"), values=("7", "8"))
    older_years = csv_file(areas=("01000",), years=("2018", "2019"))
    read = read_archive(zip_file({"a.csv": alabama, "b.csv": others, "c.csv": older_years}))
    assert sorted(read.frame.select("geo_fips", "year", "value_text").rows()) == [
        ("01000", 2018, "1.5"), ("01000", 2019, "(L)"), ("01000", 2020, "1.5"), ("01000", 2021, "(L)"),
        ("02000", 2020, "7"), ("02000", 2021, "8"), ("04000", 2020, "7"), ("04000", 2021, "8"),
    ]  # fmt: skip


def test_parts_that_contradict_each_other_or_are_of_different_releases_are_refused(csv_file, zip_file):
    alabama = csv_file(areas=("01000",))
    both = csv_file(areas=("01000", "02000"), values=("1.6", "(L)"), years=("2020", "2022"))
    with pytest.raises(BeaFileRefused, match=r"SAPCE1 twice, and differently: b\.csv and a\.csv"):
        read_archive(zip_file({"a.csv": alabama, "b.csv": both}))
    earlier = csv_file(areas=("04000",), note="Last updated: October 8, 2021")
    with pytest.raises(BeaFileRefused, match=r"parts of SAPCE1 of different releases: a\.csv and b\.csv") as refused:
        read_archive(zip_file({"a.csv": alabama, "b.csv": earlier}))
    assert refused.value.remedy == "Give each of them by itself."


def test_a_part_whose_cells_are_all_in_a_fuller_member_is_left_alone(csv_file, zip_file):
    part = csv_file(areas=("1000",), values=("9", "9"), years=("2021", "2020"))
    whole = csv_file(areas=("00000", "01000"))
    assert read_archive(zip_file({"part.csv": part, "whole.csv": whole})).frame.equals(read_csv(whole).frame)


def test_a_copy_among_parts_that_adds_nothing_does_not_end_the_search(zip_file):
    first, second = EVERY_CELL[:4], EVERY_CELL[4:]
    archive = zip_file({"a.csv": cells(*first), "b.csv": cells(*first), "c.csv": cells(*second)})
    assert read_archive(archive).frame.height == len(EVERY_CELL)


def test_copies_of_another_power_of_ten_contradict(zip_file):
    whole = cells(*EVERY_CELL)
    with pytest.raises(BeaFileRefused, match="twice, and differently"):
        read_archive(zip_file({"a.csv": whole, "b.csv": whole.replace(b",6,", b",3,")}))


def test_the_names_of_members_are_those_of_files(zip_file):
    assert members_of(zip_file({"folder/": b"", "folder/a.csv": b"1", "b.txt": b""})) == ["folder/a.csv", "b.txt"]


def test_a_cell_that_is_there_twice_and_differently_is_refused_unless_that_is_tolerated(zip_file):
    twice = years_down(("SAPCE1-1", "01000", 2020, "1"), ("SAPCE1-1", "01000", 2020, "2"))
    for read, content in ((read_csv, twice), (read_archive, zip_file({"a.csv": twice}))):
        with pytest.raises(BeaFileRefused, match="two things of one cell"):
            read(content)
        assert read(content, tolerate_repeats=True).frame.height == 2


def test_of_several_sheets_of_a_table_the_fullest_is_shown_and_its_definition_is_found_by_name(csv_file, zip_file):
    definition = b"<t>\xa7 1</t>"
    archive = zip_file(
        {
            "few.csv": csv_file(areas=("01000",)),
            "all.csv": csv_file(areas=("00000", "01000", "02000")),
            "other.csv": csv_file("SAPCE2", areas=("00000", "01000", "02000", "04000")),
            "definitions/sapce1__Definition.XML": definition,
            "SAPCE2__definition.xml": b"<other/>",
        }
    )
    assert fullest_sheet(archive, "SAPCE1").cells("geo_fips") == ["00000", "01000", "02000"]
    assert definition_in(archive, "SAPCE1") == definition.decode("latin-1")
    assert definition_in(archive, "SAPCE4") == ""
    with pytest.raises(BeaFileRefused, match=r"no table SARPI.*holds SAPCE1"):
        fullest_sheet(archive, "SARPI")
    quarters = csv_file(years=("2020:Q1", "2020:Q2"))
    with pytest.raises(BeaFileRefused, match="not by year"):
        fullest_sheet(zip_file({"a.csv": quarters}), "SAPCE1")


def test_damage_anywhere_is_refused_or_does_no_harm(csv_file, zip_file):
    content = zip_file({"a.csv": csv_file(areas=[f"{number:05d}" for number in range(60)])})
    expected = read_archive(content).frame
    chance = random.Random(1)
    for _ in range(60):
        damaged = bytearray(content)
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        try:
            check_archive(bytes(damaged))
            assert read_archive(bytes(damaged)).frame.equals(expected)
        except BeaFileRefused:
            pass
    for size in range(0, len(content), 97):
        with pytest.raises(BeaFileRefused):
            check_archive(content[:size])


@pytest.mark.real
def test_the_published_archive_reads_to_the_cell(real_data):
    content = (real_data / "SAPCE_2022-10-06.zip").read_bytes()
    tables = ("SAPCE1", "SAPCE2", "SAPCE3", "SAPCE4")
    assert tables_in(content) == (*tables, "SASUMMARY")
    check_archive(content)
    read = read_archive(content, tables)
    cells = typed(read.frame)
    by_table = cells.group_by("bea_table").agg(pl.len(), pl.struct("line_code", "geo_fips").n_unique().alias("lines"))
    assert by_table.sort("bea_table").rows() == [
        ("SAPCE1", 1440 * 25, 1440),
        ("SAPCE2", 1440 * 25, 1440),
        ("SAPCE3", 6721 * 25, 6721),
        ("SAPCE4", 7981 * 25, 7981),
    ]
    assert cells["year"].unique().sort().to_list() == list(range(1997, 2022))
    assert cells["geo_fips"].n_unique() == 60
    assert cells.filter(value_text="(L)").height == cells.filter(status="below_50k").height == 46
    assert set(cells["status"]) == {"reported", "below_50k"}
    us_total = {"bea_table": "SAPCE1", "line_code": 1, "geo_fips": "00000", "year": 1997}
    assert cells.filter(**us_total)["value_text"].to_list() == ["5536790.1"]
    assert set(cells.select("bea_table", "unit", "unit_multiplier").unique().rows()) == {
        ("SAPCE1", "Millions of current dollars", 6),
        ("SAPCE2", "Dollars", 0),
        ("SAPCE3", "Millions of current dollars", 6),
        ("SAPCE4", "Millions of current dollars", 6),
    }
    assert read.lines.height == 24 + 24 + 113 + 134
    assert {table: note.last_updated for table, note in read.notes.items()} == dict.fromkeys(tables, date(2022, 10, 6))
    assert read.notes["SAPCE2"].revised_years == tuple(range(2010, 2021))
    assert read.notes["SAPCE1"].new_years == (2021,)


@pytest.mark.real
def test_the_published_price_archive_tells_its_tables_apart(real_data):
    content = (real_data / "SARPP_2022-12-15.zip").read_bytes()
    read = read_archive(content, ["SARPP", "SARPI", "SAIRPD"])
    cells = typed(read.frame).group_by("bea_table").len().sort("bea_table")
    assert cells.rows() == [("SAIRPD", 51 * 14), ("SARPI", 208 * 14), ("SARPP", 260 * 14)]
    assert {note.last_updated for note in read.notes.values()} == {date(2022, 12, 15)}
    assert "RPPs: Services: Utilities" in read.lines["description"].to_list()
    assert read.frame.filter(pl.col("bea_table") == "SARPP")["unit"].unique().to_list() == ["Index"]
