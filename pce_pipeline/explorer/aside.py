"""Rows laid aside on the disk while others are made, so that a whole dataset need not be in memory to be sorted.

What comes range of years by range of years is wanted category by category: it is written in buckets of categories, and
read again bucket by bucket.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import polars as pl

from pce_pipeline.explorer.histories import newest_of
from pce_pipeline.explorer.missing import missing_counted

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
        """Lay rows aside."""
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
            yield pl.concat(pl.read_ipc(path) for path in paths).sort(columns)


class FiguresAside(Aside):
    """The figures of a dataset, and what is told of them beside."""

    def __init__(self, folder: Path, schema: Mapping[str, pl.DataType]) -> None:
        super().__init__(folder, schema)
        self.missing: list[pl.DataFrame] = []
        """How many are without a number, part by part (`missing_counted`)."""
        self.first: int | None = None
        """The first period that any has."""
        self.last: int | None = None
        """The last one."""

    def add(self, rows: pl.DataFrame) -> None:
        super().add(rows)
        periods = [int(str(each)) for each in (rows["period"].min(), rows["period"].max()) if each is not None]
        self.first = min([*periods, *([] if self.first is None else [self.first])], default=None)
        self.last = max([*periods, *([] if self.last is None else [self.last])], default=None)

    @property
    def missing_together(self) -> pl.DataFrame:
        """How many are without a number."""
        return pl.concat([missing_counted(pl.DataFrame(schema=self._schema), [], is_monthly=False), *self.missing])


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
