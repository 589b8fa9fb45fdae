"""Rules of dimensions: their declaration, and keys that are unique, so that a join to one multiplies no row."""

from dataclasses import dataclass

import polars as pl

from pce_pipeline.quality.frames import repeated_keys, violations_of_schema
from pce_pipeline.quality.rules import Finding, Rule, rule
from pce_pipeline.tables.table import Table


@dataclass(frozen=True)
class DimensionRows:
    """What the rules of a dimension look at."""

    table: Table
    """Its declaration."""
    frame: pl.DataFrame
    """Its rows."""


@rule("schema")
def schema_is_as_declared(dimension: DimensionRows) -> Finding:
    """Columns, types and required values are those of the table's declaration."""
    return violations_of_schema(dimension.frame, dimension.table.columns)


@rule("key")
def primary_key_is_unique(dimension: DimensionRows) -> Finding:
    """No two rows share the key: a fact finds one row at most."""
    return repeated_keys(dimension.frame, dimension.table)


dimension_rules: tuple[Rule[DimensionRows], ...] = (schema_is_as_declared, primary_key_is_unique)
