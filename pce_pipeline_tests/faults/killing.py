"""The kill matrix: a new release comes, Bronze is copied, and what does so is killed at each named point.

What must hold at every point: what was killed, run again, ends well; lake and database are then what an uninterrupted
run leaves; and a reader who looked all the while saw each partition whole, as it was or as it became, and Postgres as
of one release. A point is tried alone, or in a chain: what is run again is killed at a later point, and so on.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pce_pipeline.errors import PceError
from pce_pipeline.explorer.store import ExplorerStore
from pce_pipeline.lake.resource import Lake
from pce_pipeline_tests.faults.reader import Reader
from pce_pipeline_tests.faults.scorecard import Part
from pce_pipeline_tests.faults.stage import Stage, State

_DECIDES = re.compile(r"COMMIT|_latest\.json|bronze/.*manifest\.json|MERGE INTO gold")

_TABLE = re.compile(r"\b(?:[a-z]+(?:_[a-z]+)+|facts)\b")
_OF_A_KIND = 2


@dataclass
class Outcome:
    """What came of kills at points one after another, each of what was run again after the one before."""

    points: list[str] = field(default_factory=list)
    """Where, in their order; each was reached."""
    not_reached: list[str] = field(default_factory=list)
    """Where not, because what was run again had no way there any more."""
    seen: int = 0
    """How often the reader looked while the runs went on."""
    wrong: list[str] = field(default_factory=list)
    """What did not hold; empty is well."""


@dataclass(frozen=True)
class Matrix:
    """What an uninterrupted run passes, and what it comes to."""

    points: Sequence[str]
    """Every point, in the order in which it is first reached."""
    end: State
    """What is to come out of every other run."""


def uninterrupted(stage: Stage) -> Matrix:
    """Bring the news without a kill, and note all points."""
    with stage.as_it_began() as database:
        passed = stage.run_to_the_end(database)
        return Matrix(tuple(dict.fromkeys(point for each in passed for point in each)), stage.state(database))


def chosen(points: Sequence[str]) -> list[str]:
    """The points that the matrix tries, in their order: of what is done to tables alike, that to two of them.

    Of each one moment, in turn; where something is decided, all moments of the first.
    """
    moments: dict[str, dict[str, list[str]]] = {}
    for point in points:
        what = point.partition(" ")[2]
        moments.setdefault(_TABLE.sub("*", what), {}).setdefault(what, []).append(point)
    taken = {
        point
        for number, of_kind in enumerate(moments.values())
        for nth, (what, found) in enumerate([*of_kind.items()][:_OF_A_KIND])
        for point in (found if not nth and _DECIDES.search(what) else [found[(number + nth) % len(found)]])
    }
    return [point for point in points if point in taken]


def tried(stage: Stage, matrix: Matrix, *points: str) -> Outcome:
    """Kill at the point, or at one after the other; then run to the end, and compare."""
    outcome = Outcome()
    with stage.as_it_began() as database:
        with Reader(stage, database, (stage.first, matrix.end)) as reader:
            command = 0
            for number, point in enumerate(points):
                killed = stage.killed(database, point, command)
                if killed is None:
                    outcome.not_reached = [*points[number:]]
                    break
                command = killed.command
                outcome.points.append(point)
                if killed.wrong:
                    outcome.wrong.append(f"killed at {point}, {killed.wrong}")
            try:
                stage.run_to_the_end(database)
            except AssertionError as failed:
                outcome.wrong.append(f"run again, it failed: {failed}")
        outcome.seen = reader.looked
        outcome.wrong += sorted(set(reader.wrong))
        try:
            outcome.wrong += _left_behind(stage, matrix, database)
        except PceError as told:
            outcome.wrong.append(f"what is left cannot be read: {told}")
    return outcome


def _left_behind(stage: Stage, matrix: Matrix, database: str) -> list[str]:
    """In what the end differs from that of an uninterrupted run."""
    damages = ExplorerStore(Lake.of(stage.settings(database))).damages()
    return [
        *matrix.end.differs_from(stage.state(database)),
        *stage.differences(database)[:1],
        *(f"the page's set: {damage}" for damage in damages[:1]),
    ]


def all_tried(stage: Stage, matrix: Matrix, points: Sequence[str], *, alone: int, chain: int) -> Iterator[Outcome]:
    """Every point: each so-many-th alone, the others in chains of so many; what a chain does not reach, alone."""
    of_chains = [point for number, point in enumerate(points) if number % alone]
    chains = -(-len(of_chains) // chain)
    left = [*points[::alone]]
    for number in range(chains):
        outcome = tried(stage, matrix, *of_chains[number::chains])
        left += outcome.not_reached
        yield outcome
    for point in left:
        outcome = tried(stage, matrix, point)
        outcome.wrong += [f"{each} was not reached" for each in outcome.not_reached]
        yield outcome


def part_of_kills(outcomes: Sequence[Outcome]) -> Part:
    """What all kills come to."""
    alone = [each.points[0] for each in outcomes if len(each.points) == 1]
    chained = [each.points for each in outcomes if len(each.points) > 1]
    points = [*alone, *(point for each in chained for point in each)]
    return Part(
        name="kill `pce run` and `pce bronze copy` while a new release comes",
        claim=(
            "A process of its own is killed (SIGKILL) by a proxy on its way to S3, Postgres or BEA when the named "
            f"point is there; that it was there is asserted. After {len(alone):,} of the points all is run again at "
            f"once; the others stand in {len(chained)} chains, in which what is run again is killed at the next "
            "point. In the end all run to their end; lake, database, second copy and the page's set are then what an "
            f"uninterrupted run leaves. A reader looked {sum(each.seen for each in outcomes):,} times meanwhile: each "
            "partition was whole, and Postgres was of one release."
        ),
        tried=len(points),
        failed=[f"{' -> '.join(each.points or each.not_reached)}: {said}" for each in outcomes for said in each.wrong],
        cases=[f"`{point}`" for point in points],
    )
