"""Frames as Parquet bytes and back. Bytes depend on the frame and the Polars version, not on threads or machines."""

import io
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import IO, TypeVar

import polars as pl

_THREADS = 8  # Polars releases the GIL; small files need more of them in flight than there are cores

_In = TypeVar("_In")
_Out = TypeVar("_Out")


def in_threads(do: Callable[[_In], _Out], items: Iterable[_In], *, at_once: int = _THREADS) -> list[_Out]:
    """Results in order; so many at once as their size allows."""
    with ThreadPoolExecutor(at_once) as threads:
        return list(threads.map(do, items))


def to_parquet(frame: pl.DataFrame) -> bytes:
    """One row group, zstd, with statistics."""
    buffer = io.BytesIO()
    # how a frame was put together must not show in the pages
    frame.rechunk().write_parquet(buffer, compression="zstd", statistics=True, row_group_size=max(frame.height, 1))
    return buffer.getvalue()


def from_parquet(bodies: Sequence[bytes], columns: Sequence[str] | None = None) -> pl.DataFrame:
    """The rows of all bodies (at least one), in order. Raises `polars.exceptions.PolarsError` where columns differ."""
    files: list[IO[bytes]] = [io.BytesIO(body) for body in bodies]
    frame = pl.read_parquet(files, columns=None if columns is None else list(columns))
    return frame if columns is None else frame.select(columns)
