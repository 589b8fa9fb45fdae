"""`python -m pce_pipeline_tests.faults [--few]`: try everything and write docs/scorecard.md."""

import argparse
import json
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from pce_pipeline import __version__
from pce_pipeline_tests.faults.killing import Outcome, chosen, staged, tried, uninterrupted
from pce_pipeline_tests.faults.scorecard import Part, markdown
from pce_pipeline_tests.postgres_server import postgres_server
from pce_pipeline_tests.servers import s3_server

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
        return [tried(stage, matrix, point) for point in mine[worker::_WORKERS]]


def kill_matrix(few: bool) -> Part:
    """All workers' shares together."""
    with ProcessPoolExecutor(_WORKERS) as pool:
        shares = pool.map(killed, range(_WORKERS), [few] * _WORKERS)
        outcomes = [outcome for share in shares for outcome in share]
    return Part(
        name="kill `pce run` while it brings a new release",
        claim=(
            "A process of its own is killed (SIGKILL) by a proxy on its way to S3, Postgres or BEA when the named "
            "point is there; that it was there is asserted. Run again, it ends well; lake, database and the page's set "
            "are then what an uninterrupted run leaves. A reader looked "
            f"{sum(each.seen for each in outcomes):,} times meanwhile: each partition was whole, and Postgres was of "
            "one release."
        ),
        tried=len(outcomes),
        failed=[f"{each.point}: {said}" for each in outcomes for said in each.wrong[:1]],
        cases=[f"`{each.point}`" for each in outcomes],
    )


def main() -> int:
    """0 if everything held, else 1."""
    parser = argparse.ArgumentParser(prog="python -m pce_pipeline_tests.faults", description=__doc__)
    parser.add_argument("--few", action="store_true", help="a dozen kills: does it work?")
    parser.add_argument("--json", action="store_true", help="print it for machines, and write no page")
    given = parser.parse_args()
    parts = [kill_matrix(given.few)]
    if given.json:
        sys.stdout.write(json.dumps([asdict(each) for each in parts], indent=2) + "\n")
    else:
        _PAGE.write_text(markdown(parts, day=datetime.now(UTC).date(), version=__version__), "utf-8")
    return 1 if any(each.failed for each in parts) else 0


if __name__ == "__main__":
    sys.exit(main())
