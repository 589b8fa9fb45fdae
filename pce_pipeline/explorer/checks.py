"""What every check last said, as a file beside the figures: it follows what happens, and changes when they do not."""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from pce_pipeline.observability.records import RunRecord

CHECKS = "checks.json"
"""The path of the file."""

MOST_RUNS = 50
"""Of how many runs, the newest first, the words are: as `pce show quality` tells them."""

_WARN = "WARN"


class CheckWord(msgspec.Struct, frozen=True, kw_only=True):
    """The last word of one check."""

    asset: str
    """The asset or table that it looks at: `gold/pce_state_annual`."""
    name: str
    """Its name."""
    said: str
    """What became of it: `passed`, `warned` or `failed`."""
    summary: str
    """What it found, in a sentence."""
    when: datetime
    """When (UTC) the step that it ran in began."""
    run: str
    """The id of the run."""


class Checks(msgspec.Struct, frozen=True, kw_only=True):
    """The last word of every check."""

    counts: dict[str, int]
    """How many `passed`, `warned` and `failed`."""
    checks: list[CheckWord]
    """The words, by asset and name."""


def last_words(newest_first: Iterable[RunRecord]) -> Checks:
    """What each check said in the newest of these runs in which it ran."""
    found: dict[tuple[str, str], CheckWord] = {}
    for record in newest_first:
        for step in record.steps:
            for check in step.checks:
                word = CheckWord(
                    asset=check.asset,
                    name=check.name,
                    said="passed" if check.passed else "warned" if check.severity.upper() == _WARN else "failed",
                    summary=check.summary,
                    when=step.started_at,
                    run=record.run_id,
                )
                found.setdefault((check.asset, check.name), word)
    words = [found[key] for key in sorted(found)]
    return Checks(
        counts={said: sum(word.said == said for word in words) for said in ("passed", "warned", "failed")},
        checks=words,
    )
