"""Rules of every table's rows: references into dimensions, and drift from the version that is published."""

from collections.abc import Sequence

import polars as pl
import pytest

from pce_pipeline.contracts.declared import Contracts
from pce_pipeline.quality.rows import (
    LastVersion,
    TableRows,
    figures_are_near_the_last_version,
    references_resolve,
    rows_are_as_many_as_before,
)
from pce_pipeline.settings import Settings
from pce_pipeline.tables.table import MONEY
from pce_pipeline_tests.datasets import EVERYTHING, SILVER_PCE_STATE
from pce_pipeline_tests.worlds import PLACES_OF_AN_ENVIRONMENT

CONTRACTS = Contracts(EVERYTHING)
KNOWN = CONTRACTS.keys_of(SILVER_PCE_STATE)
AREAS = EVERYTHING.datasets["pce_state"].areas["geo_fips"].head(10).to_list()
LINES = range(1, 25)


def silver(year: int = 2023, *, factor: float = 1.0) -> pl.DataFrame:
    """240 rows of SAPCE1 in a year: 24 lines of ten areas."""
    category = dict(
        EVERYTHING.datasets["pce_state"].lines.filter(bea_table="SAPCE1").select("line_code", "category_id").iter_rows()
    )
    rows = [
        ("SAPCE1", line, category[line], area, year, 100.0 * factor * (line + number), "reported")
        for line in LINES
        for number, area in enumerate(AREAS)
    ]
    return pl.DataFrame(
        rows,
        schema={
            "bea_table": pl.String,
            "line_code": pl.Int32,
            "category_id": pl.String,
            "geo_fips": pl.String,
            "year": pl.Int32,
            "value": pl.Float64,
            "status": pl.String,
        },
        orient="row",
    ).with_columns(pl.col("value").cast(MONEY))


def version(frame: pl.DataFrame, *, made_alike: bool = False, decided: Sequence[str] = ()) -> LastVersion:
    def read() -> pl.DataFrame:
        assert not made_alike, "a version that was made alike is not read"
        return frame

    return LastVersion("the version of 2026-02-23 08:30 (run 0a1b2c3d)", frame.height, made_alike, read, decided)


def rows(now: pl.DataFrame, last: LastVersion | None = None, *, pct: float = 100.0) -> TableRows:
    return TableRows(SILVER_PCE_STATE, {"2023": now}, KNOWN, pct, {} if last is None else {"2023": last})


def in_cell(frame: pl.DataFrame, name: str, value: object, *, first: int) -> pl.DataFrame:
    """The frame with another value in its first rows."""
    is_first = pl.int_range(pl.len()) < first
    return frame.with_columns(
        pl.when(is_first).then(pl.lit(value)).otherwise(name).cast(frame.schema[name]).alias(name)
    )


def test_rows_whose_area_category_and_line_are_known_resolve():
    found = references_resolve.find(rows(silver()))
    assert found.passed
    assert (found.figures["rows"], found.figures["violations"], found.figures["resolved_pct"]) == (240, 0, 100.0)


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("geo_fips", "72000", "geo_fips → gold/dim_geography: 72000 in 1 rows of 2023"),
        ("category_id", "product.air", "category_id → gold/dim_category: product.air in 1 rows of 2023"),
        ("line_code", 99, "bea_table, line_code → gold/category_line: SAPCE1 99 in 1 rows of 2023"),
    ],
)
def test_a_reference_that_leads_nowhere_is_named(column, value, said):
    found = references_resolve.find(rows(in_cell(silver(), column, value, first=1)))
    assert not found.passed
    assert found.examples == (said,)


@pytest.mark.parametrize(
    ("env", "lost", "passes"),
    [("local", 2, True), ("staging", 2, True), ("prod", 2, False), ("prod", 0, True)]
    + [(env, 3, False) for env in ("local", "staging", "prod")],
)
def test_99_percent_of_references_resolve_where_figures_are_tried_and_all_in_prod(tmp_path, env, lost, passes):
    """Of 240 rows two are 0.8 %, and three are 1.25 %."""
    settings = Settings(home=tmp_path, env=env, chosen_source="sample", **PLACES_OF_AN_ENVIRONMENT)
    damaged = in_cell(silver(), "geo_fips", "72000", first=lost) if lost else silver()
    assert references_resolve.find(rows(damaged, pct=settings.references_resolved_pct)).passed is passes


def test_a_reference_that_is_null_refers_to_nothing():
    geography = next(table for table in EVERYTHING.tables if table.name == "gold/dim_geography")
    frame = EVERYTHING.datasets["pce_state"].areas
    found = references_resolve.find(TableRows(geography, {"all": frame}, CONTRACTS.keys_of(geography)))
    assert frame["region_fips"].null_count() > 0
    assert found.passed


def test_a_year_without_rows_is_told():
    found = rows_are_as_many_as_before.find(rows(silver().clear()))
    assert not found.passed
    assert found.examples == ("2023 has no rows",)


@pytest.mark.parametrize(("gone", "passes"), [(0, True), (2, True), (3, False), (120, False)])
def test_fewer_than_99_percent_of_the_last_versions_rows_are_told_with_its_name(gone, passes):
    found = rows_are_as_many_as_before.find(rows(silver().tail(240 - gone), version(silver())))
    assert found.passed is passes
    assert "the version of 2026-02-23 08:30 (run 0a1b2c3d)" in found.told
    assert passes or found.examples == (
        f"2023 has {240 - gone} rows, and 240 in the version of 2026-02-23 08:30 (run 0a1b2c3d)",
    )


@pytest.mark.parametrize("rule", [rows_are_as_many_as_before, figures_are_near_the_last_version])
def test_what_people_decided_since_may_have_other_figures_and_is_named(rule):
    decided = ["pce_state: pin 2022-10-06 (rolled back)"]
    found = rule.find(rows(silver(factor=3).head(10), version(silver(), decided=decided)))
    assert found.passed
    assert found.told.endswith("decided since: pce_state: pin 2022-10-06 (rolled back)")


def test_a_version_that_was_made_alike_is_not_read():
    last = version(silver(), made_alike=True)
    assert figures_are_near_the_last_version.find(rows(silver(factor=3), last)).passed
    assert rows_are_as_many_as_before.find(rows(silver().head(10), last)).passed


@pytest.mark.parametrize(
    ("factor", "passes"),
    [(1.0, True), (1.15, True), (0.8, True), (1.24, True), (1.25, False), (0.7, False), (1000, False)],
)
def test_a_line_whose_middle_figure_moves_by_a_quarter_has_drifted(factor, passes):
    found = figures_are_near_the_last_version.find(rows(silver(factor=factor), version(silver())))
    assert found.passed is passes
    assert found.figures["compared"] == len(LINES)


def test_one_state_that_is_revised_far_is_no_drift_of_its_line():
    revised = in_cell(silver(), "value", 99_999.0, first=1)
    assert figures_are_near_the_last_version.find(rows(revised, version(silver()))).passed


def test_two_lines_that_change_places_have_drifted():
    swapped = silver().with_columns(line_code=pl.col("line_code").replace({1: 24, 24: 1}))
    found = figures_are_near_the_last_version.find(rows(swapped, version(silver())))
    assert not found.passed
    assert found.figures["violations"] == 2
    assert found.examples[0].startswith("SAPCE1 line 1, 2023: the middle figure moved by ")


@pytest.mark.parametrize(("nulls", "passes"), [(11, True), (12, False)])
def test_five_points_more_figures_missing_are_drift(nulls, passes):
    emptied = in_cell(silver(), "value", None, first=nulls)
    assert figures_are_near_the_last_version.find(rows(emptied, version(silver()))).passed is passes


def test_figures_that_were_missing_and_come_are_no_drift():
    emptied = in_cell(silver(), "value", None, first=200)
    assert figures_are_near_the_last_version.find(rows(silver(), version(emptied))).passed


def test_the_first_version_is_held_against_nothing():
    found = figures_are_near_the_last_version.find(rows(silver()))
    assert found.passed
    assert found.told.endswith("nothing older is there to be held against")
    assert not found.has_subject
