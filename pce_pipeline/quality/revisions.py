"""Rules of what was revised: each change leads from one value of the log to the next, and says by how much."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from pce_pipeline.quality.findings import together
from pce_pipeline.quality.frames import violations_of_schema
from pce_pipeline.quality.rules import EXAMPLES, Finding, Rule, rule
from pce_pipeline.tables.table import Table
from pce_pipeline.tables.vintages import COUNTED, DERIVED, SILENT

_FIGURE = ["measure", "category_id", "geo_fips", "year"]
_EITHER = (COUNTED, DERIVED)
_NUMBERS = ("revision", "precision", "redefined")
_OTHERS = ("new", "newly_published", "newly_suppressed", "withdrawn", "unreadable", "restated")

_ROUNDING = 2e-6
"""How far apart two results of the same may be: the last digit may go either way."""


@dataclass(frozen=True)
class RevisionYears:
    """What the rules of a table of revisions look at: its years one after the other, each beside the log."""

    table: Table
    """The table of revisions."""
    revisions: Mapping[int, pl.DataFrame]
    """Its rows of each year."""
    logs: Mapping[int, pl.DataFrame]
    """The log of figures (`gold_vintages`) of the same years."""

    @cached_property
    def rows(self) -> int:
        """All rows."""
        return sum(each.height for each in self.revisions.values())

    @property
    def beside_their_logs(self) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
        """The rows of each year, and those of the log."""
        return ((each, self.logs[year]) for year, each in self.revisions.items())

    def found(self, violations: Iterable[pl.DataFrame], *, holds: str, fails: str) -> Finding:
        """A finding of the violations of each year."""
        count, examples = 0, list[str]()
        for each in violations:
            count += each.height
            shown = each.select([*self.table.key, "kind", "from_value", "to_value"]).head(EXAMPLES - len(examples))
            examples += [", ".join(f"{name} {value}" for name, value in row.items()) for row in shown.to_dicts()]
        return Finding(
            passed=count == 0,
            summary=f"{{violations}} {fails}" if count else holds,
            figures={"violations": count, "rows": self.rows},
            examples=tuple(examples),
        )


@rule("schema")
def schema_is_as_declared(years: RevisionYears) -> Finding:
    """Columns, types and required values are those of the table's declaration."""
    nothing = [pl.DataFrame(schema=years.table.polars_schema)]
    return together([violations_of_schema(each, years.table.columns) for each in years.revisions.values() or nothing])


@rule("key")
def primary_key_is_unique(years: RevisionYears) -> Finding:
    """No figure changes twice with one vintage on the same basis."""
    key = list(years.table.key)
    return years.found(
        (each.filter(each.select(key).is_duplicated()) for each in years.revisions.values()),
        holds="{rows} rows, each with its own key",
        fails="rows repeat the key of another",
    )


@rule("meaning")
def changes_lead_from_one_value_to_the_next(years: RevisionYears) -> Finding:
    """A change leads from a value of the log to the one that holds at its vintage, and none that counts is between."""
    return years.found(
        (_astray(found, log) for found, log in years.beside_their_logs),
        holds="{rows} changes from one value of the log to the next",
        fails="changes do not lead from one value of the log to the next",
    )


def _astray(found: pl.DataFrame, log: pl.DataFrame) -> pl.DataFrame:
    said = log.filter(pl.col("basis").is_in(_EITHER) & ~pl.col("status").is_in(SILENT)).select(
        *_FIGURE, "value", "status", said_by="basis", said_from="valid_from", said_to="valid_to"
    )
    changes = found.with_row_index("row")
    beside = changes.join(said, on=_FIGURE)
    began = pl.col("said_from") == pl.col("changed_from")
    was = beside.filter(
        began & (pl.col("status") == pl.col("from_status")) & pl.col("value").eq_missing(pl.col("from_value"))
    )
    holds = (pl.col("said_from") <= pl.col("valid_from")) & (
        pl.col("said_to").is_null() | (pl.col("said_to") > pl.col("valid_from"))
    )
    becomes = beside.filter(
        holds & (pl.col("status") == pl.col("to_status")) & pl.col("value").eq_missing(pl.col("to_value"))
    )
    between = beside.filter(
        (pl.col("basis") == COUNTED)
        & (pl.col("said_by") == COUNTED)
        & (pl.col("said_from") > pl.col("changed_from").fill_null(0))
        & (pl.col("said_from") < pl.col("valid_from"))
    )
    never_there = pl.col("changed_from").is_null() & pl.col("from_status").is_null()
    fits = changes.filter(never_there | pl.col("row").is_in(was["row"].implode()))
    fits = fits.join(becomes, on="row", how="semi").join(between, on="row", how="anti")
    return changes.join(fits, on="row", how="anti")


@rule("meaning")
def kinds_are_known(years: RevisionYears) -> Finding:
    """A kind is a known one, and one between two numbers exactly where there are two."""
    both = pl.col("from_value").is_not_null() & pl.col("to_value").is_not_null()
    fits = pl.when(both).then(pl.col("kind").is_in(_NUMBERS)).otherwise(pl.col("kind").is_in(_OTHERS))
    return years.found(
        (each.filter(~fits) for each in years.revisions.values()),
        holds="{rows} changes of a known kind",
        fails="changes are of an unknown kind, or of one that their values are not of",
    )


@rule("meaning")
def change_is_the_later_less_the_earlier(years: RevisionYears) -> Finding:
    """A revision says by how much, in its unit; no other kind does."""
    difference = pl.when(pl.col("kind") == "revision").then(pl.col("to_value") - pl.col("from_value"))
    return years.found(
        (each.filter(pl.col("change").ne_missing(difference)) for each in years.revisions.values()),
        holds="{rows} changes that say by how much, or have no reason to",
        fails="changes are not the later number less the earlier one",
    )


@rule("meaning")
def percent_is_of_a_number_above_zero(years: RevisionYears) -> Finding:
    """A revision has its percentage exactly where the earlier number is above zero, and none is not a number."""
    is_due = (pl.col("kind") == "revision") & (pl.col("from_value") > 0)
    expected = (pl.col("change").cast(pl.Float64) / pl.col("from_value").cast(pl.Float64) * 100).round(6)
    is_right = (pl.col("change_pct") - expected).abs() < _ROUNDING
    fits = pl.when(is_due).then(is_right).otherwise(pl.col("change_pct").is_null()).fill_null(value=False)
    return years.found(
        (each.filter(~fits) for each in years.revisions.values()),
        holds="{rows} changes with a percentage where there can be one",
        fails="changes have another percentage than their numbers give",
    )


revisions_rules: tuple[Rule[RevisionYears], ...] = (
    schema_is_as_declared,
    primary_key_is_unique,
    changes_lead_from_one_value_to_the_next,
    kinds_are_known,
    change_is_the_later_less_the_earlier,
    percent_is_of_a_number_above_zero,
)
