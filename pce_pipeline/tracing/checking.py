"""The steps between BEA's bytes and a number of Gold, each looked at again.

What is compared comes from different places: the bytes as they lie in Bronze, Silver and Gold as they lie in the lake,
and the log of vintages, which says what a figure is. Damage is told and does not keep the other steps from being told.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

import polars as pl

from pce_pipeline.bea.values import typed
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.tables.columns import FIGURE
from pce_pipeline.tables.table import NOT_PUBLISHED
from pce_pipeline.tracing.records import Asked, Check, Link, Trace
from pce_pipeline.tracing.stored import StoredFile

_LAST_DECIMAL = 1.1e-6
_FLOAT = 1e-12
_SHOWN_OF_HASH = 12


def checks_of_raw(link: Link) -> Iterator[Check]:
    """Whether the raw bytes are those that were stored, and say what the figure is."""
    if link.raw is None:
        return
    raw = link.raw
    intact = raw.found == raw.sha256
    yield Check(
        f"bytes of {raw.uri}",
        intact,
        f"sha256 {_short(raw.found)}, as the manifest names it"
        if intact
        else f"the manifest names sha256 {raw.sha256}, and found was {raw.found}",
    )
    found = (None, NOT_PUBLISHED) if raw.place is None else _read(raw.place.text)
    stands = "the cell is not found" if raw.place is None else f"{raw.place.text!r} at byte {raw.place.offset:,}"
    yield Check(
        f"raw cell of {link}",
        raw.place is not None and found == (link.value, link.status),
        f"{stands}; the figure is {_said(link.value, link.status)}",
    )


def checks_of_log(files: Sequence[StoredFile]) -> Iterator[Check]:
    """Whether the log of vintages of a year, as it lies in the lake, is the one that was published."""
    yield from _of_bytes(files)


def checks_of_silver(link: Link, files: Sequence[StoredFile]) -> Iterator[Check]:
    """Whether Silver, as it lies in the lake, has the cell that gives a figure; `files` are those of its area."""
    if link.raw is None:
        return
    yield from _of_bytes(files)
    month = {} if link.month is None else {"month": link.month}
    cell = {"bea_table": link.bea_table, "line_code": link.line_code, "geo_fips": link.geo_fips, **month}
    yield _of_rows(f"Silver of {link}", files, cell, [(link.value, link.status)])


def checks_of_facts(dataset: Dataset, link: Link, files: Sequence[StoredFile] | None) -> Iterator[Check]:
    """Whether the facts, of which Gold is made, have a figure, or lack one that nothing holds.

    `files` are those of its year; None for figures that the facts have none of.
    """
    if files is None or (link.raw is None and not files):
        return
    yield from _of_bytes(files)
    figure = dict(zip(FIGURE, (link.measure, link.category, link.geo_fips, link.year), strict=True))
    wanted = [] if link.raw is None else [(link.value, link.status)]
    yield _of_rows(f"fact {link}", files, {**figure, "dataset": dataset.name}, wanted)


def checks_of_gold(
    asked: Asked, files: Sequence[StoredFile], computed: float | Decimal | None, *, is_held: bool
) -> Iterator[Check]:
    """Whether Gold, as it lies in the lake, has what its figures give by the formula.

    Of a figure that nothing holds Gold may have no row.
    """
    yield from _of_bytes(files)
    for file in files:
        rows = file.rows.filter(**asked.key) if file.rows is not None else None
        stored = rows[asked.column].to_list() if rows is not None else []
        yield Check(
            f"{asked.column} in {file.uri}",
            _is_stored(stored, computed, is_held=is_held),
            f"{_there(stored)}; by the formula {_said(computed, 'none')}",
        )
    if not files and is_held:
        yield Check(asked.table.name, holds=False, said=f"{asked.year} is not published")


def check_of_postgres(trace: Trace, stored: Sequence[object]) -> Check:
    """Whether Postgres has a number; `stored` are the values that it has under the row's key."""
    asked, computed = trace.asked, trace.value
    return Check(
        f"Postgres, {asked.table.name.replace('/', '.')}.{asked.column}",
        _is_stored(stored, computed, is_held=trace.is_held),
        f"{_there(stored)}; by the formula {_said(computed, 'none')}",
    )


def agree(stored: object, computed: float | Decimal | None) -> bool:
    """Whether a stored number is the computed one, to its last decimal; both may be missing.

    >>> agree(5.123457, 5.1234567), agree(5.1235, 5.1234567), agree(None, None)
    (True, False, True)
    """
    if stored is None or computed is None:
        return stored is computed
    if isinstance(stored, float):
        return abs(stored - float(computed)) <= max(_LAST_DECIMAL, abs(stored) * _FLOAT)
    return isinstance(stored, int | Decimal) and Decimal(stored) == Decimal(computed)


def _is_stored(stored: Sequence[object], computed: float | Decimal | None, *, is_held: bool) -> bool:
    return (not stored and not is_held) or (len(stored) == 1 and agree(stored[0], computed))


def _there(stored: Sequence[object]) -> str:
    return _said(stored[0], "NULL") if stored else "no row"


def _of_bytes(files: Sequence[StoredFile]) -> Iterator[Check]:
    """Whether files are, byte for byte, those that the pointer names."""
    for file in files:
        yield Check(
            f"bytes of {file.uri}",
            not file.damage,
            file.damage or f"sha256 {_short(file.sha256)}, as {file.named_by} names it",
        )


def _of_rows(
    what: str, files: Sequence[StoredFile], key: Mapping[str, object], wanted: Sequence[tuple[Decimal | None, str]]
) -> Check:
    """Whether every copy of a file has, under a key, the value and status that are wanted, or no row."""
    held = [
        list(file.rows.filter(**key).select("value", "status").iter_rows()) if file.rows is not None else None
        for file in files
    ]
    other = next((rows for rows in held if rows != list(wanted)), wanted if files else None)
    said = "it cannot be read" if other is None else _said(*other[0]) if other else "no row"
    return Check(what, bool(files) and all(rows == list(wanted) for rows in held), said)


def _read(text: str) -> tuple[Decimal | None, str]:
    """The value and status of a text that stands in a document."""
    row = typed(pl.DataFrame({"value_text": [text]})).row(0, named=True)
    return row["value"], row["status"]


def _said(value: object, status: str) -> str:
    return status if value is None else f"{value}"


def _short(digest: str) -> str:
    return f"{digest[:_SHOWN_OF_HASH]}..."
