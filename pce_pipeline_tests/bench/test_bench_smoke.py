"""The bench itself, on the smallest scope: every stage is measured both ways, and both ways agree."""

import json
import sys
from pathlib import Path

import pytest
from rich.console import Console

from pce_pipeline_tests.bench import beside_report, cases
from pce_pipeline_tests.bench.beside import NEW, OURS, PYTHON_OF_OTHERS, Beside, run_beside
from pce_pipeline_tests.bench.report import Machine, for_machines, markdown, terminal
from pce_pipeline_tests.bench.run import WHOLE, Outcome, run
from pce_pipeline_tests.bench.task import STAGES

pytestmark = [pytest.mark.long, pytest.mark.postgres, pytest.mark.system]


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    return run(quick=True, tell=lambda _: None)


def test_every_stage_is_measured_both_ways(outcome):
    assert [line.stage for line in outcome.stages] == list(STAGES)
    assert [line.stage for line in outcome.whole] == list(WHOLE)
    for line in (*outcome.stages, *outcome.whole):
        assert line.rows > 0
        for timing in (line.ours, line.plain):
            assert timing.seconds > 0
            assert timing.peak_bytes > 10_000_000


def test_both_ways_agree_at_every_stage(outcome):
    assert {line.stage: line.differences for line in (*outcome.stages, *outcome.whole) if line.differences} == {}
    assert outcome.agrees


def test_the_report_says_the_same_in_every_form(outcome):
    machine = Machine()
    console = Console(width=200, record=True, file=None, quiet=True)
    console.print(terminal(outcome, machine))
    table = markdown(outcome, machine)
    told = for_machines(outcome, machine)
    for label in (*STAGES.values(), *WHOLE.values()):
        assert label in table
    assert [line["stage"] for line in told["stages"]] == list(STAGES)
    assert json.loads(json.dumps(told))["agrees"] is True


@pytest.fixture(scope="module")
def beside() -> list[Beside]:
    """Every way that needs nothing which we lack; those of other libraries run where `make bench` installed them."""
    python = PYTHON_OF_OTHERS if PYTHON_OF_OTHERS.exists() else Path(sys.executable)
    return run_beside(python=python, quick=True, tell=lambda _: None)


def test_every_way_beside_ours_brings_the_cells_of_its_tables(beside):
    by_name = {each.name: each for each in beside}
    assert by_name.keys() >= {"plain script", OURS}
    for each in beside:
        assert each.areas == 60
        assert each.cells > 1000
        for took in each.times.values():
            assert 0 < took.database_cpu < took.cpu
            assert took.peak_bytes > 10_000_000
    assert by_name[OURS].made_zero == by_name["plain script"].made_zero == 0


def test_what_is_said_beside_others_has_a_line_for_each(beside):
    table = beside_report.markdown(beside)
    for each in beside:
        assert f"| {each.name} | {each.times[NEW].cpu:.1f} |" in table


def test_every_day_of_ours_is_measured_on_its_own():
    found = {each.name: each for each in cases.run_cases(quick=True, tell=lambda _: None)}
    assert [*found] == [
        cases.ALL_NEW,
        cases.STANDS,
        cases.ONE_YEAR,
        cases.NEXT_RELEASE,
        cases.CI_EXTRACT,
        cases.CI_SILVER,
        cases.CI_GOLD,
    ]
    for each in found.values():
        assert 0 <= each.took.database_cpu < each.took.cpu
    assert found[cases.STANDS].changed_years == found[cases.ONE_YEAR].changed_years == 0
    assert 0 < found[cases.NEXT_RELEASE].changed_years <= found[cases.ALL_NEW].changed_years
    assert found[cases.CI_GOLD].changed_years == found[cases.ALL_NEW].changed_years
    for name in found:
        assert name in cases.markdown([*found.values()])
