"""Prices on the whole way: a September, a February, the examples of their document, and what must not be asked."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from psycopg2 import errors

from pce_pipeline.gold.known import AsOf
from pce_pipeline.tables.price_releases import PRICE_RELEASES
from pce_pipeline.tables.prices_state import GOLD_PRICES_STATE_ANNUAL
from pce_pipeline_tests.cli.conftest import Called
from pce_pipeline_tests.postgres_server import PostgresServer
from pce_pipeline_tests.traced import assert_confirmed, traces_of_everything
from pce_pipeline_tests.worlds import World, command_line_of, lean_world

pytestmark = [pytest.mark.postgres]

ROOT = Path(__file__).parents[2]
PROFILES = {
    "pce_state": "SAPCE1 = [1, 2, 13]",
    "income_state": "SAINC1 = []",
    "prices_state": "SARPP = []\nSARPI = []\nSAIRPD = []",
    "summary_state": "SASUMMARY = []",
}
"""What a lean profile takes of each dataset."""
YEARS = (1997, 2024)


@pytest.fixture(scope="module")
def lean(tmp_path_factory: pytest.TempPathFactory, server: PostgresServer) -> Iterator[World]:
    """All datasets with few lines of spending, brought to Postgres: the default release, then a September."""
    with lean_world(server, tmp_path_factory.mktemp("lean"), PROFILES, YEARS) as world:
        yield world


@pytest.fixture
def pce(lean: World) -> Callable[..., Called]:
    return command_line_of(lean)


def test_levels_and_metrics_reach_postgres_as_the_lake_has_them(lean: World) -> None:
    levels = lean.lake.table(GOLD_PRICES_STATE_ANNUAL).read()
    assert levels.height == 52 * 16
    assert lean.query("SELECT count(*), count(irpd) FROM gold.prices_state_annual") == [(52 * 16, 51 * 16)]
    assert lean.query("SELECT count(*), count(inflation_pct) FROM gold.state_price_metrics") == [(52 * 16, 51 * 15)]
    exactly = "price_contribution_log_points + quantity_contribution_log_points <> nominal_pce_growth_log_points"
    assert lean.query(f"SELECT count(*) FROM gold.state_price_metrics WHERE {exactly}") == [(0,)]
    as_of = lean.query("SELECT * FROM serving.prices_state_as_of(CURRENT_DATE) ORDER BY geo_fips, year")
    assert as_of == lean.query("SELECT * FROM gold.prices_state_annual ORDER BY geo_fips, year")


def test_every_number_is_traced_to_the_byte_it_was_read_from(lean: World) -> None:
    traces = list(traces_of_everything(lean, range(2010, 2024)))
    assert_confirmed(lean, traces)
    today = AsOf(datetime.now(UTC).date())
    then = {
        (each.asked.column, str(each.asked.key)): each for each in traces_of_everything(lean, range(2010, 2024), today)
    }
    assert {each.verdict for each in then.values()} == {"confirmed", "nothing_held"}
    assert {then[each.asked.column, str(each.asked.key)].value == each.value for each in traces} == {True}


def test_growth_is_given_or_there_is_a_reason(lean: World) -> None:
    grown = lean.query("SELECT figure, count(yoy_pct), count(why_null) FROM serving.v_state_price_growth GROUP BY 1")
    counts = {figure: (growth, why) for figure, growth, why in grown}
    assert {counts[name] for name in counts if name.startswith("rpp_")} == {(0, 52 * 16)}
    assert counts["irpd"] == (51 * 15, 52 * 16 - 51 * 15)
    assert counts["real_pce_millions_constant_usd"] == (52 * 15, 52)
    ((why,),) = lean.query("SELECT DISTINCT why_null FROM serving.v_state_price_growth WHERE figure = 'rpp_all_items'")
    assert "each year is estimated by itself; use the growth of irpd" in why
    same = lean.query(
        "SELECT count(*) FROM serving.v_state_price_growth AS v "
        "JOIN gold.state_price_metrics AS m USING (geo_fips, year) "
        "WHERE v.figure = 'irpd' AND v.yoy_pct IS DISTINCT FROM m.inflation_pct"
    )
    assert same == [(0,)]


def test_a_category_at_the_prices_of_all_items_is_an_estimate_and_says_so(lean: World) -> None:
    rows = lean.query(
        "SELECT pce_millions_usd, irpd, pce_millions_constant_usd_at_all_items_prices, is_estimated, base_year "
        "FROM serving.v_pce_at_all_items_prices WHERE state = 'CA' AND category_id = 'product.goods' AND year = 2020"
    )
    ((nominal, deflator, real, is_estimated, base_year),) = rows
    assert (real, is_estimated, base_year) == (round(100 * nominal / deflator, 3), True, 2017)
    of_all = "SELECT count(*) FROM serving.v_pce_at_all_items_prices WHERE geo_level <> 'state'"
    assert lean.query(of_all) == [(0,)]


def test_living_costs_are_compared_within_one_year(lean: World) -> None:
    levels = dict(lean.query("SELECT state, rpp_all_items FROM gold.prices_state_annual WHERE year = 2020"))
    ((found,),) = lean.query("SELECT serving.cost_of_living_difference_pct('ca', 'AL', 2020)")
    assert found == pytest.approx(float(levels["CA"] / levels["AL"] - 1) * 100, abs=1e-6)
    ((of_us,),) = lean.query("SELECT serving.cost_of_living_difference_pct('CA', 'US', 2020)")
    assert of_us == pytest.approx(float(levels["CA"]) - 100, abs=1e-6)
    assert lean.query("SELECT serving.cost_of_living_difference_pct('CA', 'AL', 1999)") == [(None,)]
    for here, there in (("CA", "Alabama"), ("XX", "AL"), ("PR", "US")):
        with pytest.raises(errors.InvalidParameterValue, match="There is no state"):
            lean.query(f"SELECT serving.cost_of_living_difference_pct('{here}', '{there}', 2020)")


def test_the_examples_of_the_document_run(lean: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gold = (Path(lean.lake.uri) / lean.lake.prefix(GOLD_PRICES_STATE_ANNUAL)).parent
    (tmp_path / ".pce/sample/lake/local/gold").mkdir(parents=True)
    (tmp_path / ".pce/sample/lake/local/gold/sample").symlink_to(gold)
    monkeypatch.chdir(tmp_path)
    document = (ROOT / "docs" / "prices.md").read_text("utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", document, flags=re.DOTALL)
    exec(compile(example, "docs/prices.md", "exec"), {})
    (statements,) = re.findall(r"```sql\n(.*?)```", document, flags=re.DOTALL)
    found = [len(lean.query(each)) for each in statements.split(";") if each.strip()]
    assert found == [5, 1, 5, 0, 5]


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (["--measure", "regional_price_parity", "--growth"], "Use the growth of regional_price_deflator."),
        (["--measure", "regional_price_deflator", "--sum", "areas"], "it is an index"),
        (["--measure", "real_pce", "--sum", "categories"], "deflated as a whole"),
        (["--measure", "real_gdp", "--sum", "areas", "--state", "CA,TX"], "chained dollars do not add up"),
        (["--measure", "real_pce", "--sum", "areas", "--state", "states,US"], "counts people twice"),
        (["--measure", "pce", "--sum", "categories", "--category", "product.pce,product.goods"], "is a part of"),
        (["--sum", "areas"], "It is not said what to add up."),
    ],
)
def test_what_has_no_meaning_is_wrong_usage_that_says_what_to_ask(
    pce: Callable[..., Called], asked: list[str], why: str
) -> None:
    refused = pce("query", *asked, "--years", "2019...2021", "--json")
    assert refused.code == 2
    error = refused.document["error"]
    assert why in f"{error['message']} {error['remedy']}"


def test_what_has_a_meaning_is_answered(pce: Callable[..., Called], lean: World) -> None:
    summed = pce(
        "query", "--dataset", "prices_state", "--measure", "real_pce", "--state", "states", "--sum", "areas",
        "--growth", "--years", "2020", "--json",
    ).document  # fmt: skip
    (row,) = summed["figures"]
    of_states = "SELECT sum(real_pce_millions_constant_usd) FROM gold.prices_state_annual WHERE geo_level = 'state'"
    ((now,), (before,)) = (lean.query(f"{of_states} AND year = {year}")[0] for year in (2020, 2019))
    assert float(row["value"]) == float(now)
    assert row["yoy_pct"] == pytest.approx(float(now / before - 1) * 100, abs=1e-5)
    levels = pce("query", "--measure", "regional_price_parity", "--state", "CA", "--years", "2019...2020", "--json")
    assert levels.document["notes"][0].startswith("regional_price_parity compares areas within one year")
    everything = pce("query", "--dataset", "prices_state", "--state", "CA", "--years", "2020", "--growth", "--json")
    told = {row["measure"]: (row["yoy_pct"], row["why_null"]) for row in everything.document["figures"]}
    assert told["regional_price_parity"][0] is None
    assert "two years cannot be compared" in told["regional_price_parity"][1]
    assert told["real_pce"][1] is None


def test_a_year_that_was_not_known_is_an_error_and_a_name_of_another_form_is_refused(
    pce: Callable[..., Called], tmp_path: Path
) -> None:
    asked = ["query", "--dataset", "prices_state", "--measure", "real_pce", "--state", "CA"]
    none = pce(*asked, "--growth", "--years", "2024", "--json")
    assert (none.code, none.document["error"]["message"].startswith("Nothing was known on ")) == (2, True)
    other = pce(*asked, "--years", "2020", "--format", "csv", "--to", str(tmp_path / "figures.parquet"), "--json")
    assert (other.code, other.document["error"]["message"]) == (2, "figures.parquet is not the name of a csv file.")
    assert not (tmp_path / "figures.parquet").exists()


@pytest.mark.long
def test_after_a_september_real_figures_are_marked_and_after_a_february_they_follow(
    lean: World, pce: Callable[..., Called]
) -> None:
    state = "SELECT real_figures, count(*) FROM serving.v_state_prices WHERE geo_level = 'state' GROUP BY 1 ORDER BY 1"
    in_step = "real figures are of this nominal figure"
    assert lean.query(state) == [(in_step, 51 * 16)]

    assert pce("sample", "release", "3").code == 0
    for dataset in lean.registry.datasets:
        lean.extract(dataset=dataset)
    lean.refresh(2016, 2025)
    counts = dict(lean.query(state))
    assert counts == {in_step: 51 * 13, "real figures not yet revised": 51 * 3}
    ((then, now, real, deflator),) = lean.query(
        "SELECT pce_as_known_then_millions_usd, pce_millions_usd, real_pce_millions_constant_usd, irpd "
        "FROM serving.v_state_prices WHERE state = 'CA' AND year = 2022"
    )
    assert abs(100 * then / real - deflator) < 0.0011
    assert abs(100 * now / real - deflator) > 0.0011
    _the_command_says_what_the_view_says(lean, pce)
    releases = lean.lake.table(PRICE_RELEASES).read()
    assert releases["settled_by"].unique().to_list() == ["figures"]
    assert releases["cells_off"].sum() == 0
    assert releases.filter(measure="real_pce")["nominal_released_on"].cast(pl.String).unique().to_list() == [
        "2025-09-26"
    ]

    assert pce("sample", "release", "4").code == 0
    for dataset in lean.registry.datasets:
        lean.extract(dataset=dataset)
    record = lean.record(lean.refresh(2016, 2025))
    assert [json.dumps([check.name, check.summary]) for check in record.checks if not check.passed] == []
    assert dict(lean.query(state)) == {in_step: 51 * 17}
    newest = lean.lake.table(PRICE_RELEASES).read().filter(dataset="prices_state", measure="real_pce")
    assert newest["nominal_released_on"].cast(pl.String).to_list() == ["2025-09-26", "2026-10-29"]


def _the_command_says_what_the_view_says(lean: World, pce: Callable[..., Called]) -> None:
    """After the September: cell by cell, whatever datasets are asked for, and as of the day that is asked for."""

    def asked(*options: str, dataset: str = "prices_state") -> tuple[list[str], dict[int, str | None]]:
        said = pce("query", "--dataset", dataset, "--state", "CA", *options, "--json")
        document = said.document
        return document["notes"], {row["year"]: row["real_figures"] for row in document["figures"]}

    in_view = dict(lean.query("SELECT year, real_figures FROM serving.v_state_prices WHERE state = 'CA'"))
    told = (
        "real_pce of {}, 2021...2023: real figures not yet revised. "
        "They were made with pce as it was before the release of 2026-09-30."
    )
    assert asked("--measure", "real_pce", "--years", "2008...2023") == ([told.format("prices_state")], in_view)
    assert asked("--measure", "real_pce", "--years", "2008...2023", dataset="summary_state") == (
        [told.format("summary_state")],
        in_view,
    )
    assert asked("--measure", "real_pce", "--years", "2019")[0] == []
    then = asked("--measure", "real_pce", "--years", "2022", "--as-of", "2025-10-30", "--clock", "release")
    assert then == ([], {2022: "real figures are of this nominal figure"})
    notes, of_level = asked("--measure", "regional_price_parity", "--category", "prices.all_items", "--years", "2022")
    assert (notes, of_level) == ([], {2022: None})
    # residents of 2016 on are counted anew with the release, and totals from 2021 on
    _, of_heads = asked("--measure", "real_pce_per_capita", "--years", "2015...2017")
    assert [of_heads[year] for year in (2015, 2016, 2017)] == [
        "real figures are of this nominal figure",
        *["real figures not yet revised"] * 2,
    ]
    csv = pce("query", "--measure", "real_pce", "--state", "CA", "--years", "2022", "--format", "csv").out
    assert "real figures not yet revised" in csv
    revised = lean.query(
        "SELECT pce_released_on FROM serving.v_state_prices WHERE state = 'CA' AND year IN (2019, 2022)"
    )
    assert sorted(str(day) for (day,) in revised) == ["2025-09-26", "2026-09-30"]
