"""Months on the whole way: beside the years and never among them, a new month, and estimates that say what they are."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from pce_pipeline.automation.jobs import assets_of
from pce_pipeline.emulator.vintages import VINTAGES
from pce_pipeline.observability.records import RunRecord
from pce_pipeline.shell.keys import key_of, postgres_key
from pce_pipeline.tables.facts import GOLD_FACTS
from pce_pipeline.tables.pce_us_monthly import (
    GOLD_PCE_MONTHLY_ERRORS,
    GOLD_PCE_STATE_MONTHLY,
    GOLD_PCE_US_MONTHLY,
)
from pce_pipeline_tests.cli.conftest import Called
from pce_pipeline_tests.postgres_server import PostgresServer
from pce_pipeline_tests.traced import assert_confirmed, traces_of_everything
from pce_pipeline_tests.worlds import World, command_line_of, lean_world

pytestmark = [pytest.mark.postgres]

ROOT = Path(__file__).parents[2]
MONTHS = "pce_us_monthly"
PROFILES = {"pce_state": "SAPCE1 = []", MONTHS: "T20804 = []\nT20805 = []\nT20806 = []"}
YEARS = (1997, 2025)
STATES, CATEGORIES = 51, 24
MONTHS_OF_1997_TO_AUGUST_2025 = 28 * 12 + 8


@pytest.fixture(scope="module")
def lean(tmp_path_factory: pytest.TempPathFactory, server: PostgresServer) -> Iterator[World]:
    """Spending by state and the nation's months, brought to Postgres."""
    with lean_world(server, tmp_path_factory.mktemp("lean"), PROFILES, YEARS) as world:
        yield world


@pytest.fixture
def pce(lean: World) -> Callable[..., Called]:
    return command_line_of(lean)


def test_months_are_beside_the_years_and_never_among_them(lean: World) -> None:
    assert lean.lake.table(GOLD_FACTS).read()["dataset"].unique().to_list() == ["pce_state"]
    derivation = lean.registry.derivation_of(GOLD_PCE_US_MONTHLY)
    assert derivation.follows == (GOLD_FACTS,)
    assert {each.table.name for each in derivation.tables} == {f"silver/{MONTHS}"}
    assert not {each for each in lean.hashes() if each[0].startswith((f"gold/{MONTHS}_", f"silver/{MONTHS}_"))}
    upstream = lean.definitions.resolve_asset_graph().get(key_of(GOLD_PCE_US_MONTHLY)).parent_keys
    assert {key.to_user_string() for key in upstream} == {f"silver/{MONTHS}", "gold"}


def test_every_number_is_traced_to_the_byte_it_was_read_from(lean: World) -> None:
    traces = list(traces_of_everything(lean, range(2009, 2024)))
    assert_confirmed(lean, traces)


def test_every_check_has_passed_and_those_of_the_estimates_looked_at_something(lean: World) -> None:
    checks = [check for record in lean.records() for check in record.checks]
    assert [check.name for check in checks if not check.passed] == []
    compared = {
        check.name: check.figures.get("compared", check.figures.get("checked"))
        for check in checks
        if check.asset == GOLD_PCE_STATE_MONTHLY.name
    }
    assert compared["twelve_months_average_to_the_year"] == 28 * STATES * 17
    assert compared["states_add_up_to_the_weights_times_their_sum"] == 17 * MONTHS_OF_1997_TO_AUGUST_2025
    assert compared["the_us_row_gives_back_the_nations_months"] == 17 * MONTHS_OF_1997_TO_AUGUST_2025
    assert compared["the_nations_months_average_to_its_year"] == 28 * 17
    assert compared["sums_are_those_of_their_parts_exactly"] == 7 * STATES * MONTHS_OF_1997_TO_AUGUST_2025


def test_both_views_show_what_the_lake_holds(lean: World) -> None:
    us, states = (lean.lake.table(table).read() for table in (GOLD_PCE_US_MONTHLY, GOLD_PCE_STATE_MONTHLY))
    assert states.height == STATES * CATEGORIES * MONTHS_OF_1997_TO_AUGUST_2025
    ((rows, base_year, newest),) = lean.query(
        "SELECT count(*), min(base_year), max(month_start)::text FROM serving.v_pce_us_mom"
    )
    assert (rows, base_year, newest) == (us.height, 2017, "2025-08-01")
    found = lean.query(
        "SELECT year, month, pce_millions_usd_saar, mom_pct, is_estimate, is_extrapolated, "
        "annual_error_p90_pct IS NULL FROM serving.v_pce_state_mom "
        "WHERE state = 'TX' AND category_id = 'product.goods' AND year >= 2024 "
        "ORDER BY month_start"
    )
    own = states.filter(pl.col("year") >= 2024, state="TX", category_id="product.goods").sort("year", "month")
    assert [row[:5] for row in found] == own.select(
        "year", "month", "pce_millions_usd_saar", "mom_pct", "is_estimate"
    ).rows()
    assert [row[5:] for row in found] == [(year > 2024, year == 2024) for year in own["year"]]


def test_the_mean_of_a_states_months_is_what_bea_published(lean: World) -> None:
    off = lean.query(
        "SELECT count(*) FROM (SELECT geo_fips, category_id, year, avg(pce_millions_usd_saar) AS mean, count(*) AS n "
        "FROM gold.pce_state_monthly WHERE NOT is_extrapolated GROUP BY 1, 2, 3) AS months "
        "JOIN gold.pce_state_annual AS years USING (geo_fips, category_id, year) "
        "WHERE months.n <> 12 OR abs(mean - pce_millions_usd) > 0.02"
    )
    assert off == [(0,)]


def test_the_same_again_sends_no_month_to_postgres(lean: World) -> None:
    before = lean.hashes()
    record = lean.record(lean.refresh(2024, 2025))
    assert lean.hashes() == before
    rows = STATES * CATEGORIES * MONTHS_OF_1997_TO_AUGUST_2025
    assert loaded_of(record) == {"inserted": 0, "updated": 0, "deleted": 0, "unchanged": rows}


def loaded_of(record: RunRecord) -> dict[str, int]:
    """What a run did to the months of states in Postgres."""
    step = record.step("postgres")
    assert step is not None
    found: dict[str, int] = step.outputs[GOLD_PCE_STATE_MONTHLY.name]
    return found


def test_rows_of_estimates_that_somebody_changed_are_loaded_again(lean: World) -> None:
    with lean.postgres.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "UPDATE gold.pce_state_monthly SET mom_pct = 99 WHERE state = 'TX' AND year = 2024 AND month = 1"
        )
        connection.commit()
    record = lean.record(lean.refresh(2025, 2025))
    assert loaded_of(record)["updated"] == CATEGORIES
    assert lean.query("SELECT count(*) FROM gold.pce_state_monthly WHERE mom_pct = 99") == [(0,)]


def test_a_refresh_of_the_months_alone_makes_the_estimates_too(lean: World) -> None:
    made = set(assets_of(lean.registry, [MONTHS]))
    assert {key_of(GOLD_PCE_STATE_MONTHLY), postgres_key(GOLD_PCE_STATE_MONTHLY)} <= made
    assert key_of(GOLD_FACTS) not in made


def test_the_command_line_says_what_it_does_not_answer_of_months(pce: Callable[..., Called]) -> None:
    refused = pce("query", "--dataset", MONTHS)
    assert refused.code == 2
    assert "gold/pce_us_monthly" in refused.err
    assert pce("query", "--json", "--state", "TX", "--category", "product.goods", "--years", "2024").code == 0
    today = datetime.now(UTC).date().isoformat()
    same = pce("diff", today, today, "--dataset", MONTHS, "--format", "csv")
    assert same.code == 0
    assert same.out.splitlines()[0].startswith("dataset,measure,category_id,geo_fips,year,month")


def test_a_new_month_changes_the_years_that_it_is_about_and_the_estimates(
    lean: World, pce: Callable[..., Called]
) -> None:
    """Last in this module: it moves the world to the next release of the nation's months."""
    before = lean.hashes()
    (lean.settings.world_home / "sample-release").write_text(f"{VINTAGES[2].number}")
    lean.extract(dataset=MONTHS)
    status = json.loads(pce("status", "--json").out)
    stale = {int(year) for year in status["stale_years"] if str(year).isdecimal()}
    assert min(stale) >= 2021
    assert max(stale) == 2026
    record = lean.record(lean.refresh(min(stale), 2026))
    after = lean.hashes()
    changed = {key for key in after if before.get(key) != after[key]}
    assert {name for name, _ in changed} == {
        f"silver/{MONTHS}",
        GOLD_PCE_US_MONTHLY.name,
        GOLD_PCE_MONTHLY_ERRORS.name,
        GOLD_PCE_STATE_MONTHLY.name,
        "gold/dim_vintage",
    }
    rows = lean.query(
        "SELECT horizon_years, count(*), count(pce_millions_usd_saar), count(annual_error_p50_pct) "
        "FROM gold.pce_state_monthly WHERE state = 'CA' AND category_id = 'product.pce' GROUP BY 1 ORDER BY 1"
    )
    assert rows == [(0, 28 * 12, 28 * 12, 0), (1, 12, 12, 12), (2, 8, 8, 8)]
    elsewhere = "phi IS NOT NULL AND (method <> 'denton' OR NOT is_extrapolated)"
    assert lean.query(f"SELECT count(*) FROM gold.pce_state_monthly WHERE {elsewhere}") == [(0,)]
    ((agree, other),) = [
        (check.figures["compared"], check.figures["years_of_other_releases"])
        for check in record.checks
        if check.name == "the_nations_months_average_to_its_year"
    ]
    assert (agree, other) == (17 * (28 - other), other)
    assert other > 0


def test_the_statements_of_the_document_run(lean: World) -> None:
    document = (ROOT / "docs" / "monthly-estimates.md").read_text("utf-8")
    blocks = re.findall(r"```sql\n(.*?)```", document, flags=re.DOTALL)
    statements = [each for block in blocks for each in block.split(";")]
    found = [len(lean.query(each)) for each in statements if each.strip()]
    assert found
    assert min(found) > 0
