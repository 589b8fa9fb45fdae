"""The file of the newest runs: its shape, its order, and that it never grows beyond its room."""

import json
from pathlib import Path

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from pce_pipeline.reports.making import Beside, report_of
from pce_pipeline.reports.report import Compared, Drift, MissingOf, QuarantineOf
from pce_pipeline.reports.runs import MOST_RUNS, RunOf, Runs, encode_runs, run_of, with_runs
from pce_pipeline_tests.reports import made_up
from pce_pipeline_tests.reports.made_up import check, gold, identity, postgres, run, silver, step

EMPTY = Runs(world="bea", is_sample=False)
BESIDE = Beside(
    compared=(
        Compared(
            of="pce_state",
            now="extract 2026-02-23",
            before="extract 2025-09-26",
            differences=(Drift(of="SAPCE1", kind="line new", what="line 25", after="Software"),),
        ),
    ),
    quarantine=(
        QuarantineOf(
            dataset="pce_state", bea_table="SAPCE1", rule="text_is_known", state="current", cells=3, example="'(T)'"
        ),
    ),
    missing=(
        MissingOf(
            dataset="pce_state",
            status="suppressed",
            cells=3,
            of_cells=20,
            years=(2023, 2024),
            areas=("AL",),
            counts=((1, 2),),
        ),
    ),
)


def line(number: int, *, minutes: int | None = None) -> RunOf:
    record = run(
        step("bronze/pce_state", rows={"bronze/pce_state": 10}),
        silver(),
        gold(identity(), check("gold", "sources_agree", passed=False, severity="warn")),
        postgres(),
        run_id=f"run-{number:03}",
        minutes=number if minutes is None else minutes,
        extracts=["2026-02-23"],
    )
    return run_of(report_of(record, BESIDE, is_sample=False), f"staging/reports/bea/run-{number:03}/report.html")


def test_the_file_is_as_its_example_says() -> None:
    """A page is written against the example: who changes one changes the other."""
    expected = json.loads((Path(__file__).parent / "runs.json").read_text("utf-8"))
    assert json.loads(encode_runs(with_runs(EMPTY, [line(1)]))) == expected


def test_the_newest_run_comes_first_and_a_run_has_one_line() -> None:
    runs = with_runs(with_runs(EMPTY, [line(1), line(2)]), [line(3), line(1, minutes=9)])
    assert [each.run_id for each in runs.runs] == ["run-001", "run-003", "run-002"]


def test_a_line_has_what_curves_are_drawn_from() -> None:
    found = line(1)
    assert list(found.layers) == ["bronze", "silver", "gold", "postgres"]
    assert (found.layers["gold"].seconds, found.layers["gold"].rows) == (1.5, 5)
    assert found.checks is not None
    assert (found.checks.passed, found.checks.warned, found.checks.failed) == (2, 1, 0)
    assert found.quarantine == {"text_is_known": 3}
    assert (found.drift, found.missing) == (1, {"suppressed": 3})
    residual = found.residuals["children_add_up_to_parents"]
    assert (residual.deviation, residual.tolerance) == (0.1, 0.2)


def test_a_residual_that_nothing_explains_goes_before_a_larger_one_by_rounding() -> None:
    violation = {**made_up.RESIDUAL, "deviation": 0.3, "explained_by": "nothing"}
    rounding = {**made_up.RESIDUAL, "deviation": 0.9, "tolerance": 1.0}
    declared = {**made_up.RESIDUAL, "deviation": 9000.0, "explained_by": "BEA leaves out net expenditures abroad"}
    report = report_of(run(gold(identity(largest=[declared, rounding, violation]))), Beside(), is_sample=False)
    assert run_of(report, "key").residuals["children_add_up_to_parents"].deviation == 0.3


def test_details_of_older_runs_make_way_before_any_run_does() -> None:
    lines = [line(number) for number in range(6)]
    bare = len(encode_runs(with_runs(EMPTY, [msgspec.structs.replace(each, details=None) for each in lines])))
    runs = with_runs(EMPTY, lines, most_bytes=bare + 2 * len(msgspec.json.encode(lines[0].details)) + 100)
    assert [each.details is not None for each in runs.runs] == [True, True, False, False, False, False]


@given(st.integers(0, 130), st.integers(300, 20_000))
def test_the_file_keeps_within_its_room(number: int, most_bytes: int) -> None:
    runs = with_runs(EMPTY, [line(each) for each in range(number)], most_bytes=most_bytes)
    assert len(encode_runs(runs)) <= most_bytes
    assert len(runs.runs) <= min(number, MOST_RUNS)
    assert [each.run_id for each in runs.runs] == [f"run-{each:03}" for each in range(number)][::-1][: len(runs.runs)]


def test_what_is_written_is_read_again() -> None:
    runs = with_runs(EMPTY, [line(1), line(2)])
    assert msgspec.json.decode(encode_runs(runs), type=Runs) == runs
