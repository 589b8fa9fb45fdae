"""The history of BEA's lines out of Bronze: what the vintages of every table print, folded on what was folded before.

Vintages are those that count, as the logs of figures take them, of datasets of years and of months alike. What a
vintage prints is kept beside its cells, so that no extract is decoded twice; a vintage that comes after all others
costs itself alone, and one that is imported in between folds its table again.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import polars as pl

from pce_pipeline.bronze.cells import KeptCells
from pce_pipeline.bronze.counting import Vintage
from pce_pipeline.bronze.current import Current
from pce_pipeline.gold.line_history import PrintedVintage, lines_folded
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.silver.layouts import PRINTED_SCHEMA
from pce_pipeline.tables.line_history import LINE_HISTORY

Keys = Mapping[str, tuple[str, ...]]
"""The vintages of each BEA table in order, each as one text, after what the catalogue says of the table's lines."""


@dataclass(frozen=True)
class FoldedLines:
    """The history of the lines of a dataset, and what it was folded from."""

    rows: pl.DataFrame
    """The rows of LINE_HISTORY."""
    keys: Keys
    """What it was folded from."""


def line_keys(now: Current) -> Keys:
    """What the history of the lines of a dataset is or would be folded from; nothing is read."""
    return {
        table: (_catalogued(now, table), *map(_key, vintages))
        for table in now.dataset.tables
        if (vintages := _counted(now, table))
    }


def fold_lines(
    now: Current, decoded: Callable[[ExtractId], KeptCells], before: FoldedLines | None = None
) -> FoldedLines:
    """The history of the lines of a dataset: of each table the vintages that came after what was folded before.

    A table whose earlier vintages or catalogue are others is folded anew. Raises what `decoded` raises.
    """
    keys = line_keys(now)
    parts = [pl.DataFrame(schema=LINE_HISTORY.polars_schema)]
    for table, wanted in keys.items():
        held = before.keys.get(table, ()) if before is not None else ()
        goes_on = before is not None and bool(held) and wanted[: len(held)] == tuple(held)
        folded = before.rows.filter(bea_table=table) if before is not None and goes_on else parts[0]
        further = _counted(now, table)[len(held) - 1 :] if goes_on else _counted(now, table)
        parts.append(lines_folded(folded, table, (_printed(each, decoded) for each in further), now.dataset))
    return FoldedLines(pl.concat(parts).sort(LINE_HISTORY.key), keys)


def input_name(dataset: str) -> str:
    """Under this name the inputs of the history have what the lines of a dataset were folded from."""
    return f"{dataset} lines"


def input_of_lines(now: Current) -> str:
    """A hash of all that the history of the lines of a dataset depends on."""
    said = "\n".join(f"{table} {key}" for table, keys in sorted(line_keys(now).items()) for key in keys)
    return hashlib.sha256(said.encode()).hexdigest()


def _counted(now: Current, table: str) -> list[Vintage]:
    """The vintages of a table that count; of two at one place the later decided one."""
    found = {each.at: each for each in now.vintages(table)}
    return [found[at] for at in sorted(found)]


def _key(vintage: Vintage) -> str:
    return f"{vintage.at} {vintage} {vintage.release}"


def _catalogued(now: Current, table: str) -> str:
    lines = now.dataset.lines.filter(bea_table=table)
    layouts = now.dataset.layouts.filter(pl.col("bea_table").is_in(now.dataset.names_of([table])))
    return hashlib.sha256(f"{lines.write_csv()}\n{layouts.write_csv()}".encode()).hexdigest()


def _printed(vintage: Vintage, decoded: Callable[[ExtractId], KeptCells]) -> PrintedVintage:
    """What a vintage prints: of several layers, of those that list a line the last."""
    layers = [decoded(layer.extract).printed.filter(bea_table=vintage.table) for layer in vintage.layers]
    printed = pl.concat([pl.DataFrame(schema=PRINTED_SCHEMA), *layers])
    return PrintedVintage(
        vintage.at.vintage_id,
        vintage.release or vintage.at.day,
        printed.unique(["published_table", "published_line"], keep="last", maintain_order=True),
    )
