"""One refresh as several tasks side by side, each of a range of years: `run_task.py --side-by-side 4 pce refresh …`.

Years of a table that looks at its own year alone are independent of each other, and publication stands writers side by
side. So the tables are made in waves: first all whose years need no other year, then those that look back at tables of
the wave before. In each wave every range is a task. What is made of all years, and Postgres, is left to a last task,
`pce refresh` itself, which leaves alone what it finds made.
"""

import argparse
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

from infra.provisioning.errors import UsageRefused
from pce_pipeline.tables.registry import Registry
from pce_pipeline.tables.table import Table

_YEARS = re.compile(r"(\d{4})\.\.\.(\d{4})")
_HOW = "For example: python infra/run_task.py --side-by-side 4 pce refresh --years 1997...2024"

Run = Callable[[str, Sequence[str]], int]
"""Starts a command as a task, waits for it, and gives its exit code; the text stands before each line it prints."""


@dataclass(frozen=True)
class SideBySide:
    """A refresh that is started as several tasks."""

    tasks: int
    """How many tasks there are at most at a time."""
    first: int
    """The first year."""
    last: int
    """The last year."""

    @classmethod
    def of(cls, arguments: Sequence[str]) -> "SideBySide":
        """What `--side-by-side N pce refresh --years A...B` asks for; raises `UsageRefused`."""
        parser = argparse.ArgumentParser(exit_on_error=False, add_help=False)
        parser.add_argument("--side-by-side", type=int)
        parser.add_argument("--years", required=True)
        parser.add_argument("command", nargs=2)
        try:
            asked = parser.parse_args(list(arguments))
        except (argparse.ArgumentError, SystemExit):
            raise UsageRefused("Only a refresh of years runs side by side.", remedy=_HOW) from None
        years = _YEARS.fullmatch(asked.years)
        if asked.command != ["pce", "refresh"] or years is None or int(years[1]) > int(years[2]):
            raise UsageRefused("Only a refresh of years runs side by side.", remedy=_HOW)
        if asked.side_by_side < 1:
            raise UsageRefused("At least one task has to run.", remedy=_HOW)
        return cls(asked.side_by_side, int(years[1]), int(years[2]))

    @property
    def ranges(self) -> list[str]:
        """The years in ranges of about equal length, one for each task."""
        years = range(self.first, self.last + 1)
        tasks = min(self.tasks, len(years))
        ends = [self.first + len(years) * number // tasks for number in range(tasks + 1)]
        return [f"{start}...{end - 1}" for start, end in pairwise(ends)]

    def run(self, registry: Registry, run: Run) -> int:
        """Run all waves, and the refresh after them; the exit code is that of the first task that failed."""
        for tables in waves(registry):
            select = " or ".join(f'key:"{table.name}"' for table in tables)

            def make(years: str, select: str = select) -> int:
                command = ["dagster", "asset", "materialize", "--select", select, "--partition-range", years]
                return run(f"[{years}] ", command)

            with ThreadPoolExecutor(self.tasks) as tasks:
                codes = list(tasks.map(make, self.ranges))
            if failed := [code for code in codes if code]:
                return failed[0]
        return run("", ["pce", "refresh", "--years", f"{self.first}...{self.last}"])


def waves(registry: Registry) -> list[list[Table]]:
    """The yearly tables in waves: within one, no table needs another year of a table of the same wave.

    >>> from pce_pipeline.tables.registry import load_registry
    >>> [[table.name for table in wave] for wave in waves(load_registry("smoke", None))]
    [['silver/pce_state', 'silver/pce_state_vintages', 'gold', 'gold/pce_state_annual', 'gold/pce_state_vintages', \
'gold/pce_state_revisions'], ['gold/pce_state_metrics']]
    """
    wave_of: dict[str, int] = {}
    found: list[list[Table]] = []
    for derivation in registry.derivations:
        wave = max((wave_of[each.table.name] + (each.reach > 0) for each in derivation.tables), default=0)
        wave_of[derivation.table.name] = wave
        found += [[] for _ in range(wave + 1 - len(found))]
        found[wave].append(derivation.table)
    return found
