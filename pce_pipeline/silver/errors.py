"""What stops Silver: BEA's tables no longer mean what the catalogue pins.

SilverRefused
├── LayoutUnknown        a table has none of the layouts that are known of it
├── LayoutUnclear        a part of a table could be of several of its layouts
├── LineMeaningChanged   the text of a pinned line says something else
└── UnitChanged          a pinned line comes in another unit

All stop everywhere: a number under a wrong name is worse than no number.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from pce_pipeline.errors import PceError

_SHOWN = 12


@dataclass(frozen=True)
class LineDifference:
    """One line whose text or unit is not the pinned one."""

    line_code: int
    """BEA's number of the line."""

    pinned: str
    """What the catalogue pins."""

    published: str
    """What BEA publishes instead."""

    def __str__(self) -> str:
        return f"line {self.line_code} was pinned as {self.pinned!r} and now says {self.published!r}"


def _listed(differences: Iterable[LineDifference]) -> str:
    """The differences in words, each once with all its lines."""
    lines: dict[tuple[str, str], list[int]] = {}
    for each in differences:
        lines.setdefault((each.pinned, each.published), []).append(each.line_code)
    texts = [
        str(LineDifference(codes[0], *said))
        if len(codes) == 1
        else f"lines {', '.join(map(str, codes))} were pinned as {said[0]!r} and now say {said[1]!r}"
        for said, codes in lines.items()
    ]
    more = f"; and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return "; ".join(texts[:_SHOWN]) + more


class SilverRefused(PceError):
    """Base of everything here."""


class LayoutUnknown(SilverRefused):
    """`table` has none of its known layouts; `differences` are those from `nearest`, the one with the fewest."""

    def __init__(self, table: str, nearest: str, differences: Iterable[LineDifference]) -> None:
        self.table = table
        self.nearest = nearest
        self.differences = tuple(differences)
        super().__init__(
            f"{table} has a layout that is not known; from the nearest, that of {nearest}, it differs: "
            f"{_listed(self.differences)}.",
            remedy="Compare with BEA's line list, and add the layout to the dataset's lines.csv (below catalog/), each "
            "line with its measure and category. Where a text means the same, add it to the pinned one after ' | '.",
        )


class LayoutUnclear(SilverRefused):
    """The lines of `table` that are there could be of several of its layouts, in which they mean different things."""

    def __init__(self, table: str, layouts: Iterable[str]) -> None:
        self.table = table
        self.layouts = tuple(layouts)
        super().__init__(
            f"{table} could have the layout of {' or of '.join(self.layouts)}, and its lines mean "
            "another thing in each.",
            remedy="Give BEA's whole file of the table, or answers of its API with the list of its lines.",
        )


class LineMeaningChanged(SilverRefused):
    """Lines of `table` mean something else; `differences` says which."""

    def __init__(self, table: str, differences: Iterable[LineDifference]) -> None:
        self.table = table
        self.differences = tuple(differences)
        super().__init__(
            f"{table} has changed: {_listed(self.differences)}.",
            remedy="Compare with BEA's line list. If the meaning is the same, correct the text in the "
            "dataset's lines.csv (below catalog/); if lines were renumbered, add them there as a new layout.",
        )


class UnitChanged(SilverRefused):
    """Lines of `table` come in another unit; `differences` says which."""

    def __init__(self, table: str, differences: Iterable[LineDifference]) -> None:
        self.table = table
        self.differences = tuple(differences)
        super().__init__(
            f"{table} comes in another unit: {_listed(self.differences)}.",
            remedy="Check how BEA publishes the table now; if the new unit is right, pin it in the dataset's "
            "lines.csv (below catalog/), and see that the measure's conformed unit in dataset.toml still holds.",
        )
