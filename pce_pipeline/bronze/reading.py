"""From stored objects back to observations: whatever way an extract came, its cells read the same.

Everything downstream of Bronze reads here, and so does the extract itself before it is published, so that what was
judged new is exactly what will be read.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import polars as pl

from pce_pipeline.bea.documents import read_document
from pce_pipeline.bea.observations import LINE_SCHEMA, OBSERVATION_SCHEMA, Observations, ReleaseNote, combined
from pce_pipeline.bea.protocol import decode_lines, decode_many
from pce_pipeline.bea.values import content_hashes, once_each, table_hash, typed
from pce_pipeline.bronze.manifest import ObjectEntry, TableEntry
from pce_pipeline.bronze.store import unpack

_LINE_LIST = {("TargetParameter", "LineCode")}
_CELL = ["bea_table", "line_code", "geo_fips", "year"]
_LINE_SCHEMA = {name: OBSERVATION_SCHEMA[name] for name in ("bea_table", "line_code")}
REPEATED_SCHEMA = {name: OBSERVATION_SCHEMA[name] for name in ("bea_table", "year")} | {"rows": pl.UInt32()}

Scope = Mapping[str, Collection[int]]
"""Line codes by table."""


@dataclass(frozen=True)
class Content:
    """What some objects of Bronze hold."""

    cells: pl.DataFrame
    """Cells with value and status."""
    lines: pl.DataFrame
    """The lines that BEA lists."""
    notes: Mapping[str, ReleaseNote]
    """BEA's release notes, by table."""
    rows: Mapping[str, int]
    """How many cells each object gave, by key."""
    repeated: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=REPEATED_SCHEMA))
    """The rows of BEA's answers beyond the first of their cell, counted: bea_table, year, rows."""
    places: Sequence[tuple[str, pl.DataFrame]] = ()
    """The objects and what each gave, to find the object of a cell by; none where several extracts were read."""

    @cached_property
    def tables(self) -> Mapping[str, TableEntry]:
        """What each table holds. Its hashes take half as long as reading did, and Silver never asks for them."""
        return _entries(self.cells, self.notes)


def read_content(
    objects: Sequence[tuple[ObjectEntry, bytes]],
    tables: Iterable[str],
    *,
    scope: Scope | None = None,
    is_live: bool = False,
    tolerate_unknown: bool = False,
) -> Content:
    """The content of stored objects for the tables named: cells as `bea.values.typed` gives them.

    `scope` narrows the cells to lines asked for, so that a whole archive and single answers compare. A cell that BEA
    itself (`is_live`) gives several times is one cell; a file that does, and differently, is refused. Raises
    `BeaContentError` and its kin for objects that are not what BEA documents.
    """
    wanted = list(tables)
    answers: dict[str, bytes] = {}
    line_lists = [pl.DataFrame(schema=LINE_SCHEMA)]
    parts: list[Observations] = []
    rows: dict[str, int] = {}
    places: list[tuple[str, pl.DataFrame]] = []
    repeated = [pl.DataFrame(schema=REPEATED_SCHEMA)]

    def each_once(frame: pl.DataFrame) -> pl.DataFrame:
        frame = _within(frame, scope)
        once = once_each(frame) if is_live else frame
        if once.height < frame.height:
            repeated.append(_surplus(frame))
        return once

    for entry, body in objects:
        held = [table for table in wanted if table in entry.tables]
        if not held:
            continue
        if entry.line is not None:
            answers[entry.key] = unpack(body)
        elif entry.parameters.items() >= _LINE_LIST:
            line_lists.append(decode_lines(unpack(body), tolerate_unknown=tolerate_unknown))
            rows[entry.key] = 0
        else:
            document = read_document(body, tables=held, tolerate_unknown=tolerate_unknown, tolerate_repeats=is_live)
            frame = each_once(document.frame)
            rows[entry.key] = frame.height
            places.append((entry.key, frame))
            parts.append(Observations(frame, document.lines, document.notes))
    if answers:
        decoded = decode_many(answers.values(), tolerate_unknown=tolerate_unknown)
        parts.append(Observations(each_once(decoded.frame), pl.concat(line_lists), decoded.notes))
    everything = combined(parts)
    cells = typed(everything.frame)
    by_line = {
        (table, line): count for table, line, count in cells.group_by("bea_table", "line_code").len().iter_rows()
    }
    for entry, _ in objects:
        if entry.key in answers:
            rows[entry.key] = by_line.get((entry.tables[0], entry.line), 0)
    places += [
        (entry.key, pl.DataFrame({"bea_table": [entry.tables[0]], "line_code": [entry.line]}, schema=_LINE_SCHEMA))
        for entry, _ in objects
        if entry.key in answers
    ]
    return Content(cells, everything.lines, everything.notes, rows, summed(repeated), places)


def _surplus(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows beyond the first of each cell, counted by table and year."""
    return (
        frame.group_by("bea_table", "year")
        .agg(rows=pl.len() - pl.struct(*_CELL, "unit", "unit_multiplier").n_unique())
        .filter(pl.col("rows") > 0)
        .select(pl.col(name).cast(dtype) for name, dtype in REPEATED_SCHEMA.items())
    )


def summed(repeated: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Counts of surplus rows (REPEATED_SCHEMA), added up by table and year."""
    return pl.concat(repeated).group_by("bea_table", "year").sum().sort("bea_table", "year")


def _within(frame: pl.DataFrame, scope: Scope | None) -> pl.DataFrame:
    if scope is None:
        return frame
    lines = pl.DataFrame(
        [(table, line) for table, codes in scope.items() for line in codes],
        schema={name: frame.schema[name] for name in ("bea_table", "line_code")},
        orient="row",
    )
    # An extract of before may say that it is of no line of a table, because its file had no texts: it is of all.
    unlisted = [table for table, codes in scope.items() if not codes]
    if unlisted:
        of_any = frame.filter(pl.col("bea_table").is_in(unlisted)).select(lines.columns)
        lines = pl.concat([lines, of_any]).unique()
    return frame.join(lines, on=["bea_table", "line_code"], how="semi", maintain_order="left")


def _entries(cells: pl.DataFrame, notes: Mapping[str, ReleaseNote]) -> dict[str, TableEntry]:
    lines = {
        str(table): tuple(codes)
        for table, codes in cells.group_by("bea_table").agg(pl.col("line_code").unique().sort()).iter_rows()
    }
    rows = dict(cells.group_by("bea_table").len().iter_rows())
    return {
        table: TableEntry(
            last_updated=notes[table].last_updated if table in notes else None,
            note=notes[table].text if table in notes else "",
            rows=rows[table],
            lines=lines[table],
            years=years,
            content_sha256=table_hash(years),
        )
        for table, years in sorted(content_hashes(cells).items())
    }
