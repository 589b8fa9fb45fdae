"""Frames as Parquet bytes and back. Bytes depend on the frame and the Polars version, not on threads or machines."""

import io
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import IO, TYPE_CHECKING, TypeVar

import polars as pl

from pce_pipeline.tables.field_ids import field_id

if TYPE_CHECKING:
    import pyarrow as pa

_THREADS = 8  # Polars releases the GIL; small files need more of them in flight than there are cores

_In = TypeVar("_In")
_Out = TypeVar("_Out")


def in_threads(do: Callable[[_In], _Out], items: Iterable[_In], *, at_once: int = _THREADS) -> list[_Out]:
    """Results in order; so many at once as their size allows."""
    with ThreadPoolExecutor(at_once) as threads:
        return list(threads.map(do, items))


def to_parquet(frame: pl.DataFrame, required: Collection[str] | None = None) -> bytes:
    """One row group, zstd, with statistics.

    A file of a published table says which of its columns are `required`: these are NOT NULL in it, and each column has
    its field id. Raises `polars.exceptions.SchemaError` for a NULL in a required column.
    """
    buffer = io.BytesIO()
    # how a frame was put together must not show in the pages
    frame.rechunk().write_parquet(
        buffer,
        compression="zstd",
        statistics=True,
        row_group_size=max(frame.height, 1),
        arrow_schema=None if required is None else _arrow_schema(frame, required),
    )
    return buffer.getvalue()


def from_parquet(bodies: Sequence[bytes], columns: Sequence[str] | None = None) -> pl.DataFrame:
    """The rows of all bodies (at least one), in order. Raises `polars.exceptions.PolarsError` where columns differ."""
    files: list[IO[bytes]] = [io.BytesIO(body) for body in bodies]
    frame = pl.read_parquet(files, columns=None if columns is None else list(columns))
    return frame if columns is None else frame.select(columns)


def _arrow_schema(frame: pl.DataFrame, required: Collection[str]) -> "pa.Schema":
    """The frame's own Arrow schema with what only a schema can say: which number a column has, and that it is whole."""
    import pyarrow as pa  # noqa: PLC0415 (half a second that a call which writes nothing does not need)

    return pa.schema(
        [
            pa.field(
                field.name,
                field.type,
                nullable=field.name not in required,
                metadata={"PARQUET:field_id": str(field_id(field.name))},
            )
            for field in frame.clear().to_arrow().schema
        ]
    )
