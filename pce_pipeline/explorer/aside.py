"""Rows laid aside on the disk while others are made, so that a whole dataset need not be in memory to be sorted.

What comes range of years by range of years is wanted category by category: it is written in buckets of categories, and
read again bucket by bucket.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import polars as pl

from pce_pipeline.explorer.histories import newest_of

_CATEGORIES = 48
"""How many categories a bucket has."""


class Aside:
    """Rows of one kind, with a category that is an enum, in a folder of their own."""

    def __init__(self, folder: Path, schema: Mapping[str, pl.DataType]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._schema = schema
        self._buckets: dict[int, list[Path]] = {}
        self.rows = 0
        """How many rows there are."""

    def add(self, rows: pl.DataFrame) -> None:
        """Lay rows aside: those of each category in the order in which they are wanted."""
        if rows.is_empty():
            return
        bucket = (pl.col("category").to_physical() // _CATEGORIES).alias("bucket")
        for (number,), part in (
            rows.with_columns(bucket).partition_by("bucket", as_dict=True, include_key=False).items()
        ):
            paths = self._buckets.setdefault(int(str(number)), [])
            paths.append(self._folder / f"{number}-{len(paths)}.arrow")
            part.write_ipc(paths[-1])
        self.rows += rows.height

    def sorted_by(self, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        """All rows in order, as frames of whole categories; the first column is the category."""
        yield pl.DataFrame(schema=self._schema)
        for _, paths in sorted(self._buckets.items()):
            rows = pl.concat(pl.read_ipc(path) for path in paths)
            yield rows.sort("category", maintain_order=True) if len(paths) == 1 else rows.sort(columns)


class HistoryAside(Aside):
    """The history of a measure, and its newest rows of each range of years."""

    def __init__(self, folder: Path, schema: Mapping[str, pl.DataType], ranges: Sequence[Sequence[int]]) -> None:
        super().__init__(folder, schema)
        self._ranges = ranges
        self._has_newest = False

    def begin(self, before: pl.DataFrame) -> None:
        """Begin with the history of before."""
        self.add(before)
        self._has_newest = not before.is_empty()
        if self._has_newest:
            newest = newest_of(before).drop("extract")
            for number, years in enumerate(self._ranges):
                newest.filter(pl.col("period").is_in(list(years))).write_ipc(self._newest_path(number))

    def newest(self, number: int) -> pl.DataFrame:
        """The newest rows that the history of before has of a range, without `extract`."""
        if self._has_newest:
            return pl.read_ipc(self._newest_path(number))
        return pl.DataFrame(schema=self._schema).drop("extract")

    def _newest_path(self, number: int) -> Path:
        return self._folder / f"newest-{number}.arrow"
