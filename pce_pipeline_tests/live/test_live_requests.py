"""What BEA makes of requests: which it answers, which it refuses and how, and what stands in an answer.

Run by `make test-live` with BEA_API_KEY: some thirty small requests, ten of which BEA must refuse. The pipeline or the
look-alike relies on each sentence, and none is certain from what BEA documents.
"""

import asyncio
from dataclasses import dataclass

import polars as pl
import pytest

from pce_pipeline.bea.bulk import read_archive
from pce_pipeline.bea.gateway import BeaGateway
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.catalog.reading import load_datasets
from pce_pipeline_tests.live.asking import Asking, Said
from pce_pipeline_tests.live.assumptions import Answers

pytestmark = [pytest.mark.live]

DATASETS = load_datasets("full")
SPENDING, SUMMARY = DATASETS["pce_state"], DATASETS["summary_state"]
OF_STATES = {table: each for each in DATASETS.values() if each.source == "Regional" for table in each.tables}
TABLE, NATION, ALABAMA, WYOMING = "SAPCE1", "00000", "01000", "56000"
MONTHLY_TABLE = "T20804"


def regional(**parameters: str) -> dict[str, str]:
    """A question for one cell's newest five years, but for what is given."""
    asked = {"TableName": TABLE, "LineCode": "1", "GeoFips": NATION, "Year": "LAST5", **parameters}
    return {"method": "GetData", "datasetname": "Regional", **{name: value for name, value in asked.items() if value}}


def monthly(**parameters: str) -> dict[str, str]:
    """A question for a year of a national table, but for what is given."""
    asked = {"TableName": MONTHLY_TABLE, "Frequency": "M", "Year": "2020", **parameters}
    return {"method": "GetData", "datasetname": "NIPA", **asked}


def assert_refused(said: Said, code: str, naming: str = "") -> None:
    """Whether BEA refused with an error of that number that names the parameter."""
    assert said.error is not None, f"answered with {len(said.rows)} rows"
    assert said.code == code, said.error
    assert naming.lower() in str(said.error).lower(), said.error


def line_of(row: dict[str, str]) -> int:
    """The line that a row is of."""
    return int(row["Code"].rpartition("-")[2])


@pytest.fixture(scope="module")
def total(ask: Asking) -> Said:
    return ask("total-of-the-nation", **regional())


def test_all_lines_may_be_asked_at_once_for_one_area(ask: Asking) -> None:
    said = ask("all-lines-of-alabama", **regional(LineCode="ALL", GeoFips=ALABAMA))
    assert said.error is None
    assert {line_of(row) for row in said.rows} == set(SPENDING.line_codes(TABLE))
    assert all(row.get("Description") for row in said.rows)


@pytest.mark.parametrize("areas", ["STATE", f"{ALABAMA},{WYOMING}"], ids=["STATE", "list"])
def test_all_lines_at_once_are_refused_for_more_than_one_area(ask: Asking, areas: str) -> None:
    said = ask(f"all-lines-of-{areas.replace(',', '-')}", **regional(LineCode="ALL", GeoFips=areas))
    assert_refused(said, "40", "LineCode")


def test_a_list_of_lines_is_refused(ask: Asking) -> None:
    assert_refused(ask("two-lines", **regional(LineCode="1,2")), "40", "LineCode")


def test_a_list_of_areas_is_answered(ask: Asking) -> None:
    said = ask("two-areas", **regional(GeoFips=f"{WYOMING},{ALABAMA}"))
    assert {row["GeoFips"] for row in said.rows} == {ALABAMA, WYOMING}


@pytest.mark.parametrize("table", OF_STATES)
def test_state_stands_for_exactly_the_areas_that_are_pinned(ask: Asking, table: str) -> None:
    dataset = OF_STATES[table]
    said = ask(
        f"{table}-areas", **regional(TableName=table, LineCode=str(dataset.tables[table].probe.line), GeoFips="STATE")
    )
    found = {row["GeoFips"] for row in said.rows}
    assert areas_of(dataset, dataset.tables[table].levels) <= found
    assert found <= areas_of(dataset, dataset.tables[table].levels | dataset.tables[table].may_have)


def areas_of(dataset: Dataset, levels: frozenset[str]) -> set[str]:
    """The areas of some levels."""
    return set(dataset.areas.filter(pl.col("geo_level").is_in(levels))["geo_fips"])


def test_parameters_that_a_dataset_does_not_have_are_ignored(ask: Asking, total: Said) -> None:
    assert ask("unknown-parameter", **regional(Frequency="M", Nothing="1")).rows == total.rows


def test_the_same_question_has_the_same_answer_but_for_the_time_of_its_production(ask: Asking, total: Said) -> None:
    again = ask("total-of-the-nation-again", **regional()).results
    timeless = [{name: each[name] for name in each if name != "UTCProductionTime"} for each in (total.results, again)]
    assert timeless[0] == timeless[1]


def test_without_a_year_the_newest_five_are_answered(ask: Asking, total: Said) -> None:
    assert ask("no-year", **regional(Year="")).rows == total.rows


def test_a_year_that_is_not_published_is_refused_or_has_no_rows(ask: Asking) -> None:
    said = ask("year-to-come", **regional(Year="2099"))
    assert said.rows == []
    assert said.code in {None, "40", "101"}, said.error


@pytest.mark.parametrize("missing", ["TableName", "LineCode", "GeoFips"])
def test_a_missing_parameter_is_named_by_error_40(ask: Asking, missing: str) -> None:
    assert_refused(ask(f"without-{missing}", **regional(**{missing: ""})), "40", missing)


def test_a_table_that_is_not_there_is_error_40(ask: Asking) -> None:
    assert_refused(ask("no-table", **regional(TableName="SAPCE9")), "40", "TableName")


def test_a_line_that_is_not_there_is_error_40(ask: Asking) -> None:
    assert_refused(ask("no-line", **regional(LineCode="999")), "40", "LineCode")


def test_an_area_that_a_table_does_not_have_is_error_101(ask: Asking) -> None:
    assert_refused(ask("no-area", **regional(GeoFips="31080")), "101")


def test_a_dataset_that_is_not_there_is_error_20(ask: Asking) -> None:
    assert_refused(ask("no-dataset", method="GetParameterList", datasetname="Nothing"), "20")


def test_values_of_a_parameter_that_is_not_there_are_error_31(ask: Asking) -> None:
    asked = {"method": "GetParameterValues", "datasetname": "Regional", "ParameterName": "Nothing"}
    assert_refused(ask("no-parameter", **asked), "31")


def test_a_key_that_nobody_has_is_error_1(ask: Asking) -> None:
    said = ask("key-of-nobody", key="nobody", method="GetDataSetList")
    assert_refused(said, "1")


def test_months_of_another_frequency_are_refused(ask: Asking) -> None:
    assert_refused(ask("months-by-year", **monthly(Frequency="X")), "40", "Frequency")


def test_a_year_without_months_is_refused_or_has_no_rows(ask: Asking) -> None:
    said = ask("months-of-1900", **monthly(Year="1900"))
    assert said.rows == []


def test_the_national_tables_are_listed_by_name_and_description(ask: Asking) -> None:
    asked = {"method": "GetParameterValues", "datasetname": "NIPA", "ParameterName": "TableName"}
    listed = ask("national-tables", **asked).results["ParamValue"]
    assert MONTHLY_TABLE in {each.get("TableName") for each in listed}
    assert all(each.get("Description") for each in listed)


def test_the_title_of_an_answer_begins_with_the_name_of_the_table(total: Said) -> None:
    assert total.results["PublicTable"].startswith(f"{TABLE} ")


def test_the_statistic_of_an_answer_is_the_text_of_the_line_in_the_list_of_lines(ask: Asking, total: Said) -> None:
    asked = {"method": "GetParameterValuesFiltered", "datasetname": "Regional", "TargetParameter": "LineCode"}
    listed = ask("lines-of-the-table", **asked, TableName=TABLE).results["ParamValue"]
    texts = {each["Key"]: each["Desc"] for each in listed}
    assert texts["1"] == f"[{TABLE}] {total.results['Statistic']}"


def test_notes_have_one_on_the_unit_and_one_without_a_mark_that_says_when_it_was_updated(total: Said) -> None:
    notes = [(each["NoteRef"].strip(), each["NoteText"]) for each in total.results["Notes"]]
    assert [mark for mark, text in notes if text.startswith("Last updated")] == [""]
    assert any(mark for mark, _ in notes)


@dataclass(frozen=True)
class InFiles:
    """What BEA's files say of spending and of the summary."""

    cells: pl.DataFrame
    """OBSERVATION_SCHEMA: every cell as published."""

    def coded(self, code: str) -> dict[str, str | int]:
        """A cell with that code; skips where there is none."""
        found = self.cells.filter(pl.col("value_text") == code)
        if found.is_empty():
            pytest.skip(f"no cell of BEA's files has {code} today")
        return found.sort("bea_table", "line_code", "geo_fips", "year").row(0, named=True)


@pytest.fixture(scope="module")
def in_files(keyless: BeaGateway, answers: Answers) -> InFiles:
    return asyncio.run(_read_files(keyless, answers))


async def _read_files(gateway: BeaGateway, answers: Answers) -> InFiles:
    async with gateway.client() as client:
        frames = []
        for dataset in (SPENDING, SUMMARY):
            archive = answers.keep(dataset.archive, await client.bulk(dataset.archive)).body
            frames.append(read_archive(archive, list(dataset.tables)).frame)
        return InFiles(pl.concat(frames))


@pytest.mark.parametrize("code", ["(NA)", "(D)", "(L)"])
def test_a_coded_cell_is_a_zero_with_its_code_beside_it(ask: Asking, in_files: InFiles, code: str) -> None:
    cell = in_files.coded(code)
    asked = regional(
        TableName=str(cell["bea_table"]),
        LineCode=str(cell["line_code"]),
        GeoFips=str(cell["geo_fips"]),
        Year=str(cell["year"]),
    )
    (row,) = ask(f"coded-{code.strip('()')}", **asked).rows
    assert row["DataValue"] == "0", row
    assert code in row.get("NoteRef", ""), row


def test_figures_have_the_decimals_that_they_have_in_files(in_files: InFiles, total: Said) -> None:
    year = pl.col("year").cast(pl.String)
    of_the_nation = in_files.cells.filter(
        pl.col("bea_table") == TABLE, pl.col("line_code") == 1, pl.col("geo_fips") == NATION
    )
    written = dict(of_the_nation.select(year, "value_text").iter_rows())
    said = {row["TimePeriod"]: row["DataValue"] for row in total.rows}
    shared = said.keys() & written.keys()
    assert shared
    assert {year: len(said[year].partition(".")[2]) for year in shared} == {
        year: len(written[year].partition(".")[2]) for year in shared
    }


def test_the_newest_year_of_spending_is_the_one_before_its_release(total: Said) -> None:
    (note,) = (each["NoteText"] for each in total.results["Notes"] if each["NoteText"].startswith("Last updated"))
    newest = max(int(row["TimePeriod"]) for row in total.rows)
    assert str(newest + 1) in note.partition("--")[0]
