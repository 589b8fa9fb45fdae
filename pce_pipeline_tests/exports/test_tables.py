"""Tables of the lake as exports: what a name means, names beside ids, and what is said of the rows."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest

from pce_pipeline.exports.errors import NoSuchTable, NothingToExport
from pce_pipeline.exports.tables import (
    about_of_table,
    analyst_tables,
    chosen_rows,
    datasets_of,
    export_of,
    name_of,
    table_named,
    wanted_partitions,
    with_names,
)
from pce_pipeline.lake.pointer import Partition
from pce_pipeline_tests.datasets import EVERYTHING

ANNUAL = table_named(EVERYTHING, "pce_state_annual")
PRICES = table_named(EVERYTHING, "prices_state_annual")
ESTIMATES = table_named(EVERYTHING, "pce_state_monthly")
TODAY = date(2026, 11, 28)
ROWS = pl.DataFrame(
    {
        "geo_fips": ["06000", "48000"],
        "category_id": ["product.health_care", "product.pce"],
        "year": pl.Series([2023, 2024], dtype=pl.Int32),
        "pce_millions_usd": [1.0, None],
        "pce_status": ["reported", "suppressed"],
    }
)


def partition(year: int, **details: Any) -> Partition:
    return Partition(
        key=str(year),
        objects=(),
        rows=2,
        content_sha256="",
        inputs={},
        code_version="1",
        details=details,
        run_id="",
        published_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def silver_of(dataset: str, *years: int, **details: Any) -> Mapping[str, Mapping[str, Partition]]:
    return {f"silver/{dataset}": {str(year): partition(year, **details) for year in years}}


HELD = silver_of("pce_state", 2023, 2024, extracts={"SAPCE1": "2025-10-01"}, releases={"SAPCE1": "2025-09-26"})


@pytest.mark.parametrize(
    ("name", "means"),
    [
        ("pce_state_annual", "gold/pce_state_annual"),
        ("gold.pce_state_annual", "gold/pce_state_annual"),
        ("Gold/PCE_state_annual", "gold/pce_state_annual"),
        ("silver/pce_state", "silver/pce_state"),
        ("pce_state_vintages", "gold/pce_state_vintages"),
        ("silver.pce_state_vintages", "silver/pce_state_vintages"),
        ("gold", "gold"),
        ("facts", "gold"),
    ],
)
def test_a_table_goes_by_its_name_with_or_without_its_layer(name: str, means: str) -> None:
    assert table_named(EVERYTHING, name).name == means


def test_an_unknown_table_suggests_the_nearest() -> None:
    with pytest.raises(NoSuchTable, match=r"no table 'pce_state_anual'.*Did you mean gold/pce_state_annual"):
        table_named(EVERYTHING, "pce_state_anual")


def test_tables_of_both_layers_have_different_names_in_a_file() -> None:
    names = [name_of(table) for table in EVERYTHING.tables]
    assert len(set(names)) == len(names)


def test_all_tables_are_those_of_gold_without_facts_and_logs() -> None:
    names = {table.name for table in analyst_tables(EVERYTHING)}
    assert {"gold/pce_state_annual", "gold/pce_state_monthly", "gold/dim_category"} <= names
    assert not any(name.startswith("silver") or name.endswith(("_vintages", "_revisions")) for name in names)
    assert "gold" not in names


def test_names_stand_beside_their_ids() -> None:
    named = with_names(ROWS, EVERYTHING.datasets.values())
    assert named.columns[:6] == ["geo_fips", "geo_name", "category_id", "category_name", "category_path", "year"]
    assert named["geo_name"].to_list() == ["California", "Texas"]
    assert named["category_name"][0] == "Health care"
    path = named["category_path"][0].split(" > ")
    assert (path[0], path[-1]) == ("Personal consumption expenditures", "Health care")
    assert named.height == ROWS.height


def test_names_that_a_table_has_itself_stay() -> None:
    rows = pl.DataFrame({"geo_fips": ["06000"], "geo_name": ["as published"]})
    assert with_names(rows, EVERYTHING.datasets.values()).equals(rows)


def test_the_about_of_a_table_has_units_vintages_hazard_and_the_statuses_that_occur() -> None:
    about = about_of_table(
        EVERYTHING, ANNUAL, ROWS, [partition(2023), partition(2024)], HELD, is_sample=False, today=TODAY
    )
    assert about.units == {"pce_millions_usd": "millions of current dollars"}
    assert about.base_years == {"pce_millions_usd": None}
    assert about.vintages == ["pce_state (SAPCE1): extract of 2025-10-01, released 2025-09-26"]
    assert [note.split(":")[0] for note in about.notes] == ["Beware", "Status reported", "Status suppressed"]
    assert about.citation.startswith("U.S. Bureau of Economic Analysis, ")
    assert "2023...2024" in about.citation
    assert "released 2025-09-26" in about.citation


def test_the_sample_is_never_cited_as_statistics_of_bea() -> None:
    about = about_of_table(EVERYTHING, ANNUAL, ROWS, [partition(2023)], HELD, is_sample=True, today=TODAY)
    assert about.citation.startswith("SAMPLE: ")
    assert about.source.startswith("SAMPLE: ")
    assert not any("BEA" in said or "Bureau" in said for said in (about.citation.replace("SAPCE", ""), about.source))


def test_a_table_that_is_behind_silver_names_its_own_release_and_no_extract() -> None:
    behind = [partition(2023, releases={"SAPCE1": "2024-10-03"})]
    about = about_of_table(EVERYTHING, ANNUAL, ROWS, behind, HELD, is_sample=False, today=TODAY)
    assert about.vintages == ["pce_state (SAPCE1): released 2024-10-03"]


def test_years_of_different_extracts_are_told_apart() -> None:
    earlier = partition(2023, extracts={"SAPCE1": "2024-10-03"}, releases={"SAPCE1": "2024-10-03"})
    mixed = {"silver/pce_state": {**HELD["silver/pce_state"], "2023": earlier}}
    both = [partition(2023), partition(2024)]
    about = about_of_table(EVERYTHING, ANNUAL, ROWS, both, mixed, is_sample=False, today=TODAY)
    assert about.vintages == [
        "pce_state (SAPCE1): extract of 2024-10-03, released 2024-10-03, years 2023",
        "pce_state (SAPCE1): extract of 2025-10-01, released 2025-09-26, years 2024",
    ]


def test_constant_dollars_have_the_base_year_of_their_rows_and_none_where_there_are_two() -> None:
    rows = pl.DataFrame({"year": [2022, 2023], "real_pce_millions_constant_usd": [1.0, 2.0], "base_year": [2017, 2017]})
    one = about_of_table(EVERYTHING, PRICES, rows, [], {}, is_sample=False, today=TODAY)
    two = about_of_table(
        EVERYTHING, PRICES, rows.with_columns(base_year=pl.Series([2012, 2017])), [], {}, is_sample=False, today=TODAY
    )
    assert one.base_years == {"real_pce_millions_constant_usd": 2017}
    assert two.base_years == {"real_pce_millions_constant_usd": None}


def test_a_wide_table_has_the_base_year_that_silver_records() -> None:
    table = table_named(EVERYTHING, "summary_state_annual")
    rows = pl.DataFrame({"year": [2024], "real_gdp_millions_chained_usd": [1.0], "employment_jobs": [1.0]})
    silver = silver_of("summary_state", 2024, base_years=[{"base_year": 2017, "bea_table": "", "line_code": 1}])
    about = about_of_table(EVERYTHING, table, rows, [], silver, is_sample=False, today=TODAY)
    assert about.base_years == {"real_gdp_millions_chained_usd": 2017, "employment_jobs": None}


def test_months_of_states_are_cited_as_estimates_that_no_agency_publishes() -> None:
    rows = pl.DataFrame({"year": [2024], "pce_millions_usd_saar": [1.0]})
    about = about_of_table(EVERYTHING, ESTIMATES, rows, [], {}, is_sample=False, today=TODAY)
    assert about.citation.startswith("Estimates of pce_pipeline, which no agency publishes")
    assert about.source.startswith("Estimates of pce_pipeline")
    assert datasets_of(EVERYTHING, ESTIMATES) == ["pce_us_monthly", "pce_state"]


def test_a_citation_names_what_we_compute_and_nothing_that_bea_publishes() -> None:
    metrics = table_named(EVERYTHING, "pce_state_metrics")
    rows = pl.DataFrame({"year": [2024], "pce_yoy_pct": [1.0], "pce_rank_among_states": [1]})
    computed = about_of_table(EVERYTHING, metrics, rows, [], {}, is_sample=False, today=TODAY).citation
    assert "Computed by pce_pipeline from these figures: pce_yoy_pct, pce_rank_among_states." in computed
    for name in ("pce_state_annual", "prices_state_annual", "income_state_annual", "dim_geography"):
        table = table_named(EVERYTHING, name)
        whole = pl.DataFrame(schema=table.polars_schema)
        published = about_of_table(EVERYTHING, table, whole, [], {}, is_sample=False, today=TODAY).citation
        assert "Computed" not in published


def test_only_the_partitions_of_the_years_are_read() -> None:
    published = {str(year): partition(year) for year in (2022, 2023, 2024)}
    assert [each.key for each in wanted_partitions(ANNUAL, published, range(2023, 2030))] == ["2023", "2024"]
    assert len(wanted_partitions(ANNUAL, published, None)) == 3
    with pytest.raises(NothingToExport, match=r"it has 2022\.\.\.2024"):
        wanted_partitions(ANNUAL, published, range(1997, 2000))
    with pytest.raises(NothingToExport, match="pce run"):
        wanted_partitions(ANNUAL, {}, None)


def test_rows_are_chosen_by_year_area_and_category_or_the_choice_is_refused() -> None:
    assert chosen_rows(ANNUAL, ROWS, years=[2023], areas=["06000"]).height == 1
    assert chosen_rows(ANNUAL, ROWS, categories=["product.pce"])["year"].to_list() == [2024]
    with pytest.raises(NothingToExport, match="no row is of this choice"):
        chosen_rows(ANNUAL, ROWS, years=[2024], areas=["06000"])
    with pytest.raises(NothingToExport, match="has no areas"):
        chosen_rows(ANNUAL, ROWS.drop("geo_fips"), areas=["06000"])


def test_an_export_says_what_its_columns_are() -> None:
    about = about_of_table(EVERYTHING, ANNUAL, ROWS, [], {}, is_sample=False, today=TODAY)
    export = export_of(ANNUAL, ROWS, replace(about, notes=[]), EVERYTHING.datasets.values())
    said = {each.name: (each.unit, each.meaning) for each in export.column_facts()}
    assert said["pce_millions_usd"] == ("millions of current dollars", "personal consumption expenditures")
    assert said["geo_name"] == ("", "BEA's name of the area")
    assert export.key == ("geo_fips", "category_id", "year")
