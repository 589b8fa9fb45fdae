"""The checks of the page that look at what is stored: they see what was changed behind the pipeline's back."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from pce_pipeline.shell.stored_checks import stored_checks
from pce_pipeline.tables.dimensions import DIM_CATEGORY
from pce_pipeline_tests.datasets import EVERYTHING
from pce_pipeline_tests.postgres_server import PostgresServer
from pce_pipeline_tests.quality.test_damaged_lakes import red, run_check
from pce_pipeline_tests.worlds import World

pytestmark = pytest.mark.postgres

PARITY, BYTES = "rows_are_those_of_gold", "stored_bytes_are_intact"


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory, server: PostgresServer) -> Iterator[World]:
    """A small world with three years in Postgres."""
    with server.database() as url:
        world = World(tmp_path_factory.mktemp("stored"), url, profile="smoke")
        world.extract()
        world.refresh(1997, 1999)
        yield world


def change(world: World, statement: str) -> None:
    with world.postgres.connect() as connection:
        connection.cursor().execute(statement)
        connection.commit()


def test_every_table_of_lake_and_postgres_has_one_and_the_refresh_runs_none(loaded: World) -> None:
    checked = {key.asset_key.to_user_string() for check in stored_checks(EVERYTHING) for key in check.check_keys}
    lake = {table.name for table in EVERYTHING.tables}
    assert checked == lake | {name.replace("gold/", "postgres/") for name in lake if name.startswith("gold/")}
    ran = {each.check_name for each in loaded.refresh(1999, 1999).get_asset_check_evaluations()}
    assert ran
    assert not {PARITY, BYTES} & ran


@pytest.mark.parametrize("table", ["pce_state_annual", "dim_geography"])
def test_a_table_of_postgres_that_holds_what_gold_does_is_green(loaded: World, table: str) -> None:
    result = run_check(loaded, f"postgres/{table}", PARITY)
    assert result.success
    (evaluation,) = result.get_asset_check_evaluations()
    assert evaluation.passed
    assert evaluation.description == "Postgres holds what Gold does."


@pytest.mark.parametrize(
    ("table", "statement", "said"),
    [
        ("pce_state_annual", "UPDATE gold.pce_state_annual SET pce_status = 'blank' WHERE year = 1998", "in 1998"),
        ("pce_state_metrics", "DELETE FROM gold.pce_state_metrics WHERE year = 1997", "0 of 180 rows"),
        ("dim_geography", "DELETE FROM gold.dim_geography WHERE geo_fips = '06000'", "59 of 60 rows"),
    ],
)
def test_what_somebody_changed_in_postgres_turns_its_check_red(
    loaded: World, table: str, statement: str, said: str
) -> None:
    change(loaded, statement)
    result = run_check(loaded, f"postgres/{table}", PARITY)
    assert red(result) == {PARITY}
    (evaluation,) = result.get_asset_check_evaluations()
    assert said in (evaluation.description or "")
    loaded.refresh(1997, 1999)
    assert red(run_check(loaded, f"postgres/{table}", PARITY)) == set()


def test_a_damaged_dimension_turns_its_check_red(loaded: World) -> None:
    table = DIM_CATEGORY
    stored = loaded.lake.table(table).latest()["all"].objects[0]
    file = Path(loaded.lake.uri) / loaded.lake.prefix(table) / stored.path
    body = file.read_bytes()
    file.write_bytes(b"something else")
    assert red(run_check(loaded, table.name, BYTES)) == {BYTES}
    file.write_bytes(body)
    assert red(run_check(loaded, table.name, BYTES)) == set()


def test_in_a_run_of_some_years_the_checks_look_at_these_years_alone(loaded: World) -> None:
    change(loaded, "DELETE FROM gold.pce_state_annual WHERE year = 1997")
    result = dg.materialize(
        [*(loaded.definitions.assets or []), *(loaded.definitions.asset_checks or [])],  # type: ignore[list-item]
        selection=dg.AssetSelection.groups("postgres"),
        resources=loaded.definitions.resources,
        instance=loaded.instance,
        partition_key="1999",
        raise_on_error=False,
    )
    assert PARITY in {each.check_name for each in result.get_asset_check_evaluations()}
    assert red(result) == set()
    assert red(run_check(loaded, "postgres/pce_state_annual", PARITY)) == {PARITY}
    loaded.refresh(1997, 1997)
