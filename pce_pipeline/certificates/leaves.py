"""The canonical leaf: one published cell as one line of text, and the order of all lines.

What stands here in words stands in every certificate, so that a stranger makes the same lines of the same cells.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import polars as pl

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.certificates.errors import LeafNotCanonical
from pce_pipeline.tables.silver import silver_table

TREE = (
    "Merkle tree of RFC 6962 with SHA-256: the hash of a leaf is SHA-256(0x00 || leaf), that of a node SHA-256(0x01 || "
    "left || right), and a tree is split at the largest power of two below its number of leaves."
)
LEAF = (
    "One cell as one line of UTF-8 text without an end of line, its fields with a tab between them: dataset, BEA's "
    "table, line code, area (five digits), year, {month}value (a decimal number with three places and a point, "
    "without separators of thousands; empty where there is none), status, BEA's unit label."
)
MONTH = "month (1 to 12), "
ORDER = "Leaves are sorted by their bytes, compared as unsigned numbers from the first on."

_BETWEEN = "\t"
_TEXTS = ("bea_table", "geo_fips", "status", "unit")
_CONTROL = r"[\x00-\x1f\x7f]"


@dataclass(frozen=True)
class Cell:
    """One cell of BEA's tables.

    >>> str(Cell("SAPCE1", 1, "01000", 2023))
    'SAPCE1 line 1, area 01000, 2023'
    """

    bea_table: str
    """BEA's table."""
    line_code: int
    """Its line."""
    geo_fips: str
    """The area, as five digits."""
    year: int
    """The year."""
    month: int | None = None
    """The month, of a dataset of months."""

    def __str__(self) -> str:
        month = "" if self.month is None else f"-{self.month:02}"
        return f"{self.bea_table} line {self.line_code}, area {self.geo_fips}, {self.year}{month}"

    def begins(self, dataset: str) -> str:
        """How its leaf begins: every field of its key, each with a tab after it."""
        key = [dataset, self.bea_table, self.line_code, self.geo_fips, self.year]
        return "".join(f"{field}{_BETWEEN}" for field in (*key, *([] if self.month is None else [self.month])))

    def leaf(self, dataset: str, value: Decimal | None, status: str, unit: str) -> str:
        """Its leaf where that is its value, with three decimals, its status and BEA's unit."""
        return f"{self.begins(dataset)}{'' if value is None else value}{_BETWEEN}{status}{_BETWEEN}{unit}"

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Cell":
        """The cell of a row of Silver."""
        return cls(row["bea_table"], row["line_code"], row["geo_fips"], row["year"], row.get("month"))


def leaf_in_words(*, monthly: bool) -> str:
    """What a leaf is, for who reads a certificate."""
    return LEAF.format(month=MONTH if monthly else "")


def leaves_of(cells: pl.DataFrame, dataset: Dataset) -> list[bytes]:
    """The leaves of cells (key, value, status and unit as in Silver), in order.

    Raises `LeafNotCanonical` where a text holds a control character.
    """
    for name in _TEXTS:
        if cells[name].unique().str.contains(_CONTROL).any():
            row = cells.filter(pl.col(name).str.contains(_CONTROL)).row(0, named=True)
            raise LeafNotCanonical(dataset.name, str(Cell.of(row)))
    key = [pl.col(name).cast(pl.String) for name in silver_table(dataset).key]
    value = pl.col("value").cast(pl.String).fill_null("")
    lines = cells.select(leaf=pl.concat_str(pl.lit(dataset.name), *key, value, "status", "unit", separator=_BETWEEN))[
        "leaf"
    ]
    return [line.encode() for line in lines.sort()]
