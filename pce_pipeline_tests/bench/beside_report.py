"""What came out beside other ways, for a terminal, the README and machines."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from pce_pipeline_tests.bench.beside import AGAIN, NEW, OURS, YARDSTICK, Beside

_HEADINGS = ("way", "CPU s", "of them Postgres", "ratio", "nothing new, CPU s", "peak MB", "cells", "coded", "made 0")
_METHOD = (
    "CPU seconds of a way's processes and of Postgres together, from BEA's API (the look-alike, in a process that is "
    "not counted) to committed rows, each way on a database of its own, once; ratios are to {}. Seconds on the clock "
    "are left out: ours keeps to BEA's limit of requests a minute, the others do not."
)
_COLUMNS = (
    "Coded: cells where BEA publishes a code instead of a number, kept as such (NULL with a status or note). Made 0: "
    "those that became a zero, which nobody can tell from a real one any more."
)


def rows(found: Sequence[Beside]) -> list[list[str]]:
    """One row of texts for each way."""
    yardstick = next((each.times[NEW].cpu for each in found if each.name == YARDSTICK), None)
    return [
        [
            each.name,
            f"{each.times[NEW].cpu:.1f}",
            f"{each.times[NEW].database_cpu:.1f}",
            f"{each.times[NEW].cpu / yardstick:.1f}" if yardstick else "",
            f"{each.times[AGAIN].cpu:.1f}",
            f"{each.times[NEW].peak_bytes / 1e6:,.0f}",
            f"{each.cells:,}",
            f"{each.coded - each.made_zero:,}",
            f"{each.made_zero:,}",
        ]
        for each in found
    ]


def notes(found: Sequence[Beside]) -> list[str]:
    """How it was measured and what each way leaves beside the cells."""
    ours = next(each for each in found if each.name == OURS)
    return [
        _METHOD.format(YARDSTICK),
        _COLUMNS,
        (
            f"Ours leaves, too: {ours.keeps}. Its tables take {ours.bytes / 1e6:,.0f} MB, those of the plain script "
            f"{found[0].bytes / 1e6:,.0f}."
        ),
    ]


def terminal(found: Sequence[Beside]) -> Group:
    """For a terminal of 100 columns or more."""
    table = Table(title="From BEA's API to Postgres, beside other ways", box=SIMPLE_HEAD, pad_edge=False)
    for number, heading in enumerate(_HEADINGS):
        table.add_column(heading, justify="right" if number else "left")
    for row in rows(found):
        table.add_row(*row)
    return Group(table, *(Text(note, style="dim") for note in notes(found)))


def markdown(found: Sequence[Beside]) -> str:
    """For the README."""
    lines = [_HEADINGS, ["---", *["---:"] * (len(_HEADINGS) - 1)], *rows(found)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return "\n".join([table, "", *(f"- {note}" for note in notes(found))])


def for_machines(found: Sequence[Beside]) -> list[dict[str, Any]]:
    """Everything, for JSON."""
    return [asdict(each) for each in found]
