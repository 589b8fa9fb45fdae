"""The views and functions of Postgres: one SQL file each, with its comments, made again when the database differs.

A view holds no rows, so it is no frozen step: its file says what it shows now, and is run after the steps of every
migration if the text is another one, if the view is gone, or if somebody has changed it. `meta.views` keeps what each
was made of. A view is replaced in place where its columns stay or grow; only else is it dropped, with those of ours
that read it, and what others have made on it is never dropped. A function is a view that takes a day, and is kept in
the same way. Views name every column and schema; who takes a view out of this folder drops it in a step, as does a step
that changes a column that a view reads. A view of schema gold is a table to all who read it: its comments are those of
the table's declaration, and its file has what lets a row be changed through it as well.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from importlib.resources import files
from importlib.resources.abc import Traversable

from psycopg2 import errors, sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812 (a class with a lower-case name)

from pce_pipeline.warehouse.errors import ViewBlocked

_COMMENT = re.compile(r"^COMMENT ON (?:VIEW|FUNCTION|COLUMN) (\S+) IS\s+((?:'(?:[^']|'')*'\s*)+);", re.MULTILINE)
_LITERAL = re.compile(r"'((?:[^']|'')*)'")

# How Postgres shows a view may change with a new major version, which is therefore part of the hash.
_MAJOR = sql.SQL("(current_setting('server_version_num')::int / 10000)::text")
_HELD = sql.SQL(
    "{} || ':' || md5(coalesce(pg_get_viewdef(to_regclass(wanted.name)::oid), "
    "pg_get_functiondef(to_regproc(wanted.name)::oid)))"
).format(_MAJOR)

# Neither what a file means nor how Postgres shows a view may depend on who asks.
_HAS_RECORD = "SET LOCAL search_path = pg_catalog; SELECT to_regclass('meta.views') IS NOT NULL"
_DIFFERING = sql.SQL("""
SELECT wanted.name
FROM unnest(%s, %s) AS wanted(name, text_sha256)
LEFT JOIN meta.views AS made ON made.view_name = wanted.name
WHERE to_regclass(wanted.name) IS NULL AND to_regproc(wanted.name) IS NULL
    OR made.text_sha256 IS DISTINCT FROM wanted.text_sha256
    OR split_part(made.held_hash, ':', 1) = {major} AND made.held_hash <> {held}
""").format(major=_MAJOR, held=_HELD)
_RECORD = sql.SQL("""
INSERT INTO meta.views (view_name, text_sha256, held_hash)
SELECT wanted.name, wanted.text_sha256, {held} FROM (VALUES (%s, %s)) AS wanted(name, text_sha256)
ON CONFLICT (view_name) DO UPDATE SET text_sha256 = excluded.text_sha256, held_hash = excluded.held_hash
""").format(held=_HELD)
_READERS = """
WITH RECURSIVE reading(oid) AS (
    SELECT %s::regclass::oid
    UNION
    SELECT r.ev_class
    FROM reading
    JOIN pg_depend AS d ON d.refobjid = reading.oid
        AND d.refclassid = 'pg_class'::regclass AND d.classid = 'pg_rewrite'::regclass
    JOIN pg_rewrite AS r ON r.oid = d.objid
)
SELECT ours.name FROM unnest(%s) AS ours(name) JOIN reading ON reading.oid = to_regclass(ours.name)
"""
_GRANTS = """
SELECT format(
    'GRANT %%s ON %%s %%s TO %%s%%s', g.privilege_type, held.kind, held.name,
    CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END,
    CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
)
FROM unnest(%s) AS dropped(name)
CROSS JOIN LATERAL (
    SELECT 'TABLE' AS kind, c.oid::regclass::text AS name, c.relacl AS acl, c.relowner AS owner
    FROM pg_class AS c WHERE c.oid = to_regclass(dropped.name)
    UNION ALL
    SELECT 'FUNCTION', p.oid::regprocedure::text, p.proacl, p.proowner
    FROM pg_proc AS p WHERE p.oid = to_regproc(dropped.name)
) AS held
CROSS JOIN aclexplode(held.acl) AS g
WHERE g.grantee <> held.owner
"""


@dataclass(frozen=True)
class View:
    """One view, as its file says it."""

    name: str
    """Its schema and name, such as `serving.v_pce_state_yoy`: the file's name."""
    text: str
    """The file: CREATE OR REPLACE VIEW or FUNCTION, then comments on it and on those columns that no table has."""

    @property
    def is_function(self) -> bool:
        """Whether it takes arguments."""
        return self.text.startswith("CREATE OR REPLACE FUNCTION")

    @property
    def statement(self) -> str:
        """What makes it, without the comments on it: of a view, SQL that DuckDB runs over the lake as well."""
        return _COMMENT.sub("", self.text)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def comment(self) -> str:
        """What the view shows."""
        return dict(self._comments())[self.name]

    @property
    def columns(self) -> dict[str, str]:
        """What the columns mean that no table has."""
        return {path.rpartition(".")[2]: text for path, text in self._comments() if path != self.name}

    def reads(self, other: str) -> bool:
        """Whether it is made of another view, or reads a table, by schema and name."""
        query = re.sub("--.*", "", self.statement)
        return other != self.name and re.search(rf"\b{re.escape(other)}\b", query) is not None

    def _comments(self) -> Iterator[tuple[str, str]]:
        for path, literals in _COMMENT.findall(self.text):
            yield path, "".join(_LITERAL.findall(literals)).replace("''", "'")


def views_of(folder: Traversable) -> dict[str, View]:
    """The views whose files lie in a folder, by name, each after those it is made of."""
    texts = {file.name.removesuffix(".sql"): file for file in folder.iterdir() if file.name.endswith(".sql")}
    return in_order(View(name, texts[name].read_text("utf-8")) for name in sorted(texts))


def in_order(views: Iterable[View]) -> dict[str, View]:
    """Views by name, each after those it is made of; raises `graphlib.CycleError` where there is no such order."""
    found = {view.name: view for view in views}
    graph = {name: [other for other in found if view.reads(other)] for name, view in found.items()}
    return {name: found[name] for name in TopologicalSorter(graph).static_order()}


VIEWS = views_of(files(__name__))
"""Every view of ours, in the order in which they are made."""

SERVED = {name: view for name, view in VIEWS.items() if name.startswith("serving.")}
"""Those to read from; the others stand for tables of Gold that the database keeps in another form, and say the same."""


def differing_views(cursor: Cursor, views: Mapping[str, View] = VIEWS) -> list[str]:
    """The views that are gone, that were made of another text, or that somebody has changed since.

    From here to the end of the transaction, names without a schema are those of Postgres itself.
    """
    cursor.execute(_HAS_RECORD)
    if cursor.fetchone() != (True,):
        return list(views)
    cursor.execute(_DIFFERING, (list(views), [view.sha256 for view in views.values()]))
    differing = {name for (name,) in cursor.fetchall()}
    return [name for name in views if name in differing]


def apply_views(cursor: Cursor, views: Mapping[str, View] = VIEWS) -> list[str]:
    """Make every view that differs as its file says, and those of ours that had to be dropped for it; which these were.

    Nothing is run for views that do not differ. Rights that were granted on a dropped view are granted again. Raises
    `ViewBlocked` where something that others have made is in the way.
    """
    todo = set(differing_views(cursor, views))
    made, grants = [], []
    for name in views:
        if name not in todo:
            continue
        view = views[name]
        try:
            if not _replaced(cursor, view):
                readers = [name] if view.is_function else _readers(cursor, name, views)
                grants += _grants_on(cursor, readers)
                _drop(cursor, name, readers, is_function=view.is_function)
                todo.update(readers)
                cursor.execute(view.text)
        except errors.WrongObjectType as other:
            raise ViewBlocked(name, [other.diag.message_primary or str(other)]) from other
        cursor.execute(_RECORD, (name, view.sha256))
        made.append(name)
    for grant in grants:
        cursor.execute(grant)
    return made


def _replaced(cursor: Cursor, view: View) -> bool:
    """Replace the view in place, or make one that is not there; False where columns would go or change."""
    cursor.execute("SAVEPOINT replaced")
    try:
        cursor.execute(view.text)
    except (errors.InvalidTableDefinition, errors.InvalidFunctionDefinition):
        cursor.execute("ROLLBACK TO SAVEPOINT replaced")
        return False
    cursor.execute("RELEASE SAVEPOINT replaced")
    return True


def _readers(cursor: Cursor, name: str, views: Mapping[str, View]) -> list[str]:
    """The view and those of ours that are made of it in the database, directly or not."""
    cursor.execute(_READERS, (name, list(views)))
    return [reader for (reader,) in cursor.fetchall()]


def _grants_on(cursor: Cursor, names: list[str]) -> list[str]:
    """Statements that grant again what others than the owner may do with these views."""
    cursor.execute(_GRANTS, (names,))
    return [statement for (statement,) in cursor.fetchall()]


def _drop(cursor: Cursor, name: str, readers: list[str], *, is_function: bool) -> None:
    targets = sql.SQL(", ").join(sql.Identifier(*reader.split(".")) for reader in readers)
    try:
        cursor.execute(sql.SQL("DROP {} {}").format(sql.SQL("FUNCTION" if is_function else "VIEW"), targets))
    except errors.DependentObjectsStillExist as used:
        raise ViewBlocked(name, (used.diag.message_detail or str(used)).splitlines()) from used
