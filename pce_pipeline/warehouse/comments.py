"""What the database says about itself: comments on schemas, tables, views and columns.

They derive from the declarations in `tables/` and, of schema meta, in `meta_tables.py`; those of views, and of columns
that only views have, from the files of `views/`. Only comments that differ are written, so that an unchanged run writes
nothing, and only the owner of a table may write its comments. In a world of sample data every table and view of
figures says so first.
"""

from collections.abc import Iterator

from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812 (a class with a lower-case name)

from pce_pipeline.tables.table import Column, Table
from pce_pipeline.warehouse.contents import published_tables, tables_of_series
from pce_pipeline.warehouse.errors import CommentsOutdated
from pce_pipeline.warehouse.meta_tables import META_TABLES
from pce_pipeline.warehouse.views import SERVED

SAMPLE_PREFIX = "SAMPLE, synthetic numbers. "

_SCHEMAS = {
    "meta": "What was loaded, when, by which run and from what: lineage down to BEA's answers, checks, audit trail.",
    "gold": "The published tables, as in the lake: one row per key, loaded by merge.",
    "serving": "Views and functions to read from: names joined in, growth and means ready, tables as of any day.",
    "dagster": "The history of an orchestrator that keeps it in this database; none of the pipeline's tables.",
}

_NOUNS = {"r": "TABLE", "v": "VIEW", "f": "FUNCTION"}

_PRESENT = """
SELECT n.nspname, NULL, NULL, NULL, obj_description(n.oid, 'pg_namespace'), pg_has_role(n.nspowner, 'USAGE')
FROM pg_namespace AS n WHERE n.nspname IN ('meta', 'gold', 'serving', 'dagster')
UNION ALL
SELECT n.nspname, c.relname, c.relkind::text, a.attname, d.description, pg_has_role(c.relowner, 'USAGE')
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN LATERAL (
    SELECT 0 AS attnum, NULL AS attname
    UNION ALL
    SELECT attnum, attname FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
) AS a ON true
LEFT JOIN pg_description AS d
    ON d.objoid = c.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = a.attnum
WHERE n.nspname IN ('meta', 'gold', 'serving') AND c.relkind IN ('r', 'v')
UNION ALL
SELECT n.nspname, p.proname, 'f', NULL, obj_description(p.oid, 'pg_proc'), pg_has_role(p.proowner, 'USAGE')
FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace WHERE n.nspname = 'serving'
"""


def apply_comments(connection: Connection, *, is_sample: bool) -> int:
    """Write the comments that differ from what the declarations say, where they are this user's; how many these were.

    Raises `CommentsOutdated` where tables of somebody else are wrong about holding sample data.
    """
    wanted = dict(_wanted(is_sample=is_sample))
    with connection.cursor() as cursor:
        cursor.execute(_PRESENT)
        differing = [
            (kind, schema, relation, column, text, present or "", is_own)
            for schema, relation, kind, column, present, is_own in cursor.fetchall()
            if (text := wanted.get((schema, relation, column))) is not None and text != present
        ]
        for kind, schema, relation, column, text, present, is_own in differing:
            if not is_own:
                if text.startswith(SAMPLE_PREFIX) != present.startswith(SAMPLE_PREFIX):
                    raise CommentsOutdated(is_sample=is_sample)
                continue
            noun = "SCHEMA" if relation is None else "COLUMN" if column else _NOUNS[kind]
            path = [part for part in (schema, relation, column) if part is not None]
            cursor.execute(
                sql.SQL("COMMENT ON {} {} IS {}").format(sql.SQL(noun), sql.Identifier(*path), sql.Literal(text))
            )
    return sum(is_own for *_, is_own in differing)


def _wanted(*, is_sample: bool) -> Iterator[tuple[tuple[str, str | None, str | None], str]]:
    prefix = SAMPLE_PREFIX if is_sample else ""
    for schema, text in _SCHEMAS.items():
        yield (schema, None, None), text
    for meta in META_TABLES:
        yield ("meta", meta.name, None), meta.grain
        for column_name, text in meta.columns.items():
            yield ("meta", meta.name, column_name), text
    for table in (*published_tables(), *tables_of_series()):
        name = table.name.removeprefix("gold/")
        yield ("gold", name, None), f"{prefix}{_of_table(table)}"
        for column in table.columns:
            yield ("gold", name, column.name), _of_column(column)
    known = {column.name: column for table in reversed(published_tables()) for column in table.columns}
    for view in SERVED.values():
        schema, _, name = view.name.partition(".")
        yield (schema, name, None), f"{prefix}{view.comment}"
        for column in known.values():
            yield (schema, name, column.name), _of_column(column)
        for column_name, text in view.columns.items():
            yield (schema, name, column_name), text


def _of_table(table: Table) -> str:
    return f"{table.grain} Beware: {table.hazard}" if table.hazard else table.grain


def _of_column(column: Column) -> str:
    return f"{column.description} [{column.unit}]" if column.unit else column.description
