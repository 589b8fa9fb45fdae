"""Our way from BEA's API to Postgres beside others', in turn, on one look-alike and one server of Postgres.

Each way is a whole process of its own, as its user would start it, on a database of its own: first everything is new,
then nothing is. What counts is CPU time, of the process and of the database together, because ours waits for the
limit that BEA sets and the others ignore it. What a way keeps of the cells is looked up afterwards.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg2

from pce_pipeline.emulator.app import create_app
from pce_pipeline.emulator.serve import running
from pce_pipeline.local.postgres import EmbeddedPostgres
from pce_pipeline.memory import ALLOCATOR
from pce_pipeline_tests.bench.cpu import client_cpu, database_cpu
from pce_pipeline_tests.bench.run import ROOT, PieceFailed, without_settings_of_others
from pce_pipeline_tests.bench.world import RELEASE
from pce_pipeline_tests.postgres_server import PostgresServer, reachable_folder

OTHERS = Path(__file__).parent / "others"
PYTHON_OF_OTHERS = ROOT / ".bench" / "bin" / "python"
"""The interpreter of the environment into which `make bench` installs what the other ways need."""

NEW, AGAIN = "all new", "nothing new"
YARDSTICK, OURS = "dlt, tuned", "pce"
"""The way that ratios are to, and the way that they are of."""

KEY = "00000000-0000-0000-0000-0000000bench"
_CELLS = (
    "SELECT count(*), count(DISTINCT geo_fips), count(*) FILTER (WHERE note LIKE '%(%'), "
    "count(*) FILTER (WHERE note LIKE '%(%' AND value = 0) FROM {}"
)
_OURS = (
    "SELECT count(*) FILTER (WHERE status <> 'not_published'), count(DISTINCT geo_fips), "
    "count(*) FILTER (WHERE status NOT IN ('reported', 'not_published')), "
    "count(*) FILTER (WHERE status NOT IN ('reported', 'not_published') AND value = 0) FROM ("
    "SELECT geo_fips, pce_status AS status, pce_millions_usd AS value FROM gold.pce_state_annual UNION ALL "
    "SELECT geo_fips, pce_per_capita_status, pce_per_capita_usd FROM gold.pce_state_annual) AS cells"
)
_OURS_KEEPS = (
    "answers as received, typed cells and tables as Parquet, every vintage, revisions, growth, shares and estimates, "
    "checks, the set of the page, reports"
)

Commands = Callable[[str, str], Sequence[Sequence[str]]]
"""Programs to run one after the other, given the addresses of BEA and of the database."""

_TABLES, _SMALL = ("SAPCE1", "SAPCE2", "SAPCE3", "SAPCE4"), ("SAPCE1",)


@dataclass(frozen=True)
class Way:
    """One way from the API to Postgres."""

    name: str
    """What readers call it."""
    first: Commands
    """The first time, when everything is new."""
    again: Commands
    """On a day without news."""
    cells: str
    """SQL that counts what it holds: cells, areas, cells with a code of BEA's instead of a number, those of them that
    became a zero."""
    keeps: str
    """What else it leaves, in words."""


@dataclass(frozen=True)
class Took:
    """What one time of one way took."""

    client_cpu: float
    """CPU seconds of its processes."""
    database_cpu: float
    """CPU seconds of Postgres meanwhile."""
    seconds: float
    """Seconds on the clock."""
    peak_bytes: int
    """The most that was resident in its largest process."""

    @property
    def cpu(self) -> float:
        """CPU seconds together."""
        return self.client_cpu + self.database_cpu


@dataclass(frozen=True)
class Beside:
    """One way: what it took and what it holds."""

    name: str
    """What readers call it."""
    times: Mapping[str, Took]
    """By `NEW` and `AGAIN`."""
    cells: int
    """Cells that its tables hold."""
    areas: int
    """Areas among them."""
    coded: int
    """Cells where BEA publishes a code instead of a number, known as such."""
    made_zero: int
    """Those of them that became a zero."""
    bytes: int
    """Bytes of its tables and indexes."""
    keeps: str
    """What else it leaves, in words."""


def ways(python: Path, tables: Sequence[str]) -> list[Way]:
    """All ways: those of others run in the interpreter `python` and ask for `tables`.

    Where that is our own interpreter, only the plain script is among the others: it needs nothing that we lack.
    """

    def other(name: str, program: str, *how: str, table: str = "cells", keeps: str = "nothing") -> Way:
        def commands(bea: str, database: str) -> list[list[str]]:
            return [[str(python), str(OTHERS / program), *how, bea, KEY, database, *tables]]

        return Way(name, commands, commands, _CELLS.format(table), keeps)

    def pce(*verbs: str) -> Commands:
        program = [sys.executable, "-c", "from pce_pipeline.cli import main; main()"]
        return lambda _bea, _database: [[*program, verb, "--dataset", "pce_state"] for verb in verbs]

    of_dlt = {"table": "dlt.cells", "keeps": "when it loaded what"}
    with_libraries = [
        other(YARDSTICK, "with_dlt.py", "tuned", **of_dlt),
        other("dlt, as it comes", "with_dlt.py", "default", **of_dlt),
        other("BEA's client, pandas", "with_bea_client.py"),
    ]
    ours = Way(OURS, pce("extract", "refresh"), pce("run"), _OURS, _OURS_KEEPS)
    return [other("plain script", "script.py"), *(with_libraries if python != Path(sys.executable) else []), ours]


def run_beside(
    *, python: Path, quick: bool, tell: Callable[[str], None], requests_per_minute: int = 95
) -> list[Beside]:
    """Try every way in turn; `tell` hears which. Raises `PieceFailed`.

    A quick one takes one small table, and ours three of its lines: it shows that every way still runs.
    """
    if not quick:
        for interpreter in dict.fromkeys((python, Path(sys.executable))):
            tell(f"what {interpreter} imports, compiled")
            _compile(interpreter)
    app = create_app(RELEASE)
    with server() as (postgres, folder), running(app) as bea:
        ours = {
            "PCE_HOME": str(folder / "home"),
            "PCE_SOURCE": "api",
            "PCE_PROFILE": "smoke" if quick else "full",
            "PCE_BEA_URL": bea,
            "PCE_REQUESTS_PER_MINUTE": str(requests_per_minute),
            "BEA_API_KEY": KEY,
        }
        tables = _SMALL if quick else _TABLES
        tried = ways(python, tables)
        tell("the look-alike, once")  # it makes its answers when they are asked for first
        with postgres.database(migrated=False) as database:
            timed("once", tried[0].first(bea, database), ours, database)
        found = []
        for way in tried:
            with postgres.database(migrated=False) as database:
                there = {**ours, "PCE_DATABASE_URL": database}
                times = {}
                for when, commands in ((NEW, way.first), (AGAIN, way.again)):
                    tell(f"{way.name}, {when}")
                    times[when] = timed(way.name, commands(bea, database), there, database)
                found.append(Beside(way.name, times, *_held(way, database), keeps=way.keeps))
        return found


_COMPILE = (
    "import compileall, sys, sysconfig\n"
    "for folder in (sysconfig.get_path('purelib'), *sys.argv[1:]):\n"
    "    compileall.compile_dir(folder, quiet=2, workers=0)"
)


def _compile(python: Path) -> None:
    """Compile what an interpreter imports, as Python does at the first import of an installed package.

    One installer does it and another does not: the first process of a way would pay for its installation.
    """
    subprocess.run([str(python), "-c", _COMPILE, str(ROOT / "pce_pipeline")], check=True, stdin=subprocess.DEVNULL)


@contextmanager
def server() -> Iterator[tuple[PostgresServer, Path]]:
    """A server of Postgres, and the folder with its files and an empty `home`; both are gone afterwards."""
    with reachable_folder() as folder:
        embedded = EmbeddedPostgres(folder / "postgres")
        (folder / "home").mkdir()
        try:
            yield PostgresServer(embedded.start()), folder
        finally:
            embedded.remove()


def timed(name: str, commands: Sequence[Sequence[str]], environment: Mapping[str, str], database: str) -> Took:
    """What programs took together, one after the other. Raises `PieceFailed` with what the failing one said."""
    clock, client, of_database = time.perf_counter(), client_cpu(), database_cpu(database)
    peak = 0
    for command in commands:
        with tempfile.TemporaryFile() as said:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                env={**ALLOCATOR, **without_settings_of_others(), **environment, "PYTHONPATH": str(ROOT)},
            )
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            peak = max(peak, used.ru_maxrss * 1024)
            if process.returncode:
                said.seek(0)
                raise PieceFailed(name, said.read().decode(errors="replace").strip())
    return Took(
        client_cpu=client_cpu() - client,
        database_cpu=database_cpu(database) - of_database,
        seconds=time.perf_counter() - clock,
        peak_bytes=peak,
    )


def _held(way: Way, database: str) -> tuple[int, int, int, int, int]:
    with closing(psycopg2.connect(database)) as connection, connection.cursor() as cursor:
        cursor.execute(way.cells)
        (counts,) = cursor.fetchall()
        cursor.execute("SELECT sum(pg_total_relation_size(relid))::bigint FROM pg_stat_user_tables")
        ((size,),) = cursor.fetchall()
    cells, areas, coded, made_zero = counts
    return cells, areas, coded, made_zero, size
