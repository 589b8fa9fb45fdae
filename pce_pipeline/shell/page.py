"""What Dagster's page says of a table: what it is from its declaration, and what is in it from its newest rows."""

import base64
from collections.abc import Callable, Mapping
from typing import Any
from xml.sax.saxutils import escape

import dagster as dg
import polars as pl

from pce_pipeline.settings import Settings
from pce_pipeline.shell.tags import WORLD, world_tag
from pce_pipeline.tables.table import Column, Table

OWNERS = ["team:pce-data"]
SAMPLE = "**SAMPLE: synthetic numbers, not BEA's.**"

_ROWS = 8
_WIDTH, _HEIGHT, _BAR = 612, 120, 10


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
    if states[value.name].count():
        svg = _bars(states.select("state", pl.col(value.name).cast(pl.Float64)).drop_nulls(), title)
        address = f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"
        found["chart"] = dg.MetadataValue.md(f"![{title}]({address})")
    return found


def _bars(states: pl.DataFrame, title: str) -> str:
    """A bar for each state, the largest first, as SVG that is legible on light and dark pages."""
    values = states[states.columns[1]]
    low, high = min(0.0, float(values.min() or 0)), max(0.0, float(values.max() or 0))  # type: ignore[arg-type]
    scale = _HEIGHT / ((high - low) or 1.0)
    zero = 20 + high * scale
    bars, names = [], []
    for number, (state, value) in enumerate(states.iter_rows()):
        x = number * 12
        top, size = zero - max(value, 0.0) * scale, abs(value) * scale
        bars.append(f'<rect x="{x}" y="{top:.1f}" width="{_BAR}" height="{size:.1f}"/>')
        names.append(f'<text x="{x}" y="{_HEIGHT + 32}">{escape(state)}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT + 40}" font-family="sans-serif" '
        f'font-size="7" fill="#888"><text y="12" font-size="12">{escape(title)}: {high:,.1f} to '
        f'{float(values.min() or 0):,.1f}</text><g fill="#3b82c4">{"".join(bars)}</g>{"".join(names)}</svg>'  # type: ignore[arg-type]
    )
