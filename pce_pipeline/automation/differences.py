"""A cell that two sources say differently: in words, and where both can be looked up."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pce_pipeline.automation.agreement import Comparison

REMEDY = (
    "What is published is what the extract in use says; nothing was chosen between the two. `pce check --sources` "
    "gives both addresses of each cell: look at them. Where one of the two is a file that somebody imported, `pce "
    "extract --drop DATE --why …` lets it count no more. Where BEA corrected figures without a new release, "
    "`pce run --force` takes them. Where BEA's own answers differ, tell BEA; `pce pin` can hold the figures of before."
)
"""What to do where two sources differ."""

_NOTHING = "nothing"


@dataclass(frozen=True)
class Difference:
    """One cell that two sources say differently."""

    comparison: Comparison
    """The comparison that found it."""
    found: Mapping[str, Any]
    """The row of `bronze.agreement.compared`."""

    @property
    def cell(self) -> str:
        """`SAPCE1 line 1, area 01000, 2024`."""
        month = f"M{self.found['month']:02}" if "month" in self.found else ""
        return f"{self.found['bea_table']} line {self.line}, area {self.found['geo_fips']}, {self.found['year']}{month}"

    @property
    def both(self) -> str:
        """What each of the two says."""
        return f"{self._said('one')} in {self.comparison.one}, {self._said('other')} in {self._other}"

    @property
    def addresses(self) -> tuple[str, str]:
        """Where each of the two can be looked up."""
        assert self.comparison.other is not None  # noqa: S101 (nothing differs from nothing)
        return self.comparison.one.address(self.line), self.comparison.other.address(self._line_of_other)

    @property
    def line(self) -> int:
        """The line that it is in."""
        return int(self.found["line_code"])

    @property
    def document(self) -> dict[str, Any]:
        """All of it as a document."""
        comparison, (one, other) = self.comparison, self.addresses
        return {
            "dataset": comparison.dataset,
            "table": comparison.table,
            "measure": comparison.measure,
            "line": self.line,
            "area": self.found["geo_fips"],
            "year": self.found["year"],
            **({"month": self.found["month"]} if "month" in self.found else {}),
            "how": comparison.how,
            "kind": self.found["agreement"],
            "one": {**self._side("one"), "source": str(comparison.one), "address": one},
            "other": {**self._side("other"), "source": self._other, "line": self._line_of_other, "address": other},
        }

    @property
    def _line_of_other(self) -> int:
        return int(self.found.get("source_line", self.line))

    @property
    def _other(self) -> str:
        other = self.comparison.other
        if other is None or other.table == self.comparison.table:
            return str(other)
        return f"{other.table} line {self._line_of_other}, {other}"

    def _side(self, side: str) -> dict[str, Any]:
        return {name: self.found[f"{side}_{name}"] for name in ("value", "status", "text")}

    def _said(self, side: str) -> str:
        said = self._side(side)
        if said["value"] is not None:
            return f"{said['value'].normalize():f}"
        return str(said["text"] or said["status"] or _NOTHING)


def differences_of(comparison: Comparison) -> Iterator[Difference]:
    """The cells of a comparison that differ, in order."""
    return (Difference(comparison, row) for row in comparison.differing.iter_rows(named=True))
