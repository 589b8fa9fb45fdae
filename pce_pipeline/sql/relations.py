"""The names that a statement may use: tables of the lake and views over them, each with what it needs. No rows.

A table is `gold.<name>` or `silver.<name>` with the columns of its declaration, a view `serving.<name>`. A name without
a schema is one of Gold or of a view.
"""

import difflib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from pce_pipeline.sql.errors import NoSuchRelation
from pce_pipeline.tables.registry import Registry
from pce_pipeline.tables.table import Table
from pce_pipeline.warehouse.series import series_table, stored_table
from pce_pipeline.warehouse.views import SERVED, View

GOLD, SERVING, SILVER = SCHEMAS = ("gold", "serving", "silver")
"""The schemas, in the order in which a table is looked for of which no schema is known."""

_OF_POSTGRES = "meta"
_CLOSE = 3
_COMMENT = re.compile("--.*")
_READ = re.compile(rf"\b{GOLD}\.(\w+)")


@dataclass(frozen=True)
class Relation:
    """A table of the lake, or a view."""

    schema: str
    """Its schema: one of SCHEMAS."""
    name: str
    """Its name within the schema."""
    tables: tuple[Table, ...]
    """The tables whose rows it shows: itself, or those that the view reads."""
    views: tuple[View, ...] = ()
    """Of a view, those that it is made of, and itself at the end."""
    lacks: tuple[str, ...] = ()
    """The tables that it reads and that are none of these datasets."""

    @property
    def path(self) -> str:
        """Schema and name: `gold.pce_state_annual`."""
        return f"{self.schema}.{self.name}"


class Relations:
    """All tables and views of some datasets, by name.

    For example, what a view reads:

        >>> from pce_pipeline.tables.registry import load_registry
        >>> relations = Relations(load_registry("full", None))
        >>> [table.name for table in relations.named("v_pce_state_rolling").tables]
        ['gold/dim_category', 'gold/dim_geography', 'gold/pce_state_annual']
    """

    def __init__(self, registry: Registry, views: Mapping[str, View] = SERVED) -> None:
        tables = (Relation(table.layer, table.relation, (table,)) for table in registry.tables)
        self.tables: Mapping[str, Relation] = {each.path: each for each in tables}
        read = _read_by_views(registry.tables)
        shown = (_of_view(view, read, views) for view in views.values() if not view.is_function)
        self.views: Mapping[str, Relation] = {each.path: each for each in shown}
        self._all = {**self.tables, **self.views}

    @property
    def whole(self) -> list[Relation]:
        """Every table, and the views that these datasets have all tables of."""
        return [each for each in self._all.values() if not each.lacks]

    def named(self, name: str, besides: Collection[str] = ()) -> Relation:
        """The table or view that a name means, `besides` these paths: with a schema or without one.

        Raises `NoSuchRelation` with the nearest names.
        """
        schema, _, relation = name.casefold().rpartition(".")
        for each in [schema] if schema else SCHEMAS:
            path = f"{each}.{relation}"
            if path in self._all and path not in besides:
                return self._all[path]
        if schema == _OF_POSTGRES:
            raise NoSuchRelation(name, (), remedy="That schema is of Postgres alone: pce db psql")
        raise NoSuchRelation(name, self._close(schema, relation))

    def _close(self, schema: str, relation: str) -> list[str]:
        names = {path if schema in SCHEMAS else each.name: path for path, each in reversed(self._all.items())}
        asked = f"{schema}.{relation}" if schema in SCHEMAS else relation
        return [names[each] for each in difflib.get_close_matches(asked, names, n=_CLOSE)]


def needed_tables(relations: Iterable[Relation]) -> list[Table]:
    """The tables that relations show, each once."""
    return list({table.name: table for each in relations for table in each.tables}.values())


def _read_by_views(tables: Iterable[Table]) -> dict[str, tuple[Table, ...]]:
    """What lies behind each name that a view may read: a table, or all those that share its series."""
    found: dict[str, tuple[Table, ...]] = {}
    for table in tables:
        found[f"{table.layer}.{table.relation}"] = (table,)
        if (numbers := series_table(table)) is not None:
            found[_path_of(stored_table(table))] = (table,)
            found[_path_of(numbers)] = (*found.get(_path_of(numbers), ()), table)
    return found


def _path_of(table: Table) -> str:
    return table.name.replace("/", ".")


def _of_view(view: View, tables: Mapping[str, tuple[Table, ...]], views: Mapping[str, View]) -> Relation:
    made_of = _made_of(view, views)
    read = sorted({f"{GOLD}.{name}" for each in made_of for name in _READ.findall(_COMMENT.sub("", each.statement))})
    shown = {table.name: table for path in read for table in tables.get(path, ())}
    return Relation(
        SERVING,
        view.name.partition(".")[2],
        tuple(shown[name] for name in sorted(shown)),
        tuple(made_of),
        tuple(path for path in read if path not in tables),
    )


def _made_of(view: View, views: Mapping[str, View]) -> list[View]:
    """The view after those that it is made of, directly or not; `views` has each after those that it is made of."""
    wanted = {view.name}
    for each in reversed(list(views.values())):
        if any(views[name].reads(each.name) for name in wanted):
            wanted.add(each.name)
    return [each for each in views.values() if each.name in wanted]
