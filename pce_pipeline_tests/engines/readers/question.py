"""What every engine is asked, and the form of its answer. Standard library only: it runs in every environment.

A reader is a program: the question comes on standard input and the answer goes to standard output, both in JSON.
Credentials are in the environment, under the names that AWS gave them.
"""

import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Moment = Literal["now", "then"]
"""The table as it is, or as its tag names it."""
MOMENTS: tuple[Moment, ...] = ("now", "then")

FIRST_YEAR = 2020
"""The first year of the figures that are asked for."""


@dataclass(frozen=True)
class OpenTable:
    """One Iceberg table."""

    name: str
    """Its name: `gold/pce_state_annual`."""
    location: str
    """Its address, `file:///…` or `s3://…`."""
    metadata: str
    """The address of its newest metadata."""
    tag: str
    """The tag that is asked for."""
    snapshot_id: int
    """The snapshot that the tag names, for engines that take numbers only."""
    columns: tuple[str, ...]
    """Its columns."""
    decimals: tuple[str, ...]
    """Those of them that are decimals."""

    def counted(self) -> str:
        """What is counted and summed, as SQL that all engines understand: rows, values of each column, decimal sums."""
        counts = [f"count({column})" for column in self.columns]
        return ", ".join(["count(*)", *counts, *(f"sum({column})" for column in self.decimals)])


@dataclass(frozen=True)
class Figures:
    """The figures of one area and category, year by year."""

    table: str
    """The name of the table that they are in."""
    column: str
    """The column."""
    geo_fips: str
    """The area."""
    category_id: str
    """The category."""

    def condition(self) -> str:
        """Which rows, as SQL that all engines understand."""
        return f"geo_fips = '{self.geo_fips}' AND category_id = '{self.category_id}' AND year >= {FIRST_YEAR}"


@dataclass(frozen=True)
class Question:
    """What an engine is asked."""

    warehouse: str
    """The address of the folder that the tables' folders are in."""
    tables: tuple[OpenTable, ...]
    """The tables."""
    figures: Figures
    """The figures."""
    endpoint: str | None = None
    """Where S3 answers; None for a directory."""

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Question":
        found = json.loads(text)
        tables = tuple(
            OpenTable(**{**each, "columns": tuple(each["columns"]), "decimals": tuple(each["decimals"])})
            for each in found.pop("tables")
        )
        return cls(**{**found, "tables": tables, "figures": Figures(**found["figures"])})

    @property
    def table_of_figures(self) -> OpenTable:
        return next(each for each in self.tables if each.name == self.figures.table)


@dataclass(frozen=True)
class SignIn:
    """How to sign in at an S3 server."""

    endpoint: str
    """Its address."""
    key: str
    """The id of the access key."""
    secret: str
    """The key."""
    region: str
    """The region."""

    def for_pyiceberg(self) -> dict[str, str]:
        """The properties under which pyiceberg, and what reads with it, looks for this."""
        return {
            "s3.endpoint": self.endpoint,
            "s3.access-key-id": self.key,
            "s3.secret-access-key": self.secret,
            "s3.region": self.region,
        }


def sign_in(question: Question) -> SignIn | None:
    """How to sign in, with the key that the environment holds; None for a directory."""
    if question.endpoint is None:
        return None
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION")
    return SignIn(question.endpoint, *(os.environ[name] for name in names))


def asked() -> Question:
    """The question on standard input."""
    return Question.from_json(sys.stdin.read())


def answer(
    question: Question,
    version: str,
    counted: Callable[[OpenTable, Moment], Sequence[Any]],
    figures: Callable[[OpenTable, Moment], Iterable[tuple[Any, Any]]],
) -> None:
    """Puts the question to an engine, and its answer on standard output.

    `counted` gives what `OpenTable.counted` lists, in its order; `figures` years with values.
    """
    tables = {}
    for table in question.tables:
        tables[table.name] = {moment: _named(table, counted(table, moment)) for moment in MOMENTS}
    of = question.table_of_figures
    series = {moment: {str(year): str(value) for year, value in sorted(figures(of, moment))} for moment in MOMENTS}
    sys.stdout.write("\n" + json.dumps({"version": version, "tables": tables, "figures": series}))


def _named(table: OpenTable, values: Sequence[Any]) -> dict[str, Any]:
    rows, *rest = values
    counts, sums = rest[: len(table.columns)], rest[len(table.columns) :]
    return {
        "rows": int(rows),
        "values": dict(zip(table.columns, map(int, counts), strict=True)),
        "sums": {name: None if value is None else str(value) for name, value in zip(table.decimals, sums, strict=True)},
    }
