"""The cells of one vintage, laid aside on the disk by year and table, so that they are never all in memory.

Identities are asked of some years at a time, and leaves are made of some lines of one table at a time, in the order
that the tree has.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.certificates import merkle
from pce_pipeline.certificates.leaves import leaves_of
from pce_pipeline.quality.identities import whole_units
from pce_pipeline.tables.silver import silver_table

_UNITS = ("bea_table", "line_code", "geo_level", "value")
_YEARS = 4
"""Of how many years identities are asked at once."""
_LINES = 64
"""Of how many lines of a table leaves are made at once."""


class CellsAside:
    """The cells of a vintage with the columns of Silver, in a folder of their own."""

    def __init__(self, folder: Path, dataset: Dataset) -> None:
        self._folder = folder
        self._dataset = dataset
        self._by_year: list[list[Path]] = []
        self._by_table: dict[str, list[Path]] = defaultdict(list)
        self._lines: dict[str, set[int]] = defaultdict(set)
        self._nothing = pl.DataFrame(schema=silver_table(dataset).polars_schema)

    def add(self, years: Iterable[pl.DataFrame]) -> None:
        """Lay cells aside, year by year."""
        for cells in years:
            self._by_year.append([])
            for (table,), part in cells.partition_by("bea_table", as_dict=True).items():
                path = self._folder / f"{len(self._by_year)}-{table}.arrow"
                part.write_ipc(path)
                self._by_year[-1].append(path)
                self._by_table[str(table)].append(path)
                self._lines[str(table)].update(part["line_code"].unique())

    @property
    def whole_units(self) -> pl.DataFrame:
        """The measures and levels whose figures are whole units in all years: `FactYears.whole_units`."""
        parts = (pl.read_ipc(path, columns=list(_UNITS)) for paths in self._by_year for path in paths)
        return whole_units(parts, self._dataset)

    def ranges(self) -> Iterator[pl.DataFrame]:
        """The cells, some years at a time; one range without cells where there are none."""
        for first in range(0, len(self._by_year) or 1, _YEARS):
            paths = [path for paths in self._by_year[first : first + _YEARS] for path in paths]
            yield self._read(paths)

    @property
    def all_cells(self) -> pl.DataFrame:
        """All cells, of a dataset that is small enough."""
        return self._read([path for paths in self._by_year for path in paths])

    def root_and_size(self) -> tuple[bytes, int]:
        """The root of the tree of all cells, and how many leaves it has."""
        return merkle.root_and_size(each for leaves in self._leaves() for each in merkle.hashes_of(leaves))

    def _leaves(self) -> Iterator[list[bytes]]:
        """All leaves in order, some at a time; what sorts tables and lines is their bytes with the tab behind them."""
        for table in sorted(self._by_table, key=lambda name: f"{name}\t".encode()):
            lines = sorted(self._lines[table], key=lambda line: f"{line}\t".encode())
            for first in range(0, len(lines), _LINES):
                some = pl.col("line_code").is_in(lines[first : first + _LINES])
                yield leaves_of(self._read(self._by_table[table], some), self._dataset)

    def _read(self, paths: list[Path], which: pl.Expr | None = None) -> pl.DataFrame:
        found = [pl.read_ipc(path) for path in paths]
        if which is not None:
            found = [frame.filter(which) for frame in found]
        return pl.concat([self._nothing, *found])
