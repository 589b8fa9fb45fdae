"""The look-alike's national tables by month agree with its tables by year, and come alike with and without a key."""

import asyncio
import csv
import hashlib
import io
import json
import warnings
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

import httpx
import polars as pl
import pytest
from starlette.types import ASGIApp

from pce_pipeline.catalog.reading import load_datasets
from pce_pipeline.emulator.app import create_app
from pce_pipeline.emulator.faults import Fault, FaultKind
from pce_pipeline.emulator.figures import newest_lines, price_index
from pce_pipeline.emulator.months import last_month, months
from pce_pipeline.emulator.national import publish_national
from pce_pipeline.emulator.publication import publish
from pce_pipeline.emulator.series import REGISTER, VALUES, series_file, written_at
from pce_pipeline.emulator.vintages import VINTAGES, Vintage, vintage

KEY = "0a1b2c3d-0000-4000-8000-00000000ABCD"
INDEX, CURRENT, CHAINED = TABLES = ("T20804", "T20805", "T20806")
FOLDER = "/national/Release/TXT"
NATION = "00000"
MONTH = ["line_code", "year", "month"]
RELEASES = [one.number for one in VINTAGES]
SUMS = {1: [2, 13], 2: [3, 8], 3: [4, 5, 6, 7], 8: [9, 10, 11, 12], 13: [14, 22], 14: [*range(15, 22)], 22: [23, -24]}

Ask = Callable[..., httpx.Response]


@pytest.fixture(scope="module")
def ask(get: Ask) -> Ask:
    """Ask an app's API for a national table, by default all months of current dollars."""

    def send(app: ASGIApp, **parameters: Any) -> httpx.Response:
        usual = {
            "UserID": KEY,
            "method": "GetData",
            "datasetname": "NIPA",
            "TableName": CURRENT,
            "Frequency": "M",
            "Year": "2024",
            "ResultFormat": "JSON",
        }
        sent = {**usual, **parameters}
        return get(app, "/api/data", **{name: value for name, value in sent.items() if value is not None})

    return send


def results(response: httpx.Response) -> Any:
    return response.json()["BEAAPI"]["Results"]


@cache
def published(table: str, release: int, faults: frozenset[Fault] = frozenset()) -> pl.DataFrame:
    """The figures of a table as they are written, with their numbers: line_code, year, month, value_text, value."""
    cells = publish_national(release, faults).tables[table].cells
    return cells.with_columns(value=pl.col("value_text").str.replace_all(",", "").cast(pl.Float64))


@cache
def of_years(table: str, release: int) -> pl.DataFrame:
    """What twelve months of a table are on average: line_code, year, value; whole years only."""
    means = published(table, release).group_by("line_code", "year").agg(pl.len(), pl.col("value").mean())
    return means.filter(pl.col("len") == 12).drop("len")


@cache
def annual(table: str, release: int, faults: frozenset[Fault] = frozenset()) -> pl.DataFrame:
    """The nation's figures of a table by year: line_code, year, value."""
    cells = publish(release, faults).cells[table].frame.filter(geo_fips=NATION)
    return cells.select("line_code", "year", value=pl.col("value_text").cast(pl.Float64, strict=False))


def furthest(one: pl.DataFrame, other: pl.DataFrame, *, on: tuple[str, ...] = ("line_code", "year")) -> float:
    """How far the values of one are from those of the other, where both have some."""
    both = one.join(other, on=on, suffix="_of_other")
    assert both.height
    return float((both["value"] - both["value_of_other"]).abs().max())  # type: ignore[arg-type]  # a column of floats


# What the figures are.


@pytest.mark.parametrize("release", RELEASES)
def test_a_release_has_the_months_before_that_of_its_day(release):
    for table, first in ((INDEX, 1959), (CURRENT, 1959), (CHAINED, 2007)):
        of_line = published(table, release).filter(line_code=24)
        day = vintage(release).last_updated
        assert of_line.select("year", "month").row(0) == (first, 1)
        assert of_line.select("year", "month").row(-1) == (day.year, day.month - 1)
        assert of_line.height == (day.year - first) * 12 + day.month - 1
        assert published(table, release)["line_code"].unique().sort().to_list() == [*range(1, 32)]


def test_the_month_before_january_is_a_december():
    assert last_month(Vintage(9, date(2027, 1, 29), 2025, revised=(2020, 2025))) == (2026, 12)


def test_figures_are_written_as_bea_writes_them():
    assert published(CURRENT, 2)["value_text"].str.contains(r"^\d{1,3}(,\d{3})*$").all()
    assert published(CHAINED, 2)["value_text"].str.contains(r"^\d{1,3}(,\d{3})*$").all()
    assert published(INDEX, 2)["value_text"].str.contains(r"^\d{1,3}\.\d{3}$").all()
    assert all(published(table, 2)["value"].is_between(1, 1e8).all() for table in TABLES)


@pytest.mark.parametrize("release", RELEASES)
def test_the_mean_of_twelve_months_is_what_the_year_has_in_every_line(release):
    of_year = annual("SAPCE1", release)
    compared = of_year.join(of_years(CURRENT, release), on=["line_code", "year"], suffix="_of_months")
    assert compared.height == of_year.height == 24 * (vintage(release).last_year - 1997 + 1)
    assert furthest(of_year, of_years(CURRENT, release)) <= 0.5


def off(figures: pl.DataFrame, amount: str, whole: int) -> pl.Series:
    """How far a line is from the sum of its parts, month by month."""
    values = figures.pivot(on="line_code", index=["year", "month"], values=amount)
    signed = [pl.col(str(abs(part))) * (1 if part > 0 else -1) for part in SUMS[whole]]
    return values.select(off=(pl.col(str(whole)) - pl.sum_horizontal(signed)).abs())["off"]


@pytest.mark.parametrize("whole", SUMS)
@pytest.mark.parametrize("release", RELEASES)
def test_months_add_up_as_years_do(release, whole):
    # Each figure may be rounded by half a million.
    assert off(published(CURRENT, release), "value", whole).max() <= 0.5 * (len(SUMS[whole]) + 1)  # type: ignore[operator]  # floats
    assert off(months(release), "current", whole).max() == 0


@pytest.mark.parametrize("release", [one.number for one in VINTAGES if one.prices_of is None])
def test_the_mean_of_twelve_real_months_is_the_real_spending_of_the_year(release):
    lines = newest_lines(load_datasets("full")["prices_state"]).filter(bea_table="SARPI", measure="real_pce")
    of_year = annual("SARPI", release).filter(line_code=lines["line_code"].item()).with_columns(line_code=pl.lit(1))
    assert of_year.drop_nulls()["year"].to_list() == [*range(2008, vintage(release).last_year)]
    assert furthest(of_year, of_years(CHAINED, release).with_columns(pl.col("line_code").cast(pl.Int32))) <= 0.55


@pytest.mark.parametrize("release", RELEASES)
def test_the_mean_of_twelve_price_indexes_is_the_index_of_the_year_and_its_nominal_over_its_real_spending(release):
    means = of_years(INDEX, release).filter(line_code=1)
    level = means.with_columns(value=pl.Series([price_index(year) for year in means["year"]]))
    assert furthest(means, level) <= 0.02
    real = of_years(CHAINED, release).filter(line_code=1)
    ratio = of_years(CURRENT, release).join(real, on=["line_code", "year"], suffix="_real")
    quotient = ratio.with_columns(value=100 * pl.col("value") / pl.col("value_real"))
    assert furthest(means, quotient) <= 0.02


def test_the_price_index_of_a_month_is_its_nominal_over_its_real_spending():
    both = published(CURRENT, 2).join(published(CHAINED, 2), on=MONTH, suffix="_real")
    quotient = both.with_columns(value=100 * pl.col("value") / pl.col("value_real"))
    large = quotient.filter(pl.col("value_real") > 1_000_000)
    assert furthest(published(INDEX, 2), large, on=tuple(MONTH)) <= 0.001


def test_each_line_has_prices_of_its_own_that_are_100_in_the_base_year():
    means = of_years(INDEX, 2)
    of_base_year = means.filter(year=2017)
    assert (of_base_year["value"] - 100).abs().max() <= 0.02  # type: ignore[operator]  # a column of floats
    assert means.filter(year=2024)["value"].n_unique() == 31
    by_line = dict(means.filter(year=2024).select("line_code", "value").iter_rows())
    assert by_line[3] < by_line[2] < by_line[1] < by_line[13]


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("table", TABLES)
def test_no_month_is_far_from_the_one_before_and_no_january_further_than_others(release, table):
    growth = published(table, release).with_columns(
        growth=(pl.col("value") / pl.col("value").shift(1).over("line_code") - 1).abs()
    )
    assert growth["growth"].max() <= 0.06  # type: ignore[operator]  # a column of floats
    of_total = growth.filter(line_code=1)
    assert of_total["growth"].max() <= 0.02  # type: ignore[operator]  # a column of floats
    january = pl.col("month") == 1
    others = of_total.filter(~january)["growth"].mean()
    assert of_total.filter(january)["growth"].mean() <= 1.25 * others  # type: ignore[operator]  # means of floats


def test_what_excludes_something_is_less_than_what_includes_it():
    values = published(CURRENT, 2).pivot(on="line_code", index=["year", "month"], values="value")
    assert values["26"].equals(values["9"], check_names=False)
    for less, more in ((25, 1), (28, 25), (29, 13), (30, 1), (31, 30), (11, 27), (27, 1)):
        assert (values[str(less)] < values[str(more)]).all(), (less, more)


def test_before_the_sheets_a_year_is_what_the_states_spent():
    of_income = annual("SAINC1", 2).filter(line_code=1, year=1990)["value"].item()
    of_months = of_years(CURRENT, 2).filter(line_code=1, year=1990)["value"].item()
    assert 1.2 < of_income / of_months < 1.35


# What releases change.


def changed(table: str, shown: tuple[int, frozenset[Fault]], before: tuple[int, frozenset[Fault]]) -> pl.DataFrame:
    """The months of both that have other texts, with how far they are apart."""
    both = published(table, *shown).join(published(table, *before), on=MONTH, suffix="_before")
    return both.filter(pl.col("value_text") != pl.col("value_text_before")).with_columns(
        apart=(pl.col("value") / pl.col("value_before") - 1).abs()
    )


@pytest.mark.parametrize("release", RELEASES[1:])
@pytest.mark.parametrize("table", TABLES)
def test_a_release_changes_the_months_of_years_that_it_revises_and_those_foreseen_before(release, table):
    new, old = vintage(release), vintage(release - 1)
    seen = changed(table, (release, frozenset()), (release - 1, frozenset()))
    revised = {*new.revised_years("spending"), *range(old.last_year + 1, last_month(old)[0] + 1)}
    assert set(seen["year"]) == revised
    assert seen["apart"].max() < 0.02  # type: ignore[operator]  # a column of floats


def test_numbers_may_be_revised_without_a_word_and_still_agree_with_those_of_years(ask):
    silent = frozenset({Fault(FaultKind.SILENT_REVISION)})
    seen = changed(CURRENT, (2, silent), (2, frozenset()))
    assert set(seen["year"]) == {2023, 2024, 2025}
    means = published(CURRENT, 2, silent).group_by("line_code", "year").agg(pl.col("value").mean())
    assert furthest(annual("SAPCE1", 2, silent), means) <= 0.5
    usual, spoiled = (ask(create_app(faults=faults)) for faults in ((), silent))
    assert results(spoiled)["Data"] != results(usual)["Data"]
    assert results(spoiled)["Notes"] == results(usual)["Notes"]


def test_a_silent_revision_may_be_of_some_lines():
    only = frozenset({Fault(FaultKind.SILENT_REVISION, tables=(CURRENT,), lines=(4,))})
    assert set(changed(CURRENT, (2, only), (2, frozenset()))["line_code"]) == {4}
    assert changed(INDEX, (2, only), (2, frozenset())).is_empty()


def test_equal_releases_give_equal_bytes():
    kept = [series_file(name, 2) for name in (VALUES, REGISTER)]
    for cached in (months, series_file):
        cached.cache_clear()
    assert [series_file(name, 2) for name in (VALUES, REGISTER)] == kept


@pytest.mark.parametrize(
    ("release", "digest"),
    [
        (1, "89e70f067fff5b8e77f5353476c6e7431d711f588d8d80705883f3fa900086cd"),
        (2, "a3f5456047be2fc02822f0ae7951e66f5892df191adf1b4151f4a6e2c106f864"),
    ],
)
def test_tables_by_year_are_what_they_were_before_there_were_months(release, digest):
    cells = publish(release).every_cell
    assert not set(TABLES) & set(cells["bea_table"].unique())
    assert hashlib.sha256(cells.write_csv().encode()).hexdigest() == digest


# Answers of the API.


def test_an_answer_has_beas_keys_in_beas_order(ask):
    response = ask(create_app(4), TableName=INDEX, Year="2026")
    answer = results(response)
    assert list(answer) == ["Statistic", "UTCProductionTime", "Dimensions", "Data", "Notes"]
    assert answer["Statistic"] == "NIPA Table"
    assert [tuple(each.values()) for each in answer["Dimensions"]] == [
        ("1", "TableName", "string", "0"),
        ("2", "SeriesCode", "string", "0"),
        ("3", "LineNumber", "numeric", "0"),
        ("4", "LineDescription", "string", "0"),
        ("5", "TimePeriod", "string", "0"),
        ("6", "CL_UNIT", "string", "0"),
        ("7", "UNIT_MULT", "numeric", "0"),
        ("8", "METRIC_NAME", "string", "0"),
        ("9", "DataValue", "numeric", "1"),
    ]
    row = answer["Data"][0]
    assert list(row.items())[:-2] == [
        ("TableName", "T20804"),
        ("SeriesCode", "DPCERG"),
        ("LineNumber", "1"),
        ("LineDescription", "Personal consumption expenditures (PCE)"),
        ("TimePeriod", "2026M01"),
        ("METRIC_NAME", "Fisher Price Index"),
        ("CL_UNIT", "Level"),
        ("UNIT_MULT", "0"),
    ]
    assert list(row)[-2:] == ["DataValue", "NoteRef"]
    assert row["NoteRef"] == "T20804"
    assert all(isinstance(value, str) for each in answer["Data"] for value in each.values())
    assert response.text == json.dumps(response.json(), separators=(",", ":"))


@pytest.mark.parametrize(
    ("table", "metric", "multiplier", "title", "unit"),
    [
        (
            CURRENT,
            "Current Dollars",
            "6",
            "Table 2.8.5. Personal Consumption Expenditures by Major Type of Product, Monthly",
            "Billions of dollars; seasonally adjusted at annual rates",
        ),
        (
            CHAINED,
            "Chained Dollars",
            "6",
            "Table 2.8.6. Real Personal Consumption Expenditures by Major Type of Product, Monthly, Chained Dollars",
            "Billions of chained (2017) dollars; seasonally adjusted at annual rates",
        ),
        (
            INDEX,
            "Fisher Price Index",
            "0",
            "Table 2.8.4. Price Indexes for Personal Consumption Expenditures by Major Type of Product, Monthly",
            "Index numbers, 2017=100; seasonally adjusted",
        ),
    ],
)
def test_a_table_says_what_it_measures_when_it_was_revised_and_that_it_is_invented(
    ask, table, metric, multiplier, title, unit
):
    answer = results(ask(create_app(), TableName=table))
    assert {(row["METRIC_NAME"], row["UNIT_MULT"]) for row in answer["Data"]} == {(metric, multiplier)}
    note = f"{title} [{unit}] - LastRevised: September 26, 2025"
    assert answer["Notes"][0] == {"NoteRef": table, "NoteText": note}
    assert any("not statistics of the Bureau" in each["NoteText"] for each in answer["Notes"])


def test_lines_are_described_as_the_catalogue_pins_them(ask):
    dataset = load_datasets("full")["pce_us_monthly"]
    for table in TABLES:
        rows = results(ask(create_app(), TableName=table))["Data"]
        described = {
            (int(row["LineNumber"]), row["LineDescription"], row["METRIC_NAME"], int(row["UNIT_MULT"])) for row in rows
        }
        pinned = newest_lines(dataset).filter(bea_table=table)
        assert described >= set(pinned.select("line_code", "description", "unit", "unit_multiplier").iter_rows())
        assert len({row["SeriesCode"] for row in rows}) == 31


@pytest.mark.parametrize(
    ("asked", "years"),
    [
        ("ALL", range(1959, 2026)),
        ("X", range(1959, 2026)),
        ("2024", [2024]),
        ("2025, 1960", [1960, 2025]),
        ("1958,1959,2030", [1959]),
    ],
)
def test_years_are_read_as_bea_reads_them(ask, asked, years):
    rows = results(ask(create_app(), Year=asked))["Data"]
    assert sorted({int(row["TimePeriod"][:4]) for row in rows}) == list(years)


def test_a_line_cannot_be_asked_for(ask):
    response = ask(create_app(), LineCode="3", LineNumber="3")
    assert len(results(response)["Data"]) == 31 * 12
    echo = response.json()["BEAAPI"]["Request"]["RequestParam"]
    assert [each["ParameterName"] for each in echo] == [
        "USERID", "METHOD", "DATASETNAME", "TABLENAME", "FREQUENCY", "YEAR", "RESULTFORMAT",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "code", "says"),
    [
        ({"UserID": "BADKEY"}, "1", "Invalid API UserId"),
        ({"TableName": "SAPCE1"}, "40", "Invalid Value for Parameter TableName"),
        ({"TableName": None}, "40", '"ParameterDescription":"The new NIPA table identifier"'),
        ({"Frequency": None}, "40", '"ParameterName":"Frequency"'),
        ({"Frequency": "D"}, "40", "Invalid Value for Parameter Frequency"),
        ({"Frequency": "Q"}, "101", "Unknown error."),
        ({"Year": None}, "40", '"ParameterName":"Year"'),
        ({"Year": "soon"}, "40", "Invalid Value for Parameter Year"),
        ({"Year": "1958"}, "101", "Unknown error."),
        ({"TableName": CHAINED, "Year": "2006"}, "101", "Unknown error."),
        ({"method": "GetParameterValues", "ParameterName": "LineCode"}, "31", "parameter name"),
        ({"method": "GetParameterValuesFiltered", "TargetParameter": "LineCode"}, "40", "TargetParameter"),
    ],
)
def test_errors_come_with_http_200_inside_the_results(ask, asked, code, says):
    response = ask(create_app(), **asked)
    assert response.status_code == 200
    assert results(response)["Error"]["APIErrorCode"] == code
    assert says in response.text


def test_national_tables_are_unknown_to_the_regional_dataset(ask):
    assert results(ask(create_app(), datasetname="Regional"))["Error"]["APIErrorCode"] == "40"


def test_tables_and_parameters_are_listed(ask):
    app = create_app()
    tables = results(ask(app, method="GetParameterValues", ParameterName="TableName"))["ParamValue"]
    assert [each["TableName"] for each in tables] == list(TABLES)
    parameters = results(ask(app, method="GetParameterList"))["Parameter"]
    assert [each["ParameterName"] for each in parameters] == ["Frequency", "ShowMillions", "TableName", "Year"]


@pytest.mark.system
@pytest.mark.filterwarnings("ignore:The inplace keyword:DeprecationWarning")
def test_beas_own_client_reads_a_national_table(served):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        beaapi = pytest.importorskip("beaapi")
    url = f"{served(create_app())}/api/data?"
    table = beaapi.get_data(
        KEY, datasetname="NIPA", TableName=CURRENT, Frequency="M", Year="2024", base_url=url, throttle=False
    )
    assert len(table) == 31 * 12
    assert table["DataValue"].dtype.kind in "if"


# Faults.


def spoiled(ask: Ask, kind: FaultKind, *, asked: dict[str, Any] | None = None, **how: Any) -> httpx.Response:
    app = create_app(faults=[Fault(kind, tables=(CURRENT,), **how)])
    assert len(results(ask(app, TableName=INDEX))["Data"]) == 31 * 12, "a fault of another table"
    return ask(app, **(asked or {}))


def test_answers_are_spoiled_as_those_of_regional_tables_are(ask):
    assert spoiled(ask, FaultKind.SERVER_ERROR).status_code == 503
    assert spoiled(ask, FaultKind.TOO_MANY, seconds=9).headers["retry-after"] == "9"
    assert results(spoiled(ask, FaultKind.API_ERROR, code="204"))["Error"]["APIErrorCode"] == "204"
    assert spoiled(ask, FaultKind.EMPTY_BODY).content == b""
    assert spoiled(ask, FaultKind.HTML).text.startswith("<html>")
    assert spoiled(ask, FaultKind.TRUNCATED).text.endswith("</html>")
    assert spoiled(ask, FaultKind.BOM).content.startswith(b"\xef\xbb\xbf{")
    assert "Data" not in results(spoiled(ask, FaultKind.NO_DATA))
    assert results(spoiled(ask, FaultKind.UNKNOWN_FIELD))["Data"][0]["Reliability"] == "A"
    (only,) = results(spoiled(ask, FaultKind.RESULTS_AS_LIST))
    assert len(only["Data"]) == 31 * 12
    assert spoiled(ask, FaultKind.SLOW, seconds=0.01).status_code == 200
    with pytest.raises(UnicodeDecodeError):
        spoiled(ask, FaultKind.LATIN1).content.decode("utf-8")
    with pytest.raises(httpx.RemoteProtocolError):
        spoiled(ask, FaultKind.DROP)
    error = results(spoiled(ask, FaultKind.ERROR_AS_LIST, asked={"Year": "1958"}))["Error"]
    assert error[0]["APIErrorCode"] == "101"
    unpublished = results(spoiled(ask, FaultKind.YEAR_IS_ERROR, asked={"Year": "2024,2030"}))["Error"]
    assert unpublished["APIErrorCode"] == "40"


def test_a_table_whose_months_are_all_gone_is_an_error(ask):
    gone = Fault(FaultKind.CELLS_DROPPED, tables=(CURRENT,), years=tuple(range(1959, 2026)))
    assert results(ask(create_app(faults=[gone]), Year="ALL"))["Error"]["APIErrorCode"] == "101"


def test_a_table_of_no_lines_is_none():
    gone = Fault(FaultKind.LINE_DROPPED, tables=(CURRENT,), lines=tuple(range(1, 33)))
    faults = frozenset({gone, Fault(FaultKind.LINE_ADDED)})
    assert publish_national(2, faults).tables.keys() == {INDEX, CHAINED}


def test_the_release_may_change_between_two_tables(ask):
    app = create_app(1, faults=[Fault(FaultKind.RELEASE_CHANGES, tables=(CURRENT,))])
    said = [results(ask(app, TableName=table))["Notes"][0]["NoteText"][-18:] for table in TABLES]
    assert said == ["d: October 3, 2024", "September 26, 2025", "September 26, 2025"]


def lines_of(ask: Ask, *faults: Fault, table: str = CURRENT) -> dict[int, tuple[str, str, str]]:
    """Text, series and first figure by line."""
    rows = results(ask(create_app(faults=faults), TableName=table))["Data"]
    return {
        int(row["LineNumber"]): (row["LineDescription"], row["SeriesCode"], row["DataValue"])
        for row in rows
        if row["TimePeriod"] == "2024M01"
    }


@pytest.mark.parametrize("tables", [(), (CURRENT,)])
def test_lines_may_be_renamed_swapped_dropped_added_and_marked(ask, tables):
    usual = lines_of(ask)
    renamed = lines_of(ask, Fault(FaultKind.LINES_RENAMED, tables=tables))
    assert renamed[2][0] == "Redefined: Goods"
    swapped = lines_of(ask, Fault(FaultKind.LINES_SWAPPED, tables=tables, lines=(9, 10)))
    assert (swapped[9], swapped[10]) == (usual[10], usual[9])
    dropped = lines_of(ask, Fault(FaultKind.LINE_DROPPED, tables=tables))
    assert dropped == {line: text for line, text in usual.items() if line < 31}
    added = lines_of(ask, Fault(FaultKind.LINE_ADDED, tables=tables))
    assert added[32] == usual[31]
    assert added[31][:2] == ("Services of a kind not seen before", "DNEWRC")
    marked = lines_of(ask, Fault(FaultKind.MARKS_CHANGED, tables=tables))
    assert {line: text for line, (text, *_) in marked.items()} == {
        line: f"{text} 1/" for line, (text, *_) in usual.items()
    }


def test_a_table_may_be_renamed(ask):
    app = create_app(faults=[Fault(FaultKind.TABLE_RENAMED, tables=(CURRENT,)), Fault(FaultKind.MARKS_CHANGED)])
    assert results(ask(app))["Error"]["APIErrorCode"] == "40"
    row = results(ask(app, TableName="T20805N"))["Data"][0]
    assert (row["TableName"], row["NoteRef"], row["LineDescription"][-3:]) == ("T20805N", "T20805N", " 1/")


def test_months_of_some_years_may_be_dropped_and_those_of_areas_are_not_the_nations():
    def left(**how: Any) -> set[int]:
        return set(published(CURRENT, 2, frozenset({Fault(FaultKind.CELLS_DROPPED, **how)}))["year"])

    whole = set(range(1959, 2026))
    assert left(years=(2001, 2002)) == whole - {2001, 2002}
    assert left(tables=(CURRENT,), years=(2001,)) == whole - {2001}
    assert left(areas=(NATION,), years=(2001,)) == whole - {2001}
    assert left(areas=("02000",), years=(2001,)) == left() == left(tables=(INDEX,), years=(2001,)) == whole
    assert left(tables=(CURRENT,)) == set()


def test_faults_of_national_tables_leave_the_others_as_they_are():
    kinds = (FaultKind.MARKS_CHANGED, FaultKind.LINES_RENAMED, FaultKind.LINE_ADDED, FaultKind.SILENT_REVISION)
    faults = frozenset(Fault(kind, tables=(CURRENT,)) for kind in kinds)
    spoiled, usual = publish(2, faults), publish(2)
    assert spoiled.lines.equals(usual.lines)
    assert spoiled.areas.equals(usual.areas)
    assert publish_national(2, frozenset({Fault(FaultKind.LAYOUT_OF_BEFORE)})).tables.keys() == set(TABLES)


# The files without a key.


def rows_of(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("ascii"), newline="")))


def by_series(values: bytes, register: bytes, table: str) -> dict[tuple[int, str, str], str]:
    """Text by line, description and period, as somebody reads it who has both files."""
    lines = {
        row["%SeriesCode"]: (int(place.partition(":")[2]), row["SeriesLabel"])
        for row in rows_of(register)
        for place in row["TableId:LineNo"].split("|")
        if place.startswith(f"{table}:")
    }
    return {
        (*lines[row["%SeriesCode"]], row["Period"]): row["Value"]
        for row in rows_of(values)
        if row["%SeriesCode"] in lines
    }


@pytest.mark.parametrize(
    "faults",
    [(), (Fault(FaultKind.LINE_ADDED), Fault(FaultKind.MARKS_CHANGED)), (Fault(FaultKind.SILENT_REVISION),)],
)
def test_answers_and_files_of_one_release_have_the_same_texts(ask, get, faults):
    app = create_app(3, faults=faults)
    values, register = (get(app, f"{FOLDER}/{name}").content for name in (VALUES, REGISTER))
    for table in TABLES:
        answer = {
            (int(row["LineNumber"]), row["LineDescription"], row["TimePeriod"]): row["DataValue"]
            for row in results(ask(app, TableName=table, Year="ALL"))["Data"]
        }
        assert by_series(values, register, table) == answer


def test_the_file_of_values_has_all_series_once_in_order_and_more_than_the_tables_have(get):
    response = get(create_app(), f"{FOLDER}/{VALUES}")
    assert response.headers["content-type"].startswith("text/plain")
    lines = response.content.decode("ascii").split("\r\n")
    assert lines[0] == "%SeriesCode,Period,Value"
    assert lines[-1] == ""
    assert "\n" not in "".join(lines)
    assert any(line.startswith('DPCERC,2025M08,"') for line in lines)
    found = rows_of(response.content)
    keys = [(row["%SeriesCode"], row["Period"]) for row in found]
    assert keys == sorted(set(keys))
    codes = Counter(code for code, _ in keys)
    assert len(codes) > 31 * 3 + 24
    assert codes["A065RC"] == codes["DPCERC"] == codes["DPCERG"] == 800
    assert codes["DPCERX"] == 224


def test_the_register_names_the_lines_of_each_series_and_series_without_months(get):
    app = create_app()
    values, register = (get(app, f"{FOLDER}/{name}").content for name in (VALUES, REGISTER))
    lines = register.decode("ascii").split("\r\n")
    assert lines[0] == (
        "%SeriesCode,SeriesLabel,MetricName,CalculationType,DefaultScale,TableId:LineNo,SeriesCodeParents"
    )
    total = '"Personal consumption expenditures (PCE)"'
    assert f'DPCERC,{total},"Current Dollars","Level",-6,T20805:1|U20405:1|T10105:2,NONE' in lines
    assert f'DPCERG,{total},"Fisher Price Index","Level",0,T20804:1|U20404:1,NONE' in lines
    assert 'DDURRX,"Durable goods","Chained Dollars","Level",-6,T20806:3|U20406:3,DGDSRX' in lines
    registered = {row["%SeriesCode"] for row in rows_of(register)}
    assert len(registered) == len(lines) - 2
    with_months = {row["%SeriesCode"] for row in rows_of(values)}
    assert with_months < registered
    assert "A191RC" in registered - with_months
    assert b"not statistics of the Bureau of Economic Analysis" in register


def test_a_file_that_was_not_written_since_is_not_sent_again(get):
    app = create_app()

    def since(moment: str) -> httpx.Response:
        async def once() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://bea") as client:
                return await client.get(f"{FOLDER}/{REGISTER}", headers={"If-Modified-Since": moment})

        return asyncio.run(once())

    written = "Fri, 26 Sep 2025 12:30:00 GMT"
    assert written_at(2) == datetime(2025, 9, 26, 12, 30, tzinfo=UTC)
    assert [get(app, f"{FOLDER}/{name}").headers["last-modified"] for name in (VALUES, REGISTER)] == [written] * 2
    unchanged = since(written)
    assert (unchanged.status_code, unchanged.content, unchanged.headers["last-modified"]) == (304, b"", written)
    assert since("Fri, 26 Sep 2025 12:29:59 GMT").status_code == 200
    assert since("Sat, 27 Sep 2025 00:00:00 -0000").status_code == 304
    assert since("once upon a time").status_code == 200
    app.state.emulator.set_release(3)
    assert since(written).status_code == 200


def test_files_are_counted_and_spoiled_like_archives_and_may_be_given(get):
    app = create_app(
        1,
        archives={VALUES: b"values of old"},
        faults=[
            Fault(FaultKind.SERVER_ERROR, on=("archive",), first=1),
            Fault(FaultKind.HTML, on=("archive",), after=1, first=1),
        ],
    )
    path = f"{FOLDER}/{VALUES}"
    assert get(app, path).status_code == 503
    assert get(app, path).text.startswith("<html>")
    assert get(app, path).content == b"values of old"
    assert get(app, f"{FOLDER}/{REGISTER}").content == series_file(REGISTER, 1)
    assert get(app, f"{FOLDER}/NipaDataQ.txt").status_code == 404
    assert app.state.emulator.counts == {"archive": 4}
    assert [each.parameters for each in app.state.emulator.requests] == [{"NAME": VALUES}] * 3 + [{"NAME": REGISTER}]


def test_a_release_may_come_before_a_file_is_sent(get):
    app = create_app(1, faults=[Fault(FaultKind.RELEASE_CHANGES, on=("archive",))])
    response = get(app, f"{FOLDER}/{VALUES}")
    assert response.content == series_file(VALUES, 2)
    assert response.headers["last-modified"] == "Fri, 26 Sep 2025 12:30:00 GMT"


def test_the_files_are_served_on_a_socket(served):
    url = f"{served(create_app())}{FOLDER}"
    assert httpx.get(f"{url}/{VALUES}").content == series_file(VALUES, 2)
    later = {"If-Modified-Since": "Sat, 27 Sep 2025 00:00:00 GMT"}
    assert httpx.get(f"{url}/{REGISTER}", headers=later).status_code == 304


@pytest.mark.parametrize("release", RELEASES)
def test_the_calendar_names_the_releases_of_the_months(get, release):
    shown = get(create_app(release), "/API/signup/release_dates.json").json()
    days = {moment[:10] for moment in shown["Personal Income and Outlays"]["release_dates"]}
    assert {one.last_updated.isoformat() for one in VINTAGES[:release]} <= days
    assert len(days) == release + 1
