"""Our own days, each as whole processes on one look-alike: nothing new, little, a release, and the way of CI.

They follow one another on one lake and database, as days do; the way of CI has its own. CPU time counts, of the
processes and of the database together. Files and bytes are what a case leaves more of below its home than was there.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg2

from pce_pipeline.emulator.app import create_app
from pce_pipeline.emulator.serve import running
from pce_pipeline_tests.bench.beside import KEY, Took, server, timed
from pce_pipeline_tests.bench.world import RELEASE

ALL_NEW, STANDS, ONE_YEAR = "extract and refresh, all new", "refresh, all stands", "refresh of one year, forced"
NEXT_RELEASE = "extract and refresh of the next release"
CI_EXTRACT, CI_SILVER, CI_GOLD = "CI: pce extract", "CI: dagster, group:silver", "CI: dagster, gold*"

_PROGRAM = "from pce_pipeline.cli import main; main()"
_DATASET = ("--dataset", "pce_state")


@dataclass(frozen=True)
class Case:
    """One day: what it took and what it left."""

    name: str
    """What readers call it."""
    took: Took
    """CPU, clock and memory."""
    files: int
    """Files that are there more than before: of the lake, of Dagster's history and of records."""
    bytes: int
    """Bytes that these and grown files take more than before."""
    changed_years: int
    """Years of levels in the database that differ from those before; all of them where there were none."""


def run_cases(*, quick: bool, tell: Callable[[str], None], requests_per_minute: int = 95) -> list[Case]:
    """Measure every case in turn; `tell` hears which. Raises `PieceFailed`. A quick one takes three lines."""
    with server() as (postgres, folder), running(create_app(RELEASE)) as bea, running(create_app(RELEASE + 1)) as later:
        first, ci = folder / "home", folder / "home-of-ci"
        ci.mkdir()
        shared = {
            "PCE_SOURCE": "api",
            "PCE_PROFILE": "smoke" if quick else "full",
            "PCE_BEA_URL": bea,
            "PCE_REQUESTS_PER_MINUTE": str(requests_per_minute),
            "BEA_API_KEY": KEY,
            "DAGSTER_DISABLE_TELEMETRY": "1",
        }

        def case(name: str, home: Path, url: str, *commands: Sequence[str], **more: str) -> Case:
            tell(name)
            files, size, years = *_held(home), _years(url)
            took = timed(name, commands, {**shared, "PCE_HOME": str(home), "PCE_DATABASE_URL": url, **more}, url)
            files_now, size_now, years_now = *_held(home), _years(url)
            changed = sum(years.get(year) != told for year, told in years_now.items())
            return Case(name, took, files_now - files, size_now - size, changed)

        with postgres.database(migrated=False) as url:
            found = [
                case(ALL_NEW, first, url, _pce("extract"), _pce("refresh")),
                case(STANDS, first, url, _pce("refresh")),
                case(ONE_YEAR, first, url, _pce("refresh", "--years", str(max(_years(url)) - 1), "--force")),
            ]
            newest = case(NEXT_RELEASE, first, url, _pce("extract"), _pce("refresh"), PCE_BEA_URL=later)
            years = f"{min(_years(url))}...{max(_years(url))}"
        with postgres.database(migrated=False) as url:
            of_ci = [case(CI_EXTRACT, ci, url, _pce("extract"))]
            (history,) = ci.glob("*/dagster")
            dagster = {"DAGSTER_HOME": str(history), "DAGSTER_MODULE_NAME": "pce_pipeline.definitions"}
            of_ci += [
                case(CI_SILVER, ci, url, _dagster("group:silver", years), **dagster),
                case(CI_GOLD, ci, url, _dagster("gold*", years), **dagster),
            ]
        return [*found, newest, *of_ci]


def _pce(verb: str, *more: str) -> list[str]:
    return [sys.executable, "-c", _PROGRAM, verb, *_DATASET, *more]


def _dagster(selection: str, years: str) -> list[str]:
    command = ["asset", "materialize", "--select", selection, "--partition-range", years]
    return [sys.executable, "-m", "dagster", *command]


def _held(home: Path) -> tuple[int, int]:
    """How many files there are below a folder, and their bytes."""
    sizes = [file.stat().st_size for file in home.rglob("*") if file.is_file()]
    return len(sizes), sum(sizes)


def _years(url: str) -> Mapping[int, str]:
    """A hash of each year of the levels in a database; none before they are there."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('gold.pce_state_annual') IS NOT NULL")
        if cursor.fetchall() == [(False,)]:
            return {}
        cursor.execute(
            "SELECT year, md5(string_agg(t::text, ',' ORDER BY t::text)) FROM gold.pce_state_annual AS t GROUP BY year"
        )
        return {int(year): str(told) for year, told in cursor.fetchall()}


def for_machines(cases: Sequence[Case]) -> list[dict[str, object]]:
    """Everything, for JSON."""
    return [
        {
            "name": each.name,
            "cpu_seconds": each.took.cpu,
            "database_cpu_seconds": each.took.database_cpu,
            "seconds": each.took.seconds,
            "peak_bytes": each.took.peak_bytes,
            "files": each.files,
            "bytes": each.bytes,
            "changed_years": each.changed_years,
        }
        for each in cases
    ]


_HEADINGS = ("case", "CPU s", "of them Postgres", "seconds", "peak MB", "changed years", "files", "MB")
_NOTE = (
    "Ours, each case as whole processes, once, one after the other on one lake. Seconds of an extract are mostly "
    "waiting for BEA's limit. Files and MB are what is there more than before, in the lake, in Dagster's history "
    "(SQLite) and in records. CI's three commands have a lake of their own and make every dataset's tables, as CI "
    "does; of the figures only pce_state is held there."
)


def markdown(cases: Sequence[Case]) -> str:
    """For a terminal and the README."""
    rows = [
        [
            each.name,
            f"{each.took.cpu:.1f}",
            f"{each.took.database_cpu:.1f}",
            f"{each.took.seconds:.1f}",
            f"{each.took.peak_bytes / 1e6:,.0f}",
            str(each.changed_years),
            f"{each.files:,}",
            f"{each.bytes / 1e6:,.1f}",
        ]
        for each in cases
    ]
    lines = [_HEADINGS, ["---", *["---:"] * (len(_HEADINGS) - 1)], *rows]
    return "\n".join([*(f"| {' | '.join(line)} |" for line in lines), "", f"- {_NOTE}"])
