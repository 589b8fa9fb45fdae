"""Two answers of one release are compared cell by cell, and figures that tables repeat with the release they are of."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from pce_pipeline.bea.documents import read_document
from pce_pipeline.bea.observations import OBSERVATION_SCHEMA
from pce_pipeline.bea.values import typed
from pce_pipeline.bronze.agreement import (
    DIFFERENT,
    EQUAL,
    MISSING,
    PRECISION,
    Candidate,
    Repeat,
    Tally,
    compared,
    repeated,
    repeats,
    stated,
)
from pce_pipeline.bronze.asking import MOST_LINES, release_in, spot
from pce_pipeline.bronze.feeds import file_entry
from pce_pipeline.bronze.reading import Content
from pce_pipeline.catalog.reading import load_datasets
from pce_pipeline.silver.errors import UnitChanged
from pce_pipeline.silver.layouts import as_today, moves
from pce_pipeline_tests.datasets import PCE_STATE

DATASETS = load_datasets("full")
SUMMARY, INCOME, PRICES = DATASETS["summary_state"], DATASETS["income_state"], DATASETS["prices_state"]
STATES = [f"{number:02}000" for number in (1, 2, 4, 5, 6, 8, 9, 10, 11, 12)]
YEARS = range(2015, 2021)

Row = tuple[str, int, str]
"""An area, a year, and the text that is published."""


def said(
    *rows: Row,
    table: str = "SAPCE1",
    line: int = 1,
    unit: str = "Millions of current dollars",
    multiplier: int = 6,
) -> pl.DataFrame:
    """What a table says in one line."""
    cells = pl.DataFrame(
        [(table, line, area, year, text, unit, multiplier) for area, year, text in rows],
        schema=OBSERVATION_SCHEMA,
        orient="row",
    )
    dataset = next(each for each in DATASETS.values() if table in each.tables)
    lines = dataset.lines.filter(bea_table=table).select(
        "bea_table",
        "line_code",
        pl.col("description").str.split(" | ").list.first().str.replace(r"\{base_year\}", "2017"),
    )
    return stated(Content(typed(cells), lines, {}, {}), dataset, table)


NOBODY = PCE_STATE.cells_at_times


def agreement(one: str | None, other: str | None, *, whole: bool = True) -> list[str]:
    """What becomes of Alabama's figure of 2023 beside one of Alaska that both have; None is no row."""
    sides = [
        said(("02000", 2023, "100.0"), *([("01000", 2023, text)] if text is not None else [])) for text in (one, other)
    ]
    found = compared(*sides, optional=NOBODY if whole else None)
    return found.filter(geo_fips="01000")["agreement"].to_list()


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [
        ("230469.1", "230,469.1", [EQUAL]),
        ("230469.0", "230469", [EQUAL]),
        ("(NA)", "(NA)", [EQUAL]),
        ("230469.1", "230469", [PRECISION]),
        ("230469.5", "230470", [PRECISION]),
        ("230469.1", "230469.2", [DIFFERENT]),
        ("230469.1", "230470", [DIFFERENT]),
        ("230469.1", "(D)", [DIFFERENT]),
        ("(NA)", "(D)", [DIFFERENT]),
        ("(T)", "(T)", [EQUAL]),
        ("(T)", "(U)", [DIFFERENT]),
        ("230469.1", None, [MISSING]),
        (None, "230469.1", [MISSING]),
        ("(NA)", None, []),
        ("230469.1", "", [MISSING]),
        ("", "", []),
    ],
)
def test_a_cell_is_equal_or_differs_by_what_it_says(one: str, other: str, found: list[str]) -> None:
    assert agreement(one, other) == found


def test_of_a_part_of_a_table_nothing_is_missing_and_empty_cells_say_nothing() -> None:
    assert agreement("230469.1", None, whole=False) == []
    assert agreement("230469.1", "", whole=False) == []


def test_a_number_of_an_area_that_is_there_at_times_is_not_missed() -> None:
    nation, state = ("00000", 2020, "101.5"), ("01000", 2020, "99.5")
    one = said(nation, state, table="SAIRPD", unit="Index", multiplier=0)
    other = said(state, table="SAIRPD", unit="Index", multiplier=0)
    assert compared(one, other, optional=PRICES.cells_at_times)["geo_fips"].to_list() == ["01000"]
    assert compared(one, other, optional=NOBODY)["agreement"].to_list() == [MISSING, EQUAL]


def test_a_line_that_was_not_asked_for_is_not_missed() -> None:
    one = pl.concat([said(("01000", 2023, "5.0")), said(("01000", 2023, "3.0"), line=2)])
    assert compared(one, said(("01000", 2023, "5.0")), optional=NOBODY)["line_code"].to_list() == [1]


def test_numbers_of_two_base_years_differ_whatever_they_are() -> None:
    row = ("01000", 2020, "205000.1")
    of_2017, of_2012 = (
        said(row, table="SASUMMARY", line=3, unit=f"Millions of constant {year} dollars") for year in (2017, 2012)
    )
    assert of_2017["base_year"].to_list() == [2017]
    assert compared(of_2017, of_2012)["agreement"].to_list() == [DIFFERENT]
    untold = of_2017.with_columns(base_year=pl.lit(None, dtype=pl.Int32))
    assert compared(of_2012, untold)["agreement"].to_list() == [EQUAL]


def test_a_unit_that_means_something_else_is_refused_and_not_compared() -> None:
    with pytest.raises(UnitChanged):
        said(("01000", 2023, "5"), unit="Thousands of current dollars", multiplier=3)


def test_a_difference_has_both_values_and_the_tally_counts_every_cell_once() -> None:
    one = said(("01000", 2022, "1.0"), ("01000", 2023, "2.0"), ("01000", 2024, "3.0"), ("02000", 2024, "4.0"))
    other = said(("01000", 2022, "1.0"), ("01000", 2023, "2"), ("01000", 2024, "3.1"))
    found = compared(one, other, optional=NOBODY)
    assert Tally.of(found) == Tally(cells=4, equal=2, precision=0, different=2)
    row = found.row(by_predicate=(pl.col("year") == 2024) & (pl.col("geo_fips") == "01000"), named=True)
    assert (str(row["one_value"]), str(row["other_value"])) == ("3.000", "3.100")
    gone = found.row(by_predicate=pl.col("geo_fips") == "02000", named=True)
    assert (str(gone["one_value"]), gone["other_value"], gone["other_status"]) == ("4.000", None, None)
    assert Tally.of(found.clear()) == Tally(0, 0, 0, 0)


# figures that several tables publish


def test_a_table_repeats_the_first_table_of_the_dataset_that_a_measure_is_at_home_in() -> None:
    pairs = {
        (each.table, each.source_table): each.lines.select("line_code", "source_line") for each in repeats(DATASETS)
    }
    assert pairs["SASUMMARY", "SAPCE1"].rows() == [(7, 1)]
    assert pairs["SASUMMARY", "SAINC1"].rows() == [(5, 1), (10, 3)]
    assert pairs["SASUMMARY", "SARPP"].rows() == [(13, 1)]
    assert pairs["SAPCE3", "SAPCE1"].height == 24
    assert ("SASUMMARY", "SAPCE3") not in pairs
    assert ("SAPCE1", "SAPCE3") not in pairs
    assert not [table for table, _ in pairs if table.startswith("T208")]


OF_SPENDING = next(each for each in repeats(DATASETS) if (each.table, each.source_table) == ("SASUMMARY", "SAPCE1"))


def spending(table: str = "SAPCE1", *, off: Sequence[tuple[str, int]] = (), by: float = 0.1) -> pl.DataFrame:
    """Spending of ten states in six years, some of it off."""
    rows = [
        (area, year, f"{1000 + int(area[:2]) + year + (by if (area, year) in off else 0):.1f}")
        for area in STATES
        for year in YEARS
    ]
    return said(*rows, table=table, line=7 if table == "SASUMMARY" else 1)


def tally(candidates: Sequence[Candidate]) -> tuple[int, Tally] | None:
    found = repeated(spending("SASUMMARY"), candidates, OF_SPENDING)
    return (found["pce"][0], Tally.of(found["pce"][1])) if found else None


def test_figures_that_are_repeated_are_compared_with_both_lines() -> None:
    off = spending(off=[("06000", 2019)])
    ((number, cells),) = repeated(spending("SASUMMARY"), [Candidate(4, False, off)], OF_SPENDING).values()
    assert (number, Tally.of(cells)) == (4, Tally(60, 59, 0, 1))
    row = cells.row(by_predicate=pl.col("agreement") == DIFFERENT, named=True)
    assert [row[name] for name in ("bea_table", "line_code", "source_line", "geo_fips", "year")] == [
        "SASUMMARY",
        7,
        1,
        "06000",
        2019,
    ]
    assert (str(row["one_value"]), str(row["other_value"])) == ("3025.000", "3025.100")


def test_of_two_releases_the_one_with_the_same_figures_is_the_one_that_is_repeated() -> None:
    of_another = spending(off=[(area, 2020) for area in STATES])
    assert tally([Candidate(0, False, spending()), Candidate(1, False, of_another)]) == (0, Tally(60, 60, 0, 0))
    assert tally([Candidate(0, False, of_another), Candidate(1, False, spending())]) == (1, Tally(60, 60, 0, 0))
    assert tally([]) is None


@pytest.mark.parametrize(
    "off",
    [
        [(area, 2020) for area in STATES[:6]],
        [(area, year) for area in STATES[:2] for year in range(2019, 2021)],
    ],
    ids=["most figures of a year", "more than a few"],
)
def test_a_revision_is_another_release_and_no_difference(off: list[tuple[str, int]]) -> None:
    assert tally([Candidate(0, False, spending(off=off))]) is None


def test_releases_of_one_day_are_compared_however_much_of_them_differs() -> None:
    everything = spending(off=[(area, year) for area in STATES for year in YEARS])
    candidates = [Candidate(0, True, everything), Candidate(1, False, spending())]
    assert tally(candidates) == (0, Tally(60, 0, 0, 60))


def test_other_decimals_tell_no_release_from_another() -> None:
    whole = spending().with_columns(pl.lit(0, dtype=pl.Int32).alias("decimals"))
    rounded = whole.with_columns(
        value=(pl.col("value") + pl.lit("0.3").cast(pl.Decimal(18, 3))).cast(pl.Decimal(18, 3))
    )
    assert tally([Candidate(0, False, rounded)]) == (0, Tally(60, 0, 60, 0))


def test_of_what_is_no_number_nothing_is_repeated() -> None:
    mine = said(("01000", 2020, "(NA)"), table="SASUMMARY", line=7)
    assert repeated(mine, [Candidate(0, True, said(("01000", 2020, "5.0")))], OF_SPENDING) == {}


# what is asked, and of which release an answer is


def test_few_lines_are_asked_at_once_the_first_of_each_table_always_and_all_in_turn() -> None:
    chosen = [spot(PCE_STATE, MOST_LINES, turn) for turn in range(40)]
    assert {each.height for each in chosen} <= set(range(MOST_LINES - 2, MOST_LINES + 1))
    assert all(each.filter(line_code=1)["bea_table"].to_list() == list(PCE_STATE.tables) for each in chosen)
    assert all(each["bea_table"].n_unique() == 4 for each in chosen)
    seen = pl.concat(chosen).unique(["bea_table", "line_code"])
    assert seen.height == PCE_STATE.lines.height
    assert spot(PRICES, MOST_LINES, 3).height == PRICES.lines.height


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("Fri, 26 Sep 2025 12:30:00 GMT", date(2025, 9, 26)),
        ("Thu, 25 Sep 2025 23:30:00 -0400", date(2025, 9, 26)),
        ("soon", None),
    ],
)
def test_a_file_without_a_note_is_of_the_day_on_which_bea_wrote_it(written: str, day: date | None) -> None:
    entry = file_entry(
        "NipaDataM.txt",
        b"",
        ["T20804"],
        endpoint="",
        extracted_at=datetime(2025, 10, 1, tzinfo=UTC),
        parameters={"Last-Modified": written},
    )
    assert release_in("T20804", None, [entry]) == day
    assert release_in("T20805", None, [entry]) is None
    assert release_in("T20804", date(2025, 9, 1), [entry]) == date(2025, 9, 1)


# BEA's own files


def of_file(path: Path, name: str, table: str) -> pl.DataFrame:
    """What a table of a file says, where its lines stand today."""
    dataset = DATASETS[name]
    read = read_document(path.read_bytes(), tables=[table])
    moved = moves(read.frame, read.lines, dataset)
    return stated(Content(typed(as_today(read.frame, moved)), as_today(read.lines, moved), {}, {}), dataset, table)


def pair(table: str, source_table: str) -> Repeat:
    return next(each for each in repeats(DATASETS) if (each.table, each.source_table) == (table, source_table))


@pytest.mark.real
@pytest.mark.parametrize(
    ("summary", "source", "file", "tallies"),
    [
        (
            "SASUMMARY_2025-03-28.zip",
            "SAINC1",
            "SAINC1_2025-03-28.zip",
            {"personal_income": 1404, "personal_income_per_capita": 1404},
        ),
        ("SARPP_2022-12-15.zip", "SAPCE1", "SAPCE_2022-10-06.zip", {"pce": 1248}),
        ("SARPP_2022-12-15.zip", "SAPCE2", "SAPCE_2022-10-06.zip", {"pce_per_capita": 1248}),
        ("SARPP_2022-12-15.zip", "SARPP", "SARPP_2022-12-15.zip", {"regional_price_parity": 728}),
        ("SARPP_2022-12-15.zip", "SAIRPD", "SARPP_2022-12-15.zip", {"regional_price_deflator": 714}),
        (
            "SARPP_2022-12-15.zip",
            "SARPI",
            "SARPP_2022-12-15.zip",
            dict.fromkeys(
                ("real_pce", "real_pce_per_capita", "real_personal_income", "real_personal_income_per_capita"), 728
            ),
        ),
        ("SASUMMARY_2024-12-12.zip", "SAINC1", "SAINC1_2025-03-28.zip", {"personal_income": 1352}),
        ("SASUMMARY_2025-09-26.zip", "SAINC1", "SAINC1_2025-03-28.zip", {}),
        ("SASUMMARY_2025-09-26.zip", "SAPCE1", "SAPCE_2022-10-06.zip", {}),
        ("SASUMMARY_2025-03-28.zip", "SARPP", "SARPP_2022-12-15.zip", {}),
    ],
)
def test_beas_own_summaries_repeat_their_sources_without_a_difference(
    real_data: Path, summary: str, source: str, file: str, tallies: dict[str, int]
) -> None:
    repeat = pair("SASUMMARY", source)
    mine = of_file(real_data / summary, "summary_state", "SASUMMARY")
    found = repeated(mine, [Candidate(0, False, of_file(real_data / file, repeat.source, source))], repeat)
    assert {measure: Tally.of(cells) for measure, (_, cells) in found.items()} == {
        measure: Tally(cells, cells, 0, 0) for measure, cells in tallies.items()
    }


@pytest.mark.real
def test_one_broken_cell_of_beas_own_summary_is_found(real_data: Path) -> None:
    mine = of_file(real_data / "SASUMMARY_2025-03-28.zip", "summary_state", "SASUMMARY")
    is_meant = (pl.col("line_code") == 5) & (pl.col("geo_fips") == "48000") & (pl.col("year") == 2023)
    broken = mine.with_columns(
        value=pl.when(is_meant).then(pl.col("value") + 1).otherwise("value").cast(pl.Decimal(18, 3))
    )
    source = of_file(real_data / "SAINC1_2025-03-28.zip", "income_state", "SAINC1")
    found = repeated(broken, [Candidate(0, False, source)], pair("SASUMMARY", "SAINC1"))
    assert Tally.of(found["personal_income"][1]) == Tally(1404, 1403, 0, 1)
