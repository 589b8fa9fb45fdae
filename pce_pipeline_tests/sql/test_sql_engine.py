"""DuckDB held to one question: what it answers over given rows, and everything that it is not to do."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import polars as pl
import pytest

from pce_pipeline.errors import UsageError
from pce_pipeline.sql.engine import Engine
from pce_pipeline.sql.errors import (
    NoSuchRelation,
    NotOneQuestion,
    OnlyQuestions,
    OutOfReach,
    StatementFailed,
    StatementWrong,
)
from pce_pipeline.sql.relations import Relations
from pce_pipeline.tables.registry import load_registry
from pce_pipeline.warehouse.views import View, in_order

FULL = load_registry("full", None)
RELATIONS = Relations(FULL)
ENGINE = Engine(FULL, RELATIONS)
AREAS = pl.DataFrame(
    {
        "geo_fips": ["00000", "06000", "48000"],
        "geo_name": ["United States", "California", "Texas"],
        "geo_level": ["nation", "state", "state"],
        "state": [None, "CA", "TX"],
        "region_fips": [None, "98000", "96000"],
        "path_segment": ["US", "CA", "TX"],
    }
)


def ask(statement: str, frames: Mapping[str, pl.DataFrame] | None = None) -> list[tuple[object, ...]]:
    """The rows that a statement answers over made-up areas, and over what else is given."""
    named = ENGINE.named_in(statement)
    rows = ENGINE.rows(statement, named, {"gold/dim_geography": AREAS, **(frames or {})})
    return list(zip(*(column.to_pylist() for column in rows.columns), strict=True))


def names(statement: str) -> list[str]:
    return sorted(relation.path for relation in ENGINE.named_in(statement))


@pytest.mark.parametrize(
    "written", ["dim_geography", "gold.dim_geography", "GOLD.Dim_Geography", '"gold"."dim_geography"']
)
def test_a_table_is_found_by_its_name_with_and_without_its_schema(written: str) -> None:
    assert ask(f"SELECT geo_name FROM {written} WHERE state = 'TX'") == [("Texas",)]


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("SELECT 1", []),
        ("FROM dim_geography", ["gold.dim_geography"]),
        ("SELECT * FROM dim_geography AS a JOIN facts AS b USING (geo_fips)", ["gold.dim_geography", "gold.facts"]),
        ("WITH dim_category AS (FROM dim_geography) FROM dim_category", ["gold.dim_geography"]),
        ("SELECT (SELECT max(year) FROM facts) FROM dim_geography", ["gold.dim_geography", "gold.facts"]),
        ("FROM query('FROM gold.' || 'facts')", ["gold.facts"]),
        ("FROM query_table('facts')", ["gold.facts"]),
        ("FROM facts TABLESAMPLE 10%", ["gold.facts"]),
        ("DESCRIBE facts", ["gold.facts"]),
        ("SUMMARIZE facts", ["gold.facts"]),
        ("FROM v_pce_state_yoy", ["serving.v_pce_state_yoy"]),
        ("FROM silver.pce_state_vintages", ["silver.pce_state_vintages"]),
        ("FROM pce_state_vintages", ["gold.pce_state_vintages"]),
        (
            "FROM pce_state_vintages AS a JOIN silver.pce_state_vintages AS b USING (geo_fips)",
            ["gold.pce_state_vintages", "silver.pce_state_vintages"],
        ),
        ("FROM query('FROM silver.' || 'pce_state')", ["silver.pce_state"]),
        (
            "FROM silver.pce_state_vintages AS a JOIN pce_state_vintages AS b USING (geo_fips)",
            ["gold.pce_state_vintages", "silver.pce_state_vintages"],
        ),
        ("-- FROM facts\nFROM dim_geography; ", ["gold.dim_geography"]),
    ],
)
def test_what_a_statement_names_is_found_wherever_it_stands(statement: str, found: list[str]) -> None:
    assert names(statement) == found


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("DELETE FROM dim_geography", "DELETE"),
        ("INSERT INTO dim_geography VALUES (1)", "INSERT"),
        ("UPDATE dim_geography SET state = 'XX'", "UPDATE"),
        ("CREATE TABLE x AS SELECT 1", "CREATE"),
        ("DROP TABLE dim_geography", "DROP"),
        ("ALTER TABLE dim_geography ADD COLUMN x INT", "ALTER"),
        ("COPY (SELECT 1) TO 'x.csv'", "COPY"),
        ("ATTACH 'x.duckdb'", "ATTACH"),
        ("INSTALL httpfs", "LOAD"),
        ("LOAD httpfs", "LOAD"),
        ("SET enable_external_access = true", "SET"),
        ("PRAGMA database_list", "PRAGMA"),
        ("EXPORT DATABASE 'x'", "EXPORT"),
        ("CALL pragma_version()", "CALL"),
        ("EXPLAIN ANALYZE DELETE FROM dim_geography", "EXPLAIN"),
        ("SELECT 1; DROP TABLE dim_geography", "DROP"),
    ],
)
def test_whatever_does_more_than_ask_is_refused_by_its_kind(statement: str, kind: str) -> None:
    with pytest.raises(OnlyQuestions) as refused:
        ask(statement)
    assert refused.value.kind == kind


def test_a_change_within_a_question_is_refused() -> None:
    with pytest.raises(StatementWrong):
        ask("WITH gone AS (DELETE FROM dim_geography RETURNING *) FROM gone")


@pytest.mark.parametrize(
    "source",
    [
        "read_csv('{file}')",
        "read_parquet('{file}')",
        "read_text('{file}')",
        "read_json('{file}')",
        "glob('{file}')",
        "sniff_csv('{file}')",
        "parquet_metadata('{file}')",
        "read_parquet('http://127.0.0.1:9/x.parquet')",
        "duckdb_secrets()",
    ],
)
def test_nothing_outside_of_the_lake_is_read(source: str, tmp_path: Path) -> None:
    file = tmp_path / "secret.csv"
    file.write_text("a\n1\n")
    with pytest.raises(OutOfReach):
        ask(f"SELECT * FROM {source.format(file=file)}")


def test_a_file_in_the_place_of_a_table_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "secret.csv"
    file.write_text("a\n1\n")
    with pytest.raises((NoSuchRelation, OutOfReach)):
        ask(f"FROM '{file}'")


def test_a_frame_of_the_caller_is_no_table() -> None:
    secret = pl.DataFrame({"a": [1]})
    with pytest.raises(NoSuchRelation):
        ask("FROM secret")
    assert secret.height == 1


@pytest.mark.parametrize(("statement", "count"), [("", 0), (" ; ", 0), ("-- nothing", 0), ("SELECT 1; SELECT 2", 2)])
def test_one_statement_is_answered_at_a_time(statement: str, count: int) -> None:
    with pytest.raises(NotOneQuestion) as refused:
        ask(statement)
    assert refused.value.count == count


@pytest.mark.parametrize(
    ("name", "close"),
    [
        ("pce_state_anual", "gold.pce_state_annual"),
        ("gold.dim_geografy", "gold.dim_geography"),
        ("v_pce_state_yo", "serving.v_pce_state_yoy"),
        ("silver.pce_stat", "silver.pce_state"),
        ("pce_state", "silver.pce_state"),
    ],
)
def test_a_name_that_there_is_not_is_answered_with_the_nearest_ones(name: str, close: str) -> None:
    with pytest.raises(NoSuchRelation) as refused:
        ask(f"FROM {name}")
    assert close in refused.value.close
    assert close in refused.value.remedy


def test_a_table_of_postgres_alone_is_named_as_such() -> None:
    with pytest.raises(NoSuchRelation, match="pce db psql"):
        ask("FROM meta.ingest_runs")


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("SELECT nope FROM dim_geography", "nope"),
        ("SELEC 1", "syntax error"),
        ("SELECT no_such_function(1)", "no_such_function"),
        ("SELECT * FROM serving.pce_state_as_of(DATE '2024-01-01')", "pce_state_as_of"),
        ("PIVOT dim_geography ON geo_level USING count(*)", "PIVOT"),
    ],
)
def test_what_cannot_be_read_is_wrong_usage_in_duckdbs_words(statement: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        ask(statement)


@pytest.mark.parametrize(
    "statement", ["SELECT 1 / 0 FROM dim_geography", "SELECT CAST(geo_name AS INT) FROM dim_geography"]
)
def test_what_fails_on_the_way_says_why(statement: str) -> None:
    with pytest.raises(StatementFailed) as failed:
        ask(statement)
    assert failed.value.reason


def test_the_same_statement_means_what_it_means_in_postgres() -> None:
    assert ask("SELECT 5 / 2, timestamptz '2024-01-01 00:00:00+00'::text LIKE '2024-01-01 00:00:00+00%'") == [(2, True)]
    states = ask("SELECT state FROM dim_geography ORDER BY state DESC")
    assert states == [(None,), ("TX",), ("CA",)]
    assert ask("SELECT state FROM dim_geography ORDER BY state") == [("CA",), ("TX",), (None,)]


def test_show_tables_lists_every_table_and_view() -> None:
    listed = {f"gold.{name}" for (name,) in ask("SHOW TABLES FROM gold")}
    listed |= {f"silver.{name}" for (name,) in ask("SHOW TABLES FROM silver")}
    assert listed == set(RELATIONS.tables)
    assert {each.name for each in RELATIONS.views.values()} <= {name for (name,) in ask("SHOW TABLES")}


def test_every_view_is_made_of_declared_tables_and_runs_without_rows() -> None:
    for view in RELATIONS.views.values():
        assert view.lacks == ()
        assert (
            ask(f"FROM {view.path}", {each.name: pl.DataFrame(schema=each.polars_schema) for each in view.tables}) == []
        )


def test_a_view_of_a_view_needs_the_tables_of_both() -> None:
    views = in_order(
        [
            View("serving.v_one", "CREATE OR REPLACE VIEW serving.v_one AS SELECT geo_fips FROM gold.dim_geography;"),
            View("serving.v_two", "CREATE OR REPLACE VIEW serving.v_two AS SELECT * FROM serving.v_one;"),
        ]
    )
    relations = Relations(FULL, views)
    assert [view.name for view in relations.named("v_two").views] == ["serving.v_one", "serving.v_two"]
    engine = Engine(FULL, relations)
    named = engine.named_in("FROM v_two")
    rows = engine.rows("FROM v_two", named, {"gold/dim_geography": AREAS})
    assert rows.column(0).to_pylist() == ["00000", "06000", "48000"]


def test_a_view_of_what_a_profile_lacks_says_which_tables_these_are() -> None:
    smoke = load_registry("smoke", None)
    (relation,) = Engine(smoke, Relations(smoke)).named_in("FROM v_state_prices")
    assert "gold.prices_state_annual" in relation.lacks


def test_without_duckdb_the_error_says_what_to_install() -> None:
    script = (
        "import sys; sys.modules['duckdb'] = None\n"
        "from pce_pipeline.asking.errors import ExtraMissing\n"
        "from pce_pipeline.sql.engine import Engine\n"
        "from pce_pipeline.sql.relations import Relations\n"
        "from pce_pipeline.tables.registry import load_registry\n"
        "registry = load_registry('smoke', None)\n"
        "try:\n    Engine(registry, Relations(registry))\nexcept ExtraMissing as missing:\n    print(missing)\n"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert "python -m pip install duckdb" in said
