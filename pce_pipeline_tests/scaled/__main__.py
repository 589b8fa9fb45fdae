"""Measures vintages of a look-alike with more lines, from BEA's archive through Bronze and Dagster to Postgres.

    python -m pce_pipeline_tests.scaled --times 4 --years 2010...2023 --years-at-once 1 7 --into FOLDER

Every step is a process of its own, as a person would start it; what counts is CPU seconds and resident memory, because
they are the same on a busy machine. The look-alike answers from a process of its own. Nothing is left behind unless
`--into` names a folder.
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psycopg2

from pce_pipeline.lake.layout import Layout
from pce_pipeline.lake.resource import Lake
from pce_pipeline.local.postgres import EmbeddedPostgres
from pce_pipeline.memory import ALLOCATOR
from pce_pipeline.observability.records import RunJournal
from pce_pipeline_tests.bench.run import without_settings_of_others
from pce_pipeline_tests.postgres_server import PostgresServer, reachable_folder
from pce_pipeline_tests.scaled.catalogue import write_catalogue
from pce_pipeline_tests.scaled.processes import Took, run

_PCE = [sys.executable, "-c", "from pce_pipeline.cli import main; main()"]
_MB = 1_000_000


class Scaled:
    """One world of more lines: its folders, its database, and what each program in it took."""

    def __init__(self, folder: Path, times: int, database: str | None) -> None:
        self.folder = folder
        self.database = database
        self.lake_folder = folder / "lake"
        catalogue = {"PCE_CATALOG": str(write_catalogue(folder / "catalog", times))} if times > 1 else {}
        self.environment = {
            **without_settings_of_others(),
            **ALLOCATOR,
            **catalogue,
            "PCE_HOME": str(folder / "home"),
            "PCE_LAKE_URI": str(self.lake_folder),
            "PCE_SOURCE": "sample",
            "PCE_LOG_LEVEL": "error",
            **({"PCE_DATABASE_URL": database} if database else {"PCE_LOAD_POSTGRES": "false"}),
        }

    def pce(self, *arguments: str, **settings: str) -> Took:
        """What a verb took."""
        return run([*_PCE, *arguments], {**self.environment, **settings}, self.database)

    @property
    def lake_bytes(self) -> int:
        """The bytes of all files of the lake."""
        return sum(path.stat().st_size for path in self.lake_folder.rglob("*") if path.is_file())

    @property
    def database_bytes(self) -> int:
        """The bytes of the database."""
        if self.database is None:
            return 0
        with closing(psycopg2.connect(self.database)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT pg_database_size(current_database())")
            ((size,),) = cursor.fetchall()
        return int(size)

    def steps(self, took: Took) -> Iterator[tuple[str, float, int]]:
        """The steps of the newest run: name, seconds, and the most memory that the program had meanwhile."""
        journal = RunJournal(Lake(str(self.lake_folder), Layout("local", "sample")))
        runs = (self.lake_folder / "local" / "observability" / "runs" / "sample").iterdir()
        newest = max(runs, key=lambda path: path.stat().st_mtime)
        record = journal.read(newest.name)
        for step in record.steps if record is not None else ():
            yield step.step, step.seconds, took.peak_within(step.started_at, step.seconds)


@contextmanager
def scaled(into: Path | None, times: int, *, with_postgres: bool) -> Iterator[Scaled]:
    """A world in a folder of its own, and a database of its own."""
    with ExitStack() as stack:
        folder = into or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        database = None
        if with_postgres:
            place = stack.enter_context(reachable_folder())
            embedded = EmbeddedPostgres(place / "postgres")
            stack.callback(embedded.remove)
            server = PostgresServer(embedded.start())
            database = stack.enter_context(server.database(migrated=False))
        yield Scaled(folder, times, database)


def _told(name: str, took: Took, world: Scaled) -> None:
    _say(
        {
            "what": name,
            "cpu_seconds": round(took.cpu, 1),
            "database_cpu_seconds": round(took.database_cpu, 1),
            "peak_mb": round(took.peak / _MB),
            "lake_mb": round(world.lake_bytes / _MB, 1),
            "database_mb": round(world.database_bytes / _MB, 1),
            "at": f"{datetime.now(UTC):%H:%M:%S}",
        }
    )


def _say(said: Mapping[str, object]) -> None:
    sys.stdout.write(f"{json.dumps(said)}\n")
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print one line of JSON for each program, and one for each step of a refresh."""
    parser = argparse.ArgumentParser(prog="python -m pce_pipeline_tests.scaled", description=__doc__)
    parser.add_argument("--times", type=int, default=1, help="how many times as many lines of spending")
    parser.add_argument("--years", nargs="+", default=["1997...2023"], help="the ranges of years to refresh, in turn")
    parser.add_argument("--years-at-once", nargs="+", default=["7"], help="PCE_YEARS_AT_ONCE, in turn")
    parser.add_argument("--datasets", nargs="+", default=["pce_state"])
    parser.add_argument("--without-postgres", action="store_true")
    parser.add_argument("--into", type=Path, help="a new folder that is left behind")
    asked = parser.parse_args(arguments)
    for_what = {"times": asked.times, "datasets": asked.datasets}
    with scaled(asked.into, asked.times, with_postgres=not asked.without_postgres) as world:
        _say(for_what)
        for dataset in asked.datasets:
            _told(f"extract {dataset}", world.pce("extract", "--dataset", dataset), world)
        before = [path for path in world.lake_folder.rglob("*") if path.is_file()]
        bronze = {path.relative_to(world.lake_folder) for path in before}
        for years in asked.years:
            for at_once in asked.years_at_once:
                for path in world.lake_folder.rglob("*"):
                    if path.is_file() and path.relative_to(world.lake_folder) not in bronze:
                        path.unlink()
                took = world.pce("refresh", "--years", years, "--force", PCE_YEARS_AT_ONCE=at_once)
                _told(f"refresh {years}, {at_once} at once", took, world)
                for name, seconds, peak in world.steps(took):
                    _say({"step": name, "seconds": seconds, "peak_mb": round(peak / _MB)})
        if asked.into is None:
            shutil.rmtree(world.lake_folder)


if __name__ == "__main__":
    main()
