"""Polars: `scan_iceberg` of the newest metadata; tags by the number of their snapshot."""

from collections.abc import Iterable, Sequence
from typing import Any

import polars as pl

from pce_pipeline_tests.engines.readers.question import FIRST_YEAR, Moment, OpenTable, answer, asked, sign_in


def main() -> None:
    """Answer the question."""
    question = asked()
    signs_in = sign_in(question)
    options = None if signs_in is None else signs_in.for_pyiceberg()

    def scan(table: OpenTable, moment: Moment) -> pl.LazyFrame:
        snapshot = table.snapshot_id if moment == "then" else None
        return pl.scan_iceberg(table.metadata, snapshot_id=snapshot, storage_options=options)

    def counted(table: OpenTable, moment: Moment) -> Sequence[Any]:
        counts = [pl.col(name).count().alias(f"values {name}") for name in table.columns]
        # the sum of no value is 0 to Polars, and NULL to SQL
        sums = [
            pl.when(pl.col(name).count() > 0).then(pl.col(name).sum()).alias(f"sum {name}") for name in table.decimals
        ]
        return scan(table, moment).select(pl.len(), *counts, *sums).collect().row(0)

    def figures(table: OpenTable, moment: Moment) -> Iterable[tuple[Any, Any]]:
        of = question.figures
        found = scan(table, moment).filter(
            pl.col("geo_fips") == of.geo_fips, pl.col("category_id") == of.category_id, pl.col("year") >= FIRST_YEAR
        )
        return found.select("year", of.column).collect().rows()

    answer(question, pl.__version__, counted, figures)


if __name__ == "__main__":
    main()
