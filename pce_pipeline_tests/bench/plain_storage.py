"""The plainest way to store rows: a CSV file per partition with the csv module, row-wise upserts into Postgres."""

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812 (a class with a lower-case name)

from pce_pipeline_tests.bench.plain import Rows

NULL = "\\N"


def write_csv(rows: Rows, folder: Path, by: Sequence[str]) -> list[Path]:
    """One file per value of the columns `by`, in folders as `year=2024/state=CA`."""
    partitions: defaultdict[tuple[str, ...], Rows] = defaultdict(list)
    for row in rows:
        partitions[tuple(f"{name}={row[name]}" for name in by)].append(row)
    written = []
    for names, part in partitions.items():
        path = folder.joinpath(*names, "part-000.csv")
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(part[0]))
            writer.writeheader()
            for row in part:
                writer.writerow({name: NULL if value is None else value for name, value in row.items()})
        written.append(path)
    return written


def make_plain_tables(connection: Connection, tables: Sequence[str], key: Sequence[str]) -> None:
    """Put an empty table with the key of each in place of a view of its name: rows are upserted into tables."""
    with connection, connection.cursor() as cursor:
        for table in tables:
            schema, name = table.split("/")
            cursor.execute(
                sql.SQL(
                    "CREATE TABLE {plain} AS SELECT * FROM {table} WITH NO DATA; DROP VIEW {table} CASCADE; "
                    "ALTER TABLE {plain} RENAME TO {name}; ALTER TABLE {table} ADD PRIMARY KEY ({key})"
                ).format(
                    plain=sql.Identifier(schema, f"{name}_plain"),
                    table=sql.Identifier(schema, name),
                    name=sql.Identifier(name),
                    key=sql.SQL(", ").join(map(sql.Identifier, key)),
                )
            )


def upsert(connection: Connection, tables: Mapping[str, Rows], key: Sequence[str]) -> None:
    """Insert each row, or update the one that is there: one statement a row, one transaction for all."""
    with connection, connection.cursor() as cursor:
        for table, rows in tables.items():
            columns = list(rows[0])
            statement = sql.SQL(
                "INSERT INTO {table} ({columns}) VALUES ({values}) ON CONFLICT ({key}) DO UPDATE SET {changes}"
            ).format(
                table=sql.Identifier(*table.split("/")),
                columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
                values=sql.SQL(", ").join(map(sql.Placeholder, columns)),
                key=sql.SQL(", ").join(map(sql.Identifier, key)),
                changes=sql.SQL(", ").join(
                    sql.SQL("{0} = excluded.{0}").format(sql.Identifier(column))
                    for column in columns
                    if column not in key
                ),
            )
            cursor.executemany(statement, rows)
