"""Rules of the logs of values: keys, stretches without a gap, and one value of each cell at any time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from pce_pipeline.quality.findings import together
from pce_pipeline.quality.frames import violations_of_schema
from pce_pipeline.quality.rules import EXAMPLES, Finding, Rule, rule
from pce_pipeline.tables.table import STATUSES, Table
from pce_pipeline.tables.vintages import BASES, COUNTED, ENDINGS


@dataclass(frozen=True)
class LogYears:
    """What the rules of a log look at: its years one after the other, because all together are too much."""

    table: Table
    """The log."""
    logs: Mapping[int, pl.DataFrame]
    """Its rows of each year."""

    @property
    def lane(self) -> list[str]:
        """What one sequence of values is of: the key without the time."""
        return [name for name in self.table.key if name != "valid_from"]

    @cached_property
    def rows(self) -> int:
        """All rows."""
        return sum(log.height for log in self.logs.values())

    def violations(self, wrong: pl.Expr) -> Iterator[pl.DataFrame]:
        """The rows of each year for which an expression holds."""
        for log in self.logs.values():
            yield log.filter(wrong)


def _finding(years: LogYears, parts: Iterator[pl.DataFrame], *, holds: str, fails: str) -> Finding:
    """A finding of the violations of each year."""
    count = 0
    examples: list[str] = []
    for part in parts:
        count += part.height
        if len(examples) < EXAMPLES:
            shown = part.select([*years.table.key, "valid_to", "status"]).head(EXAMPLES - len(examples))
            examples += [", ".join(f"{name} {value}" for name, value in row.items()) for row in shown.to_dicts()]
    return Finding(
        passed=count == 0,
        summary=f"{{violations}} {fails}" if count else holds,
        figures={"violations": count, "rows": years.rows},
        examples=tuple(examples),
    )


@rule("schema")
def schema_is_as_declared(years: LogYears) -> Finding:
    """Columns, types and required values are those of the table's declaration."""
    nothing = [pl.DataFrame(schema=years.table.polars_schema)]
    return together([violations_of_schema(log, years.table.columns) for log in years.logs.values() or nothing])


@rule("key")
def primary_key_is_unique(years: LogYears) -> Finding:
    """No two rows of a cell begin with the same vintage."""
    key = list(years.table.key)
    return _finding(
        years,
        (log.filter(log.select(key).is_duplicated()) for log in years.logs.values()),
        holds="{rows} rows, each with its own key",
        fails="rows repeat the key of another",
    )


@rule("meaning")
def counted_values_follow_one_another(years: LogYears) -> Finding:
    """Where a counted value ends the next begins, and only the last has no end: each time has exactly one."""
    follows = pl.all_horizontal(pl.col(name) == pl.col(name).shift(-1) for name in years.lane).fill_null(value=False)
    following = pl.when(follows).then(pl.col("valid_from").shift(-1))
    wrong = (pl.col("basis") == COUNTED) & pl.col("valid_to").ne_missing(following)
    return _finding(
        years,
        (log.sort(years.table.key).filter(wrong) for log in years.logs.values()),
        holds="{rows} rows without a gap or an overlap",
        fails="rows do not end where the next one begins",
    )


@rule("meaning")
def values_beside_end_in_time(years: LogYears) -> Finding:
    """A value that does not count ends no later than the next of its kind begins."""
    follows = pl.all_horizontal(pl.col(name) == pl.col(name).shift(-1) for name in years.lane).fill_null(value=False)
    overlaps = pl.col("valid_to").fill_null(pl.col("valid_from").shift(-1) + 1) > pl.col("valid_from").shift(-1)
    wrong = (pl.col("basis") != COUNTED) & ((follows & overlaps) | (pl.col("valid_to") <= pl.col("valid_from")))
    return _finding(
        years,
        (log.sort(years.table.key).filter(wrong) for log in years.logs.values()),
        holds="no value beside the counted ones lasts too long",
        fails="rows last longer than up to the next",
    )


@rule("meaning")
def neighbours_differ(years: LogYears) -> Finding:
    """Two counted values in a row are not the same: a value that goes on is one row."""
    same_lane = pl.all_horizontal(pl.col(name) == pl.col(name).shift() for name in years.lane)
    says = [name for name in ("value", "status", "base_year", "unit", "value_text") if name in years.table.column_names]
    same = pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift()) for name in says)
    wrong = ((pl.col("basis") == COUNTED) & same_lane & same).fill_null(value=False)
    return _finding(
        years,
        (log.sort(years.table.key).filter(wrong) for log in years.logs.values()),
        holds="{rows} rows, none the same as the one before",
        fails="rows say what the one before says",
    )


@rule("meaning")
def values_are_null_with_a_reason(years: LogYears) -> Finding:
    """A value is there exactly where the status is `reported`, and every status and basis is a known one."""
    known = pl.col("status").is_in([*STATUSES, *ENDINGS]) & pl.col("basis").is_in(list(BASES))
    wrong = (pl.col("value").is_null() == (pl.col("status") == "reported")) | ~known
    return _finding(
        years,
        years.violations(wrong),
        holds="{rows} rows with a value or the reason why there is none",
        fails="rows have no value and no reason, or a value with one",
    )


log_rules: tuple[Rule[LogYears], ...] = (
    schema_is_as_declared,
    primary_key_is_unique,
    counted_values_follow_one_another,
    values_beside_end_in_time,
    neighbours_differ,
    values_are_null_with_a_reason,
)
