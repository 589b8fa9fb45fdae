"""The moments and years at which a decision turns, from both sides."""

from dataclasses import replace
from datetime import timedelta

import pytest

from pce_pipeline.automation.next_step import LakeState, stale_years
from pce_pipeline.tables.pce_state import GOLD_PCE_STATE_ANNUAL
from pce_pipeline.tables.years import FIRST_YEAR
from pce_pipeline_tests.automation.test_next_step import (
    DAY,
    HELD,
    HOUR,
    NOON,
    decide,
    known,
    partition,
    release,
    settled,
)
from pce_pipeline_tests.datasets import REGISTRY, SILVER_PCE_STATE

MOMENT = timedelta(microseconds=1)
SILVER_TABLE, ANNUAL_TABLE = SILVER_PCE_STATE.name, GOLD_PCE_STATE_ANNUAL.name


@pytest.mark.parametrize(("late", "awaited"), [(14 * DAY, True), (14 * DAY + MOMENT, False)])
def test_a_late_release_is_awaited_for_two_weeks_to_the_moment(late, awaited):
    lake, loaded = settled({"SAPCE1": known({2024: "a"}, compared_at=NOON + HOUR)})
    step = decide(lake, release(NOON + late, notes=None, announced=[NOON]), loaded)
    assert step.action == ("extract" if awaited else "nothing")


@pytest.mark.parametrize(("changed", "awaited"), [(-MOMENT, True), (timedelta(0), False), (MOMENT, False)])
def test_figures_that_changed_at_the_announced_moment_are_the_release(changed, awaited):
    state = known({2024: "a"}, compared_at=NOON + HOUR, changed=NOON + changed)
    lake, loaded = settled({"SAPCE1": state})
    step = decide(lake, release(NOON + DAY, notes=None, announced=[NOON]), loaded)
    assert step.action == ("extract" if awaited else "nothing")


def with_years(lake: LakeState, table: str, *years: int) -> LakeState:
    more = {str(year): partition(str(year), "left over") for year in years}
    return replace(lake, partitions={**lake.partitions, table: {**lake.partitions.get(table, {}), **more}})


def test_a_year_that_lake_or_postgres_still_has_is_withdrawn_whether_or_not_the_other_has_it():
    lake, loaded = settled({"SAPCE1": known({2023: "a", 2024: "b"})})
    assert set(stale_years(with_years(lake, ANNUAL_TABLE, 1996), None)) == {1996}
    assert set(decide(with_years(lake, ANNUAL_TABLE, 1996), None, loaded).reasons) == {"1996"}
    assert set(decide(lake, None, {**loaded, (ANNUAL_TABLE, "1995"): "left over"}).reasons) == {"1995"}


def test_where_nothing_is_covered_the_years_to_withdraw_are_refreshed_from_first_to_last():
    lake = with_years(LakeState(REGISTRY, {}, {}, has_extracts=HELD), SILVER_TABLE, 2019, 2020, 2021)
    step = decide(lake, None, None)
    assert (step.first_year, step.last_year, sorted(step.reasons)) == (2019, 2021, ["2019", "2020", "2021"])


@pytest.mark.parametrize(
    ("inputs", "others"),
    [({}, "SAPCE1"), ({"SAPCE1": "x"}, "SAPCE1"), ({"SAPCE1": "a", "SAPCE9": "x"}, "SAPCE9")],
)
def test_the_reason_names_inputs_that_were_added_changed_or_taken_away(inputs, others):
    lake, _ = settled({"SAPCE1": known({2024: "a"})})
    made = lake.partitions[SILVER_TABLE]["2024"]
    silver = {"2024": partition("2024", made.content_sha256, inputs, made.code_version)}
    stale = stale_years(replace(lake, partitions={**lake.partitions, SILVER_TABLE: silver}), None)
    assert stale == {2024: f"{SILVER_TABLE} was made from another {others}"}


def test_years_before_the_first_that_tables_have_are_not_covered():
    table = known({FIRST_YEAR - 1: "a", FIRST_YEAR: "b", FIRST_YEAR + 1: "c"})
    lake = LakeState(REGISTRY, {"SAPCE1": table}, {})
    assert lake.covered_years == [FIRST_YEAR, FIRST_YEAR + 1]


def test_a_lake_holds_no_extracts_and_has_no_pins_unless_it_says_otherwise():
    nothing = LakeState(REGISTRY, {}, {})
    assert (nothing.has_extracts, nothing.is_pinned) == ((), ())
