"""chDB, which is ClickHouse in a process; tags by the number of their snapshot."""

import json
import os
from collections.abc import Iterable, Sequence
from typing import Any

import chdb

from pce_pipeline_tests.engines.readers.question import Moment, OpenTable, answer, asked, sign_in


def main() -> None:
    """Answer the question."""
    # it reads no file outside the folder in which it starts
    os.chdir("/")
    question = asked()
    signs_in = sign_in(question)

    def source(table: OpenTable) -> str:
        if signs_in is None:
            return f"icebergLocal('{table.location.removeprefix('file://')}')"
        address = table.location.replace("s3://", f"{signs_in.endpoint}/", 1)
        return f"icebergS3('{address}', '{signs_in.key}', '{signs_in.secret}')"

    def rows(selected: str, table: OpenTable, moment: Moment, condition: str = "1") -> list[list[Any]]:
        # decimals quoted: as numbers of JSON they would lose digits
        settings = "output_format_json_quote_decimals = 1"
        if moment == "then":
            settings += f", iceberg_snapshot_id = {table.snapshot_id}"
        told = chdb.query(
            f"SELECT {selected} FROM {source(table)} WHERE {condition} SETTINGS {settings}", "JSONCompact"
        )
        found: list[list[Any]] = json.loads(str(told))["data"]
        return found

    def counted(table: OpenTable, moment: Moment) -> Sequence[Any]:
        (row,) = rows(table.counted(), table, moment)
        return row

    def figures(table: OpenTable, moment: Moment) -> Iterable[tuple[Any, Any]]:
        of = question.figures
        return [(row[0], row[1]) for row in rows(f"year, {of.column}", table, moment, of.condition())]

    answer(question, str(chdb.__version__), counted, figures)


if __name__ == "__main__":
    main()
