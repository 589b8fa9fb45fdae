"""`pce` called as its users call it, and one small world that has run once, shared by the tests that only look."""

import contextlib
import io
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pce_pipeline.cli import main
from pce_pipeline.local.postgres import EmbeddedPostgres
from pce_pipeline_tests.postgres_server import PostgresServer, reachable_folder


@dataclass(frozen=True)
class Called:
    """What one call did: exit code, stdout, stderr."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """Stdout as the one JSON document it must be."""
        found: dict[str, Any] = json.loads(self.out)
        return found


def call(*arguments: str, **environment: str) -> Called:
    """Call a verb in this process, with these variables and an empty stdin."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        for name, value in {"COLUMNS": "100", "PCE_RETRY_WAIT_SECONDS": "0", **environment}.items():
            patch.setenv(name, value)
        patch.setattr("sys.stdin", io.StringIO())
        with pytest.raises(SystemExit) as ended:
            main(arguments)
    assert "Traceback" not in err.getvalue()
    return Called(int(ended.value.code or 0), out.getvalue(), err.getvalue())


Pce = Callable[..., Called]


@pytest.fixture(scope="session")
def _world_that_ran() -> Iterator[tuple[Path, Called]]:
    with reachable_folder() as folder:
        ran = call("run", PCE_HOME=str(folder), PCE_PROFILE="smoke")
        assert ran.code == 0, ran.err
        try:
            yield folder, ran
        finally:
            call("reset", "--yes", PCE_HOME=str(folder), PCE_PROFILE="smoke")


@pytest.fixture(scope="session")
def home(_world_that_ran: tuple[Path, Called]) -> Path:
    """The PCE_HOME of the shared world."""
    return _world_that_ran[0]


@pytest.fixture(scope="session")
def first_run(_world_that_ran: tuple[Path, Called]) -> Called:
    """The call that made the shared world."""
    return _world_that_ran[1]


@pytest.fixture(scope="session")
def pce(home: Path) -> Pce:
    """Calls on the shared world: look, and leave it as it was."""
    return lambda *arguments, **environment: call(
        *arguments, **{"PCE_HOME": str(home), "PCE_PROFILE": "smoke", **environment}
    )


@pytest.fixture(scope="session")
def held(pce: Pce) -> str:
    """The extract of the shared world. It is of the day on which the world was made: yesterday, if that is over now."""
    (extract,) = pce("status", "--json").document["extracts"]
    return str(extract["extract"])


@contextmanager
def database_of(home: Path) -> Iterator[str]:
    """The URL of a copy of what the shared world has in Postgres."""
    url = EmbeddedPostgres(home / "sample-smoke" / "postgres").start()
    with PostgresServer(url).copy_of(url.rpartition("/")[2]) as copy:
        yield copy


@pytest.fixture
def empty(tmp_path: Path) -> Pce:
    """Calls on a home where nothing has run."""
    return lambda *arguments, **environment: call(
        *arguments, **{"PCE_HOME": str(tmp_path / "home"), "PCE_PROFILE": "smoke", **environment}
    )


@pytest.fixture
def own(home: Path, tmp_path: Path, server: PostgresServer) -> Iterator[Pce]:
    """Calls on a copy of the shared world's lake with an empty database, to do with as one likes."""
    shutil.copytree(home / "sample-smoke" / "lake", tmp_path / "sample-smoke" / "lake")
    with server.database() as url:
        yield _with_own_database(tmp_path, url)


@pytest.fixture
def loaded(home: Path, tmp_path: Path) -> Iterator[Pce]:
    """Calls on a copy of the shared world's lake and of its database."""
    shutil.copytree(home / "sample-smoke" / "lake", tmp_path / "sample-smoke" / "lake")
    with database_of(home) as url:
        yield _with_own_database(tmp_path, url)


def _with_own_database(home: Path, url: str) -> Pce:
    where = {"PCE_HOME": str(home), "PCE_PROFILE": "smoke", "PCE_DATABASE_URL": url}
    return lambda *arguments, **environment: call(*arguments, **{**where, **environment})
