"""Daft on tables that pyiceberg has loaded; tags by name through it."""

from collections.abc import Iterable, Sequence
from typing import Any

import daft
from daft.io import IOConfig, S3Config
from pyiceberg.table import StaticTable

from pce_pipeline_tests.engines.readers.question import FIRST_YEAR, Moment, OpenTable, answer, asked, sign_in


def main() -> None:
    """Answer the question."""
    question = asked()
    signs_in = sign_in(question)
    properties = {} if signs_in is None else signs_in.for_pyiceberg()
    reading = None
    if signs_in is not None:
        s3 = S3Config(
            endpoint_url=signs_in.endpoint,
            key_id=signs_in.key,
            access_key=signs_in.secret,
            region_name=signs_in.region,
        )
        reading = IOConfig(s3=s3)

    def rows(table: OpenTable, moment: Moment) -> Any:
        iceberg = StaticTable.from_metadata(table.metadata, properties)
        tagged = iceberg.metadata.refs[table.tag].snapshot_id if moment == "then" else None
        return daft.read_iceberg(iceberg, snapshot_id=tagged, io_config=reading)

    def counted(table: OpenTable, moment: Moment) -> Sequence[Any]:
        found = rows(table, moment)
        counts = [daft.col(name).count().alias(f"values {name}") for name in table.columns]
        sums = [daft.col(name).sum().alias(f"sum {name}") for name in table.decimals]
        told = found.agg(*counts, *sums).to_pydict()
        return [found.count_rows(), *(told[each.name()][0] for each in (*counts, *sums))]

    def figures(table: OpenTable, moment: Moment) -> Iterable[tuple[Any, Any]]:
        of, col = question.figures, daft.col
        chosen = rows(table, moment).where(
            (col("geo_fips") == of.geo_fips) & (col("category_id") == of.category_id) & (col("year") >= FIRST_YEAR)
        )
        told = chosen.select("year", of.column).to_pydict()
        return list(zip(told["year"], told[of.column], strict=True))

    answer(question, daft.__version__, counted, figures)


if __name__ == "__main__":
    main()
