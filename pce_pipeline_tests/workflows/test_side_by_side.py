"""A refresh that is started as several tasks, each of a range of years."""

from collections.abc import Sequence
from pathlib import Path

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.provisioning.errors import UsageRefused
from infra.provisioning.side_by_side import SideBySide, waves
from pce_pipeline.automation.jobs import range_tags
from pce_pipeline.tables.registry import load_registry
from pce_pipeline_tests.worlds import QUIET, World

FULL = load_registry("full", None)
SMOKE = load_registry("smoke", None)


def years_of(text: str) -> list[int]:
    first, _, last = text.partition("...")
    return list(range(int(first), int(last) + 1))


@given(tasks=st.integers(1, 40), first=st.integers(1990, 2030), length=st.integers(1, 40))
def test_the_ranges_are_all_years_once_and_about_equal(tasks, first, length):
    ranges = [years_of(text) for text in SideBySide(tasks, first, first + length - 1).ranges]
    assert [year for years in ranges for year in years] == list(range(first, first + length))
    assert len(ranges) == min(tasks, length)
    assert max(map(len, ranges)) - min(map(len, ranges)) <= 1


def test_no_table_needs_another_year_of_a_table_of_its_own_wave():
    found = waves(FULL)
    assert sum(map(len, found)) == len(FULL.derivations) > 20
    for number, tables in enumerate(found):
        for table in tables:
            for source in FULL.derivation_of(table).tables:
                within = range(number) if source.reach else range(number + 1)
                assert any(source.table in found[earlier] for earlier in within), (table.name, source.table.name)


def test_every_range_is_a_task_in_each_wave_and_the_refresh_comes_last():
    started: list[tuple[str, list[str]]] = []

    def run(before: str, command: Sequence[str]) -> int:
        started.append((before, list(command)))
        return 0

    assert SideBySide(2, 2020, 2023).run(SMOKE, run) == 0

    assert sorted(before for before, _ in started[:2]) == ["[2020...2021] ", "[2022...2023] "]
    assert [command[-1] for _, command in started] == [*("2020...2021", "2022...2023") * 2, "2020...2023"]
    assert started[-1] == ("", ["pce", "refresh", "--years", "2020...2023"])


def test_what_fails_in_a_wave_keeps_the_next_from_starting_and_all_are_waited_for():
    started: list[str] = []

    def run(before: str, command: Sequence[str]) -> int:
        started.append(command[-1])
        return 3 if command[-1] == "2020...2021" else 0

    assert SideBySide(2, 2020, 2023).run(SMOKE, run) == 3
    assert sorted(started) == ["2020...2021", "2022...2023"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--side-by-side", "2", "pce", "extract", "--years", "2020...2021"],
        ["--side-by-side", "2", "pce", "refresh"],
        ["--side-by-side", "0", "pce", "refresh", "--years", "2020...2021"],
        ["--side-by-side", "two", "pce", "refresh", "--years", "2020...2021"],
        ["--side-by-side", "2", "pce", "refresh", "--years", "2021...2020"],
        ["--side-by-side", "2", "pce", "refresh", "--years", "2020...2021", "--force"],
    ],
)
def test_anything_but_a_refresh_of_years_is_refused(arguments):
    with pytest.raises(UsageRefused):
        SideBySide.of(arguments)


def test_a_command_line_is_read():
    asked = SideBySide.of(["--side-by-side", "4", "pce", "refresh", "--years", "1997...2024"])
    assert asked == SideBySide(4, 1997, 2024)


def test_ranges_of_a_first_load_find_what_they_look_back_to_and_the_refresh_leaves_them_alone(tmp_path: Path):
    world = World(
        tmp_path, "postgresql://nobody@127.0.0.1:1/none", profile="smoke", load_postgres=False, years_at_once=2
    )
    world.extract()
    assets = [each for each in world.definitions.assets or [] if isinstance(each, dg.AssetsDefinition)]
    refreshed: list[dg.ExecuteInProcessResult] = []

    def run(before: str, command: Sequence[str]) -> int:
        years = years_of(command[-1])
        if command[0] == "pce":
            refreshed.append(world.refresh(years[0], years[-1]))
            return 0
        result = dg.materialize(
            assets,
            selection=command[command.index("--select") + 1],
            resources=world.definitions.resources,
            instance=dg.DagsterInstance.ephemeral(tempdir=str(tmp_path)),  # each task has its own history
            run_config=QUIET,
            tags=range_tags(years[0], years[-1]),
            raise_on_error=False,
        )
        return 0 if result.success else 1

    assert SideBySide(3, 1997, 2003).run(SMOKE, run) == 0

    steps = {step.step: step for step in world.record(refreshed[0]).steps}
    for table in (table for wave in waves(SMOKE) for table in wave):
        assert steps[table.name].outputs["standing"] == [str(year) for year in range(1997, 2004)], table.name
