"""What Dagster's page says of a table, from the table's declaration."""

from typing import Any

import dagster as dg

from pce_pipeline.tables.table import Table

OWNERS = ["team:pce-data"]


def column_schema(table: Table) -> dg.TableSchema:
    """The table's columns with types, units and whether they may be NULL."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=column.name,
                type=str(column.dtype),
                description=f"{column.description} ({column.unit})" if column.unit else column.description,
                constraints=dg.TableColumnConstraints(
                    nullable=column.nullable, unique=table.key == (column.name,), other=[]
                ),
            )
            for column in table.columns
        ],
        constraints=dg.TableConstraints(other=[f"primary key ({', '.join(table.key)})"]),
    )


def describe(table: Table) -> str:
    """Grain first, then what to beware of."""
    return f"{table.grain}\n\n{table.hazard}".strip()


def declared(table: Table) -> dict[str, Any]:
    """What is known of a table before any run."""
    return {"dagster/column_schema": column_schema(table), "dagster/table_name": table.name.replace("/", ".")}
