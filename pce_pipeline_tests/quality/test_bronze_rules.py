"""Each rule of Bronze fails for the damage it is there for, and for no other."""

import hashlib
from dataclasses import replace
from decimal import Decimal

import polars as pl
import pytest

from pce_pipeline.bea.observations import schema_of
from pce_pipeline.bronze.decisions import Verdict
from pce_pipeline.bronze.rules import (
    Extract,
    ReadBack,
    StoredObject,
    bronze_rules,
    rows_by_line,
    unlike_documented,
)
from pce_pipeline.quality.rules import RuleResult, judge
from pce_pipeline.tables.table import MONEY

BODY = b"an answer of BEA"
HASH = hashlib.sha256(BODY).hexdigest()
COUNTS = Verdict(counts=True, why="it covers every cell of 2024-10-03")
LACKS = Verdict(counts=False, why="2024-10-03 also holds 29 cells", lacks=29)


@pytest.fixture
def extract() -> Extract:
    return Extract(
        requested={"SAPCE1": (1, 2), "SAPCE4": (1,)},
        rows={"SAPCE1": {1: 60, 2: 60}, "SAPCE4": {1: 60}},
        objects=[StoredObject("SAPCE1.json", HASH, len(BODY), 120), StoredObject("SAPCE4.json", HASH, len(BODY), 60)],
        total_rows=180,
        found={"SAPCE1.json": ReadBack(HASH, len(BODY)), "SAPCE4.json": ReadBack(HASH, len(BODY))},
        verdicts={"SAPCE1": COUNTS, "SAPCE4": COUNTS},
        is_live=True,
    )


def failed(extract: Extract) -> dict[str, RuleResult]:
    return {result.name: result for result in judge(bronze_rules, "bronze/pce_state", extract) if not result.passed}


def test_a_whole_extract_passes(extract):
    assert failed(extract) == {}
    assert [result.layer for result in judge(bronze_rules, "bronze/pce_state", extract)] == [
        "bronze",
        "bronze",
        "bronze",
        "bronze",
    ]


@pytest.mark.parametrize(
    ("damage", "example"),
    [
        ({"rows": {"SAPCE1": {1: 60, 2: 60}}, "total_rows": 120}, "SAPCE4 has no rows of line 1"),
        ({"rows": {"SAPCE1": {1: 120, 2: 0}, "SAPCE4": {1: 60}}}, "SAPCE1 has no rows of line 2"),
        ({"total_rows": 179}, "the lines have 180 rows, the objects 180, and the manifest says 179"),
    ],
)
def test_missing_tables_lines_and_rows_make_the_manifest_incomplete(extract, damage, example):
    results = failed(replace(extract, **damage))
    assert list(results) == ["manifest_is_complete"]
    assert example in results["manifest_is_complete"].examples
    assert results["manifest_is_complete"].blocking == "always"


@pytest.mark.parametrize(
    ("found", "example"),
    [
        (None, "SAPCE4.json is missing"),
        (ReadBack(HASH, 3), f"SAPCE4.json has 3 bytes instead of {len(BODY)}"),
        (ReadBack("0" * 64, len(BODY)), f"SAPCE4.json has SHA-256 {'0' * 64} instead of {HASH}"),
    ],
)
def test_missing_cut_and_altered_objects_have_wrong_hashes(extract, found, example):
    read = {"SAPCE1.json": ReadBack(HASH, len(BODY))} | ({"SAPCE4.json": found} if found else {})
    results = failed(replace(extract, found=read))
    assert list(results) == ["hashes_are_right"]
    assert results["hashes_are_right"].examples == (example,)


def test_rows_are_counted_by_table_and_line():
    cells = pl.DataFrame({"bea_table": ["SAPCE2", "SAPCE1", "SAPCE1"], "line_code": [1, 2, 2]})
    assert rows_by_line(cells) == {"SAPCE1": {2: 2}, "SAPCE2": {1: 1}}


def test_an_answer_of_bea_that_lacks_what_counts_fails_its_check_in_every_environment(extract):
    results = failed(replace(extract, verdicts={"SAPCE1": LACKS, "SAPCE4": COUNTS}))
    assert list(results) == ["what_counted_is_covered"]
    assert results["what_counted_is_covered"].examples == ("SAPCE1: 2024-10-03 also holds 29 cells",)
    assert results["what_counted_is_covered"].blocking == "always"


def test_a_file_that_lacks_what_counts_is_partial_and_no_failure(extract):
    partial = replace(extract, verdicts={"SAPCE1": LACKS, "SAPCE4": COUNTS}, is_live=False)
    assert failed(partial) == {}
    summary = judge(bronze_rules, "bronze/pce_state", partial)[-1].summary
    assert summary == "1 of 2 tables count; kept, and changing nothing: SAPCE1"


CELLS = pl.DataFrame(
    [("SAPCE1", 1, "06000", 2023, "100.0", "Millions of current dollars", 6, Decimal("100.000"), "reported")],
    schema={**schema_of("year"), "value": MONEY, "status": pl.String},
    orient="row",
)


def test_cells_as_documented_differ_in_nothing():
    assert unlike_documented(CELLS, is_monthly=False) == ()
    months = CELLS.with_columns(month=pl.lit(1, pl.Int32))
    assert unlike_documented(months, is_monthly=True) == ()


@pytest.mark.parametrize(
    ("damaged", "problem"),
    [
        (CELLS.drop("geo_fips"), "there is no geo_fips"),
        (CELLS.with_columns(pl.col("year").cast(pl.String)), "year is String, not Int32"),
        (CELLS.with_columns(geo_fips=pl.lit(None, pl.String)), "geo_fips is empty in 1 cells"),
        (CELLS.with_columns(status=pl.lit("(T)")), "(T) is not a status"),
    ],
)
def test_cells_of_another_form_break_the_schema_in_every_environment(extract, damaged, problem):
    assert unlike_documented(damaged, is_monthly=False) == (problem,)
    results = failed(replace(extract, schema=unlike_documented(damaged, is_monthly=False)))
    assert list(results) == ["cells_have_the_documented_columns"]
    assert results["cells_have_the_documented_columns"].examples == (problem,)
    assert results["cells_have_the_documented_columns"].blocking == "always"


def test_a_cell_without_a_unit_is_kept_and_judged_later():
    assert unlike_documented(CELLS.with_columns(unit=pl.lit(None, pl.String)), is_monthly=False) == ()


def test_cells_that_could_not_be_decoded_are_no_pass_of_the_schema(extract):
    results = {result.name: result for result in judge(bronze_rules, "bronze/pce_state", extract)}
    assert not results["cells_have_the_documented_columns"].has_subject
