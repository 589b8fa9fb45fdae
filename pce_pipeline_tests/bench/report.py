"""What the bench says: a table for a terminal, the same in Markdown for the README, everything in JSON for machines."""

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import psutil
from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from pce_pipeline_tests.bench.measure import ENOUGH_SECONDS, MOST_RUNS, can_reset_peak
from pce_pipeline_tests.bench.run import Line, Outcome
from pce_pipeline_tests.bench.world import RELEASE

_HEADINGS = ("stage", "rows", "seconds", "rows/s", "peak MB", "plain seconds", "plain MB", "times faster")
WIDTH = 100
"""Columns that the table for a terminal needs."""

_MILLION, _THOUSAND = 1_000_000, 1_000
_THREE_FIGURES = 10

_PLAIN = (
    "Plain is the standard library: json, gzip, lists of dicts, loops, the csv module; and INSERT ... ON CONFLICT row "
    "by row (psycopg2's executemany)"
)
_METHOD = "Each stage, either way, is a process of its own with its input in memory."
_INCLUDED = "with interpreter, libraries and input, without the server of Postgres"
_MORE = (
    "Beside the same work, ours publishes atomically, by the hash of what each year says: every file "
    "under its hash and under its fixed key, with a manifest. The plain way writes each file once, as CSV."
)
_WHOLE = (
    "The whole is `pce refresh` in a new process on an empty database, run once: Dagster and its run history, "
    "migrations, all stages and their checks. Plain is the sum of its stages."
)
_COMPARED = (
    "Results were compared in the same run: rows cell by cell, rules by verdict and figures, Postgres by content."
)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Machine:
    """Where and when it was measured; `load` is how many processes wanted a core in the minute before."""

    cores: int = field(default_factory=_cores)
    memory_gb: float = field(default_factory=lambda: round(psutil.virtual_memory().total / 1e9, 1))
    system: str = field(default_factory=lambda: f"{platform.system()} {platform.machine()}")
    python: str = field(default_factory=platform.python_version)
    polars: str = pl.__version__
    load: float = field(default_factory=lambda: round(os.getloadavg()[0], 1))
    day: date = field(default_factory=lambda: datetime.now(UTC).date())

    def told(self, outcome: Outcome) -> str:
        return (
            f"{self.cores} cores, {self.memory_gb} GB, {self.system}; Python {self.python}, Polars {self.polars}, "
            f"PostgreSQL {outcome.postgres}; {self.day}, load before {self.load}. "
            f"Release {RELEASE} of the sample: {outcome.observations:,} observations."
        )


def notes(outcome: Outcome) -> list[str]:
    """How it was measured and what must be known to read the figures."""
    upserted = next(line for line in outcome.stages if line.stage == "load")
    tried = (
        f", tried on {upserted.plain.share * upserted.rows:,.0f} rows and scaled" if upserted.plain.share < 1 else ""
    )
    peak = "of its first run" if can_reset_peak() else "of its process since the start"
    fastest = f"The fastest of up to {MOST_RUNS} runs within {ENOUGH_SECONDS:.0f} seconds counts."
    verdict = "All agree." if outcome.agrees else "NOT ALL AGREE."
    return [
        f"{_PLAIN}{tried}.",
        f"{_METHOD} {fastest} The peak is the most that was resident at a time, {peak}, {_INCLUDED}.",
        _MORE,
        f"{_WHOLE} Imports took {outcome.import_seconds:.1f} seconds before it.",
        f"{_COMPARED} {verdict}",
    ]


def cells(line: Line) -> list[str]:
    """One line of the table, as text."""
    ratio = line.plain.seconds / line.ours.seconds
    return [
        line.label,
        f"{line.rows:,}",
        _seconds(line.ours.seconds),
        _speed(line.rows / line.ours.seconds),
        _megabytes(line.ours.peak_bytes),
        _seconds(line.plain.seconds),
        _megabytes(line.plain.peak_bytes),
        f"{ratio:,.1f}" if ratio < _THREE_FIGURES else f"{ratio:,.0f}",
    ]


def terminal(outcome: Outcome, machine: Machine) -> Group:
    """For a terminal of `WIDTH` columns or more."""
    table = Table(title=f"{outcome.observations:,} observations, stage by stage", box=SIMPLE_HEAD, pad_edge=False)
    for number, heading in enumerate(_HEADINGS):
        table.add_column(heading.replace(" ", "\n", 1), justify="right" if number else "left", no_wrap=True)
    for lines in (outcome.stages, outcome.whole):
        for line in lines:
            table.add_row(*cells(line), style="red" if line.differences else "")
        table.add_section()
    return Group(
        table,
        Text(machine.told(outcome)),
        *(Text(note, style="dim") for note in notes(outcome)),
        *(Text(difference, style="red") for difference in _differences(outcome)),
    )


def markdown(outcome: Outcome, machine: Machine) -> str:
    """For the README."""
    rows = [
        _row(_HEADINGS),
        _row(["---", *["---:"] * (len(_HEADINGS) - 1)]),
        *(_row(cells(line)) for line in outcome.stages),
        *(_row([f"**{cell}**" for cell in cells(line)]) for line in outcome.whole),
    ]
    remarks = [f"- {note}" for note in [*notes(outcome), *_differences(outcome)]]
    return "\n".join([*rows, "", machine.told(outcome), "", *remarks])


def for_machines(outcome: Outcome, machine: Machine) -> dict[str, Any]:
    """Everything, for JSON: seconds, bytes, rows."""
    return {
        "machine": {**asdict(machine), "day": machine.day.isoformat(), "postgres": outcome.postgres},
        "observations": outcome.observations,
        "agrees": outcome.agrees,
        "import_seconds": outcome.import_seconds,
        "steps": dict(outcome.steps),
        "stages": [_line(line) for line in outcome.stages],
        "whole": [_line(line) for line in outcome.whole],
        "notes": notes(outcome),
    }


def _line(line: Line) -> dict[str, Any]:
    return asdict(line)


def _differences(outcome: Outcome) -> Sequence[str]:
    return [f"{line.label}: {each}" for line in (*outcome.stages, *outcome.whole) for each in line.differences]


def _row(texts: Sequence[str]) -> str:
    return f"| {' | '.join(texts)} |"


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f}" if seconds < _THREE_FIGURES else f"{seconds:,.1f}"


def _speed(rows: float) -> str:
    if rows >= _MILLION:
        return f"{rows / _MILLION:.1f} M"
    return f"{rows / _THOUSAND:,.0f} k" if rows >= _THOUSAND else f"{rows:,.0f}"


def _megabytes(amount: float) -> str:
    return f"{amount / _MILLION:,.0f}"
