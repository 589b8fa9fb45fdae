"""From stored objects back to observations: whatever way an extract came, its cells read the same.

Everything downstream of Bronze reads here, and so does the extract itself before it is published, so that what was
judged new is exactly what will be read.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import polars as pl

from pce_pipeline.bea.documents import read_document
from pce_pipeline.bea.national import decode_months
from pce_pipeline.bea.observations import (
    LINE_SCHEMA,
    OBSERVATION_SCHEMA,
    Observations,
    ReleaseNote,
    cell_of,
    combined,
)
from pce_pipeline.bea.protocol import decode_lines, decode_many
from pce_pipeline.bea.values import content_hashes, once_each, table_hash, typed
from pce_pipeline.bronze.manifest import ObjectEntry, TableEntry
from pce_pipeline.bronze.store import unpack
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.silver.layouts import PRINTED_SCHEMA, as_today, moves, printed_lines

_LINE_LIST = {("TargetParameter", "LineCode")}
_MONTHS = {("method", "GetData"), ("datasetname", "NIPA")}
_LINE = ["bea_table", "line_code"]
_LINE_SCHEMA = {name: OBSERVATION_SCHEMA[name] for name in _LINE}
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
    tables_of_objects: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """For each object of a layout of before the tables, as they are today, that it gave cells of."""
    printed: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=PRINTED_SCHEMA))
    """The lines that BEA lists, as they were printed: PRINTED_SCHEMA; none where several extracts were read."""

    @cached_property
    def tables(self) -> Mapping[str, TableEntry]:
        """What each table holds. Its hashes take half as long as reading did, and Silver never asks for them."""
        return _entries(self.cells, self.notes)


def read_content(
    objects: Sequence[tuple[ObjectEntry, bytes]],
    tables: Iterable[str],
    dataset: Dataset,
    *,
    scope: Scope | None = None,
    is_live: bool = False,
    tolerate_unknown: bool = False,
) -> Content:
    """The content of stored objects for the tables named: cells as `bea.values.typed` gives them.

    Whatever layout a table had when BEA published it, its lines stand where they stand today. `scope` narrows the cells
    to lines asked for, so that a whole archive and single answers compare. A cell that BEA itself (`is_live`) gives
    several times is one cell; a file that does, and differently, is refused. Raises `BeaContentError` and its kin for
    objects that are not what BEA documents.
    """
    wanted = list(tables)
    answers: dict[str, ObjectEntry] = {}
    bodies: list[bytes] = []
    line_lists = [pl.DataFrame(schema=LINE_SCHEMA)]
    parts: list[tuple[str | None, Observations]] = []
    rows: dict[str, int] = {}
    for entry, body in objects:
        if set(wanted).isdisjoint(entry.tables):
            continue
        if entry.line is not None:
            answers[entry.key] = entry
            bodies.append(unpack(body))
        elif entry.parameters.items() >= _LINE_LIST:
            line_lists.append(decode_lines(unpack(body), tolerate_unknown=tolerate_unknown))
            rows[entry.key] = 0
        elif entry.parameters.items() >= _MONTHS:
            parts.append((entry.key, decode_months([unpack(body)], tolerate_unknown=tolerate_unknown)))
        else:
            held = entry.published_as or [table for table in wanted if table in entry.tables]
            read = read_document(body, tables=held, tolerate_unknown=tolerate_unknown, tolerate_repeats=is_live)
            parts.append((entry.key, read))
    if answers:
        decoded = decode_many(bodies, tolerate_unknown=tolerate_unknown)
        parts.append((None, Observations(decoded.frame, pl.concat(line_lists), decoded.notes)))
    came = combined((read for _, read in parts), dataset.grain)
    moved = moves(came.frame, came.lines, dataset)
    within = pl.col("bea_table").is_in(wanted)
    repeated = [pl.DataFrame(schema=REPEATED_SCHEMA)]

    def each_once(frame: pl.DataFrame) -> pl.DataFrame:
        if moved.height:
            frame = as_today(frame, moved).filter(within)
        frame = _within(frame, scope)
        once = once_each(frame) if is_live else frame
        if once.height < frame.height:
            repeated.append(_surplus(frame))
        return once

    frames = [(key, each_once(read.frame)) for key, read in parts]
    cells = typed(pl.concat([came.frame.clear(), *(frame for _, frame in frames if frame.height)]))
    places = [(key, frame) for key, frame in frames if key is not None]
    rows |= {key: frame.height for key, frame in places}
    of_answers = _places_of_answers(answers, moved)
    rows |= _counted(of_answers, cells)
    places += of_answers
    given = {key: tuple(frame["bea_table"].unique().sort()) for key, frame in places} if moved.height else {}
    lines = as_today(came.lines, moved).filter(within) if moved.height else came.lines
    printed = printed_lines(came.frame, came.lines, dataset, moved).filter(within)
    return Content(cells, lines, notes_of(came.notes, moved), rows, summed(repeated), places, given, printed)


def _places_of_answers(answers: Mapping[str, ObjectEntry], moved: pl.DataFrame) -> list[tuple[str, pl.DataFrame]]:
    """The objects of answers, each with the table and line that it gave, as they are today."""
    asked = [(entry.names[0], entry.line) for entry in answers.values()]
    today = as_today(pl.DataFrame(asked, schema=_LINE_SCHEMA, orient="row"), moved)
    return list(zip(answers, today.iter_slices(1), strict=True))


def _counted(places: Iterable[tuple[str, pl.DataFrame]], cells: pl.DataFrame) -> dict[str, int]:
    """How many of the cells each object gave that holds one line."""
    counts = {(table, line): count for table, line, count in cells.group_by(_LINE).len().iter_rows()}
    return {key: counts.get(place.row(0), 0) for key, place in places}


def notes_of(notes: Mapping[str, ReleaseNote], moved: pl.DataFrame) -> dict[str, ReleaseNote]:
    """The release notes by the tables of today: a line that moved brings the note of the table it came in."""
    brought = {
        today: notes[table]
        for table, today in moved.select("bea_table", "today_table").unique().sort(pl.all()).iter_rows()
        if table in notes
    }
    return {**notes, **brought}


def _surplus(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows beyond the first of each cell, counted by table and year."""
    return (
        frame.group_by("bea_table", "year")
        .agg(rows=pl.len() - pl.struct(*cell_of(frame), "unit", "unit_multiplier").n_unique())
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
