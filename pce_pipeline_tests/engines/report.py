"""What `make engines` says: a table for a terminal, the same in Markdown, everything in JSON for machines."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from pce_pipeline_tests.engines.readers.question import MOMENTS
from pce_pipeline_tests.engines.running import DIRECTORY, S3, Outcome, Place
from pce_pipeline_tests.engines.world import Answer

_HEADINGS = ("", "rows now", "rows by tag", "sum now", "sum by tag", "figure now", "figure by tag", "seconds")
_AGREES = "agrees"
WIDTH = 140
"""Columns that the table for a terminal needs."""
Line = tuple[str, ...]


def terminal(places: Sequence[Place]) -> Group:
    """A table for each place."""
    parts: list[Table | Text] = []
    for place in places:
        table = Table(box=SIMPLE_HEAD, title=_title(place), title_justify="left")
        for heading in (*_HEADINGS, "beside ours"):
            table.add_column(heading, justify="left" if heading in {"", "beside ours"} else "right")
        for line in _lines(place):
            table.add_row(*line)
        parts += [table, *(Text(told) for told in _troubles(place))]
    return Group(*parts, Text(_compared(places)))


def markdown(places: Sequence[Place]) -> str:
    """The same for a document."""
    parts = []
    for place in places:
        rows = [(*_HEADINGS, "beside ours"), ("---", *["---:"] * (len(_HEADINGS) - 1), "---"), *_lines(place)]
        table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
        parts += [_title(place), table, *_troubles(place)]
    return "\n\n".join([*parts, _compared(places)])


def for_machines(places: Sequence[Place]) -> list[dict[str, Any]]:
    """Everything, each answer whole."""
    return [
        {
            "place": place.name,
            "release": place.asked.release.isoformat(),
            "ours": place.asked.ours,
            "engines": [{**asdict(outcome), "agrees": outcome.agrees} for outcome in place.outcomes],
        }
        for place in places
    ]


def _title(place: Place) -> str:
    of = place.asked.question.figures
    where = {DIRECTORY: "in a directory", S3: "on a loopback S3 server"}[place.name]
    return (
        f"SAMPLE {where}: rows of {of.table}, the sum of {of.column}, and that of area {of.geo_fips} in "
        f"{_year(place)}; the tag is of the release of {place.asked.release}"
    )


def _year(place: Place) -> str:
    return str(max(place.asked.ours["figures"]["then"]))


def _lines(place: Place) -> Iterator[Line]:
    yield ("ours", *_shown(place, place.asked.ours), "", "")
    for outcome in place.outcomes:
        if outcome.answer is None:
            yield (outcome.engine, *[""] * 7, outcome.reason if outcome.was_expected else "no answer, see below")
        else:
            yield (
                f"{outcome.engine} {outcome.answer['version']}",
                *_shown(place, outcome.answer),
                f"{outcome.seconds:.1f}",
                "differs, see below" if outcome.differences else _AGREES,
            )


def _shown(place: Place, answer: Answer) -> Line:
    of, year = place.asked.question.figures, _year(place)
    now, then = answer["tables"][of.table]["now"], answer["tables"][of.table]["then"]
    return (
        str(now["rows"]),
        str(then["rows"]),
        *(_number(each["sums"][of.column]) for each in (now, then)),
        *(_number(answer["figures"][moment].get(year)) for moment in MOMENTS),
    )


def _number(text: str | None) -> str:
    return "" if text is None else f"{Decimal(text):,.3f}"


def _troubles(place: Place) -> Iterator[str]:
    for outcome in place.outcomes:
        if not outcome.agrees:
            yield f"{outcome.engine}: {_trouble(outcome)}"


def _trouble(outcome: Outcome) -> str:
    return outcome.reason if outcome.answer is None else "\n  ".join(outcome.differences)


def _compared(places: Sequence[Place]) -> str:
    tables = len(places[0].asked.question.tables) if places else 0
    return (
        f"Compared were {tables} tables, each now and by its tag: rows, values of every column that are there, "
        "exact sums of every decimal column; and the figures of every year with what `query` says now and as of the "
        "release's day."
    )
