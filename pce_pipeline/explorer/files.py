"""Frames as Parquet that a browser reads in small pieces: a row group per category, and a short footer.

A reader takes the footer once, and of the rest only the categories that it shows. Bytes depend on the rows and on the
version of the Parquet writer, not on threads or machines.
"""

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

_GROUPED = "category"
_LENGTH_AND_MAGIC = 8
"""A Parquet file ends with the length of its footer in four bytes, and four more that say what it is."""


def by_category(frames: Iterable[pl.DataFrame], columns: Sequence[str]) -> bytes:
    """These columns of frames (at least one), with a row group for each category.

    The frames are sorted by category, and each begins after the categories of the one before it. Enums become texts.
    Statistics are of the category alone.
    """
    buffer = io.BytesIO()
    following = iter(frames)
    first = next(following)
    with pq.ParquetWriter(
        buffer,
        _arrow(first.head(0), columns).schema,
        compression="zstd",
        write_statistics=[_GROUPED],
        store_schema=False,
    ) as writer:
        for frame in chain([first], following):
            whole = _arrow(frame, columns)
            for _, start, length in _runs(frame):
                writer.write_table(whole.slice(start, length), row_group_size=length)
    return buffer.getvalue()


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
