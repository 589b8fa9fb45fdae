"""The tables of all datasets come from one economy: they agree with each other, and look like BEA's own."""

import csv
import io
import zipfile
from functools import cache
from pathlib import Path

import polars as pl
import pytest

from pce_pipeline.catalog.reading import load_datasets
from pce_pipeline.emulator.app import create_app
from pce_pipeline.emulator.archive import archive
from pce_pipeline.emulator.faults import Fault, FaultKind
from pce_pipeline.emulator.figures import OF_PRICES, generate
from pce_pipeline.emulator.publication import publish
from pce_pipeline.emulator.vintages import vintage

NATION = "00000"
LINES = ["bea_table", "line_code"]


@cache
def figures(release: int = 2) -> pl.DataFrame:
    """Every figure by line, area and year, with its measure, category and level of area."""
    datasets = load_datasets("full").values()
    lines = pl.concat([dataset.lines.select(*LINES, "measure", "category_id") for dataset in datasets])
    levels = next(iter(datasets)).areas.select("geo_fips", "geo_level")
    return (
        publish(release)
        .every_cell.join(lines, on=LINES)
        .join(levels, on="geo_fips")
        .with_columns(value=pl.col("value_text").cast(pl.Float64, strict=False))
    )


def wide(table: str, release: int = 2) -> pl.DataFrame:
    """One row for each area and year of a table, a column for each measure; rows without all figures are left out."""
    of_table = figures(release).filter(bea_table=table)
    return of_table.pivot(on="measure", index=["geo_fips", "geo_level", "year"], values="value").drop_nulls()


def test_figures_that_two_tables_publish_are_the_same():
    seen = figures().filter(pl.col("bea_table").is_in(["SASUMMARY", "SAINC1", "SAPCE1", "SAPCE2"]))
    cell = ["measure", "category_id", "geo_fips", "year"]
    shared = seen.group_by(cell).agg(pl.len(), texts=pl.col("value_text").n_unique())
    repeated = shared.filter(pl.col("len") > 1)
    assert repeated["measure"].unique().sort().to_list() == [
        "pce", "pce_per_capita", "personal_income", "personal_income_per_capita",
    ]  # fmt: skip
    assert repeated["texts"].max() == 1


def test_per_capita_income_is_income_over_residents():
    of_income = wide("SAINC1")
    off = of_income["personal_income"] * 1e6 / of_income["population"] - of_income["personal_income_per_capita"]
    assert off.abs().max() < 1  # type: ignore[operator]  # a column of floats
    assert of_income["year"].min() == 1929


@pytest.mark.parametrize("measure", ["personal_income", "population", "gdp", "employment", "real_personal_income"])
def test_states_add_up_to_the_nation(measure):
    of_measure = figures().filter(measure=measure).drop_nulls("value")
    states = of_measure.filter(geo_level="state").group_by("bea_table", "year").agg(pl.col("value").sum())
    both = of_measure.filter(geo_level="nation").join(states, on=["bea_table", "year"], suffix="_states")
    assert both.height > 10
    assert (both["value"] - both["value_states"]).abs().max() < 5  # type: ignore[operator]  # a column of floats


def test_real_spending_is_spending_over_the_prices_of_the_area():
    of_summary = wide("SASUMMARY")
    assert of_summary["year"].min() == 2008
    deflated = 100 * of_summary["pce"] / of_summary["real_pce"]
    assert (deflated - of_summary["regional_price_deflator"]).abs().max() < 0.0011  # type: ignore[operator]  # floats
    assert set(of_summary["geo_level"]) == {"state"}, "of the nation there is no deflator"
    levels = figures().filter(bea_table="SASUMMARY", measure="regional_price_parity", geo_fips="00000")
    assert set(levels.filter(pl.col("year").is_between(2008, 2023))["value_text"]) == {"100.000"}


def test_prices_of_the_states_average_to_100_by_what_is_spent():
    states = wide("SASUMMARY").filter(geo_level="state")
    mean = states.group_by("year").agg(
        mean=pl.col("pce").sum() / (pl.col("pce") / pl.col("regional_price_parity")).sum()
    )
    assert (mean["mean"] - 100).abs().max() < 0.0005  # type: ignore[operator]  # a column of floats
    assert states["regional_price_parity"].is_between(85, 125).all()
    assert states["regional_price_parity"].max() - states["regional_price_parity"].min() > 10  # type: ignore[operator]  # floats


def test_what_was_not_available_is_a_code_as_bea_has_it():
    missing = figures().filter(value_text="(NA)")
    of_income = missing.filter(bea_table="SAINC1")
    assert of_income.height == 2 * 3 * 21
    assert set(of_income["geo_fips"]) == {"02000", "15000"}
    of_summary = missing.filter(bea_table="SASUMMARY")
    no_deflator = (pl.col("geo_fips") == "00000") & (pl.col("measure") == "regional_price_deflator")
    assert of_summary.filter(no_deflator)["year"].to_list() == list(range(1998, 2025))
    of_summary = of_summary.filter(~no_deflator)
    assert set(of_summary["year"]) == {*range(1998, 2008), 2024}
    assert {"pce", "gdp", "employment"}.isdisjoint(of_summary["measure"])


@pytest.mark.parametrize("release", [2, 3, 4])
def test_a_release_changes_all_tables_within_the_same_years(release):
    cell = [*LINES, "geo_fips", "year"]
    shown, before = (
        figures(each).filter(~pl.col("bea_table").str.starts_with("SAPCE")) for each in (release, release - 1)
    )
    compared = shown.join(before, on=cell, how="full", suffix="_before", coalesce=True)
    changed = compared.filter(~pl.col("value_text").eq_missing(pl.col("value_text_before")))
    new = vintage(release)
    allowed = {*new.revised_years("spending"), *new.revised_years("residents"), new.new_year or new.last_year}
    # What BEA says a year late of prices comes with the next release.
    of_prices = pl.col("measure").is_in(OF_PRICES)
    assert set(changed.filter(~of_prices)["year"]) <= allowed | {vintage(release - 1).last_year}
    assert set(new.revised_years("spending")) <= set(changed["year"])
    # Those of the third release are those of the second, without a figure of the new year; the fourth brings the rest.
    since = {4: set(range(2016, 2025)), 3: {2025}}.get(release, allowed)
    assert set(changed.filter(of_prices)["year"]) <= since | {vintage(release - 1).last_year}


def rows_of(content: bytes) -> list[list[str]]:
    return list(csv.reader(content.decode("ascii").split("\r\n")[1:-5], skipinitialspace=True))


def members_of(name: str) -> dict[str, bytes]:
    packed = archive(name, 2)
    assert packed is not None
    with zipfile.ZipFile(io.BytesIO(packed)) as opened:
        return {member: opened.read(member) for member in opened.namelist()}


def test_each_dataset_has_its_archive_and_the_summary_lies_in_those_it_repeats():
    assert "SAINC1__ALL_AREAS_1929_2024.csv" in members_of("SAINC.zip")
    assert "SASUMMARY_CA_1998_2024.csv" in members_of("SASUMMARY.zip")
    summaries = [
        {member for member in members_of(name) if member.startswith("SASUMMARY")} for name in ("SAPCE.zip", "SAINC.zip")
    ]
    assert summaries == [{"SASUMMARY__ALL_AREAS_1998_2024.csv"}] * 2
    content = members_of("SASUMMARY.zip")["SASUMMARY__ALL_AREAS_1998_2024.csv"]
    assert members_of("SAPCE.zip")["SASUMMARY__ALL_AREAS_1998_2024.csv"] == content
    assert {row[0] for row in rows_of(content)} == {
        *figures().filter(pl.col("geo_level") != "region")["geo_fips"].unique()
    }
    assert b'"Last updated: September 26, 2025."' in content
    assert b'"Real PCE (millions of constant (2017) dollars)' in content.replace(b'" Real', b'"Real')
    assert archive("SAGDP.zip", 2) is None


def test_the_api_lists_the_tables_of_all_datasets_and_answers_with_their_own_years(get, ask):
    app = create_app(2)
    listed = ask(app, method="GetParameterValues", ParameterName="TableName").json()["BEAAPI"]["Results"]["ParamValue"]
    assert {"SAINC1", "SAPCE4", "SASUMMARY"} <= {each["Key"] for each in listed}
    answer = ask(app, TableName="SAINC1", LineCode=2).json()["BEAAPI"]["Results"]
    assert answer["Statistic"] == "Population (persons)"
    assert answer["UnitOfMeasure"] == "Number of persons"
    assert {row["TimePeriod"] for row in answer["Data"]} == {str(year) for year in range(1929, 2025)}
    assert len({row["GeoFips"] for row in answer["Data"]}) == 60
    notes = [note["NoteText"] for note in answer["Notes"]]
    assert notes[-1] == "Last updated: September 26, 2025-- new statistics for 2024; revised statistics for 2019-2023."


def test_a_summary_describes_its_lines_by_their_text_alone(ask):
    answer = ask(create_app(2), TableName="SASUMMARY", LineCode=7).json()["BEAAPI"]["Results"]
    assert answer["Statistic"] == "Personal consumption expenditures"
    assert answer["Notes"][-1]["NoteText"] == "Last updated: September 26, 2025."


def test_the_calendar_names_the_releases_of_every_dataset(get):
    shown = get(create_app(2), "/API/signup/release_dates.json").json()
    for dataset in load_datasets("full").values():
        assert set(dataset.release_names) & set(shown), dataset.name
    silent = create_app(2, faults=[Fault(FaultKind.CALENDAR_WITHOUT_NAME, on=("calendar",))])
    names = set(get(silent, "/API/signup/release_dates.json").json())
    assert not names & {name for dataset in load_datasets("full").values() for name in dataset.release_names}


DATASET = """
name = "income_by_source_state"
title = "Personal income by source by state"
source = "Regional"
archive = "SAINC.zip"
first_year = 1990
release_names = ["Personal Income by State"]

[[measures]]
name = "income_by_source"
title = "personal income by source"
unit = "millions_usd"
decimals = 1
adds_up_over = ["categories", "areas"]
comparable_over = ["areas", "years"]
growth_is_meaningful = true

[[measures]]
name = "tightness"
title = "an index of how tight markets are"
unit = "index"
decimals = 3
adds_up_over = []
comparable_over = ["areas"]
growth_is_meaningful = false

[[tables]]
name = "SAINC4"
title = "State annual personal income by source"
levels = ["nation", "region", "state"]
probe = { line = 10, area = "00000" }

[profiles.full]
SAINC4 = []
"""
CATEGORIES = """\
category_id,scheme,name,parent_id,depth,role,sign,nation_only
source.all,source,All sources,,0,total,1,false
source.work,source,Work,source.all,1,part,1,false
source.contributions,source,Less: Contributions,source.all,1,part,-1,false
source.overseas,source,Overseas,source.all,1,part,1,true
"""
PINNED = """\
bea_table,layout,line_code,category_id,measure,description,unit,unit_multiplier
SAINC4,2025,10,source.all,income_by_source,Personal income,Millions of dollars,6
SAINC4,2025,20,source.work,income_by_source,Work,Millions of dollars,6
SAINC4,2025,30,source.contributions,income_by_source,Less: Contributions,Millions of dollars,6
SAINC4,2025,40,source.overseas,income_by_source,Overseas,Millions of dollars,6
SAINC4,2025,50,source.all,tightness,Tightness,Index,0
"""


def test_a_table_that_a_user_adds_is_published_too_and_adds_up_as_it_is_declared(tmp_path: Path):
    own = tmp_path / "income_by_source_state"
    own.mkdir()
    (own / "dataset.toml").write_text(DATASET)
    (own / "categories.csv").write_text(CATEGORIES)
    (own / "lines.csv").write_text(PINNED)
    datasets = load_datasets("full", tmp_path)
    cells = generate(vintage(1), datasets)
    assert cells.filter(pl.col("bea_table") != "SAINC4").equals(publish(1).every_cell)
    added = cells.filter(bea_table="SAINC4").with_columns(value=pl.col("value_text").cast(pl.Float64, strict=False))
    assert added.filter(line_code=40)["geo_fips"].unique().to_list() == [NATION]
    assert set(added["year"]) == set(range(1990, 2024))
    by_line = added.pivot(on="line_code", index=["geo_fips", "year"], values="value").fill_null(0)
    assert (by_line["10"] - by_line["20"] + by_line["30"] - by_line["40"]).abs().max() < 0.01  # type: ignore[operator]  # floats
    assert (by_line["30"] > 0).all()
    packed = archive("SAINC.zip", 1, catalog=tmp_path)
    assert packed is not None
    with zipfile.ZipFile(io.BytesIO(packed)) as opened:
        assert {"SAINC1__ALL_AREAS_1929_2023.csv", "SAINC4__ALL_AREAS_1990_2023.csv"} <= set(opened.namelist())
