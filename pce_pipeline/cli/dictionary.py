"""The data dictionary as Markdown, from the declarations of the tables: it says nothing that they do not say."""

from collections.abc import Iterable, Iterator

from pce_pipeline.tables.table import STATUSES, Column, Table
from pce_pipeline.warehouse.meta_tables import META_TABLES
from pce_pipeline.warehouse.views import SERVED

_INTRODUCTION = """\
# Data dictionary

Written by `pce dictionary` from the declarations in `pce_pipeline/tables/` and `pce_pipeline/warehouse/meta_tables.py`,
and the views' files in `pce_pipeline/warehouse/views/`; do not edit it by hand.

Tables lie in the lake under their layer (`gold` itself as `gold/…/facts`); those of `gold/` are in Postgres as well,
in schema `gold`. Units are in the names of columns. A missing value is NULL, and the status beside it says why.
"""


def markdown(tables: Iterable[Table]) -> str:
    """The whole dictionary; the same declarations give the same bytes."""
    parts = [_INTRODUCTION, *_statuses()]
    for table in tables:
        parts += _table(table)
    return "\n".join([*parts, *_views(), *_meta()])


def _statuses() -> Iterator[str]:
    yield "## Statuses\n\n| status | meaning |\n|---|---|"
    for status, meaning in STATUSES.items():
        yield f"| `{status}` | {_cell(meaning)} |"
    yield ""


def _table(table: Table) -> Iterator[str]:
    yield f"## {table.name}\n\n{table.grain}\n"
    if table.hazard:
        yield f"**Beware:** {table.hazard}\n"
    yield f"Key: {', '.join(f'`{name}`' for name in table.key)}\n"
    yield from _columns(table.columns)


def _views() -> Iterator[str]:
    yield "## Views\n\nIn Postgres only. Their columns are those of the gold tables they join, and:\n"
    yield "| view | column | meaning |\n|---|---|---|"
    for view in SERVED.values():
        for column, text in view.columns.items():
            yield f"| `{view.name}` | `{column}` | {_cell(text)} |"
    yield "\n| view | what it shows |\n|---|---|"
    for view in SERVED.values():
        yield f"| `{view.name}` | {_cell(view.comment)} |"
    yield ""


def _meta() -> Iterator[str]:
    yield (
        "## Schema meta\n\nIn Postgres only: what was loaded, when, by which run and of what. Times are UTC. What "
        "`pce_reader` reads is marked.\n"
    )
    for table in META_TABLES:
        marked = " `pce_reader` reads it." if table.for_readers else ""
        yield f"### meta.{table.name}\n\n{table.grain}{marked}\n"
        yield "| column | meaning |\n|---|---|"
        for column, meaning in table.columns.items():
            yield f"| `{column}` | {_cell(meaning)} |"
        yield ""


def _columns(columns: tuple[Column, ...]) -> Iterator[str]:
    yield "| column | type | NULL | unit | meaning | from |\n|---|---|---|---|---|---|"
    for column in columns:
        nullable, unit = "yes" if column.nullable else "no", column.unit or ""
        meaning, source = _cell(column.description), _cell(column.source)
        yield f"| `{column.name}` | {column.dtype} | {nullable} | {unit} | {meaning} | {source} |"
    yield ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
