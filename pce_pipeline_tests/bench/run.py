"""Runs the bench: the world once, every stage both ways, then the whole; and judges whether both ways agree.

Each piece is a process of its own, in a temporary folder and without the settings of whoever started the bench. A
server of the embedded Postgres runs as long as the bench does; nothing is left behind.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2

from pce_pipeline.local.postgres import EmbeddedPostgres
from pce_pipeline.memory import ALLOCATOR
from pce_pipeline_tests.bench.agreement import differences, facts_of_database
from pce_pipeline_tests.bench.child import OURS, PLAIN
from pce_pipeline_tests.bench.measure import MOST_RUNS, Facts
from pce_pipeline_tests.bench.task import STAGES
from pce_pipeline_tests.postgres_server import PostgresServer, reachable_folder

WHOLE = {"whole": "Bronze to Postgres, all new", "whole_again": "Bronze to Postgres, nothing new"}

_FULL, _SMALL = "full", "smoke"
_ALL_YEARS, _FEW_YEARS = "ALL", "LAST5"
_SETTINGS_OF_OTHERS = ("PCE_", "BEA_", "DAGSTER_", "AWS_", "PYTHONDONTWRITEBYTECODE")
ROOT = Path(__file__).parents[2]
"""The folder that our package lies in."""


def without_settings_of_others() -> dict[str, str]:
    """The environment of whoever started the bench, but for what would change what is measured."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_SETTINGS_OF_OTHERS)}


class PieceFailed(Exception):
    """A process of the bench ended with an error; `report` is what it said."""

    def __init__(self, piece: str, report: str) -> None:
        self.piece = piece
        self.report = report
        super().__init__(f"{piece} failed:\n{report}")


@dataclass(frozen=True)
class Timing:
    """One way through one stage: the fastest of `runs`; seconds are for all rows, though `share` of them were done."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    runs: int
    share: float = 1.0


@dataclass(frozen=True)
class Line:
    """One stage, both ways; `differences` is empty where their results agree."""

    stage: str
    label: str
    rows: int
    ours: Timing
    plain: Timing
    differences: Sequence[str]


@dataclass(frozen=True)
class Outcome:
    """Every stage and the whole; `import_seconds` and `steps` (seconds by Dagster step) are of the whole, all new."""

    observations: int
    stages: Sequence[Line]
    whole: Sequence[Line]
    import_seconds: float
    steps: Mapping[str, float]
    postgres: str

    @property
    def agrees(self) -> bool:
        return not any(line.differences for line in (*self.stages, *self.whole))


def run(*, quick: bool, tell: Callable[[str], None]) -> Outcome:
    """Measure everything; `tell` hears what is being measured. Raises `PieceFailed`.

    A quick bench tries everything once on five years of three lines, each way in one process: its figures mean little.
    """
    most_runs = 1 if quick else MOST_RUNS
    with _world(_SMALL if quick else _FULL) as world:
        tell("making the world")
        observations = world.piece("world", years=_FEW_YEARS if quick else _ALL_YEARS)
        told: dict[str, dict[str, Any]] = {OURS: {}, PLAIN: {}}
        for names in [list(STAGES)] if quick else [[name] for name in STAGES]:
            tell(STAGES[names[0]])
            for way, answers in told.items():
                answers.update(world.piece("stages", url=world.server, way=way, names=names, most_runs=most_runs))
        lines = [_line(name, told[OURS][name], told[PLAIN][name]) for name in STAGES]
        tell("from Bronze to Postgres")
        loaded = told[OURS]["load"]["facts"]
        return _with_whole(world, observations, lines, loaded)


class _World:
    """Where one bench happens."""

    def __init__(self, folder: Path, profile: str, server: str) -> None:
        self.folder = folder
        self.server = server
        self._profile = profile

    def piece(self, piece: str, *, url: str | None = None, **named: object) -> Any:
        """Do one piece in a process of its own, with the URL of a server or a database if it needs one; its answer."""
        answer = self.folder / "answer.json"
        order = {"piece": piece, "folder": str(self.folder), "profile": self._profile, "answer": str(answer)}
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "pce_pipeline_tests.bench.child"],
            input=json.dumps({**order, **({"url": url} if url else {}), **named}),
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
            env={
                **ALLOCATOR,
                **without_settings_of_others(),
                "PYTHONPATH": str(ROOT),
                "DAGSTER_DISABLE_TELEMETRY": "1",
            },
        )
        if done.returncode:
            raise PieceFailed(" ".join(map(str, [piece, *named.values()])), done.stderr.strip())
        return json.loads(answer.read_bytes())


@contextmanager
def _world(profile: str) -> Iterator[_World]:
    with reachable_folder() as folder:
        embedded = EmbeddedPostgres(folder / "postgres")
        scratch = folder / "scratch"
        scratch.mkdir()
        try:
            yield _World(scratch, profile, embedded.start())
        finally:
            embedded.remove()


def _line(name: str, ours: Mapping[str, Any], plain: Mapping[str, Any]) -> Line:
    return Line(
        stage=name,
        label=STAGES[name],
        rows=ours["facts"]["rows"],
        ours=_timing(ours["measured"]),
        plain=_timing(plain["measured"], plain["share"]),
        differences=differences(ours["facts"], plain["facts"]),
    )


def _timing(measured: Mapping[str, Any], share: float = 1.0) -> Timing:
    return Timing(
        seconds=measured["seconds"] / share,
        cpu_seconds=measured["cpu_seconds"] / share,
        peak_bytes=measured["peak_bytes"],
        runs=measured["runs"],
        share=share,
    )


def _with_whole(world: _World, observations: int, lines: Sequence[Line], loaded: Facts) -> Outcome:
    """The outcome, with two runs of the whole on one new lake and database: all new, then nothing new."""
    with PostgresServer(world.server).database(migrated=False) as database:
        home = str(world.folder / "whole")
        first, again = (world.piece("whole", url=database, home=home) for _ in WHOLE)
        held = facts_of_database(database, loaded["years_compared"])
        postgres = _version(database)
    whole = [
        Line(
            stage=stage,
            label=WHOLE[stage],
            rows=observations,
            ours=_timing(told["measured"]),
            plain=_sum([line.plain for line in lines if line.stage != left_out]),
            differences=differences(loaded, held),
        )
        for stage, told, left_out in (("whole", first, "load_again"), ("whole_again", again, "load"))
    ]
    return Outcome(observations, lines, whole, first["import_seconds"], first["steps"], postgres)


def _sum(timings: Sequence[Timing]) -> Timing:
    return Timing(
        seconds=sum(each.seconds for each in timings),
        cpu_seconds=sum(each.cpu_seconds for each in timings),
        peak_bytes=max(each.peak_bytes for each in timings),
        runs=min(each.runs for each in timings),
    )


def _version(url: str) -> str:
    with closing(psycopg2.connect(url)) as connection:
        return ".".join(str(part) for part in divmod(connection.server_version, 10_000))
