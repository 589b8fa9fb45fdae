"""Fixtures every room may use: BEA's own files, a real S3 server, a real Postgres, an environment without surprises."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from secrets import token_hex
from time import sleep
from typing import Any

import pytest
from hypothesis import Phase, settings
from xdist.scheduler import LoadFileScheduling

from pce_pipeline.lake.store import Store, open_store
from pce_pipeline_tests.examples import THOROUGH
from pce_pipeline_tests.explorer.small_set import small_world
from pce_pipeline_tests.postgres_server import PostgresServer, postgres_server
from pce_pipeline_tests.servers import S3, s3_server
from pce_pipeline_tests.worlds import Prepared, World, prepared_world

_BESIDE_THE_CHECKOUT = Path(__file__).parents[2] / "shared" / "bea" / "real"
_REAL_DATA = Path(os.environ.get("PCE_REAL_DATA", _BESIDE_THE_CHECKOUT)).absolute()
_OF_THE_PERSON_WHO_TESTS = ("PCE_", "BEA_", "AWS_", "DAGSTER_")

# Ten times the examples, and others each time: what a week of runs has not found yet. `examples` reads the profile.
settings.register_profile(THOROUGH, max_examples=1000, derandomize=False, print_blob=True, database=None, deadline=None)
# Whether a test fails, not how to say it best; the same examples each time, so that a score can be relied on.
settings.register_profile(
    "mutants", derandomize=True, database=None, deadline=None, phases=[Phase.explicit, Phase.generate]
)
# As ever, but nobody is hurried: on a busy machine a deadline fails what is right.
settings.register_profile("unhurried", settings.default, deadline=None)
settings.load_profile(THOROUGH if os.environ.get("PCE_TEST_THOROUGH") == "1" else "unhurried")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with BEA's own files, named by PCE_REAL_DATA; skips where it is absent."""
    if not _REAL_DATA.is_dir():
        pytest.skip(f"BEA's own files are not at {_REAL_DATA}: set PCE_REAL_DATA to the folder that holds them")
    return _REAL_DATA


@pytest.fixture(scope="session", autouse=True)
def _own_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No variable and no `.env` of the person who runs the tests reaches them."""
    before, here = dict(os.environ), Path.cwd()
    for name in before:
        if name.startswith(_OF_THE_PERSON_WHO_TESTS):
            del os.environ[name]
    os.chdir(tmp_path_factory.mktemp("working-directory"))
    yield
    os.chdir(here)
    os.environ.update(before)


@pytest.fixture
def one_day() -> None:
    """For tests that ask more than once what day it is: where midnight (UTC) is near, they begin after it."""
    now = datetime.now(UTC)
    left = datetime.combine(now + timedelta(days=1), time(), UTC) - now
    if left < timedelta(minutes=1):
        sleep(left.total_seconds())


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """A real S3 server on loopback, with one bucket."""
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    """A real Postgres that gives each test a database of its own."""
    with postgres_server() as running:
        yield running


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory, server: PostgresServer) -> Iterator[Prepared]:
    """A world of all datasets and two releases, to be copied."""
    with prepared_world(server, tmp_path_factory.mktemp("prepared")) as made:
        yield made


@pytest.fixture(scope="session")
def two_releases(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A small lake of two releases with a set of the page, to be looked at and copied."""
    return small_world(tmp_path_factory.mktemp("two-releases"))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Whole files go to one worker each; those that share a world go to the same."""
    if config.getoption("dist") != "loadfile":
        return None
    by_file = LoadFileScheduling(config, log)
    by_file._split_scope = _group_of
    return by_file


_ON_ONE_WORLD = {
    "asking/test_opened_lake.py": "prepared",
    "sql/test_sql_on_a_world.py": "prepared",
    "explorer/test_making_explorer.py": "two_releases",
    "look/test_page_in_a_browser.py": "two_releases",
}
"""The fixture of the world that modules of several rooms share."""


def _group_of(nodeid: str) -> str:
    file = nodeid.partition("::")[0]
    if "/cli/" in file:
        return "cli"
    return next((world for end, world in _ON_ONE_WORLD.items() if file.endswith(end)), file)


_SLOW = ("cli", "system", "workflows", "bench", "automation", "local", "infra")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those that take minutes come first, so that none is left over for the end."""
    items.sort(key=lambda item: _SLOW.index(room) if (room := item.path.parent.name) in _SLOW else len(_SLOW))


@pytest.fixture
def s3_store(s3: S3) -> Store:
    """A lake of its own on the S3 server."""
    return open_store(f"s3://{s3.bucket}/{token_hex(8)}/lake", endpoint_url=s3.endpoint_url, session=s3.session())


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where a lake may be: the name has what file systems allow and URLs escape."""
    return tmp_path / "a läke #1" / "lake"


@pytest.fixture(params=["directory", pytest.param("s3", marks=pytest.mark.s3)])
def store(request: pytest.FixtureRequest) -> Store:
    """A new, empty lake: each test runs on a directory and on S3."""
    if request.param == "s3":
        on_s3: Store = request.getfixturevalue("s3_store")
        return on_s3
    folder: Path = request.getfixturevalue("directory")
    return open_store(folder)
