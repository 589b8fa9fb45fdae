"""What is asked of `dagster asset materialize` and cannot be is answered in a sentence, with the command that helps."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import click
import dagster as dg
import pytest

from pce_pipeline.definitions import build_definitions
from pce_pipeline.lake.resource import Lake
from pce_pipeline.settings import Settings
from pce_pipeline.shell.command_line import refuse_what_cannot_be
from pce_pipeline.tables.registry import load_registry

NEWEST = datetime.now(UTC).year
Ask = Callable[..., None]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """Load the code location as `dagster asset materialize` with these options does, in an empty world."""
    settings = Settings(home=tmp_path_factory.mktemp("home"), chosen_source="sample")
    definitions, registry = build_definitions(settings), load_registry("full", None)

    def asked(select: str, partition: str | None = None, partition_range: str | None = None) -> None:
        params = {"select": select, "partition": partition, "partition_range": partition_range}
        context = click.Context(click.Command("materialize"))
        context.params = params
        with context:
            refuse_what_cannot_be(definitions, registry, Lake.of(settings))

    return asked


@pytest.mark.parametrize("partition", ["1997", "2024", str(NEWEST)])
def test_a_year_that_there_is_is_left_to_dagster(ask: Ask, partition: str) -> None:
    ask("gold*", partition)
    ask("silver/pce_state,gold/pce_state_annual", partition)
    ask("gold*", None, f"1997...{partition}")


def test_what_has_no_years_needs_none(ask: Ask) -> None:
    ask("gold/dim_geography")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), f"--partition {NEWEST - 2}`, or --partition-range {NEWEST - 4}...{NEWEST - 2}."),
        (("1990",), f"--partition '1990' is not a year from 1997 to {NEWEST}."),
        ((str(NEWEST + 1),), f"--partition '{NEWEST + 1}' is not a year from 1997 to {NEWEST}."),
        (("latest",), "--partition 'latest' is not a year"),
        ((None, "2020"), "--partition-range '2020' does not go from a year"),
        ((None, "2024...2020"), "--partition-range '2024...2020' does not go from a year"),
        ((None, "1990...2020"), "--partition-range '1990...2020' does not go from a year"),
    ],
)
def test_a_year_that_there_is_not_is_refused_with_the_command_that_helps(
    ask: Ask, options: tuple[str | None, ...], said: str
) -> None:
    with pytest.raises(click.UsageError) as refused:
        ask("gold*", *options)
    assert said in str(refused.value)
    assert "dagster asset materialize --select 'gold*' --partition" in str(refused.value)


@pytest.mark.parametrize(
    ("select", "partition", "said"),
    [
        ("no_such_table", "2024", "There are: bronze/income_state, bronze/pce_state"),
        ("bronze/pce_state", None, "`pce extract` takes a new one"),
        ("bronze/pce_state", "2020-01-01", "there is none yet"),
        ("bronze/pce_state", "yesterday", "is not the date of an extract"),
        ("bronze/pce_state*", "2024", "Dagster takes one kind a run"),
        ("bronze/pce_state,bronze/income_state", "2024", "Dagster takes one kind a run"),
    ],
)
def test_a_selection_that_there_is_not_is_refused(ask: Ask, select: str, partition: str | None, said: str) -> None:
    with pytest.raises(click.UsageError, match=said):
        ask(select, partition)


@pytest.mark.usefixtures("one_day")
def test_todays_extract_is_left_to_dagster_and_so_is_every_other_command(ask: Ask, tmp_path: Path) -> None:
    ask("bronze/pce_state", datetime.now(UTC).date().isoformat())
    refuse_what_cannot_be(dg.Definitions(), load_registry("full", None), Lake.of(Settings(home=tmp_path)))
