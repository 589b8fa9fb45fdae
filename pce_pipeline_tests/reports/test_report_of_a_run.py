"""The report of a run says what its record says: what was done, what balances, what failed, and what to do."""

import pytest

from pce_pipeline.observability.records import RunRecord
from pce_pipeline.reports.making import Beside, Earlier, report_of
from pce_pipeline.reports.report import Balance, ExtractOf, LayerPart, Report, TableOf
from pce_pipeline_tests.reports import made_up
from pce_pipeline_tests.reports.made_up import check, gold, identity, postgres, run, silver, step

NOTHING = Beside()


def made(record: RunRecord, beside: Beside = NOTHING) -> Report:
    return report_of(record, beside, is_sample=False)


def part_of(report: Report, layer: str) -> LayerPart:
    (found,) = (part for part in report.parts if part.layer == layer)
    return found


def test_the_head_says_what_was_asked_and_what_came_of_it() -> None:
    head = made(run(silver(), gold(), postgres(), extracts=["2026-02-23"])).head
    assert (head.run_id, head.env, head.world, head.is_sample) == (made_up.RUN, "staging", "bea", False)
    assert (head.status, head.outcome, head.seconds) == ("succeeded", "2023...2024 to postgres", 4.5)
    assert head.requested == {"partitions": "2023...2024", "why": "a test"}
    assert (head.extracts, head.failures) == (("2026-02-23",), ())


def test_only_layers_that_the_run_touched_have_a_part() -> None:
    assert [part.layer for part in made(run(gold(), silver())).parts] == ["silver", "gold"]
    extract = ExtractOf(dataset="pce_state", extract="2026-02-23", origin="api", tables=())
    assert [part.layer for part in made(run(silver()), Beside(extracts=(extract,))).parts] == ["bronze", "silver"]


def test_a_look_that_found_nothing_new_has_no_layer_and_says_why() -> None:
    report = made(run(step("check", partitions=[], outputs={"outcome": "nothing new", "why": "all is fresh"})))
    assert report.parts == ()
    assert (report.head.outcome, report.head.others[0].did) == ("nothing new", "nothing new: all is fresh")


def test_every_cell_of_bronze_is_accounted_for_in_silver() -> None:
    (balance,) = part_of(made(run(silver(cells_quarantined=3))), "silver").balances
    assert (balance.of, balance.given, balance.difference) == ("silver/pce_state", 10, 0)
    assert balance.became == {
        "rows of Silver": 7,
        "set aside: of areas that are not known": 1,
        "of lines that the catalogue does not hold": 2,
    }
    assert balance.of_which == {"could not be read: NULL and quarantined": 3}


@pytest.mark.parametrize("lost", [1, -2])
def test_a_balance_says_by_how_much_it_is_off(lost: int) -> None:
    (balance,) = part_of(made(run(silver(rows_out=7 - lost))), "silver").balances
    assert balance.difference == lost


def test_what_the_extracts_hold_is_compared_with_what_silver_read() -> None:
    record = run(silver())
    record.steps[0].inputs["left_out_before"] = {"first_year": 1997, "cells": 4}
    whole, _ = part_of(made(record, Beside(cells_held={"pce_state": 14})), "silver").balances
    assert (whole.given, whole.difference) == (14, 0)
    assert whole.became == {"read by Silver": 10, "of years before 1997, which stay in Bronze": 4}
    short, _ = part_of(made(record, Beside(cells_held={"pce_state": 15})), "silver").balances
    assert short.difference == 1


def test_rows_of_silver_become_facts_and_facts_figures_of_wide_tables() -> None:
    wide = step(
        "gold/pce_state_annual",
        checks=[check("gold/pce_state_annual", "every_fact_is_in_one_row", figures={"facts": 5, "rows": 3})],
    )
    beside = Beside(dataset_of={"gold/pce_state_annual": "pce_state"})
    facts, figures = part_of(made(run(gold(), wide), beside), "gold").balances
    assert (facts.given, facts.difference) == (7, 0)
    assert facts.became == {"facts": 5, "published again by another table of BEA's": 2}
    assert (figures.given, figures.became, figures.difference) == (5, {"figures in 3 rows": 5}, 0)


def test_rows_of_gold_are_compared_with_what_the_database_counts() -> None:
    (even,) = part_of(made(run(postgres())), "postgres").balances
    assert (even.of, even.given, even.difference) == ("postgres/pce_state_annual", 4, 0)
    (short,) = part_of(made(run(postgres(held=3))), "postgres").balances
    assert short.difference == 1


def test_an_identity_has_its_counts_and_its_largest_residual_against_the_tolerance() -> None:
    (found,) = part_of(made(run(gold(identity(), check("gold", "another")))), "gold").identities
    assert (found.identity, found.asset) == ("children_add_up_to_parents", "gold")
    assert (found.checked, found.violations, found.known_exceptions, found.not_checked) == (9, 0, 1, 2)
    (largest,) = found.largest
    assert (largest.deviation, largest.tolerance, largest.explained_by) == (0.1, 0.2, "rounding")


def test_a_record_of_an_earlier_version_has_identities_without_residuals() -> None:
    (found,) = part_of(made(run(gold(identity(largest=[])))), "gold").identities
    assert (found.checked, found.largest) == (9, ())


def test_each_check_has_its_word() -> None:
    checks = [
        check("gold", "one"),
        check("gold", "two", passed=False, severity="warn"),
        check("gold", "three", passed=False),
    ]
    found = part_of(made(run(gold(*checks))), "gold").checks
    assert [(each.name, each.outcome) for each in found] == [("one", "passed"), ("two", "warned"), ("three", "failed")]


def test_columns_are_compared_with_those_of_an_earlier_run() -> None:
    beside = Beside(
        columns={"gold": {"gold/x": {"year": "Int32", "value": "Float64"}}},
        earlier={"gold": Earlier("before", {"gold/x": {"year": "Int64"}})},
    )
    (compared,) = part_of(made(run(gold()), beside), "gold").compared
    assert (compared.now, compared.before) == (f"run {made_up.RUN}", "run before")
    assert {(each.kind, each.what) for each in compared.differences} == {
        ("column new", "value"),
        ("column changed", "year"),
    }


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("bronze/pce_state", "Run the same again"),
        ("silver/pce_state", "`pce refresh --years 2023...2024`"),
        ("gold/pce_state_annual", "`pce refresh --years 2023...2024`"),
        ("postgres", "`pce doctor`"),
        ("check", "Run the same again"),
    ],
)
def test_a_step_that_failed_is_named_with_its_error_and_what_to_do(name: str, says: str) -> None:
    head = made(run(step(name, status="failed", error="DamagedObject: it is not as written."))).head
    assert (head.status, head.outcome) == ("failed", f"failed in {name}")
    (failure,) = head.failures
    assert (failure.step, failure.what) == (name, "DamagedObject: it is not as written.")
    assert says in failure.what_to_do


def test_an_interrupted_run_is_not_said_to_be_broken() -> None:
    stopped = step("gold/pce_state_annual", status="failed", error="InterruptedError: the run was stopped")
    head = made(run(stopped)).head
    assert (head.status, head.outcome) == ("failed", "interrupted in gold/pce_state_annual")
    (failure,) = head.failures
    assert failure.what == "The run was interrupted."
    assert failure.what_to_do.startswith("Run the same again")


def test_an_answer_that_does_not_count_leaves_a_decision_to_a_person() -> None:
    refused = step("bronze/pce_state", status="failed", error="Failure: no", outputs={"refused": {"SAPCE1": "lacks"}})
    (failure,) = made(run(refused)).head.failures
    assert "pce use DATE --instead" in failure.what_to_do


def test_a_dataset_that_was_put_off_is_told_once_with_its_reason() -> None:
    put_off = step("silver/income_state", put_off={"income_state": "DamagedObject: broken"})
    load = step("postgres", status="failed", error="DatasetsPutOff: Not refreshed: income_state.")
    head = made(run(put_off, load)).head
    assert (head.status, head.outcome) == ("failed", "all but income_state, which failed")
    (failure,) = head.failures
    assert (failure.dataset, failure.what) == ("income_state", "DamagedObject: broken")
    assert "pce run" in failure.what_to_do


def test_a_run_whose_end_nobody_heard_of_says_so_and_not_that_it_succeeded() -> None:
    report = made(run(silver(), step("gold", status="running", seconds=0.0)))
    assert (report.head.status, report.head.outcome) == ("unfinished", "stopped in gold")
    assert [each.status for each in part_of(report, "gold").steps] == ["unfinished"]
    (failure,) = report.head.failures
    assert "killed, or is still at work" in failure.what
    assert "2026-02-23 14:17:00 UTC" in failure.what


@pytest.mark.parametrize(
    ("outputs", "says"),
    [
        ({"outcome": "new", "extract": "2026-02-23"}, "new extract 2026-02-23"),
        ({"outcome": "verified", "extract": "2026-02-23"}, "verified extract 2026-02-23"),
        ({"outcome": "unchanged"}, "nothing new"),
    ],
)
def test_an_extract_says_what_it_came_to(outputs: dict[str, str], says: str) -> None:
    assert made(run(step("bronze/pce_state", outputs=outputs), job="extract_pce_state")).head.outcome == says


def test_a_refresh_that_changed_nothing_says_so() -> None:
    unchanged = {"gold/pce_state_annual": {"inserted": 0, "updated": 0, "deleted": 0, "unchanged": 4}}
    assert made(run(step("postgres", outputs=unchanged))).head.outcome == "2023...2024 to postgres, nothing changed"


def test_a_table_that_does_not_count_is_no_balance() -> None:
    table = TableOf(bea_table="SAPCE1", cells=4, lines=1, years="2024", counts=False, why="lacks 3 cells")
    extract = ExtractOf(dataset="pce_state", extract="2026-02-23", origin="api", tables=(table,))
    part = part_of(made(run(step("bronze/pce_state")), Beside(extracts=(extract,))), "bronze")
    assert part.extracts == (extract,)
    assert part.balances == ()
    assert Balance(of="x", given_is="cells", given=2, became={"a": 1, "b": 1}).difference == 0
