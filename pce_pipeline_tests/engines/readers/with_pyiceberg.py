"""pyiceberg: a scan of a snapshot into Arrow; tags by name."""

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyiceberg
from pyiceberg.table import StaticTable

from pce_pipeline_tests.engines.readers.question import FIRST_YEAR, Moment, OpenTable, answer, asked, sign_in


def main() -> None:
    """Answer the question."""
    question = asked()
    signs_in = sign_in(question)
    properties = {} if signs_in is None else signs_in.for_pyiceberg()

    def rows(table: OpenTable, moment: Moment, condition: str | None = None) -> pa.Table:
        iceberg = StaticTable.from_metadata(table.metadata, properties)
        tagged = iceberg.metadata.refs[table.tag].snapshot_id if moment == "then" else None
        scan = iceberg.scan(snapshot_id=tagged)
        return (scan if condition is None else scan.filter(condition)).to_arrow()

    def counted(table: OpenTable, moment: Moment) -> Sequence[Any]:
        found = rows(table, moment)
        values = [len(found) - found[name].null_count for name in table.columns]
        return [len(found), *values, *(pc.sum(found[name]).as_py() for name in table.decimals)]

    def figures(table: OpenTable, moment: Moment) -> Iterator[tuple[Any, Any]]:
        of = question.figures
        condition = f"geo_fips == '{of.geo_fips}' and category_id == '{of.category_id}' and year >= {FIRST_YEAR}"
        found = rows(table, moment, condition)
        yield from zip(found["year"].to_pylist(), found[of.column].to_pylist(), strict=True)

    answer(question, pyiceberg.__version__, counted, figures)


if __name__ == "__main__":
    main()
