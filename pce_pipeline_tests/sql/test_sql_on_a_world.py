"""SQL over a lake that has run, beside the same in its Postgres: equal cells, whole keys, references that resolve."""

import json
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pce_pipeline.bronze.errors import NotKnownYet
from pce_pipeline.errors import UsageError
from pce_pipeline.lake.pointer import WHOLE
from pce_pipeline.opened_lake import OpenLake
from pce_pipeline.sql.engine import Engine
from pce_pipeline.sql.errors import LakeLacks
from pce_pipeline.sql.relations import Relations
from pce_pipeline.tables.joins import Join, joins_of
from pce_pipeline.tables.line_history import LINE_HISTORY
from pce_pipeline.tables.pce_state import GOLD_PCE_STATE_ANNUAL, GOLD_PCE_STATE_METRICS
from pce_pipeline.tables.registry import load_registry
from pce_pipeline.tables.table import Table
from pce_pipeline_tests.cli.conftest import Called
from pce_pipeline_tests.worlds import OF_ALL_DATASETS, Prepared, World, command_line_of

pytestmark = [pytest.mark.postgres]

OF_OCTOBER_2024 = "2025-03-31"
"""A day on which the sample's first release was the newest one."""
FULL = Relations(load_registry("full", None))
VIEWS = list(FULL.views)
TABLES = [each for each in load_registry("full", None).in_postgres if not each.coded]


@pytest.fixture(scope="module")
def lean(tmp_path_factory: pytest.TempPathFactory, prepared: Prepared) -> Iterator[World]:
    """All datasets with few lines, as of all releases that the sample's archive has, brought to Postgres."""
    with prepared.copied(tmp_path_factory.mktemp("lean")) as world:
        yield world


@pytest.fixture(scope="module")
def lake(lean: World) -> OpenLake:
    return OpenLake(lean.settings)


@pytest.fixture
def pce(lean: World) -> Callable[..., Called]:
    return command_line_of(lean)


def plain(value: object) -> object:
    """A value as both engines give it: a decimal without zeros at its end, a time in UTC."""
    if isinstance(value, Decimal):
        return "decimal", value.normalize()
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def rows_of(answer: list[tuple[Any, ...]]) -> list[str]:
    return sorted(repr([plain(value) for value in row]) for row in answer)


def of_both(lean: World, lake: OpenLake, statement: str) -> tuple[list[str], list[str]]:
    """The rows that Postgres and the lake answer, sorted: their values with the type of each."""
    return rows_of(lean.query(statement)), rows_of(lake.sql(statement).frame.rows())


@pytest.mark.parametrize("view", VIEWS)
def test_each_view_shows_the_same_cells_on_both_engines(lean: World, lake: OpenLake, view: str) -> None:
    in_postgres, in_lake = of_both(lean, lake, f"SELECT * FROM {view}")
    assert in_postgres == in_lake
    with lean.postgres.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {view} LIMIT 0")
        assert [column.name for column in cursor.description or ()] == lake.sql(f"FROM {view} LIMIT 0").frame.columns


def test_the_views_that_were_compared_have_rows(lake: OpenLake) -> None:
    empty = [view for view in VIEWS if not lake.sql(f"SELECT count(*) FROM {view}").frame.item()]
    assert empty == []


def ties_and_others() -> pl.DataFrame:
    """Levels whose growth and means lie on, or next to, the middle between two roundings, and some at random."""
    draw = random.Random(20)
    pairs = [(Decimal(512 * factor) / 10, Decimal(change) / 10) for factor in range(1, 40) for change in range(-9, 10)]
    pairs += [(Decimal(draw.randrange(1, 10**7)) / 1000, Decimal(draw.randrange(10**6)) / 1000) for _ in range(2000)]
    rows = [
        {
            "geo_fips": "06000",
            "geo_level": "state",
            "state": "CA",
            "category_id": f"made_up.{number}",
            "year": 2020 + after,
            "pce_millions_usd": level + after * change,
            "pce_status": "reported",
            "pce_per_capita_usd": (level + after * change) * 3,
            "pce_per_capita_status": "reported",
        }
        for number, (level, change) in enumerate(pairs)
        for after in range(5)
    ]
    return pl.DataFrame(rows, schema=GOLD_PCE_STATE_ANNUAL.polars_schema)


@pytest.mark.parametrize("view", ["serving.v_pce_state_yoy", "serving.v_pce_state_rolling"])
def test_both_engines_round_ties_the_same_way(lean: World, view: str) -> None:
    levels = ties_and_others()
    engine = Engine(lean.registry, FULL)
    named = engine.named_in(f"FROM {view}")
    (relation,) = named
    frames = {each.name: pl.DataFrame(schema=each.polars_schema) for each in relation.tables}
    in_lake = engine.rows(f"FROM {view}", named, {**frames, GOLD_PCE_STATE_ANNUAL.name: levels})
    table = f"gold.{GOLD_PCE_STATE_ANNUAL.relation}"
    with lean.postgres.connect() as connection, connection.cursor() as cursor:
        stored = f"{table}_stored, gold.{GOLD_PCE_STATE_METRICS.relation}_stored, gold.pce_state_series"
        cursor.execute("TRUNCATE gold.dim_geography, gold.dim_category, " + stored)
        cursor.executemany(f"INSERT INTO {table} VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)", levels.rows())
        cursor.execute(f"SELECT * FROM {view}")
        in_postgres = cursor.fetchall()
        connection.rollback()
    assert rows_of(in_postgres) == rows_of(list(zip(*(each.to_pylist() for each in in_lake.columns), strict=True)))


@pytest.mark.parametrize("table", TABLES, ids=lambda table: str(table.relation))
def test_keys_are_whole_and_unique_on_both_engines(lean: World, lake: OpenLake, table: Table) -> None:
    key = ", ".join(table.key)
    missing = " OR ".join(f"{name} IS NULL" for name in table.key)
    path = f"gold.{table.relation}"
    statement = f"SELECT count(*), count(DISTINCT ({key})), count(*) FILTER (WHERE {missing}) FROM {path}"
    in_postgres, in_lake = lean.query(statement), lake.sql(statement).frame.rows()
    assert in_postgres == in_lake
    ((rows, keys, without),) = in_lake
    assert (keys, without) == (rows, 0)
    assert rows > 0


REFERENCES = [(table, join) for table in TABLES for join in joins_of(table)]


@pytest.mark.parametrize(("table", "join"), REFERENCES, ids=lambda each: str(getattr(each, "relation", each)))
def test_references_resolve_on_both_engines(lean: World, lake: OpenLake, table: Table, join: Join) -> None:
    refers = " AND ".join(f"one.{name} IS NOT NULL" for name in join.columns)
    same = " AND ".join(
        f"other.{there} = one.{here}" for here, there in zip(join.columns, join.to_columns, strict=True)
    )
    lost = f"NOT EXISTS (SELECT 1 FROM gold.{join.to.relation} AS other WHERE {same})"
    statement = f"SELECT count(*) FROM gold.{table.relation} AS one WHERE {refers} AND {lost}"
    assert (lean.query(statement), lake.sql(statement).frame.rows()) == ([(0,)], [(0,)])


@pytest.mark.parametrize("log", ["vintages", "revisions"])
@pytest.mark.parametrize("dataset", [name for name in OF_ALL_DATASETS if name != "pce_us_monthly"])
def test_every_code_of_a_log_is_in_its_dimension_on_both_engines(
    lean: World, lake: OpenLake, dataset: str, log: str
) -> None:
    view = f"serving.v_{dataset}_{log}"
    key = "measure, category_id, geo_fips, year, basis, valid_from"
    vintages = f"SELECT vintage_id FROM gold.dim_vintage WHERE dataset = '{dataset}'"
    for statement in (
        f"SELECT count(*) - count(DISTINCT ({key})) FROM {view}",
        f"SELECT count(*) FROM {view} WHERE geo_fips NOT IN (SELECT geo_fips FROM gold.dim_geography)",
        f"SELECT count(*) FROM {view} WHERE category_id NOT IN (SELECT category_id FROM gold.dim_category)",
        f"SELECT count(*) FROM {view} WHERE valid_from NOT IN ({vintages})",
    ):
        assert (lean.query(statement), lake.sql(statement).frame.rows()) == ([(0,)], [(0,)]), statement
    shown = f"SELECT count(*) FROM {view}"
    of_table = f"SELECT count(*) FROM gold.{dataset}_{log}"
    counted = lake.sql(shown).frame.item()
    assert counted == lake.sql(of_table).frame.item() == lean.query(of_table)[0][0] == lean.query(shown)[0][0]


@pytest.mark.parametrize(
    "name", ["gold.facts", "gold.dim_vintage", "gold.income_state_vintages", "silver.income_state"]
)
def test_a_table_has_the_columns_and_rows_that_it_has_in_the_lake(lake: OpenLake, name: str) -> None:
    rows = lake.table(name.removeprefix("gold.").replace(".", "/").replace("facts", "gold")).pl()
    assert lake.sql(f"FROM {name}").frame.equals(rows)


def test_as_of_a_day_a_statement_sees_what_was_known_then(lean: World, lake: OpenLake) -> None:
    then = lake.table("pce_state_annual", as_of=OF_OCTOBER_2024).pl()
    answered = lake.sql("SELECT * FROM pce_state_annual ORDER BY geo_fips, category_id, year", as_of=OF_OCTOBER_2024)
    assert answered.frame.equals(then.sort("geo_fips", "category_id", "year"))
    assert answered.day.isoformat() == OF_OCTOBER_2024
    in_postgres = lean.query(
        f"SELECT sum(pce_millions_usd), count(*) FROM serving.pce_state_as_of('{OF_OCTOBER_2024}')"
    )
    total = "SELECT sum(pce_millions_usd), count(*) FROM pce_state_annual"
    assert lake.sql(total, as_of=OF_OCTOBER_2024).frame.rows() == in_postgres
    assert lake.sql(total).frame.rows() != in_postgres


def test_a_view_as_of_a_day_is_made_of_what_was_known_then(lake: OpenLake) -> None:
    newest = "SELECT max(year), count(pce_yoy_pct) FROM v_pce_state_yoy"
    ((year, growths),) = lake.sql(newest, as_of=OF_OCTOBER_2024).frame.rows()
    assert (year, growths > 0) == (2023, True)
    assert lake.sql("SELECT max(year) FROM v_pce_state_yoy").frame.item() > year


@pytest.mark.parametrize(
    "relation",
    [
        "silver.pce_state",
        "silver.summary_state_vintages",
        "gold.facts",
        "gold.dim_vintage",
        "gold.income_state_vintages",
        "gold.line_history",
        "gold.price_releases",
        "serving.v_pce_state_latest",
        "serving.v_prices_state_vintages",
    ],
)
def test_logs_and_what_is_made_of_them_stand_as_of_a_day_as_they_stood(lake: OpenLake, relation: str) -> None:
    then, now = (lake.sql(f"FROM {relation}", as_of=day).frame for day in (OF_OCTOBER_2024, None))
    assert then.schema == now.schema
    assert 0 < then.height <= now.height  # the newest year of each area and category is one row whatever the day
    assert not then.equals(now)
    until = int(OF_OCTOBER_2024.replace("-", "")) * 100 + 99
    numbers = [name for name in ("valid_from", "valid_to", "vintage_id") if then.schema.get(name) == pl.Int32]
    assert all(then[name].drop_nulls().le(until).all() for name in numbers)


def test_a_day_before_the_first_vintage_and_one_to_come_have_no_answer(lake: OpenLake) -> None:
    with pytest.raises(NotKnownYet):
        lake.sql("FROM pce_state_annual", as_of="2001-01-01")
    with pytest.raises(UsageError, match="future"):
        lake.sql("FROM pce_state_annual", as_of="2999-01-01")


def test_a_lake_without_tables_says_how_they_are_made(tmp_path: Path, lean: World) -> None:
    empty = OpenLake(lean.settings.model_copy(update={"home": tmp_path}))
    with pytest.raises(LakeLacks, match="pce run"):
        empty.sql("FROM pce_state_annual")


def test_an_answer_says_what_it_is_made_of_and_that_it_is_the_sample(lake: OpenLake, tmp_path: Path) -> None:
    answered = lake.sql("SELECT year, pce_status FROM pce_state_annual LIMIT 1")
    assert answered.about is not None
    assert repr(answered).startswith("SAMPLE Answer of an SQL statement over gold/pce_state_annual")
    assert any(vintage.startswith("pce_state (SAPCE1, SAPCE2)") for vintage in answered.about.vintages)
    assert "Status reported: a published number." in answered.about.notes
    assert any(note.startswith("Beware of gold/pce_state_annual") for note in answered.about.notes)
    file, sidecar = answered.save(tmp_path / "answer.csv")
    assert pl.read_csv(file).columns == ["year", "pce_status"]
    assert json.loads(sidecar.read_text())["notes"][0]["sample"] is True


def test_columns_of_one_name_are_numbered_and_no_value_is_lost(lake: OpenLake, tmp_path: Path) -> None:
    answered = lake.sql(
        "SELECT a.geo_fips, b.geo_fips, INTERVAL '1 month 2 days', [1.5, NULL], {'a': DATE '2024-01-01'} AS s "
        "FROM dim_geography AS a JOIN dim_geography AS b USING (geo_fips) ORDER BY 1 LIMIT 1"
    )
    assert answered.frame.columns[:2] == ["geo_fips", "geo_fips_1"]
    assert answered.frame.row(0)[2] == "1 months 2 days"
    file, _ = answered.save(tmp_path / "answer.csv")
    assert pl.read_csv(file).row(0)[3:] == ('["1.5", null]', '{"a": "2024-01-01"}')


def test_the_verb_answers_as_a_table_with_the_label_of_the_sample(pce: Callable[..., Called]) -> None:
    called = pce("sql", "SELECT state, NULL AS nothing, 1234.5 AS value FROM dim_geography WHERE state = 'TX'")
    assert called.code == 0, called.err
    assert "SAMPLE" in called.out
    assert "TX" in called.out
    assert "NULL" in called.out
    assert "1,234.5" in called.out
    assert "1 row as known on" in called.out


def test_the_verb_answers_as_a_document_and_as_csv(pce: Callable[..., Called]) -> None:
    statement = "SELECT state FROM dim_geography WHERE geo_level = 'state' ORDER BY state LIMIT 2"
    document = pce("sql", statement, "--json").document
    assert document["rows"] == [{"state": "AK"}, {"state": "AL"}]
    assert (document["sample"], document["tables"], document["columns"]) == (
        True,
        ["gold/dim_geography"],
        {"state": "String"},
    )
    assert pce("sql", statement, "--format", "csv").out == "state\nAK\nAL\n"
    assert json.loads(pce("sql", statement, "--format", "json").out) == [{"state": "AK"}, {"state": "AL"}]


def test_the_verb_writes_files_as_query_does(pce: Callable[..., Called], tmp_path: Path) -> None:
    file = tmp_path / "answer.parquet"
    statement = "SELECT year, sum(pce_millions_usd) AS total FROM pce_state_annual GROUP BY year ORDER BY year"
    called = pce("sql", statement, "--as-of", OF_OCTOBER_2024, "--to", str(file))
    assert called.code == 0, called.err
    assert pl.read_parquet(file).columns == ["year", "total"]
    said = pl.read_parquet_metadata(file)
    assert (said["sample"], said["as_of"]) == ("true", OF_OCTOBER_2024)
    assert statement in said["citation"]


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("FROM nope", "NoSuchRelation"),
        ("DROP TABLE facts", "OnlyQuestions"),
        ("SELECT 1; SELECT 2", "NotOneQuestion"),
        ("SELECT nope FROM facts", "StatementWrong"),
        ("FROM read_csv('/etc/passwd')", "OutOfReach"),
    ],
)
def test_the_verb_refuses_as_wrong_usage(pce: Callable[..., Called], statement: str, kind: str) -> None:
    called = pce("sql", statement, "--json")
    assert (called.code, called.document["error"]["type"]) == (2, kind)


def test_lines_are_told_as_each_release_printed_them(lean: World, lake: OpenLake) -> None:
    held = lake.sql(
        "SELECT v.extract, l.published_table, l.published_line, l.layout, l.description, l.unit "
        "FROM dim_vintage AS v JOIN line_history AS l ON l.dataset = v.dataset AND v.basis = 'counted' "
        "AND l.valid_from <= v.vintage_id AND (l.valid_to IS NULL OR l.valid_to > v.vintage_id) "
        "WHERE l.bea_table = 'SASUMMARY' AND l.line_code = 2 ORDER BY v.vintage_id"
    ).frame
    assert held.height == lake.sql("FROM dim_vintage WHERE dataset = 'summary_state'").frame.height
    assert set(held["unit"]) <= {f"Millions of constant {year} dollars" for year in (2012, 2017)}
    every = "SELECT * FROM gold.line_history"
    in_postgres, in_lake = of_both(lean, lake, every)
    assert in_postgres == in_lake
    catalogued = {name: dataset.lines.height for name, dataset in lean.registry.datasets.items()}
    open_lines = lake.sql(
        "SELECT dataset, count(DISTINCT (bea_table, line_code)) FROM line_history "
        "WHERE valid_to IS NULL AND line_code IS NOT NULL GROUP BY dataset"
    ).frame
    assert dict(open_lines.rows()) == catalogued


def test_a_refresh_with_nothing_new_writes_no_version_of_lines_or_dimensions(lean: World) -> None:
    tables = [LINE_HISTORY, *(each for each in lean.registry.in_one_piece if each.name.startswith("gold/dim_"))]
    before = {table.name: lean.lake.table(table).latest() for table in tables}
    listed = {table.name: len(lean.lake.store.list(lean.lake.prefix(table))) for table in tables}
    lean.refresh(2025, 2025)
    assert {table.name: lean.lake.table(table).latest() for table in tables} == before
    assert {table.name: len(lean.lake.store.list(lean.lake.prefix(table))) for table in tables} == listed


def test_a_dimension_is_told_as_of_a_day(lake: OpenLake) -> None:
    today = datetime.now(UTC).date()
    assert lake.table("dim_category", as_of=today).pl().equals(lake.table("dim_category").pl())
    with pytest.raises(UsageError, match=str(today)):
        lake.table("dim_category", as_of="2020-01-01").pl()


def test_a_history_folded_vintage_by_vintage_is_the_one_folded_at_once(lean: World) -> None:
    store = lean.lake.table(LINE_HISTORY)
    rows, there = store.read(), store.latest()[WHOLE]
    store.withdraw([WHOLE])
    lean.refresh(2025, 2025)
    assert store.read().equals(rows)
    assert store.latest()[WHOLE].inputs == there.inputs
    assert store.latest()[WHOLE].details == there.details


def test_an_extract_that_cannot_be_read_keeps_no_other_dataset_from_being_told(lean: World) -> None:
    store = lean.lake.table(LINE_HISTORY)
    before = store.read()
    bronze = lean.bronze_of("summary_state")
    oldest = min(bronze.manifests())
    stored = lean.lake.store.list(lean.lake.layout.extract("summary_state", oldest))
    objects = [each.key for each in stored if not each.key.endswith(".json")]
    lean.lake.store.delete_many(
        [*objects, *(each.key for each in lean.lake.store.list(lean.lake.layout.cells("summary_state")))]
    )
    store.withdraw([WHOLE])
    lean.refresh(2025, 2025)
    told = store.read()
    assert told.equals(before.filter(pl.col("dataset") != "summary_state"))
    assert "summary_state lines" not in store.latest()[WHOLE].inputs
