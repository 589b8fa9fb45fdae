"""What a table of ours is to Iceberg: its columns with their field ids, and the year as its partition.

Imports pyiceberg, and is therefore itself imported only where something is to be done.
"""

from collections.abc import Collection

import polars as pl
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC, PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import (
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    IcebergType,
    IntegerType,
    NestedField,
    StringType,
    TimestamptzType,
)

from pce_pipeline.errors import PceError
from pce_pipeline.tables.table import Table

_FIRST_PARTITION_FIELD = 1000

_TYPES: dict[pl.DataType | type[pl.DataType], IcebergType] = {
    pl.String: StringType(),
    pl.Int32: IntegerType(),
    pl.Float64: DoubleType(),
    pl.Boolean: BooleanType(),
    pl.Date: DateType(),
    pl.Datetime("us", "UTC"): TimestamptzType(),
}


class NoIcebergType(PceError):
    """A column has a type that Iceberg's tables here are not given."""

    def __init__(self, table: str, column: str, dtype: object) -> None:
        self.table = table
        self.column = column
        super().__init__(f"{table}: {column} is {dtype}, which has no type in Iceberg.")


def schema_of(table: Table, required: Collection[int] | None = None) -> Schema:
    """The columns of a table. Raises `NoIcebergType`, and `SchemaViolation` for two columns with one field id.

    `required` are the field ids that the Iceberg table requires so far: a column that came later is optional, because
    files of before have nothing of it.
    """
    numbers = table.field_ids
    return Schema(
        *(
            NestedField(
                field_id=numbers[column.name],
                name=column.name,
                field_type=_type_of(table, column.name, column.dtype),
                required=not column.nullable and (required is None or numbers[column.name] in required),
                doc=column.description,
            )
            for column in table.columns
        )
    )


def spec_of(table: Table) -> PartitionSpec:
    """How a table is cut: by year, or not at all."""
    if not table.is_yearly:
        return UNPARTITIONED_PARTITION_SPEC
    return PartitionSpec(
        PartitionField(
            source_id=table.field_ids["year"],
            field_id=_FIRST_PARTITION_FIELD,
            transform=IdentityTransform(),
            name="year",
        )
    )


def _type_of(table: Table, column: str, dtype: pl.DataType | type[pl.DataType]) -> IcebergType:
    if isinstance(dtype, pl.Decimal):
        return DecimalType(dtype.precision or 0, dtype.scale)
    found = _TYPES.get(dtype)
    if found is None:
        raise NoIcebergType(table.name, column, dtype)
    return found
