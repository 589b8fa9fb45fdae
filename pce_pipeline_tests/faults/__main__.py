"""`python -m pce_pipeline_tests.faults [--few] [--only KIND]`: try everything and write docs/scorecard.md."""

import argparse
import json
import logging
import platform
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import psutil
import structlog

from pce_pipeline import __version__
from pce_pipeline.emulator.faults import FaultKind
from pce_pipeline_tests.faults.flips import flips
from pce_pipeline_tests.faults.hostile import hostilities
from pce_pipeline_tests.faults.invented import documents
from pce_pipeline_tests.faults.killing import Outcome, all_tried, chosen, part_of_kills, uninterrupted
from pce_pipeline_tests.faults.lost_database import losses
from pce_pipeline_tests.faults.races import races
from pce_pipeline_tests.faults.scorecard import Circumstances, Part, markdown
from pce_pipeline_tests.faults.sentinels import secrets_kept
from pce_pipeline_tests.faults.stage import staged
from pce_pipeline_tests.faults.troubled_s3 import troubles
from pce_pipeline_tests.faults.truncation import CUTS, truncations
from pce_pipeline_tests.postgres_server import PostgresServer, postgres_server, reachable_folder
from pce_pipeline_tests.servers import S3, s3_server

_PAGE = Path(__file__).parents[2] / "docs" / "scorecard.md"
_WORKERS = 2
_FEW = 12
_ALONE, _CHAIN = 6, 12
"""Every so-many-th point is tried alone, with an undisturbed run after it; of the others, so many in a chain."""


def killed(worker: int, few: bool, s3: S3, server: PostgresServer) -> list[Outcome]:
    """The share of one worker in the kill matrix, on a stage of its own."""
    with tempfile.TemporaryDirectory() as folder, staged(Path(folder), s3, server) as stage:
        matrix = uninterrupted(stage)
        points = chosen(matrix.points)
        mine = (points[:: len(points) // _FEW] if few else points)[worker::_WORKERS]
        outcomes = list(all_tried(stage, matrix, mine, alone=_ALONE, chain=_CHAIN))
        outcomes[-1].wrong += [f"{where} holds a key or a password" for where in stage.leaks()]
        return outcomes


def kill_matrix(few: bool) -> Part:
    """All workers' shares together."""
    with (
        tempfile.TemporaryDirectory() as folder,
        postgres_server() as server,
        s3_server(Path(folder) / "s3") as s3,
        ProcessPoolExecutor(_WORKERS) as pool,
    ):
        shares = pool.map(killed, range(_WORKERS), [few] * _WORKERS, [s3] * _WORKERS, [server] * _WORKERS)
        outcomes = [outcome for share in shares for outcome in share]
    return part_of_kills(outcomes)


def _with_s3(kind: Callable[[Path, S3], Part]) -> Part:
    with tempfile.TemporaryDirectory() as folder, s3_server(Path(folder) / "s3") as s3:
        return kind(Path(folder) / "tried", s3)


def _in_folder(kind: Callable[[Path], Part]) -> Part:
    with tempfile.TemporaryDirectory() as folder:
        return kind(Path(folder))


def _with_database(few: bool) -> Part:
    with reachable_folder() as folder, postgres_server() as server:
        return losses(folder, server, every=8 if few else 1)


def circumstances(began: datetime) -> Circumstances:
    """When it began, and where this is."""
    memory_gb = psutil.virtual_memory().total / 1e9
    load = psutil.getloadavg()[2] / (psutil.cpu_count() or 1)
    return Circumstances(
        day=began.date(),
        minutes=(datetime.now(UTC) - began).total_seconds() / 60,
        version=__version__,
        commit=_commit(),
        machine=f"{psutil.cpu_count()} cores of {platform.machine()}, {memory_gb:.0f} GB, {platform.system()}, Python "
        f"{platform.python_version()}, with a load of {load:.1f} for each core in the last quarter of an hour",
    )


def _commit() -> str:
    """The commit of the checkout; `unknown` where it is none."""
    git = shutil.which("git")
    if git is None:
        return "unknown"

    def said(*arguments: str) -> str:
        found = subprocess.run([git, *arguments], cwd=_PAGE.parent, capture_output=True, text=True, check=False)
        return found.stdout.strip()

    changed = " with changes" if said("status", "--porcelain") else ""
    return f"{said('rev-parse', '--short=12', 'HEAD')}{changed}" if said("rev-parse", "HEAD") else "unknown"


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
    began = datetime.now(UTC)
    parts = [KINDS[kind](given.few) for kind in given.only or KINDS]
    if given.json:
        sys.stdout.write(json.dumps([asdict(each) for each in parts], indent=2) + "\n")
        return 1 if any(each.failed for each in parts) else 0
    page = markdown(parts, circumstances(began))
    if given.only:
        sys.stdout.write(page)
    else:
        _PAGE.write_text(page, "utf-8")
    return 1 if any(each.failed for each in parts) else 0


if __name__ == "__main__":
    sys.exit(main())
