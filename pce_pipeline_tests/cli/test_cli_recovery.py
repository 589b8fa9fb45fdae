"""Every kind of loss rehearsed as docs/operability.md says it: what comes back, and within which time.

The shared world shows that everything comes back. A whole vintage (`long`) shows that it does within the times that the
document promises; `-s` prints what it took, of which the document's measured times are made.
"""

import hashlib
import re
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import pytest

from pce_pipeline_tests.cli.conftest import Called, call
from pce_pipeline_tests.postgres_server import PostgresServer

pytestmark = pytest.mark.postgres

DOCUMENT = Path(__file__).parents[2] / "docs" / "operability.md"
LOST = ("Bronze", "Silver and Gold", "Postgres", "history of runs", "everything")
"""The rows of the document's table."""


class Disaster:
    """A world with a second copy, whose parts are lost one after the other."""

    def __init__(self, folder: Path, profile: str, server: PostgresServer) -> None:
        self.lake = folder / ("sample" if profile == "full" else f"sample-{profile}") / "lake"
        self._copy, self._server = str(folder / "copy"), server
        self._where = {"PCE_HOME": str(folder), "PCE_PROFILE": profile}
        self.took: dict[str, float] = {}

    @contextmanager
    def database(self) -> Iterator[None]:
        """With a new, empty database in the place of the one that is lost."""
        with self._server.database(migrated=False) as self.url:
            self._where["PCE_DATABASE_URL"] = self.url
            yield

    def pce(self, *arguments: str) -> Called:
        done = call(*arguments, **self._where)
        assert done.code == 0, f"{arguments}: {done.out}{done.err}"
        return done

    def made(self) -> None:
        self.pce("run")
        self.pce("bronze", "copy", self._copy)

    def lose(self, *layers: str) -> None:
        for layer in layers:
            shutil.rmtree(self.lake / "local" / layer)

    def recover(self, lost: str, *commands: tuple[str, ...]) -> None:
        """The commands of the document, on a clock."""
        began = time.monotonic()
        for command in commands:
            self.pce(*(each.format(copy=self._copy) for each in command))
        self.took[lost] = time.monotonic() - began

    def stored(self, layer: str) -> dict[str, str]:
        """The files of a layer at their fixed keys, by hash; records of runs are of the run that wrote them."""
        root = self.lake / "local" / layer
        return {
            str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(root.rglob("*"))
            if path.is_file() and (layer == "bronze" or path.suffix == ".parquet") and "_versions" not in path.parts
        }

    def runs(self) -> set[tuple[str, ...]]:
        """What the database knows of runs."""
        return self._rows("SELECT run_id, event FROM meta.audit_trail")

    def rows(self) -> set[tuple[str, ...]]:
        return self._rows("SELECT table_name, partition, content_sha256 FROM meta.checkpoints")

    def _rows(self, statement: str) -> set[tuple[str, ...]]:
        with psycopg2.connect(self.url) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return set(cursor.fetchall())


def rehearsed(disaster: Disaster) -> None:
    """Lose each part, bring it back as the document says, and find the same as before."""
    with disaster.database():
        disaster.made()
        bronze, silver, gold = (disaster.stored(layer) for layer in ("bronze", "silver", "gold"))
        rows, runs = disaster.rows(), disaster.runs()

        disaster.lose("bronze")
        disaster.recover("Bronze", ("bronze", "restore", "{copy}"))
        assert disaster.stored("bronze") == bronze

        disaster.lose("silver", "gold")
        disaster.recover("Silver and Gold", ("refresh",))
        assert (disaster.stored("silver"), disaster.stored("gold")) == (silver, gold)
    with disaster.database():
        disaster.recover("Postgres", ("db", "migrate"), ("refresh",))
        disaster.took["history of runs"] = disaster.took["Postgres"]
        assert disaster.rows() == rows
        assert runs <= disaster.runs(), "what was done is known again"
        disaster.pce("doctor")
    shutil.rmtree(disaster.lake)
    with disaster.database():
        disaster.recover("everything", ("bronze", "restore", "{copy}"), ("db", "migrate"), ("refresh",))
        assert disaster.stored("bronze") == bronze
        assert (disaster.stored("silver"), disaster.stored("gold")) == (silver, gold)
        assert disaster.rows() == rows
        disaster.pce("doctor")


def promised(told: str) -> dict[str, float]:
    """The times of the document's table, in seconds, by what is lost."""
    found = re.findall(r"^\| ([^|]+?) \| [^|]* \| (\d+) minutes? \|", told, re.MULTILINE)
    return {lost: 60.0 * int(minutes) for lost, minutes in found}


def test_the_document_promises_a_time_for_every_loss() -> None:
    assert tuple(promised(DOCUMENT.read_text("utf-8"))) == LOST


@pytest.mark.long
def test_whatever_is_lost_comes_back_as_it_was(home: Path, tmp_path: Path, server: PostgresServer) -> None:
    shutil.copytree(home / "sample-smoke" / "lake", tmp_path / "sample-smoke" / "lake")
    rehearsed(Disaster(tmp_path, "smoke", server))


@pytest.mark.long
def test_a_whole_vintage_comes_back_within_the_promised_times(tmp_path: Path, server: PostgresServer) -> None:
    disaster = Disaster(tmp_path, "full", server)
    rehearsed(disaster)
    sys.stdout.write("".join(f"{lost}: {seconds:.0f} s\n" for lost, seconds in disaster.took.items()))
    bounds = promised(DOCUMENT.read_text("utf-8"))
    assert {lost: seconds for lost, seconds in disaster.took.items() if seconds > bounds[lost]} == {}
