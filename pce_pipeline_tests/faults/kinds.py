"""Every kind of fault by its name, each run to its end in a process of its own."""

import logging
import multiprocessing
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import structlog

from pce_pipeline.emulator.faults import FaultKind
from pce_pipeline_tests.faults.flips import flips
from pce_pipeline_tests.faults.hostile import hostilities
from pce_pipeline_tests.faults.invented import documents
from pce_pipeline_tests.faults.killing import Outcome, all_tried, chosen, part_of_kills, uninterrupted
from pce_pipeline_tests.faults.lost_database import losses
from pce_pipeline_tests.faults.races import races
from pce_pipeline_tests.faults.scorecard import Part
from pce_pipeline_tests.faults.sentinels import secrets_kept
from pce_pipeline_tests.faults.stage import staged
from pce_pipeline_tests.faults.troubled_s3 import troubles
from pce_pipeline_tests.faults.truncation import CUTS, truncations
from pce_pipeline_tests.postgres_server import PostgresServer, postgres_server, reachable_folder
from pce_pipeline_tests.servers import S3, s3_server

_WORKERS = 2
_FEW = 12
_ALONE, _CHAIN = 8, 16
"""Every so-many-th point is tried alone, with an undisturbed run after it; of the others, so many in a chain."""


def workers() -> ProcessPoolExecutor:
    """Processes of their own, which begin anew: a fork would lack the threads of Polars, and wait for them."""
    return ProcessPoolExecutor(_WORKERS, mp_context=multiprocessing.get_context("spawn"))


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
        workers() as pool,
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


def run_kind(kind: str, few: bool) -> Part:
    """One kind to its end, which is told on stderr; one that cannot be run to its end has not held."""
    warnings.simplefilter("ignore")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    began = time.monotonic()
    try:
        part = KINDS[kind](few)
    except Exception as told:  # noqa: BLE001 (the page says of every kind what came of it)
        part = Part(f"{kind}: was not run to its end", "", 0, [f"{type(told).__name__}: {told}"])
    minutes = (time.monotonic() - began) / 60
    sys.stderr.write(f"{kind}: {part.tried:,} tried, {len(part.failed):,} did not hold, {minutes:.1f} minutes\n")
    return part
