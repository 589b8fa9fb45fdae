"""Rules of the history of BEA's lines: its declaration, its stretches in order, and nothing left out unseen."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from pce_pipeline.quality.frames import repeated_keys, violations_of_schema
from pce_pipeline.quality.rules import Finding, Rule, finding, rule
from pce_pipeline.tables.line_history import LINE_HISTORY

_PLACE = ["dataset", "bea_table", "published_table", "published_line"]
_LINE = "{published_table} line {published_line} ({bea_table}) from {valid_from}"


@dataclass(frozen=True)
class Stretches:
    """What the rules look at."""

    frame: pl.DataFrame
    """The rows of LINE_HISTORY."""
    unread: Mapping[str, str] = field(default_factory=dict)
    """The datasets whose extracts could not be read, each with the reason: of them what was known before stands."""


@rule("schema")
def schema_is_as_declared(lines: Stretches) -> Finding:
    """Columns, types and required values are those of the table's declaration."""
    return violations_of_schema(lines.frame, LINE_HISTORY.columns)


@rule("key")
def primary_key_is_unique(lines: Stretches) -> Finding:
    """No two rows share the key."""
    return repeated_keys(lines.frame, LINE_HISTORY)


@rule("meaning")
def stretches_are_in_order(lines: Stretches) -> Finding:
    """Of each printed line a stretch ends after it begins and before the next one, so a vintage finds one at most."""
    later = pl.col("valid_from").shift(-1).over(_PLACE, order_by="valid_from")
    goes_on = pl.col("valid_to").is_null() & later.is_not_null()
    wrong = (pl.col("valid_to") <= pl.col("valid_from")) | (pl.col("valid_to") > later) | goes_on
    return finding(
        lines.frame.filter(wrong.fill_null(value=False)),
        holds=f"{lines.frame.height} stretches in order",
        fails="stretches end before they begin, or after the next one begins",
        example=_LINE,
        figures={"rows": lines.frame.height},
    )


@rule("comparison")
def lines_of_every_vintage_are_read(lines: Stretches) -> Finding:
    """Every vintage that counts could be read for its lines; of one that could not, what was known before stands."""
    return Finding(
        passed=not lines.unread,
        summary=f"{len(lines.unread)} datasets could not be read" if lines.unread else "every vintage is read",
        figures={"rows": lines.frame.height},
        examples=tuple(f"{name}: {reason}" for name, reason in lines.unread.items()),
    )


line_history_rules: tuple[Rule[Stretches], ...] = (
    schema_is_as_declared,
    primary_key_is_unique,
    stretches_are_in_order,
    lines_of_every_vintage_are_read,
)
