"""The sample's tables of prices keep BEA's identities, have a clock of their own, and come as BEA has them."""

import csv
import io
import json
import zipfile
from datetime import date
from functools import cache

import httpx
import polars as pl
import pytest

from pce_pipeline.catalog.reading import load_datasets
from pce_pipeline.emulator.app import create_app
from pce_pipeline.emulator.archive import archive, calendar
from pce_pipeline.emulator.faults import Fault, FaultKind
from pce_pipeline.emulator.figures import clocks_of
from pce_pipeline.emulator.publication import publish
from pce_pipeline.emulator.vintages import VINTAGES, vintage

NATION = "00000"
RELEASES = [one.number for one in VINTAGES]
PRICES = load_datasets("full")["prices_state"]
TABLES = sorted(PRICES.tables)
PLACE = ["geo_fips", "year"]
PARTS = ["goods", "housing", "utilities", "other_services"]
LINES = {
    "SARPP": {1: "level", 2: "goods", 3: "housing", 4: "utilities", 5: "other_services"},
    "SARPI": {1: "real_income", 2: "real_income_per_capita", 3: "real_pce", 4: "real_pce_per_capita"},
    "SAIRPD": {1: "deflator"},
}
IN_TEN_LINES = frozenset({Fault(FaultKind.LAYOUT_OF_BEFORE)})


def lines_of(table: str, release: int, names: dict[int, str]) -> pl.DataFrame:
    """One row for each area and year of a table, a column for each of these lines."""
    cells = publish(release).cells[table].frame.filter(pl.col("line_code").is_in(list(names)))
    return cells.with_columns(
        value=pl.col("value_text").cast(pl.Float64, strict=False),
        line=pl.col("line_code").replace_strict(names, return_dtype=pl.String),
    ).pivot(on="line", index=PLACE, values="value")


@cache
def prices(release: int) -> pl.DataFrame:
    """What the three tables have, beside the amounts and residents that they go with."""
    of_amounts = vintage(release).with_prices.number
    frame = lines_of("SARPP", release, LINES["SARPP"])
    frame = frame.join(lines_of("SARPI", release, LINES["SARPI"]), on=PLACE, how="full", coalesce=True)
    frame = frame.join(lines_of("SAIRPD", release, LINES["SAIRPD"]), on=PLACE, how="full", coalesce=True)
    return (
        frame.join(lines_of("SAPCE1", of_amounts, {1: "pce"}), on=PLACE, how="left")
        .join(lines_of("SAINC1", of_amounts, {1: "income", 2: "residents"}), on=PLACE, how="left")
        .with_columns(is_nation=pl.col("geo_fips") == NATION)
    )


def states(release: int) -> pl.DataFrame:
    return prices(release).filter(~pl.col("is_nation"))


def nation(release: int) -> pl.DataFrame:
    return prices(release).filter("is_nation")


def spread(frame: pl.DataFrame, ratio: pl.Expr) -> float:
    """How far a ratio of one year is from another of it, in the year where it is furthest."""
    of_years = frame.group_by("year").agg(spread=ratio.max() / ratio.min() - 1)
    return float(of_years.select(pl.col("spread").max()).item())


def most(frame: pl.DataFrame, value: pl.Expr) -> float:
    return float(frame.select(value.abs().max()).item())


@pytest.mark.parametrize("release", RELEASES)
def test_every_state_and_year_has_prices_and_the_nation_all_but_a_deflator(release):
    years = list(range(2008, vintage(release).last_year_of_prices + 1))
    assert sorted(prices(release)["year"].unique()) == years
    assert prices(release).height == 52 * len(years)
    assert nation(release)["deflator"].null_count() == len(years)
    assert sum(nation(release).drop("deflator").null_count().row(0)) == 0
    assert sum(states(release).null_count().row(0)) == 0


@pytest.mark.parametrize("release", RELEASES)
def test_the_level_of_all_items_lies_between_those_of_its_parts(release):
    outside = (pl.min_horizontal(PARTS) > pl.col("level")) | (pl.max_horizontal(PARTS) < pl.col("level"))
    assert prices(release).filter(outside).is_empty()
    assert set(nation(release).select("level", *PARTS).iter_rows()) == {(100.0,) * 5}
    by_year = states(release).group_by("year").agg(pl.col("level", *PARTS).std())
    assert by_year.filter(pl.col("housing") < 1.5 * pl.col("level")).is_empty()
    assert by_year.filter(pl.col("goods") > 0.6 * pl.col("level")).is_empty()


@pytest.mark.parametrize("release", RELEASES)
def test_levels_of_the_states_have_the_harmonic_mean_of_100_by_what_is_spent(release):
    means = states(release).group_by("year").agg(mean=pl.col("pce").sum() / (pl.col("pce") / pl.col("level")).sum())
    assert most(means, pl.col("mean") - 100) < 0.0005


@pytest.mark.parametrize("release", RELEASES)
def test_a_deflator_is_the_level_times_one_index_that_is_100_in_2017_alone(release):
    index = pl.col("deflator") / pl.col("level")
    assert spread(states(release), index) < 2.5e-5
    is_level = states(release).group_by("year").agg(same=(pl.col("deflator") == pl.col("level")).all())
    assert is_level.filter("same")["year"].to_list() == [2017]
    assert states(release).filter((pl.col("deflator") == pl.col("level")) & (pl.col("year") != 2017)).is_empty()


@pytest.mark.parametrize("release", RELEASES)
def test_real_spending_is_nominal_spending_over_the_deflator(release):
    assert most(states(release), 100 * pl.col("pce") / pl.col("real_pce") - pl.col("deflator")) < 0.0011
    assert spread(prices(release), pl.col("pce") / (pl.col("real_pce") * pl.col("level"))) < 2e-5


@pytest.mark.parametrize("release", RELEASES)
def test_what_is_spent_abroad_is_the_same_share_of_real_as_of_nominal_spending(release):
    summed = states(release).group_by("year").agg(pl.col("pce", "real_pce").sum())
    both = nation(release).join(summed, on="year", suffix="_states")
    share, real = (pl.col(name) / pl.col(f"{name}_states") for name in ("pce", "real_pce"))
    assert both.filter(share <= 1).is_empty()
    assert most(both, share - real) < 1e-6


@pytest.mark.parametrize("release", RELEASES)
def test_real_income_of_the_states_adds_up_to_that_of_the_nation(release):
    summed = states(release).group_by("year").agg(pl.col("real_income").sum())
    assert most(nation(release).join(summed, on="year"), pl.col("real_income") - pl.col("real_income_right")) < 5
    assert spread(states(release), pl.col("income") / (pl.col("real_income") * pl.col("level"))) < 2e-5
    index = pl.col("income") / pl.col("real_income") - pl.col("pce") / pl.col("real_pce")
    assert most(nation(release), index) < 1e-6


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("total", ["real_pce", "real_income"])
def test_real_figures_per_capita_are_over_the_residents_of_the_same_release(release, total):
    off = pl.col(total) * 1e6 / pl.col("residents") - pl.col(f"{total}_per_capita")
    # Half a dollar by rounding, and what the tenth of a million does to a state of few.
    assert most(prices(release), off) < 0.5 + 0.1


def test_in_a_september_tables_of_prices_are_those_of_before():
    before, after = publish(2), publish(3)
    for table in TABLES:
        assert after.cells[table].frame.equals(before.cells[table].frame)
        assert (after.tables[table].years, after.tables[table].note) == (
            before.tables[table].years,
            before.tables[table].note,
        )
        assert after.tables[table].note.startswith("Last updated: September 26, 2025-- ")
    assert not after.cells["SAPCE1"].frame.equals(before.cells["SAPCE1"].frame)


def test_in_a_september_the_summary_has_new_amounts_beside_prices_of_before():
    of_prices = [2, 3, 8, 9, 13, 14]
    before, after = (publish(release).cells["SASUMMARY"].frame for release in (2, 3))
    cell = ["line_code", *PLACE]
    both = after.join(before, on=cell, how="left", suffix="_before")
    is_of_prices, is_new = pl.col("line_code").is_in(of_prices), pl.col("year") == 2025
    same = pl.col("value_text") == pl.col("value_text_before")
    assert both.filter(is_of_prices & ~is_new & ~same).is_empty()
    missing = both.filter(is_of_prices & (pl.col("year") >= 2024))
    assert set(missing["value_text"]) == {"(NA)"}
    assert set(both.filter(~is_of_prices & ~is_new & ~same)["year"]) >= {2021, 2022, 2023, 2024}
    assert "(NA)" not in set(both.filter(line_code=7)["value_text"])
    assert publish(3).tables["SASUMMARY"].note == "Last updated: September 30, 2026."


@pytest.mark.parametrize("release", RELEASES)
def test_the_summary_repeats_the_tables_of_prices(release):
    cell = [*PLACE, "measure"]
    summary = load_datasets("full")["summary_state"].lines.select("line_code", "measure")
    repeated = publish(release).cells["SASUMMARY"].frame.join(summary, on="line_code")
    own = publish(release).every_cell.join(PRICES.lines, on=["bea_table", "line_code"])
    is_part = pl.col("category_id").str.starts_with("prices.") & (pl.col("category_id") != "prices.all_items")
    both = own.filter(~is_part).join(repeated, on=cell, suffix="_summary")
    assert both.height == own.filter(~is_part).height
    assert both.filter(pl.col("value_text") != pl.col("value_text_summary")).is_empty()


@pytest.mark.parametrize(("release", "before"), [(2, 1), (4, 2)])
@pytest.mark.parametrize("faults", [frozenset[Fault](), IN_TEN_LINES])
def test_a_release_of_prices_changes_the_years_its_notes_name(release, before, faults):
    shown, earlier = (publish(number, faults) for number in (release, before))
    for table in set(TABLES) & set(shown.tables):
        cell = ["line_code", *PLACE]
        compared = shown.cells[table].frame.join(earlier.cells[table].frame, on=cell, how="left", suffix="_before")
        changed = compared.filter(~pl.col("value_text").eq_missing(pl.col("value_text_before")))
        # The row of the US without a figure is there in every year, the new one too.
        years = sorted(changed.filter(pl.col("value_text") != "(NA)")["year"].unique())
        *revised, new = years
        said = f"new statistics for {new}; revised statistics for {revised[0]}-{revised[-1]}."
        assert revised == list(range(revised[0], new))
        assert shown.tables[table].note == f"Last updated: {vintage(release).updated_text}-- {said}"


def test_prices_alone_follow_the_clock_of_prices():
    assert clocks_of(PRICES, "SARPP") == clocks_of(PRICES, "SAIRPD") == {"prices"}
    assert clocks_of(PRICES, "SARPI") == {"prices", "residents"}


def members_of(release: int, faults: frozenset[Fault] = frozenset()) -> dict[str, bytes]:
    packed = archive("SARPP.zip", release, faults)
    assert packed is not None
    with zipfile.ZipFile(io.BytesIO(packed)) as opened:
        return {member: opened.read(member) for member in opened.namelist()}


@pytest.mark.parametrize(("release", "last", "last_of_summary"), [(2, 2023, 2024), (3, 2023, 2025), (4, 2024, 2025)])
def test_the_archive_has_one_file_of_states_for_each_table_and_the_summary(release, last, last_of_summary):
    expected = {
        f"{table}_{part}"
        for table in TABLES
        for part in (f"STATE_2008_{last}.csv", "_definition.xml", "_Footnotes.html")
    }
    assert set(members_of(release)) == expected | {f"SASUMMARY__ALL_AREAS_1998_{last_of_summary}.csv"}


def test_the_files_of_states_say_what_they_are_in_words_and_units_of_bea():
    lines = members_of(2)["SARPI_STATE_2008_2023.csv"].decode("ascii").split("\r\n")
    assert lines[3].startswith(
        ' "00000","United States", ,SARPI,3,"...","Real PCE (millions of constant (2017) dollars) ",'
        '"Millions of constant 2017 dollars",'
    )
    assert lines[-4] == ('"SARPI: Real personal income and real personal consumption expenditures (PCE) by state 1/"')
    parts = members_of(2)["SARPP_STATE_2008_2023.csv"].decode("ascii").split("\r\n")
    assert [row[6].strip() for row in csv.reader(parts[1:6], skipinitialspace=True)] == [
        "RPPs: All items", "RPPs: Goods", "RPPs: Services: Housing", "RPPs: Services: Utilities",
        "RPPs: Services: Other",
    ]  # fmt: skip
    assert NATION not in members_of(2)["SAIRPD_STATE_2008_2023.csv"].decode("ascii")


def error(response: httpx.Response) -> str:
    assert response.status_code == 200
    return str(response.json()["BEAAPI"]["Results"]["Error"]["APIErrorCode"])


def test_an_area_of_a_level_that_a_table_lacks_is_refused(ask):
    app = create_app(2)
    assert error(ask(app, TableName="SAIRPD", GeoFips=NATION)) == "101"
    assert error(ask(app, TableName="SARPP", GeoFips="91000")) == "101"
    rows = ask(app, TableName="SAIRPD", GeoFips="01000,56000", Year="LAST5").json()["BEAAPI"]["Results"]["Data"]
    assert [row["TimePeriod"] for row in rows[:5]] == [str(year) for year in range(2019, 2024)]
    assert {row["GeoFips"] for row in rows} == {"01000", "56000"}


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("name", PRICES.release_names)
def test_the_calendar_announces_the_days_on_which_prices_came_out(release, name):
    dates = [date.fromisoformat(text[:10]) for text in json.loads(calendar(release))[name]["release_dates"]]
    today = vintage(release).last_updated
    came_out = [vintage(number).last_updated for number in (1, 2, 4) if number <= release]
    assert [day for day in dates if day <= today] == came_out
    assert max(dates) > date(2030, 1, 1)


def test_ten_lines_of_before_hold_what_three_tables_hold_today(ask):
    today, before = publish(2), publish(2, IN_TEN_LINES)
    assert set(today.tables) - set(before.tables) == {"SARPI", "SAIRPD"}
    assert [member for member in members_of(2, IN_TEN_LINES) if member.endswith(".csv")] == [
        "SARPP_STATE_2008_2023.csv",
        "SASUMMARY__ALL_AREAS_1998_2024.csv",
    ]
    cells = before.cells["SARPP"].frame
    for first, table in ((1, "SARPI"), (5, "SARPP"), (10, "SAIRPD")):
        own = today.cells[table].frame
        moved = own.with_columns(pl.lit("SARPP").alias("bea_table"), pl.col("line_code") + (first - 1))
        assert cells.join(moved, on=cells.columns, how="semi").height == own.height
    of_nation = cells.filter(line_code=10, geo_fips=NATION)
    assert (of_nation.height, set(of_nation["value_text"])) == (16, {"(NA)"})
    assert cells.height == 10 * 52 * 16
    app = create_app(2, faults=IN_TEN_LINES)
    assert {error(ask(app, TableName=table)) for table in ("SARPI", "SAIRPD")} == {"40"}
    (row,) = ask(app, TableName="SARPP", LineCode=10, GeoFips=NATION, Year="2020").json()["BEAAPI"]["Results"]["Data"]
    assert (row["DataValue"], row["NoteRef"]) == ("0", "(NA)")


def test_a_table_whose_only_line_is_dropped_is_published_no_more(ask, get):
    app = create_app(2, faults=[Fault(FaultKind.LINE_DROPPED, tables=("SAIRPD",))])
    assert error(ask(app, TableName="SAIRPD")) == "40"
    assert error(ask(app, method="GetParameterValuesFiltered", TargetParameter="LineCode", TableName="SAIRPD")) == "40"
    listed = ask(app, method="GetParameterValues", ParameterName="TableName").json()["BEAAPI"]["Results"]["ParamValue"]
    assert "SAIRPD" not in {each["Key"] for each in listed}
    assert get(app, "/regional/zip/SARPP.zip").status_code == 200


@pytest.mark.parametrize("release", [2, 3])
def test_a_silent_revision_of_prices_changes_the_newest_year_and_no_note(release):
    silent = publish(release, frozenset({Fault(FaultKind.SILENT_REVISION, tables=tuple(TABLES))}))
    for table in TABLES:
        usual, changed = publish(release).cells[table].frame, silent.cells[table].frame
        assert set(changed.filter(changed["value_text"] != usual["value_text"])["year"]) == {2023}
        assert silent.tables[table].note == publish(release).tables[table].note
