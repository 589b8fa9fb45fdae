"""What Dagster's page says of a table: what it is from its declaration, and what is in it from its newest rows."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import dagster as dg
import polars as pl

from pce_pipeline.settings import Settings
from pce_pipeline.shell.tags import WORLD, world_tag
from pce_pipeline.tables.table import Column, Table

OWNERS = ["team:pce-data"]
SAMPLE = "**SAMPLE: synthetic numbers, not BEA's.**"

_ROWS = 8
_HEIGHT, _STEP = 90, 10


def column_schema(table: Table, type_of: Callable[[Column], str]) -> dg.TableSchema:
    """The table's columns with types, units, sources and whether they may be NULL."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=column.name,
                type=type_of(column),
                description=_described(column),
                constraints=dg.TableColumnConstraints(
                    nullable=column.nullable, unique=table.key == (column.name,), other=[]
                ),
            )
            for column in table.columns
        ],
        constraints=dg.TableConstraints(other=[f"primary key ({', '.join(table.key)})"]),
    )


def _described(column: Column) -> str:
    unit = f" ({column.unit})" if column.unit else ""
    return f"{column.description}{unit}. From: {column.source}"


def _polars_type(column: Column) -> str:
    return str(column.dtype)


def describe(table: Table) -> str:
    """Grain first, then what to beware of."""
    return f"{table.grain}\n\n{table.hazard}".strip()


def declared(table: Table, type_of: Callable[[Column], str] = _polars_type) -> dict[str, Any]:
    """What is known of a table before any run."""
    return {"dagster/column_schema": column_schema(table, type_of), "dagster/table_name": table.name.replace("/", ".")}


def of_world(spec: dg.AssetSpec, settings: Settings) -> dg.AssetSpec:
    """The asset as one of this world: the sample's says in every place that it is the sample's."""
    description = f"{SAMPLE}\n\n{spec.description}" if settings.is_sample else spec.description
    return spec.replace_attributes(
        description=description, tags={**spec.tags, WORLD: world_tag(settings)[WORLD]}, owners=OWNERS
    )


def preview(frame: pl.DataFrame) -> str:
    """The first rows of a frame as a Markdown table."""
    with pl.Config(
        tbl_formatting="MARKDOWN",
        tbl_hide_column_data_types=True,
        tbl_hide_dataframe_shape=True,
        tbl_cols=-1,
        fmt_str_lengths=60,
        tbl_width_chars=1000,
    ):
        return str(frame.head(_ROWS))


def shown(table: Table, rows: pl.DataFrame, total: str) -> Mapping[str, dg.MarkdownMetadataValue]:
    """What somebody looks at first in a year of a table: its states by the first of its figures, and a chart of them.

    Of several categories it is `total`; of several datasets, measures or lines the first.
    """
    value = next((column for column in table.columns if column.dtype.is_numeric() and column.nullable), None)
    if value is None or "geo_level" not in table.column_names:
        return {"preview": dg.MetadataValue.md(preview(rows))}
    states = rows.filter(pl.col("geo_level") == "state")
    if "category_id" in states.columns and total in states["category_id"]:
        states = states.filter(pl.col("category_id") == total)
    others = [name for name in table.key if name not in ("geo_fips", "year")]
    if others and not states.is_empty():
        of_first = states.select(others).row(0)
        states = states.filter(*(pl.col(name) == of for name, of in zip(others, of_first, strict=True)))
    states = states.sort(value.name, descending=True, nulls_last=True)
    title = f"{value.name} of the states" + (f", {', '.join(map(str, of_first))}" if others and states.height else "")
    hidden = ["geo_level", "geo_fips", *others]
    found = {"preview": dg.MetadataValue.md(f"{title}\n\n{preview(states.drop(hidden))}")}
    known = states.select("state", pl.col(value.name).cast(pl.Float64)).drop_nulls()
    if not known.is_empty():
        first, last = known.row(0), known.row(-1)
        said = f"{first[0]} {first[1]:,.1f} ... {last[0]} {last[1]:,.1f}"
        found["chart"] = dg.MetadataValue.md(
            f"![{title}](data:image/svg+xml,{_bars(known[value.name].to_list())})\n\n{said}"
        )
    return found


def _bars(values: Sequence[float]) -> str:
    """A bar for each value as SVG in an address; short, because the page shows what has 1,000 characters at once."""
    low, high = min(0.0, *values), max(0.0, *values)
    scale = _HEIGHT / ((high - low) or 1.0)
    zero = high * scale
    bars = "".join(
        f"M{number * _STEP + _STEP // 2},{zero:.0f}V{zero - value * scale:.0f}" for number, value in enumerate(values)
    )
    size = f"width='{len(values) * _STEP}' height='{_HEIGHT}'"
    svg = f"<svg xmlns='http://www.w3.org/2000/svg' {size}><path stroke='steelblue' stroke-width='8' d='{bars}'/></svg>"
    return quote(svg, safe="'/:=,")
