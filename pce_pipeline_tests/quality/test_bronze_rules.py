"""Each rule of Bronze fails for the damage it is there for, and for no other."""

import hashlib
from dataclasses import replace

import polars as pl
import pytest

from pce_pipeline.bronze.decisions import Verdict
from pce_pipeline.bronze.rules import Extract, ReadBack, StoredObject, bronze_rules, rows_by_line
from pce_pipeline.quality.rules import RuleResult, judge

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
