"""Frames as Parquet that a browser reads in small pieces: a row group per category, and a short footer.

A reader takes the footer once, and of the rest only the categories that it shows. Bytes depend on the rows and on the
version of the Parquet writer, not on threads or machines.
"""

import io
from collections.abc import Iterator, Mapping, Sequence

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

_GROUPED = "category"
_LENGTH_AND_MAGIC = 8
"""A Parquet file ends with the length of its footer in four bytes, and four more that say what it is."""


def by_category(parts: Sequence[pl.DataFrame], columns: Sequence[str]) -> bytes:
    """These columns of frames (at least one) that are each sorted by category, with a row group for each category.

    A row group has the rows of all frames in their order. Enums become texts. Statistics are of the category alone.
    """
    buffer = io.BytesIO()
    with pq.ParquetWriter(
        buffer,
        _arrow(parts[0].head(0), columns).schema,
        compression="zstd",
        write_statistics=[_GROUPED],
        store_schema=False,
    ) as writer:
        for rows in _of_categories(parts, columns):
            writer.write_table(rows, row_group_size=rows.num_rows)
    return buffer.getvalue()


def _of_categories(parts: Sequence[pl.DataFrame], columns: Sequence[str]) -> Iterator[pa.Table]:
    """The rows of each category that any frame has, in the order of categories.

    One frame is turned into Arrow at once. Several are turned category by category: all of them would take the memory.
    """
    if len(parts) == 1:
        whole = _arrow(parts[0], columns)
        for _, first, length in _runs(parts[0]):
            yield whole.slice(first, length)
        return
    places = [{category: (first, length) for category, first, length in _runs(part)} for part in parts]
    order = parts[0].schema[_GROUPED]
    for category in pl.Series(list({each for of in places for each in of}), dtype=order).sort():
        yield _arrow(
            pl.concat([part.slice(*of[category]) for part, of in zip(parts, places, strict=True) if category in of]),
            columns,
        )


def _runs(frame: pl.DataFrame) -> Iterator[tuple[str, int, int]]:
    """Each category of a sorted frame, with its first row and how many there are."""
    runs = frame[_GROUPED].rle().struct.unnest()
    first = 0
    for length, category in runs.select("len", "value").iter_rows():
        yield category, first, length
        first += length


def read(body: bytes, schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """The rows of such a file, with these types."""
    return pl.read_parquet(io.BytesIO(body), columns=list(schema)).select(
        pl.col(name).cast(dtype) for name, dtype in schema.items()
    )


def footer_bytes(body: bytes) -> int:
    """How many bytes at the end of a Parquet file are its footer, with its length and the mark."""
    return int.from_bytes(body[-_LENGTH_AND_MAGIC:-4], "little") + _LENGTH_AND_MAGIC


def _arrow(frame: pl.DataFrame, columns: Sequence[str]) -> pa.Table:
    texts = {name: pl.String for name in columns if isinstance(frame.schema[name], pl.Enum)}
    return frame.select(columns).cast(texts).rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())  # type: ignore[arg-type]
