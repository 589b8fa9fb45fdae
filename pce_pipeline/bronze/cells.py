"""The decoded cells of an extract, kept as Parquet beside Bronze, so that no answer is decoded twice.

They are made from Bronze and can be made again at any time: a record, written last, names the hashes of what is kept,
of the objects it was decoded from, and of the code that decoded them. What does not fit in any of these counts as not
there, is decoded anew, and kept again. Years lie one after the other, so that one can be read without the others.
"""

import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

import polars as pl
import structlog

from pce_pipeline.bea.errors import BeaUnknownField
from pce_pipeline.bea.observations import LINE_SCHEMA, cell_of
from pce_pipeline.bronze.manifest import Manifest
from pce_pipeline.bronze.reading import REPEATED_SCHEMA, Content, read_content, summed
from pce_pipeline.bronze.store import BronzeStore
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.lake.errors import DamagedObject, LakeAccessDenied
from pce_pipeline.lake.integrity import sha256_of
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.lake.records import Record, decode_record, encode_record
from pce_pipeline.silver.layouts import PRINTED_SCHEMA

_log = structlog.get_logger()

_CELLS = "cells.parquet"
_RECORD = "record.json"
_PARTLY = {"bronze": {"reading.py", "cells.py"}, "silver": {"layouts.py"}}
"""Rooms of which only some modules decode."""
_LINE = ["bea_table", "line_code"]
ALL_YEARS = pl.lit(value=True)
"""The expression that holds for every year."""


class CellsRecord(Record, frozen=True, kw_only=True):
    """What is kept of an extract, and what it was made from."""

    reader: str
    """The hash of the code that decoded it."""
    extract: str
    """The hash of what it was decoded from, and of what was asked of it."""
    cells: str
    """The sha256 of the Parquet file."""
    lines: tuple[tuple[str, int, str], ...]
    """The lines that BEA lists: table, code, text."""
    repeated: tuple[tuple[str, int, int], ...]
    """The rows beyond the first of their cell: table, year, rows."""
    printed: tuple[tuple[str, int, str, int, str | None, str, str | None, int | None], ...]
    """The lines as they were printed: PRINTED_SCHEMA."""


class KeptCells:
    """The cells of one extract: verified bytes, of which a year or everything is read when it is asked for."""

    def __init__(self, record: CellsRecord, body: bytes) -> None:
        self._record = record
        self._body = body

    @property
    def lines(self) -> pl.DataFrame:
        """The lines that BEA lists in it: LINE_SCHEMA."""
        return pl.DataFrame(self._record.lines, schema=LINE_SCHEMA, orient="row")

    @property
    def printed(self) -> pl.DataFrame:
        """The same lines as they were printed, wherever they stood then: PRINTED_SCHEMA."""
        return pl.DataFrame(self._record.printed, schema=PRINTED_SCHEMA, orient="row")

    def of_year(self, year: int) -> pl.DataFrame:
        """Its typed cells of a year, with `object`: the stored object that gave each."""
        return pl.scan_parquet(io.BytesIO(self._body)).filter(pl.col("year") == year).collect()

    def content(self, tables: Sequence[str], years: pl.Expr = ALL_YEARS) -> Content:
        """What was read of some of its tables, of the years for which `years` holds."""
        within = pl.col("bea_table").is_in(list(tables))
        cells = pl.scan_parquet(io.BytesIO(self._body)).filter(years).filter(within).drop("object").collect()
        repeated = pl.DataFrame(self._record.repeated, schema=REPEATED_SCHEMA, orient="row")
        return Content(cells, self.lines.filter(within), {}, {}, repeated.filter(within, years))


def kept_cells(
    bronze: BronzeStore, manifest: Manifest, dataset: Dataset, *, tolerate_unknown: bool = False
) -> KeptCells:
    """The cells of an extract: those that are kept, else decoded from its objects, and then kept.

    An extract with fields that this version does not know is decoded each time. Raises what `read_content` raises, and
    `DamagedObject` for an object of Bronze that is missing or changed.
    """
    held = bronze.cells(manifest.extract)
    found = _fitting(held, manifest, dataset)
    if found is not None:
        return found
    objects = bronze.read_objects(manifest.extract, manifest=manifest)
    tables = list(manifest.tables)
    try:
        content = read_content(objects, tables, dataset, scope=manifest.scope, is_live=manifest.is_live)
    except BeaUnknownField:
        content = read_content(
            objects, tables, dataset, scope=manifest.scope, is_live=manifest.is_live, tolerate_unknown=tolerate_unknown
        )
        return KeptCells(*_packed(content, manifest, dataset))
    return keep(bronze, manifest, content, dataset)


def read_extracts(
    bronze: BronzeStore,
    layers: Mapping[str, Sequence[ExtractId]],
    manifests: Mapping[ExtractId, Manifest],
    dataset: Dataset,
    *,
    tolerate_unknown: bool = False,
) -> Content:
    """The content of several tables, each from its own extracts, hash-verified.

    `layers` names the extracts of each table, and `manifests` has theirs: what a later one says lies over what an
    earlier one said, and an empty cell says nothing. Raises `DamagedObject` beside what `read_content` raises.
    """
    return laid_over(
        lambda extract: kept_cells(bronze, manifests[extract], dataset, tolerate_unknown=tolerate_unknown),
        layers,
        dataset,
    )


def laid_over(
    kept: Callable[[ExtractId], KeptCells],
    layers: Mapping[str, Sequence[ExtractId]],
    dataset: Dataset,
    years: pl.Expr = ALL_YEARS,
) -> Content:
    """What `read_extracts` gives, of the years for which `years` holds, from extracts that `kept` opens."""
    by_extract: dict[ExtractId, list[str]] = {}
    for table, extracts in layers.items():
        for extract in extracts:
            by_extract.setdefault(extract, []).append(table)
    read = {extract: kept(extract).content(tables, years) for extract, tables in sorted(by_extract.items())}
    parts = list(read.values()) or [read_content([], [], dataset)]
    cells, lines = pl.concat([part.cells for part in parts]), pl.concat([part.lines for part in parts])
    mixed = [table for table, extracts in layers.items() if len(extracts) > 1]
    if mixed:
        whole = ~pl.col("bea_table").is_in(mixed)
        parted = [(table, [read[extract] for extract in layers[table]]) for table in mixed]
        cells = pl.concat([cells.filter(whole), *(_laid_over(table, over) for table, over in parted)])
        lines = pl.concat([lines.filter(whole), *(_lines_over(table, over) for table, over in parted)])
    return Content(
        cells=cells,
        lines=lines,
        notes={},
        rows={},
        repeated=summed([part.repeated for part in parts]),
    )


def _laid_over(table: str, layers: Sequence[Content]) -> pl.DataFrame:
    """One row per cell of a table: of those that say something the last, else the first empty one."""
    ordered = [
        layer.cells.filter(pl.col("bea_table") == table).with_columns(layer=pl.lit(number))
        for number, layer in enumerate(layers)
    ]
    return (
        pl.concat(ordered)
        .sort((pl.col("status") != "blank").cast(pl.Int8), "layer", maintain_order=True)
        .unique(cell_of(layers[0].cells), keep="last", maintain_order=True)
        .drop("layer")
    )


def _lines_over(table: str, layers: Sequence[Content]) -> pl.DataFrame:
    return pl.concat([layer.lines.filter(pl.col("bea_table") == table) for layer in layers]).unique(
        "line_code", keep="last", maintain_order=True
    )


def keep(bronze: BronzeStore, manifest: Manifest, content: Content, dataset: Dataset) -> KeptCells:
    """Keep what was read of an extract; a lake that this user may only read goes without."""
    record, body = _packed(content, manifest, dataset)
    try:
        bronze.write_cells(manifest.extract, {_CELLS: body, _RECORD: encode_record(record)})
    except LakeAccessDenied:
        _log.info("decoded cells are not kept: the lake may only be read", extract=manifest.extract_date)
    return KeptCells(record, body)


def _fitting(held: dict[str, bytes], manifest: Manifest, dataset: Dataset) -> KeptCells | None:
    if _RECORD not in held or _CELLS not in held:
        return None
    try:
        record = decode_record(_RECORD, held[_RECORD], CellsRecord)
    except DamagedObject:
        return None
    wanted = (reader(), _extract_hash(manifest, dataset), sha256_of(held[_CELLS]))
    return KeptCells(record, held[_CELLS]) if (record.reader, record.extract, record.cells) == wanted else None


def _packed(content: Content, manifest: Manifest, dataset: Dataset) -> tuple[CellsRecord, bytes]:
    import pyarrow.parquet as pq  # noqa: PLC0415 (a quarter of a second that no reader needs)

    cells = _with_objects(content).sort("year", *cell_of(content.cells))
    out = io.BytesIO()
    parts = cells.partition_by("year", maintain_order=True) or [cells]
    tables = [part.to_arrow(compat_level=pl.CompatLevel.oldest()) for part in parts]
    with pq.ParquetWriter(out, tables[0].schema, compression="zstd") as writer:
        for table in tables:
            writer.write_table(table, row_group_size=max(table.num_rows, 1))
    body = out.getvalue()
    return CellsRecord(
        reader=reader(),
        extract=_extract_hash(manifest, dataset),
        cells=sha256_of(body),
        lines=tuple(content.lines.select(*LINE_SCHEMA).iter_rows()),
        repeated=tuple(content.repeated.iter_rows()),
        printed=tuple(content.printed.iter_rows()),
    ), body


def _with_objects(content: Content) -> pl.DataFrame:
    """The cells with the key of the object that gave each."""
    cell = cell_of(content.cells)
    places = [pl.DataFrame(schema={**{name: content.cells.schema[name] for name in cell}, "object": pl.String})]
    by_line = [pl.DataFrame(schema={**{name: content.cells.schema[name] for name in _LINE}, "of_line": pl.String})]
    for key, frame in content.places:
        if set(cell) <= set(frame.columns):
            places.append(frame.select(*cell, object=pl.lit(key)))
        else:
            by_line.append(frame.select(*_LINE, of_line=pl.lit(key)))
    found = pl.concat(places).unique(cell, keep="first", maintain_order=True)
    lines = pl.concat(by_line).unique(_LINE, keep="first", maintain_order=True)
    return (
        content.cells.join(found, on=cell, how="left", maintain_order="left")
        .join(lines, on=_LINE, how="left", maintain_order="left")
        .with_columns(object=pl.coalesce("object", "of_line", pl.lit("")))
        .drop("of_line")
    )


def _extract_hash(manifest: Manifest, dataset: Dataset) -> str:
    digest = hashlib.sha256(f"{manifest.extract_date} {manifest.origin}\n".encode())
    for entry in sorted(manifest.objects, key=lambda each: each.key):
        digest.update(f"{entry.key} {entry.sha256} {sorted(entry.parameters.items())}\n".encode())
    for table, lines in sorted(manifest.scope.items()):
        digest.update(f"{table} {lines}\n".encode())
    several = dataset.layouts.filter(pl.col("bea_table").is_in(dataset.with_several_layouts))
    digest.update(several.write_csv().encode() if several.height else b"")
    return digest.hexdigest()


@cache
def reader() -> str:
    """A hash of all the code that decodes what BEA sends, so that nobody has to remember to raise a version."""
    digest = hashlib.sha256(pl.__version__.encode())
    for room in ("bea", "bronze", "silver", "texts.py", "tables"):
        for name, body in sorted(_sources(files("pce_pipeline") / room)):
            if room not in _PARTLY or name in _PARTLY[room]:
                digest.update(f"{name}\n".encode() + body)
    return digest.hexdigest()


def _sources(place: Traversable) -> list[tuple[str, bytes]]:
    if place.is_dir():
        return [source for each in place.iterdir() if each.name != "__pycache__" for source in _sources(each)]
    return [(place.name, place.read_bytes())]
