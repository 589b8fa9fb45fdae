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
_ROWS_AT_ONCE = 200_000
_LENGTH_AND_MAGIC = 8
"""A Parquet file ends with the length of its footer in four bytes, and four more that say what it is."""


def by_category(frames: Iterable[pl.DataFrame], columns: Sequence[str]) -> bytes:
    """These columns of frames (at least one), with a row group for each category.

    Each frame is sorted by category and has whole categories, in order. Enums become texts. Statistics are of the
    category alone.
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
            for rows in _of_categories(frame, columns):
                writer.write_table(rows, row_group_size=rows.num_rows)
    return buffer.getvalue()


def _of_categories(frame: pl.DataFrame, columns: Sequence[str]) -> Iterator[pa.Table]:
    """The rows of each category; a few of them are turned into Arrow at once, because all would take the memory."""
    done, pending = 0, list[int]()
    for length in [*frame[_GROUPED].rle().struct.field("len"), None]:
        if pending and (length is None or sum(pending) + length > _ROWS_AT_ONCE):
            whole, first = _arrow(frame.slice(done, sum(pending)), columns), 0
            for each in pending:
                yield whole.slice(first, each)
                first += each
            done, pending = done + first, []
        if length is not None:
            pending.append(length)


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
