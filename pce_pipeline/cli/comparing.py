"""The verb that compares two vintages: what changed, of which kind, where, and by how much."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer
from rich.console import RenderableType
from rich.text import Text

from pce_pipeline.asking.about import About
from pce_pipeline.bronze.as_known import KnownVintages, as_known
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.citation import BEA, SAMPLE, cite
from pce_pipeline.cli import shown
from pce_pipeline.cli.choosing import Form, as_text, refuse_on_terminal, write_rows
from pce_pipeline.cli.heat_map import heat, heat_map
from pce_pipeline.cli.session import Answer, Session
from pce_pipeline.errors import UsageError
from pce_pipeline.gold.changes import KINDS, changes, counts_by, largest, sizes
from pce_pipeline.lake.layout import ExtractId

_LARGEST = 10
_LAST_OF_A_DAY = 999_999
_MOST_IN_JSON = 1000
_SIDES = ("from_value", "to_value")


def diff(
    session: Session,
    earlier: Annotated[
        str, typer.Argument(metavar="DATE", help="As known at the end of this day, such as 2024-12-31.")
    ],
    later: Annotated[str, typer.Argument(metavar="DATE", help="Compared with what was known at the end of this day.")],
    state: Annotated[
        str | None, typer.Option(help="Only these states, by postal code, with commas between them.")
    ] = None,
    form: Annotated[Form, typer.Option("--format", help="How to write the changes; table sums them up.")] = Form.TABLE,
    to: Annotated[Path | None, typer.Option(help="Write all changes into this file.")] = None,
) -> Answer:
    """What changed between two vintages: how much of it where, a map of the revisions, and the largest of them."""
    first, second = _time(earlier), _time(later)
    if second < first:
        raise UsageError(f"{earlier} is later than {later}.", remedy=f"Write: pce diff {later} {earlier}")
    refuse_on_terminal(form, to, what="changes")
    states = _states(session, state)
    found: dict[str, tuple[KnownVintages, KnownVintages, pl.DataFrame]] = {}
    with session.watched():
        for name, now in session.held().items():
            if name in session.datasets and now.manifests:
                before, after = as_known(now, first), as_known(now, second)
                changed = changes(before.known, after.known)
                found[name] = before, after, changed.filter(pl.col("state").is_in(states)) if states else changed
    if not found:
        raise UsageError("No extract is held, so there is nothing to compare.", remedy=session.command("run"))
    whole = pl.concat(
        [frame.select(pl.lit(name).alias("dataset"), pl.all()) for name, (*_, frame) in found.items()], how="diagonal"
    )
    if to is not None:
        write_rows(to, whole, form, _about(session, found, earlier, later), name="changes")
    if form is not Form.TABLE and to is None:
        return Answer({}, as_is=as_text(whole, form))
    return Answer(
        {
            "from": earlier,
            "to": later,
            "file": str(to) if to else None,
            "datasets": {name: _document(session.datasets[name], *each) for name, each in found.items()},
        },
        [
            *(part for name, each in found.items() for part in _shown(session.datasets[name], *each)),
            *([Text(f"{whole.height:,} changes are in {to}.")] if to else []),
        ],
    )


def _about(
    session: Session,
    found: Mapping[str, tuple[KnownVintages, KnownVintages, pl.DataFrame]],
    earlier: str,
    later: str,
) -> About:
    """What the changes are, from where, and how to cite them."""
    is_sample = session.settings.is_sample
    datasets = {name: session.datasets[name] for name in found}
    title = f"What changed between what was known on {earlier} and on {later}: {', '.join(datasets)}"
    return About(
        title=title,
        units={name: measure.unit_title for each in datasets.values() for name, measure in each.measures.items()},
        base_years={},
        as_of=None,
        vintages=[f"{name} {_named(known)}" for name, both in found.items() for known in both[:2]],
        source=SAMPLE if is_sample else BEA,
        is_sample=is_sample,
        citation=cite(
            f"{title}.",
            of="; ".join(each.title for each in datasets.values()),
            is_sample=is_sample,
            today=datetime.now(UTC).date(),
            did="Compared",
        ),
        notes=[f"Kind {kind}: {meaning}." for kind, meaning in KINDS.items()],
    )


def _time(text: str) -> ExtractId:
    """The end of a day, or one of its extracts by number, the first as `2026-02-23.1`."""
    day, _, number = text.partition(".")
    try:
        of_day = ExtractId(date.fromisoformat(day), _LAST_OF_A_DAY)
        return of_day if number == "" else ExtractId(of_day.day, int(number))
    except ValueError:
        raise UsageError(f"{text!r} is not a date.", remedy="Write it as 2024-12-31.") from None


def _states(session: Session, text: str | None) -> list[str]:
    asked = [name.strip().upper() for name in (text or "").split(",") if name.strip()]
    known = {state for each in session.datasets.values() for state in each.areas["state"].drop_nulls()}
    if unknown := [name for name in asked if name not in known]:
        raise UsageError(f"There is no state {', '.join(unknown)}.", remedy="Use postal codes, such as CA,TX.")
    return asked


def _document(dataset: Dataset, before: KnownVintages, after: KnownVintages, changed: pl.DataFrame) -> dict[str, Any]:
    return {
        "vintages": {
            table: [str(before.vintages[table]) if table in before.vintages else None, str(vintage)]
            for table, vintage in after.vintages.items()
        },
        "cells": after.known.cells.height,
        "kinds": dict(changed.group_by("kind", maintain_order=True).len().iter_rows()),
        "tables": counts_by(changed, "bea_table"),
        "states": counts_by(changed, "state"),
        "categories": counts_by(changed, "category_id"),
        "sizes": sizes(changed),
        "heat": heat(changed, dataset).to_dicts(),
        "largest": largest(changed, _LARGEST).to_dicts(),
        "changes": changed.head(_MOST_IN_JSON).to_dicts(),
    }


def _listed(counts: Mapping[str, int]) -> str:
    """The first of some counts in a line, and how many more there are."""
    first = [f"{name} {count:,}" for name, count in list(counts.items())[:_LARGEST] if count]
    return ", ".join([*first, f"and {len(counts) - _LARGEST} more"] if len(counts) > _LARGEST else first)


def _shown(
    dataset: Dataset, before: KnownVintages, after: KnownVintages, changed: pl.DataFrame
) -> Sequence[RenderableType]:
    same = {table for table, vintage in after.vintages.items() if before.vintages.get(table) == vintage}
    span = f"{_named(before)} to {_named(after)}"
    if len(same) == len(after.vintages):
        return [Text.assemble((f"{dataset.name}: ", "bold"), f"known as on {_named(after)} both times.")]
    names = dict(dataset.categories.select("category_id", "name").iter_rows())
    counts = changed.group_by("kind").len().sort("len", descending=True)
    parts: list[RenderableType] = [
        Text.assemble(
            (f"{dataset.name}: ", "bold"), f"{span}, {changed.height:,} of {after.known.cells.height:,} cells"
        ),
        shown.table(
            ["Kind", ">Cells", "Which means"],
            [(kind, shown.number(count), KINDS[kind]) for kind, count in counts.iter_rows()],
        ),
    ]
    by_category = counts_by(changed, "category_id")
    parts.append(
        shown.facts(
            (name, _listed(counts))
            for name, counts in (
                ("By table", counts_by(changed, "bea_table")),
                ("By state", counts_by(changed, "state")),
                ("By category", {names.get(each, each): count for each, count in by_category.items()}),
                ("By size", sizes(changed)),
            )
            if any(counts.values())
        )
    )
    found = heat(changed, dataset)
    if found.height:
        parts.append(heat_map(found, dataset))
    top = largest(changed, _LARGEST)
    if top.height:
        rows = [
            (
                f"{row['change_pct']:+.2f} %",
                str(row["state"]),
                str(row["year"]),
                names.get(row["category_id"], row["category_id"]),
                dataset.measures[row["measure"]].title,
                " to ".join(f"{row[each]:,.{dataset.measures[row['measure']].decimals}f}" for each in _SIDES),
            )
            for row in top.iter_rows(named=True)
        ]
        parts.append(shown.table([">Change", "State", "Year", "Category", "Measure", "From, to"], rows))
    return parts


def _named(known: KnownVintages) -> str:
    return ", ".join(sorted({str(vintage) for vintage in known.vintages.values()}))
