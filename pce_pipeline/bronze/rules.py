"""Rules of Bronze: an extract holds all that was asked for, and its bytes are the ones that were received.

They look at plain data, so that the lake need not be known here: what the manifest says, and what reading back gave.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from pce_pipeline.bea.observations import schema_of
from pce_pipeline.bronze.decisions import Verdict
from pce_pipeline.quality.rules import EXAMPLES, Finding, Rule, rule
from pce_pipeline.tables.table import MONEY, STATUSES

_MAY_BE_EMPTY = ("value", "value_text", "unit", "unit_multiplier")


@dataclass(frozen=True)
class StoredObject:
    """One object as the manifest describes it."""

    key: str
    """Its key."""
    sha256: str
    """The hash of its bytes."""
    size: int
    """Its bytes."""
    rows: int
    """The cells it decodes to."""


@dataclass(frozen=True)
class ReadBack:
    """One object as reading it back finds it."""

    sha256: str
    """The hash of its bytes."""
    size: int
    """Its bytes."""


@dataclass(frozen=True)
class Extract:
    """What the rules of Bronze look at."""

    requested: Mapping[str, Collection[int]]
    """The lines asked for, by table."""
    rows: Mapping[str, Mapping[int, int]]
    """The cells received, by table and line."""
    objects: Sequence[StoredObject]
    """The objects as the manifest describes them."""
    total_rows: int
    """The cells that the manifest counts."""
    found: Mapping[str, ReadBack]
    """What reading back gave, by key."""
    verdicts: Mapping[str, Verdict]
    """Whether each table counts."""
    is_live: bool
    """Whether BEA itself gave it; a file that does not count is nobody's fault."""
    schema: Sequence[str] | None = None
    """What its cells have otherwise than the documented columns, in words; None where they could not be decoded."""


def rows_by_line(cells: pl.DataFrame) -> dict[str, dict[int, int]]:
    """The number of cells of each table and line, from any frame with bea_table and line_code."""
    counted: dict[str, dict[int, int]] = {}
    for table, line, rows in cells.group_by("bea_table", "line_code").len().sort("bea_table", "line_code").iter_rows():
        counted.setdefault(table, {})[line] = rows
    return counted


@rule("meaning")
def manifest_is_complete(extract: Extract) -> Finding:
    """Every table and line that was asked for is there, and the row counts add up."""
    problems = [
        f"{table} has no rows of line {line}"
        for table, lines in extract.requested.items()
        for line in sorted(lines)
        if not extract.rows.get(table, {}).get(line)
    ]
    by_line = sum(sum(lines.values()) for lines in extract.rows.values())
    by_object = sum(stored.rows for stored in extract.objects)
    if not by_line == by_object == extract.total_rows:
        problems.append(
            f"the lines have {by_line} rows, the objects {by_object}, and the manifest says {extract.total_rows}"
        )
    lines = sum(len(codes) for codes in extract.requested.values())
    return Finding(
        passed=not problems,
        summary=f"{len(problems)} problems" if problems else f"all {lines} lines of {len(extract.requested)} tables",
        figures={"lines": lines, "tables": len(extract.requested), "rows": by_line, "violations": len(problems)},
        examples=tuple(problems[:EXAMPLES]),
    )


def unlike_documented(cells: pl.DataFrame, *, is_monthly: bool) -> tuple[str, ...]:
    """What typed cells have otherwise than OBSERVATION_SCHEMA (or MONTHLY_SCHEMA) with value and status, in words.

    What names a cell is filled in every one, and so is its status. Whether BEA's text and unit can be made sense of is
    judged once the answer is kept.
    """
    documented = {**schema_of("month" if is_monthly else "year"), "value": MONEY, "status": pl.String}
    problems = []
    for name, dtype in documented.items():
        if name not in cells.columns:
            problems.append(f"there is no {name}")
        elif cells.schema[name] != dtype:
            problems.append(f"{name} is {cells.schema[name]}, not {dtype}")
        elif name not in _MAY_BE_EMPTY and (empty := cells[name].null_count()):
            problems.append(f"{name} is empty in {empty} cells")
    if "status" in cells.columns:
        unknown = sorted(set(cells["status"].unique()) - {*STATUSES, None})
        problems += [f"{status} is not a status" for status in unknown]
    return tuple(problems)


@rule("schema", remedy="BEA's answer or file is of another form than is documented: report it with the extract.")
def cells_have_the_documented_columns(extract: Extract) -> Finding:
    """The cells of an extract have the documented columns and types, and each has its key and a known status."""
    problems = extract.schema or ()
    return Finding(
        passed=not problems,
        summary=f"{len(problems)} differences from what BEA documents" if problems else "as documented",
        figures={"checked": 0 if extract.schema is None else extract.total_rows, "violations": len(problems)},
        examples=tuple(problems[:EXAMPLES]),
    )


@rule("hash")
def hashes_are_right(extract: Extract) -> Finding:
    """Every object reads back with the size and SHA-256 that the manifest says."""
    problems = []
    for stored in extract.objects:
        found = extract.found.get(stored.key)
        if found is None:
            problems.append(f"{stored.key} is missing")
        elif found.size != stored.size:
            problems.append(f"{stored.key} has {found.size} bytes instead of {stored.size}")
        elif found.sha256 != stored.sha256:
            problems.append(f"{stored.key} has SHA-256 {found.sha256} instead of {stored.sha256}")
    size = sum(stored.size for stored in extract.objects)
    return Finding(
        passed=not problems,
        summary=f"{len(problems)} objects are not as written" if problems else f"{len(extract.objects)} objects intact",
        figures={"objects": len(extract.objects), "bytes": size, "violations": len(problems)},
        examples=tuple(problems[:EXAMPLES]),
    )


@rule("meaning")
def what_counted_is_covered(extract: Extract) -> Finding:
    """BEA's answer has every cell that counted before; a file that lacks some is partial and changes nothing."""
    partial = {table: verdict for table, verdict in extract.verdicts.items() if not verdict.counts}
    counting = len(extract.verdicts) - len(partial)
    summary = f"{counting} of {len(extract.verdicts)} tables count" if partial else f"all {counting} tables count"
    return Finding(
        passed=not (partial and extract.is_live),
        summary=f"{summary}; kept, and changing nothing: {', '.join(sorted(partial))}" if partial else summary,
        figures={
            "tables": len(extract.verdicts),
            "partial": len(partial),
            "violations": len(partial) if extract.is_live else 0,
            "cells_lacking": sum(verdict.lacks for verdict in partial.values()),
        },
        examples=tuple(f"{table}: {verdict.why}" for table, verdict in sorted(partial.items())),
    )


stored_rules: tuple[Rule[Extract], ...] = (manifest_is_complete, cells_have_the_documented_columns, hashes_are_right)
"""Rules that an extract keeps before it is stored."""

counting_rules: tuple[Rule[Extract], ...] = (what_counted_is_covered,)
"""Rules that are judged after it is stored: what BEA answers is kept whatever they say."""

bronze_rules = (*stored_rules, *counting_rules)
