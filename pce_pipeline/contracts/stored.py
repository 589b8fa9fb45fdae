"""Rules of what is stored already, read back: the lake's bytes, the rows of Postgres, and whether a release is missing.

Nothing is published while they look, so that none of them stops anything: they are run alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pce_pipeline.lake.integrity import Damage
from pce_pipeline.quality.rules import EXAMPLES, Finding, Rule, rule
from pce_pipeline.warehouse.parity import Parity


@dataclass(frozen=True)
class StoredTable:
    """What reading a table of the lake back found."""

    damages: Sequence[Damage]
    """The objects that are not what their records say."""
    partitions: int
    """How many partitions were read."""
    objects: int
    """How many objects they have."""
    is_yearly: bool
    """Whether its partitions are years."""


@dataclass(frozen=True)
class MadeOf:
    """Which releases a table lacks."""

    missing: Sequence[str]
    """What it lacks, in words."""


@rule("hash")
def stored_bytes_are_intact(stored: StoredTable) -> Finding:
    """Every version and every file at a fixed key reads back with the SHA-256 of the pointer."""
    what = f"{stored.partitions} years" if stored.is_yearly else "the table"
    return Finding(
        passed=not stored.damages,
        summary=f"{len(stored.damages)} objects are damaged; `pce heal` restores what it can."
        if stored.damages
        else f"All objects of {what} are intact.",
        figures={
            "violations": len(stored.damages),
            "partitions": stored.partitions,
            "objects": stored.objects,
        },
        examples=tuple(f"{each.problem}: {each.key}" for each in stored.damages[:EXAMPLES]),
    )


@rule("hash", remedy="`pce doctor` says what mends it; `pce doctor --fix` does.")
def rows_are_those_of_gold(found: Parity) -> Finding:
    """Checkpoints name Gold's content; count and hash of the rows are those of when it was loaded."""
    if found.problems:
        said = "; ".join(map(str, found.problems)) + ". `pce doctor` says what mends it."
    elif found.unknown:
        said = "As many rows as were loaded; no hash of them was kept: `pce doctor --fix` loads them again."
    else:
        said = "Postgres holds what Gold does."
    return Finding(
        passed=not found.problems,
        summary=said,
        figures={
            "violations": sum(len(each.partitions) for each in found.problems),
            "not_known": len(found.unknown),
        },
        examples=tuple(str(each) for each in found.problems[:EXAMPLES]),
    )


@rule("comparison", remedy="`pce check` says what BEA publishes, and `pce run` takes it.")
def newest_release_is_held(made_of: MadeOf) -> Finding:
    """The table is made of the newest release that the calendar announced."""
    return Finding(
        passed=not made_of.missing,
        summary="; ".join(made_of.missing) or "It is made of the newest release that was announced.",
        figures={"violations": len(made_of.missing)},
    )


LAKE_RULES: tuple[Rule[StoredTable], ...] = (stored_bytes_are_intact,)
"""Rules of what a table of the lake has stored."""

POSTGRES_RULES: tuple[Rule[Parity], ...] = (rows_are_those_of_gold,)
"""Rules of what a table of Postgres has stored."""

RELEASE_RULES: tuple[Rule[MadeOf], ...] = (newest_release_is_held,)
"""Rules of which release a yearly table of Gold is made of."""
