"""What the program says and asks, and the clock it waits by: one object, so that tests bring their own."""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from infra.provisioning.errors import UsageRefused


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _ask(question: str) -> str:
    if not sys.stdin.isatty():
        raise UsageRefused(
            "There is nobody to ask.", remedy="Add --yes (and what the question names), or use a terminal."
        )
    return input(question)


@dataclass(frozen=True)
class Console:
    """Lines out, answers in, waiting in seconds, and a clock of seconds."""

    say: Callable[[str], None] = _say
    ask: Callable[[str], str] = _ask
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Left-aligned columns with a line below the headings."""
    widths = [max(len(row[column]) for row in [headings, *rows]) for column in range(len(headings))]
    lines = [headings, ["-" * width for width in widths], *rows]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
