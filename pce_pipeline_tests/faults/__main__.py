"""`python -m pce_pipeline_tests.faults [--few] [--only KIND]`: try everything and write docs/scorecard.md."""

import argparse
import json
import logging
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import structlog

from pce_pipeline import __version__
from pce_pipeline.emulator.faults import FaultKind
from pce_pipeline_tests.faults.flips import flips
from pce_pipeline_tests.faults.hostile import hostilities
from pce_pipeline_tests.faults.invented import documents
from pce_pipeline_tests.faults.killing import Outcome, chosen, staged, tried, uninterrupted
from pce_pipeline_tests.faults.lost_database import losses
from pce_pipeline_tests.faults.races import races
from pce_pipeline_tests.faults.scorecard import Part, markdown
from pce_pipeline_tests.faults.sentinels import secrets_kept
from pce_pipeline_tests.faults.troubled_s3 import troubles
from pce_pipeline_tests.faults.truncation import CUTS, truncations
from pce_pipeline_tests.postgres_server import postgres_server, reachable_folder
from pce_pipeline_tests.servers import S3, s3_server

_PAGE = Path(__file__).parents[2] / "docs" / "scorecard.md"
_WORKERS = 2
_FEW = 12


def killed(worker: int, few: bool) -> list[Outcome]:
    """The share of one worker in the kill matrix, on servers of its own."""
    with (
        tempfile.TemporaryDirectory() as folder,
        postgres_server() as server,
        s3_server(Path(folder) / "s3") as s3,
        staged(Path(folder) / "stage", s3, server) as stage,
    ):
        matrix = uninterrupted(stage)
        points = chosen(matrix.points)
        mine = points[:: len(points) // _FEW] if few else points
        outcomes = [tried(stage, matrix, point) for point in mine[worker::_WORKERS]]
        if outcomes:
            outcomes[-1].wrong += [f"{where} holds a key or a password" for where in stage.leaks()]
        return outcomes


def kill_matrix(few: bool) -> Part:
    """All workers' shares together."""
    with ProcessPoolExecutor(_WORKERS) as pool:
        shares = pool.map(killed, range(_WORKERS), [few] * _WORKERS)
        outcomes = [outcome for share in shares for outcome in share]
    return Part(
        name="kill `pce run` and `pce bronze copy` while a new release comes",
        claim=(
            "A process of its own is killed (SIGKILL) by a proxy on its way to S3, Postgres or BEA when the named "
            "point is there; that it was there is asserted. Run again, both end well; lake, database, second copy and "
            "the page's set are then what an uninterrupted run leaves. A reader looked "
            f"{sum(each.seen for each in outcomes):,} times meanwhile: each partition was whole, and Postgres was of "
            "one release."
        ),
        tried=len(outcomes),
        failed=[f"{each.point}: {said}" for each in outcomes for said in each.wrong[:1]],
        cases=[f"`{each.point}`" for each in outcomes],
    )


def _with_s3(kind: Callable[[Path, S3], Part]) -> Part:
    with tempfile.TemporaryDirectory() as folder, s3_server(Path(folder) / "s3") as s3:
        return kind(Path(folder) / "tried", s3)


def _in_folder(kind: Callable[[Path], Part]) -> Part:
    with tempfile.TemporaryDirectory() as folder:
        return kind(Path(folder))


def _with_database(few: bool) -> Part:
    with reachable_folder() as folder, postgres_server() as server:
        return losses(folder, server, every=8 if few else 1)


KINDS: Mapping[str, Callable[[bool], Part]] = {
    "kills": kill_matrix,
    "truncation": lambda few: _in_folder(lambda folder: truncations(folder, 20 if few else CUTS)),
    "documents": lambda few: _in_folder(lambda folder: documents(folder, 50 if few else 1)),
    "races": lambda few: _with_s3(lambda folder, s3: races(folder, 2 if few else 20, s3)),
    "flips": lambda few: _in_folder(lambda folder: flips(folder, 1 if few else 28)),
    "s3": lambda few: _with_s3(lambda folder, s3: troubles(folder, s3, 13 if few else 1)),
    "database": _with_database,
    "hostile": lambda few: _in_folder(lambda folder: hostilities(folder, 5 if few else 1)),
    "secrets": lambda few: _in_folder(
        lambda folder: secrets_kept(folder, (FaultKind.API_ERROR,) if few else tuple(FaultKind))
    ),
}
"""Every kind of fault by the name that the command line calls it; called with whether a few will do."""


def main() -> int:
    """0 if everything held, else 1."""
    parser = argparse.ArgumentParser(prog="python -m pce_pipeline_tests.faults", description=__doc__)
    parser.add_argument("--few", action="store_true", help="a few of each kind: does it work?")
    parser.add_argument("--json", action="store_true", help="print it for machines, and write no page")
    parser.add_argument("--only", action="append", choices=KINDS, help="this kind alone, printed and not written")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    parts = [KINDS[kind](given.few) for kind in given.only or KINDS]
    if given.only and not given.json:
        sys.stdout.write(markdown(parts, day=datetime.now(UTC).date(), version=__version__))
    elif given.json:
        sys.stdout.write(json.dumps([asdict(each) for each in parts], indent=2) + "\n")
    else:
        _PAGE.write_text(markdown(parts, day=datetime.now(UTC).date(), version=__version__), "utf-8")
    return 1 if any(each.failed for each in parts) else 0


if __name__ == "__main__":
    sys.exit(main())
