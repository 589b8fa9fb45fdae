"""What a person does on Dagster's page, done to a real `dagster dev` on the sample."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg2
import pytest

from pce_pipeline.bea.gateway import BeaGateway
from pce_pipeline.instance.private import CODE_LOCATION
from pce_pipeline.local.postgres import EmbeddedPostgres
from pce_pipeline.settings import Settings
from pce_pipeline_tests.system.dagster_page import Page, dagster_dev

pytestmark = [pytest.mark.system, pytest.mark.postgres]

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(home=tmp_path_factory.mktemp("home"), chosen_source="sample", profile="smoke")


@pytest.fixture(scope="module")
def page(settings: Settings) -> Iterator[Page]:
    settings.dagster_home.mkdir(parents=True)
    environment = {
        "PCE_HOME": str(settings.home),
        "PCE_SOURCE": "sample",
        "PCE_PROFILE": "smoke",
        "PCE_RELEASE_CHECK_MINUTES": "0.05",
        "DAGSTER_HOME": str(settings.dagster_home),
    }
    try:
        with dagster_dev(ROOT, environment, log=settings.home / "dagster-dev.log") as running:
            yield running
    finally:
        EmbeddedPostgres(settings.world_home / "postgres").remove()


def _eventually(holds: Callable[[], bool], page: Page, *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, page.ticks()
        time.sleep(1)


def _take_extract(page: Page) -> None:
    """Today's extract: taken, or verified where it was taken before."""
    extract = datetime.now(UTC).date().isoformat()
    page.add_extract(extract)
    status, messages = page.materialise(["bronze/pce_state"], extract)
    assert status == "SUCCESS", messages


def _newest_year_in_postgres(settings: Settings) -> int | None:
    server = EmbeddedPostgres(settings.world_home / "postgres")
    if not server.is_running():
        return None
    connection = psycopg2.connect(server.url)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT to_regclass('gold.pce_state_metrics')")
            if cursor.fetchone() == (None,):
                return None
            cursor.execute("SELECT max(year) FROM gold.pce_state_metrics")
            (newest,) = cursor.fetchone() or (None,)
            return int(newest) if newest is not None else None
    finally:
        connection.close()


YEARLY = [
    "silver/pce_state",
    "gold",
    "gold/pce_state_annual",
    "gold/pce_state_metrics",
    "postgres/pce_state_annual",
    "postgres/pce_state_metrics",
]
IN_ONE_PIECE = [f"{layer}/{name}" for layer in ("gold", "postgres") for name in ("dim_geography", "dim_category")]
ALL = [*YEARLY, *(f"{layer}/{name}" for layer in ("gold", "postgres") for name in ("category_line",)), *IN_ONE_PIECE]


def test_a_world_has_one_page_and_a_port_in_use_is_named(page: Page, settings: Settings, tmp_path: Path) -> None:
    port = int(page.url.rpartition(":")[2])
    another = _pce_dev("--port", "1", PCE_HOME=str(settings.home))
    assert another.returncode == 2
    assert f"open already, at http://127.0.0.1:{port}" in another.stderr
    other_world = _pce_dev("--port", str(port), PCE_HOME=str(tmp_path))
    assert other_world.returncode == 2
    assert f"Port {port} cannot be used" in other_world.stderr
    assert f"make dev PORT={port + 1}" in other_world.stderr


def test_the_page_knows_our_code_location_by_the_name_that_runs_of_pce_have(page: Page) -> None:
    found = page.ask("{ workspaceOrError { ... on Workspace { locationEntries { name } } } }")
    assert [entry["name"] for entry in found["workspaceOrError"]["locationEntries"]] == [CODE_LOCATION]
    assert f"location_name: {CODE_LOCATION}\n" in (ROOT / "workspace.yaml").read_text()


def _pce_dev(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, "PCE_PROFILE": "smoke", "PCE_SOURCE": "sample", **environment}
    program = str(Path(sys.executable).with_name("pce"))
    return subprocess.run([program, "dev", *arguments], env=variables, capture_output=True, text=True, check=False)


def test_a_person_meets_clear_errors_and_materialises_a_year(page: Page) -> None:
    status, messages = page.materialise(["gold"], "2023")
    assert status == "FAILURE"
    assert "holds no extract" in messages
    assert "`pce run`" in messages

    _take_extract(page)
    status, messages = page.materialise(["silver/pce_state", "gold", "gold/pce_state_annual"], "2023")
    assert status == "SUCCESS", messages
    assert page.materialised("gold/pce_state_annual") == {"2023"}


def test_the_console_says_what_is_wrong_and_when_steps_begin_and_end(page: Page, settings: Settings) -> None:
    del page
    lines = (settings.home / "dagster-dev.log").read_text().splitlines()
    assert [line for line in lines if "Warning" in line or " DEBUG " in line or "dagster.yaml" in line] == []
    assert any(" info step started " in line for line in lines)
    whole = [line for line in lines if "step=bronze/pce_state" in line or "step=silver/pce_state" in line]
    assert len(whole) == 4, "a step has two lines"


@pytest.mark.long
def test_a_person_materialises_all_and_lets_the_sensor_work(page: Page, settings: Settings) -> None:
    this_year = datetime.now(UTC).year
    newest = [str(year) for year in range(2023, this_year + 1)]
    _take_extract(page)
    assert page.backfill(["silver/pce_state", "gold"], newest) == "COMPLETED_SUCCESS"

    status, messages = page.materialise(["gold/pce_state_metrics"], "2023")
    assert status == "FAILURE"
    assert "gold is not published for 2019, 2020, 2021, 2022" in messages
    assert "pce refresh --years 2019...2022" in messages

    assert page.materialise_all(["bronze/pce_state", *ALL]) == "COMPLETED_SUCCESS"
    every_year = {str(year) for year in range(1997, this_year + 1)}
    assert {asset: page.materialised(asset) for asset in YEARLY} == dict.fromkeys(YEARLY, every_year)
    assert all(page.reported(asset) for asset in IN_ONE_PIECE)
    assert _newest_year_in_postgres(settings) == 2024
    for asset in YEARLY:
        assert page.reported(asset, "2025") == {
            "description": "not published: no extract has anything of 2025",
            "rows": 0,
        }

    # "Latest" of the page
    status, messages = page.materialise(YEARLY, str(this_year))
    assert status == "SUCCESS", messages

    page.start_sensor()
    _eventually(lambda: {page.stale_status(asset, "2024") for asset in YEARLY} == {"FRESH"}, page, seconds=60)

    BeaGateway(settings).sample_release_file.write_text("3")
    _eventually(lambda: _newest_year_in_postgres(settings) == 2025, page, seconds=120)
    _eventually(lambda: page.ticks()[0]["skipReason"] == "Nothing is new.", page, seconds=60)
    assert page.reported("postgres/pce_state_metrics", "2025")["rows"] == 180
