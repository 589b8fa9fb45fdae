"""The verb that says what there is for people's words, and how to ask for it."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any

import polars as pl
import typer
from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from pce_pipeline.cli import shown
from pce_pipeline.cli.session import Answer, Session
from pce_pipeline.errors import PceError
from pce_pipeline.finding.searching import find as found_by
from pce_pipeline.finding.searching import nearest

_MOST_LINES = 4


class NothingFound(PceError):
    """No category, measure, column or table has all the words."""

    def __init__(self, words: str, near: Iterable[str]) -> None:
        self.near = list(near)
        remedy = (
            f"These are found: {', '.join(self.near)}. Leave the others out."
            if self.near
            else "Try what BEA may call it; docs/data-dictionary.md lists every column."
        )
        super().__init__(f"Nothing has all the words of {words!r}.", remedy=remedy)


def find(
    session: Session,
    words: Annotated[
        list[str], typer.Argument(help="What you look for, such as: health care. Areas may be among the words.")
    ],
    limit: Annotated[int, typer.Option(min=1, help="How many to show.")] = 8,
) -> Answer:
    """Search categories, measures, columns and tables by words, old names or typos; shows how to ask for each."""
    text = " ".join(words)
    rows = found_by(text, session.registry)
    if session.dataset:
        rows = rows.filter(pl.col("datasets").list.set_intersection(list(session.datasets)).list.len() > 0)
    if rows.is_empty():
        raise NothingFound(text, nearest(text, session.registry))
    best = rows.head(limit).to_dicts()
    parts = [part for row in best for part in _shown(row, session)]
    said = [Text(f"\n{len(best)} of {rows.height} are shown: --limit {rows.height} shows all.")]
    return Answer({"found": best}, [*parts, *(said if rows.height > limit else [])], of_world=False)


def _shown(row: Mapping[str, Any], session: Session) -> Iterator[RenderableType]:
    yield Text.assemble("\n", (row["id"], "bold"), f"  {row['name']}")
    of_scheme = f" of the scheme {row['scheme']}" if row["scheme"] else ""
    of_unit = f", {row['unit']}" if row["unit"] else ""
    facts = [f"{row['kind']}{of_scheme}{of_unit}"]
    if row["path"] and row["path"] != row["name"]:
        facts.append(f"in {row['path']}")
    facts += _lines(row["figures"])
    facts += [row["why"]] if row["why"] else []
    for fact in facts:
        yield Padding(Text(fact, "dim"), (0, 0, 0, 2))
    if row["query"]:
        verb = session.world_command(row["query"].removeprefix("pce "))
        yield Text.assemble("  ", (verb, "bold"), no_wrap=True, overflow="ignore")


def _lines(figures: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Where BEA publishes it: dataset, measure, unit, years, areas, and the lines of its tables."""
    by_measure: dict[str, list[str]] = {}
    for each in figures:
        since = f"{'months' if each['by_month'] else 'years'} from {each['first_year']}"
        what = f"{each['dataset']}, {each['measure']} in {each['unit']}, {since}, {each['areas']}"
        by_measure.setdefault(what, []).append(f"{each['bea_table']} line {each['line_code']}")
    for what, lines in list(by_measure.items())[:_MOST_LINES]:
        several = f" and {shown.counted(len(lines) - _MOST_LINES, 'more line')}" if len(lines) > _MOST_LINES else ""
        yield f"{what}: {', '.join(lines[:_MOST_LINES])}{several}"
    if len(by_measure) > _MOST_LINES:
        yield f"and {shown.counted(len(by_measure) - _MOST_LINES, 'more measure')}: --json lists them"
