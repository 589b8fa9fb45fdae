"""Views are as their files say: made again when they differ, left alone when not, and nobody else's is ever dropped."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from graphlib import CycleError
from typing import Any

import pytest

from pce_pipeline.tables.pce_state import GOLD_PCE_STATE_METRICS
from pce_pipeline.tables.pce_us_monthly import GOLD_PCE_STATE_MONTHLY, GOLD_PCE_US_MONTHLY
from pce_pipeline.tables.prices_state import GOLD_STATE_PRICE_METRICS
from pce_pipeline.tables.table import Table
from pce_pipeline.warehouse.comments import SAMPLE_PREFIX
from pce_pipeline.warehouse.errors import ViewBlocked
from pce_pipeline.warehouse.postgres import PostgresResource
from pce_pipeline.warehouse.views import SERVED, VIEWS, View, apply_views, differing_views, in_order
from pce_pipeline_tests.postgres_server import PostgresServer
from pce_pipeline_tests.warehouse.steps import take_steps

YOY, LATEST = "serving.v_pce_state_yoy", "serving.v_pce_state_latest"

# What makes a view: the relation, the rule with its query, the comments on it. `xmin` changes with every write.
DEFINED = """
SELECT c.relname, c.oid, r.xmin::text, array_agg(d.xmin::text ORDER BY d.objsubid)
FROM pg_class AS c
JOIN pg_rewrite AS r ON r.ev_class = c.oid
JOIN pg_description AS d ON d.objoid = c.oid AND d.classoid = 'pg_class'::regclass
WHERE c.relnamespace = 'serving'::regnamespace GROUP BY 1, 2, 3 ORDER BY 1
"""
SAID = """
SELECT c.relname, pg_get_viewdef(c.oid), obj_description(c.oid), c.relacl::text, array_agg(
    format('%s %s %s', a.attname, format_type(a.atttypid, a.atttypmod), col_description(c.oid, a.attnum))
    ORDER BY a.attnum
)
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
WHERE c.relnamespace = 'serving'::regnamespace GROUP BY c.oid, 1, 4 ORDER BY 1
"""
COLUMNS = "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 ORDER BY attnum"
THEIRS = f"CREATE VIEW public.theirs AS SELECT year FROM {LATEST}"


def _rows(postgres: PostgresResource, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
    with postgres.connect() as connection, connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)
        return cursor.fetchall()


def _execute(postgres: PostgresResource, *statements: str) -> None:
    with postgres.connect() as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        connection.commit()


def _applied(postgres: PostgresResource, views: Mapping[str, View]) -> list[str]:
    with postgres.connect() as connection, connection.cursor() as cursor:
        made = apply_views(cursor, views)
        connection.commit()
        return made


def _differing(postgres: PostgresResource) -> list[str]:
    with postgres.connect() as connection, connection.cursor() as cursor:
        return differing_views(cursor)


def _columns(postgres: PostgresResource, view: str) -> list[str]:
    return [name for (name,) in _rows(postgres, COLUMNS, view)]


def _with(name: str, old: str, new: str) -> dict[str, View]:
    """Our views, with another text of one of them."""
    assert VIEWS[name].text.count(old) == 1
    return VIEWS | {name: replace(VIEWS[name], text=VIEWS[name].text.replace(old, new))}


GROWN = _with(LATEST, "_a_year_pct\nFROM", "_a_year_pct,\n    1 AS grown\nFROM")
SHRUNK = _with(LATEST, "    annual.pce_per_capita_usd,\n", "")


@pytest.fixture
def established(server: PostgresServer) -> Iterator[PostgresResource]:
    """A database with roles and comments of a sample world."""
    with server.database(migrated=False) as url:
        postgres = PostgresResource(url)
        postgres.establish(is_sample=True)
        yield postgres


@pytest.mark.parametrize("view", SERVED.values(), ids=SERVED)
def test_a_file_makes_the_view_that_it_is_named_after_and_names_every_column(view: View):
    begins = r"^CREATE OR REPLACE (?:VIEW (\S+) AS$|FUNCTION ([^ (]+)\()"
    assert ["".join(names) for names in re.findall(begins, view.text, re.MULTILINE)] == [view.name]
    statements = re.sub(r"\$function\$.*\$function\$", "", view.text, flags=re.DOTALL).split(";\n")
    assert len(statements) == 2 + len(re.findall("^COMMENT ON ", view.text, re.MULTILINE))
    assert re.findall(r"(?:\.|\bSELECT\s+)\*", view.text) == [], "a column that a table gets later would not show"


@pytest.mark.postgres
def test_comments_are_read_from_files_as_postgres_reads_them(postgres):
    for view in (each for each in SERVED.values() if each.is_function):
        assert _rows(postgres, "SELECT obj_description(%s::regproc)", view.name) == [(view.comment,)]
    for view in (each for each in SERVED.values() if not each.is_function):
        assert _rows(postgres, "SELECT obj_description(%s::regclass)", view.name) == [(view.comment,)]
        held = _rows(
            postgres,
            "SELECT attname, description FROM pg_attribute JOIN pg_description ON objoid = attrelid "
            "AND objsubid = attnum AND classoid = 'pg_class'::regclass WHERE attrelid = %s::regclass",
            view.name,
        )
        assert dict(held) == view.columns


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("view", "table"),
    [
        ("serving.v_pce_us_mom", GOLD_PCE_US_MONTHLY),
        ("serving.v_pce_state_mom", GOLD_PCE_STATE_MONTHLY),
        ("serving.v_state_prices", GOLD_STATE_PRICE_METRICS),
    ],
)
def test_a_column_whose_name_other_tables_have_too_says_what_it_is_in_its_own(established, view: str, table: Table):
    said = dict(
        _rows(
            established,
            "SELECT attname, col_description(attrelid, attnum) FROM pg_attribute "
            "WHERE attrelid = %s::regclass AND attnum > 0",
            view,
        )
    )
    shown = {each.name: each for each in table.columns if each.name in said}
    assert len(shown) > 1
    for name, column in shown.items():
        assert said[name] == column.description + (f" [{column.unit}]" if column.unit else ""), name


@pytest.mark.postgres
def test_the_newest_year_is_shown_with_every_metric(postgres):
    assert set(GOLD_PCE_STATE_METRICS.column_names) <= set(_columns(postgres, LATEST))


@pytest.mark.postgres
def test_a_database_of_before_is_carried_on_to_what_a_fresh_one_is(server, established):
    with server.database(migrated=False) as url:
        take_steps(url, "0004", "INSERT INTO meta.world (world, env) VALUES ('sample', 'local')", THEIRS)
        carried = PostgresResource(url)
        before = _rows(carried, "SELECT relname, oid FROM pg_class WHERE relname LIKE 'v_pce%'")
        assert len(before) == 3, "those that were there from the beginning"
        carried.migrate()
        assert _rows(carried, SAID) == _rows(established, SAID)
        assert all(comment.startswith(SAMPLE_PREFIX) for _, _, comment, *_ in _rows(carried, SAID))
        after = _rows(carried, "SELECT relname, oid FROM pg_class WHERE relname LIKE 'v_pce%'")
        assert set(before) < set(after)
        assert _rows(carried, "SELECT * FROM public.theirs") == []


@pytest.mark.postgres
def test_views_that_are_as_their_files_say_are_left_alone(established):
    before = _rows(established, DEFINED)
    assert len(before) == len([view for view in SERVED.values() if not view.is_function])
    assert _differing(established) == []
    established.establish(is_sample=True)
    established.migrate()
    assert _applied(established, VIEWS) == []
    assert _rows(established, DEFINED) == before


@pytest.mark.postgres
def test_a_view_that_gets_a_column_is_replaced_in_place_under_what_others_built_on_it(established):
    _execute(established, THEIRS)
    oids = _rows(established, "SELECT oid FROM pg_class WHERE relname LIKE 'v_pce%' ORDER BY oid")
    assert _applied(established, GROWN) == [LATEST]
    assert _columns(established, LATEST)[-1] == "grown"
    assert _rows(established, "SELECT oid FROM pg_class WHERE relname LIKE 'v_pce%' ORDER BY oid") == oids
    assert _rows(established, "SELECT * FROM public.theirs") == []
    assert _applied(established, GROWN) == []


@pytest.mark.postgres
def test_a_view_that_loses_a_column_keeps_what_was_granted_on_it(established):
    _execute(
        established, f"GRANT SELECT ON {LATEST} TO PUBLIC", f"GRANT SELECT ON {LATEST} TO pg_monitor WITH GRANT OPTION"
    )
    rights = "SELECT grantee, privilege_type, is_grantable FROM pg_class, aclexplode(relacl) WHERE oid = %s::regclass"
    before = _rows(established, f"{rights} AND grantee <> relowner", LATEST)
    assert _applied(established, SHRUNK) == [LATEST]
    assert "pce_per_capita_usd" not in _columns(established, LATEST)
    assert sorted(_rows(established, f"{rights} AND grantee <> relowner", LATEST)) == sorted(before)
    established.establish(is_sample=True)
    assert "pce_per_capita_usd" in _columns(established, LATEST)
    owner = "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = %s::regclass"
    assert _rows(established, owner, LATEST) == [("pce_owner",)]


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("theirs", "named"),
    [
        (THEIRS, "view public.theirs"),
        (THEIRS.replace("VIEW", "MATERIALIZED VIEW"), "materialized view public.theirs"),
        (
            f"CREATE FUNCTION public.theirs() RETURNS bigint BEGIN ATOMIC SELECT count(*) FROM {LATEST}; END",
            "function public.theirs()",
        ),
    ],
)
def test_what_others_built_on_a_view_is_named_and_not_dropped(established, theirs: str, named: str):
    _execute(established, theirs)
    before = _rows(established, DEFINED)
    with pytest.raises(ViewBlocked, match=re.escape(f"{named} depends on view {LATEST}")) as blocked:
        _applied(established, SHRUNK)
    assert blocked.value.view == LATEST
    assert "drop it or give it another name, run `pce db migrate`, and make it again" in blocked.value.remedy
    assert _rows(established, DEFINED) == before


@pytest.mark.postgres
def test_a_table_in_a_views_place_is_named_and_stays(established):
    _execute(established, f"DROP VIEW {LATEST}", f"CREATE MATERIALIZED VIEW {LATEST} AS SELECT 1 AS n")
    with pytest.raises(ViewBlocked, match="is not a view"):
        established.migrate()
    assert _rows(established, f"SELECT n FROM {LATEST}") == [(1,)]


@pytest.mark.postgres
def test_views_on_a_view_are_made_again_after_it(established):
    first = View(
        "serving.a_first", "CREATE OR REPLACE VIEW serving.a_first AS SELECT years.year FROM serving.b_years AS years;"
    )
    years = View(
        "serving.b_years", f"CREATE OR REPLACE VIEW serving.b_years AS SELECT annual.year FROM {LATEST} AS annual;"
    )
    assert _applied(established, in_order([first, years, *VIEWS.values()])) == [years.name, first.name]
    assert _applied(established, in_order([first, years, *SHRUNK.values()])) == [LATEST, years.name, first.name]
    assert _columns(established, first.name) == ["year"]
    assert _applied(established, in_order([first, years, *SHRUNK.values()])) == []


def test_views_come_after_those_that_they_are_made_of():
    one = View(
        "serving.one", "CREATE OR REPLACE VIEW serving.one AS SELECT n FROM serving.two_more; -- not serving.zero"
    )
    two = View(
        "serving.two",
        "CREATE OR REPLACE VIEW serving.two AS SELECT 1 AS n;\nCOMMENT ON VIEW serving.two IS 'serving.one';",
    )
    more = View("serving.two_more", "CREATE OR REPLACE VIEW serving.two_more AS SELECT n FROM serving.two;")
    assert list(in_order([one, two, more])) == ["serving.two", "serving.two_more", "serving.one"]
    with pytest.raises(CycleError):
        in_order([replace(two, text=one.text), replace(one, name="serving.two_more", text=more.text)])


@pytest.mark.postgres
@pytest.mark.parametrize(
    "change",
    [
        f"DROP VIEW {YOY}",
        f"CREATE OR REPLACE VIEW {YOY} AS SELECT held.* FROM {YOY}_kept AS held",
        f"ALTER VIEW {YOY} RENAME COLUMN pce_yoy_pct TO growth",
        "UPDATE meta.views SET text_sha256 = 'of another version' WHERE view_name LIKE '%yoy'",
        "DELETE FROM meta.views WHERE view_name LIKE '%yoy'",
    ],
)
def test_a_view_that_somebody_has_dropped_or_changed_is_found_and_made_again(established, change: str):
    definition = _rows(established, "SELECT pg_get_viewdef(%s::regclass)", YOY)
    said = _rows(established, SAID)
    _execute(established, f"CREATE TABLE public.{YOY.partition('.')[2]}_kept AS SELECT * FROM {YOY}")
    _execute(established, change.replace(f"{YOY}_kept", f"public.{YOY.partition('.')[2]}_kept"))
    assert _differing(established) == [YOY]
    established.establish(is_sample=True)
    assert _differing(established) == []
    assert _rows(established, "SELECT pg_get_viewdef(%s::regclass)", YOY) == definition
    assert _rows(established, SAID) == said


@pytest.mark.postgres
def test_all_views_are_made_again_where_nobody_knows_what_they_were_made_of(established):
    _execute(established, "DROP TABLE meta.views")
    assert _differing(established) == list(VIEWS)
    established.migrate()
    assert _differing(established) == []


@pytest.mark.postgres
def test_it_makes_no_difference_where_the_one_who_looks_searches_for_names(established):
    with established.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SET search_path = gold, serving, public")
        assert differing_views(cursor) == []
        assert apply_views(cursor, GROWN) == [LATEST]
        connection.commit()
    with established.connect() as connection, connection.cursor() as cursor:
        assert differing_views(cursor, GROWN) == []


@pytest.mark.postgres
def test_how_another_major_version_of_postgres_shows_a_view_is_no_difference(established):
    _execute(established, "UPDATE meta.views SET held_hash = '16:of another version'")
    assert _differing(established) == []


AS_OF = "serving.pce_state_as_of"
FUNCTION = "SELECT pg_get_functiondef(%s::regproc), obj_description(%s::regproc), %s::regproc::oid"


@pytest.mark.postgres
@pytest.mark.parametrize(
    "change",
    [
        f"DROP FUNCTION {AS_OF}",
        f"ALTER FUNCTION {AS_OF} VOLATILE",
        f"ALTER FUNCTION {AS_OF} SECURITY DEFINER",
        f"DROP FUNCTION {AS_OF}; CREATE FUNCTION {AS_OF}(day date) RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        f"UPDATE meta.views SET text_sha256 = 'of another version' WHERE view_name = '{AS_OF}'",
    ],
)
def test_a_function_that_somebody_has_dropped_or_changed_is_found_and_made_again(established, change: str):
    said = _rows(established, FUNCTION, AS_OF, AS_OF, AS_OF)[0][:2]
    _execute(established, change)
    assert _differing(established) == [AS_OF]
    established.establish(is_sample=True)
    assert _differing(established) == []
    assert _rows(established, FUNCTION, AS_OF, AS_OF, AS_OF)[0][:2] == said


@pytest.mark.postgres
def test_a_function_is_replaced_in_place_or_else_keeps_what_was_granted_on_it(established):
    rights = (
        "SELECT grantee, privilege_type FROM pg_proc, aclexplode(proacl) "
        "WHERE oid = %s::regproc AND grantee <> proowner ORDER BY 1"
    )
    _execute(established, f"GRANT EXECUTE ON FUNCTION {AS_OF} TO pg_monitor")
    before = _rows(established, rights, AS_OF)
    ((oid,),) = _rows(established, "SELECT %s::regproc::oid", AS_OF)
    assert _applied(established, _with(AS_OF, "AND log.basis = 0", "AND log.basis < 1")) == [AS_OF]
    assert _rows(established, "SELECT %s::regproc::oid", AS_OF) == [(oid,)]
    assert _applied(established, _with(AS_OF, "    state text,\n", "    postal_code text,\n")) == [AS_OF]
    assert _rows(established, rights, AS_OF) == before
    established.establish(is_sample=True)
    assert _rows(established, rights, AS_OF) == before


@pytest.mark.postgres
def test_what_others_built_on_a_function_is_named_and_not_dropped(established):
    _execute(established, f"CREATE VIEW public.theirs AS SELECT year FROM {AS_OF}('2024-12-31')")
    with pytest.raises(ViewBlocked, match=re.escape("view public.theirs depends on function")):
        _applied(established, _with(AS_OF, "    state text,\n", "    postal_code text,\n"))
    assert _differing(established) == []


def test_a_function_can_be_planned_as_part_of_a_query():
    """Postgres does so only with SQL that is neither strict nor run with the rights of its owner."""
    functions = {name: view.text for name, view in VIEWS.items() if view.is_function}
    assert {name for name, text in functions.items() if "\nLANGUAGE sql STABLE AS $function$\n" in text} == {
        name for name in functions if name.endswith("_as_of")
    }
