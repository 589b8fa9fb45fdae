"""Conformed facts, the annual table over them, and the dimensions."""

from decimal import Decimal

import polars as pl
import pytest

from pce_pipeline.gold.dimensions import category_line, dim_category, dim_geography
from pce_pipeline.gold.facts import conform_facts
from pce_pipeline.gold.pce_state.annual import annual
from pce_pipeline.tables.dimensions import CATEGORY_LINE, DIM_CATEGORY, DIM_GEOGRAPHY
from pce_pipeline.tables.facts import GOLD_FACTS
from pce_pipeline.tables.pce_state import GOLD_PCE_STATE_ANNUAL
from pce_pipeline.tables.table import content_sha256
from pce_pipeline_tests.datasets import PCE_STATE, SILVER_PCE_STATE, pce_state

CATALOG = PCE_STATE


def silver(*cells: tuple[str, int, str, int, str | None]) -> pl.DataFrame:
    """Silver rows of (table, line, category, year, value) for California; a value of None is suppressed."""
    rows = [
        (table, line, category, "06000", "state", "CA", year, value, value or "(D)", value)
        for table, line, category, year, value in cells
    ]
    text = pl.DataFrame(
        rows, schema=[*SILVER_PCE_STATE.column_names[:9], "status"], orient="row", infer_schema_length=None
    )
    return text.with_columns(
        status=pl.when(pl.col("status").is_null()).then(pl.lit("suppressed")).otherwise(pl.lit("reported")),
        unit=pl.lit("Millions of current dollars"),
        unit_multiplier=6,
    ).cast(dict(SILVER_PCE_STATE.polars_schema))  # type: ignore[arg-type]  # polars' stubs want an invariant dict


def facts(*cells: tuple[str, int, str, int, str | None]) -> pl.DataFrame:
    return conform_facts(silver(*cells), CATALOG)


def test_units_and_measures_are_conformed():
    conformed = facts(
        ("SAPCE2", 1, "product.pce", 2020, "45000"),
        ("SAPCE1", 1, "product.pce", 2020, "1800.5"),
        ("SAPCE4", 37, "function.health", 2020, None),
    )
    assert GOLD_FACTS.conform(conformed).equals(conformed)
    assert conformed.select("dataset", "measure", "category_id", "value", "status", "unit").cast(
        {"value": pl.Float64}
    ).rows() == [
        ("pce_state", "pce", "function.health", None, "suppressed", "millions_usd"),
        ("pce_state", "pce", "product.pce", 1800.5, "reported", "millions_usd"),
        ("pce_state", "pce_per_capita", "product.pce", 45000.0, "reported", "usd"),
    ]


def test_of_two_tables_with_the_same_figure_the_first_of_the_catalogue_gives_the_fact():
    conformed = facts(
        ("SAPCE3", 2, "product.goods", 2020, "2.0"),
        ("SAPCE1", 2, "product.goods", 2020, "1.0"),
        ("SAPCE3", 2, "product.goods", 2021, "3.0"),
    )
    assert conformed.select("year", pl.col("value").cast(pl.Float64)).rows() == [(2020, 1.0), (2021, 3.0)]


def test_a_suppressed_figure_of_the_first_table_is_not_replaced_by_another_table():
    conformed = facts(("SAPCE1", 2, "product.goods", 2020, None), ("SAPCE3", 2, "product.goods", 2020, "2.0"))
    assert conformed.select("value", "status").rows() == [(None, "suppressed")]


@pytest.mark.parametrize(
    ("releases", "taken"),
    [
        ({}, (2.0, "reported")),
        ({"SAPCE1": "2024-10-03", "SAPCE3": "2024-10-03"}, (2.0, "reported")),
        ({"SAPCE1": "2024-10-03", "SAPCE3": "2022-10-06"}, (None, "quarantined")),
        ({"SAPCE1": "2024-10-03"}, (None, "quarantined")),
    ],
)
def test_a_quarantined_figure_gives_way_to_a_readable_one_of_the_same_release(releases, taken):
    rows = silver(
        ("SAPCE1", 2, "product.goods", 2020, None),
        ("SAPCE3", 2, "product.goods", 2020, "2.0"),
        ("SAPCE1", 2, "product.goods", 2021, "1.0"),
        ("SAPCE3", 2, "product.goods", 2021, "3.0"),
        ("SAPCE1", 13, "product.services", 2021, None),
    )
    rows = rows.with_columns(status=pl.when(pl.col("value").is_null()).then(pl.lit("quarantined")).otherwise("status"))
    found = conform_facts(rows, CATALOG, releases).sort("category_id", "year")
    assert found.select(pl.col("value").cast(pl.Float64), "status").rows() == [
        taken, (1.0, "reported"), (None, "quarantined"),
    ]  # fmt: skip


def test_of_two_quarantined_figures_the_first_table_gives_the_fact_and_a_suppressed_one_is_readable():
    rows = silver(("SAPCE1", 2, "product.goods", 2020, None), ("SAPCE3", 2, "product.goods", 2020, None))
    both = conform_facts(rows.with_columns(status=pl.lit("quarantined")), CATALOG)
    assert both["status"].to_list() == ["quarantined"]
    first = rows.with_columns(
        status=pl.when(pl.col("bea_table") == "SAPCE1").then(pl.lit("quarantined")).otherwise("status")
    )
    assert conform_facts(first, CATALOG)["status"].to_list() == ["suppressed"]


def test_lines_outside_the_profile_give_no_facts():
    rows = silver(("SAPCE1", 2, "product.goods", 2020, "1.0"), ("SAPCE4", 37, "function.health", 2020, "1.0"))
    assert conform_facts(rows, pce_state("smoke"))["category_id"].to_list() == ["product.goods"]


def test_facts_do_not_depend_on_row_order_or_on_how_many_years_are_taken_at_once():
    rows = silver(*[("SAPCE1", 2, "product.goods", year, f"{year}.5") for year in range(2000, 2020)])
    whole = conform_facts(rows, CATALOG)
    shuffled = conform_facts(rows.sample(fraction=1, shuffle=True, seed=3), CATALOG)
    apart = pl.concat(conform_facts(rows.filter(pl.col("year") == year), CATALOG) for year in range(2000, 2020))
    assert content_sha256(whole) == content_sha256(shuffled) == content_sha256(apart)


def test_annual_puts_total_and_per_capita_side_by_side():
    table = annual(
        facts(
            ("SAPCE1", 2, "product.goods", 2020, "1800.5"),
            ("SAPCE2", 2, "product.goods", 2020, "45000"),
            ("SAPCE1", 2, "product.goods", 2021, None),
            ("SAPCE2", 2, "product.goods", 2021, None),
            ("SAPCE4", 37, "function.health", 2020, "7.0"),
        )
    )
    assert GOLD_PCE_STATE_ANNUAL.conform(table).equals(table)
    columns = ("category_id", "year", "pce_millions_usd", "pce_status", "pce_per_capita_usd", "pce_per_capita_status")
    assert table.select(columns).cast({pl.Decimal: pl.Float64}).rows() == [
        ("function.health", 2020, 7.0, "reported", None, "not_published"),
        ("product.goods", 2020, 1800.5, "reported", 45000.0, "reported"),
        ("product.goods", 2021, None, "suppressed", None, "suppressed"),
    ]


def test_a_per_capita_figure_without_a_total_makes_a_row_whose_total_is_not_published():
    (row,) = annual(facts(("SAPCE2", 2, "product.goods", 2020, "45000"))).rows(named=True)
    assert (row["pce_millions_usd"], row["pce_status"]) == (None, "not_published")
    assert (row["pce_per_capita_usd"], row["pce_per_capita_status"]) == (Decimal(45000), "reported")
    assert (row["geo_fips"], row["category_id"], row["year"]) == ("06000", "product.goods", 2020)
    assert (row["geo_level"], row["state"]) == ("state", "CA")


def test_dimensions_are_whole_whatever_the_profile_and_the_bridge_follows_it():
    smoke = pce_state("smoke")
    assert dim_geography({"pce_state": smoke}).equals(dim_geography({"pce_state": CATALOG}))
    assert dim_category({"pce_state": smoke}).equals(dim_category({"pce_state": CATALOG}))
    assert (dim_geography({"pce_state": CATALOG}).height, dim_category({"pce_state": CATALOG}).height) == (60, 247)
    assert category_line({"pce_state": CATALOG}).height == 295
    assert category_line({"pce_state": smoke})["line_code"].to_list() == [1, 2, 13]


@pytest.mark.parametrize(
    ("table", "frame"),
    [
        (DIM_GEOGRAPHY, dim_geography({"pce_state": CATALOG})),
        (DIM_CATEGORY, dim_category({"pce_state": CATALOG})),
        (CATEGORY_LINE, category_line({"pce_state": CATALOG})),
    ],
)
def test_dimensions_are_as_declared(table, frame):
    assert table.conform(frame).equals(frame)


def test_every_parent_and_every_region_exists_and_signs_and_roles_fit():
    categories, areas = dim_category({"pce_state": CATALOG}), dim_geography({"pce_state": CATALOG})
    parents = set(categories["parent_id"].drop_nulls())
    assert parents <= set(categories["category_id"])
    assert set(categories.filter(pl.col("role") == "part")["category_id"]).isdisjoint(parents)
    assert categories.filter(pl.col("role") == "total").select("scheme", "parent_id").rows() == [
        ("function", None),
        ("product", None),
    ]
    assert categories.filter((pl.col("sign") == -1) != pl.col("name").str.starts_with("Less:")).is_empty()
    assert set(areas["region_fips"].drop_nulls()) == set(areas.filter(pl.col("geo_level") == "region")["geo_fips"])
