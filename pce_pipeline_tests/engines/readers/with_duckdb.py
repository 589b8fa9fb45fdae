"""DuckDB with its extensions from wheels, offline; tags by the number of their snapshot."""

from collections.abc import Iterable, Sequence
from importlib.resources import files
from typing import Any

import duckdb

from pce_pipeline_tests.engines.readers.question import Moment, OpenTable, Question, answer, asked, sign_in

_EXTENSIONS = ("avro", "httpfs", "iceberg")
"""In this order: Iceberg's asks for Avro's, and would look for it on the network."""


def main() -> None:
    """Answer the question."""
    question = asked()
    connection = _connected(question)

    def scan(table: OpenTable, moment: Moment) -> str:
        at = f", snapshot_from_id = {table.snapshot_id}" if moment == "then" else ""
        return f"iceberg_scan('{table.location}'{at})"

    def counted(table: OpenTable, moment: Moment) -> Sequence[Any]:
        (row,) = connection.execute(f"SELECT {table.counted()} FROM {scan(table, moment)}").fetchall()
        return row

    def figures(table: OpenTable, moment: Moment) -> Iterable[tuple[Any, Any]]:
        of = question.figures
        chosen = f"SELECT year, {of.column} FROM {scan(table, moment)} WHERE {of.condition()}"
        return connection.execute(chosen).fetchall()

    answer(question, duckdb.__version__, counted, figures)


def _connected(question: Question) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(config={"autoinstall_known_extensions": "false"})
    for name in _EXTENSIONS:
        wheel = files(f"duckdb_extension_{name}")
        connection.load_extension(str(wheel / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"))
    signs_in = sign_in(question)
    if signs_in is not None:
        scheme, _, host = signs_in.endpoint.partition("://")
        connection.execute(
            f"CREATE SECRET (TYPE s3, KEY_ID '{signs_in.key}', SECRET '{signs_in.secret}', REGION '{signs_in.region}', "
            f"ENDPOINT '{host}', URL_STYLE 'path', USE_SSL {scheme == 'https'})"
        )
    return connection


if __name__ == "__main__":
    main()
