"""Each metric by hand, all of them against a naive row-by-row computation, and the same bytes however computed."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pce_pipeline.gold.formulas import Known, Term
from pce_pipeline.gold.pce_state.formulas import of_metrics
from pce_pipeline.gold.pce_state.metrics import metrics
from pce_pipeline.tables.facts import GOLD_FACTS
from pce_pipeline.tables.pce_state import GOLD_PCE_STATE_METRICS, METRICS
from pce_pipeline.tables.table import NOT_PUBLISHED, content_sha256
from pce_pipeline.tracing.checking import agree
from pce_pipeline_tests.datasets import PCE_STATE
from pce_pipeline_tests.examples import examples, is_thorough

LEVELS = {"00000": "nation", "91000": "region", "01000": "state", "06000": "state", "56000": "state"}
CATALOG = replace(PCE_STATE, areas=PCE_STATE.areas.filter(pl.col("geo_fips").is_in(list(LEVELS))))
POSTAL = {"01000": "AL", "06000": "CA", "56000": "WY"}
TOTAL, GOODS, LESS = "product.pce", "product.goods", "product.expenditures_in_the_us_by_nonresidents"
SIGNS = {TOTAL: 1, GOODS: 1, LESS: -1, "function.pce": 1}
METRIC_NAMES = GOLD_PCE_STATE_METRICS.column_names[5:]

Fact = tuple[str, str, str, int, str | None]


def facts(cells: Iterable[Fact]) -> pl.DataFrame:
    """Facts of (measure, category, area, year, value); a value of None is suppressed."""
    rows = [
        {
            "dataset": "pce_state",
            "measure": measure,
            "category_id": category,
            "geo_fips": geo,
            "geo_level": LEVELS[geo],
            "state": POSTAL.get(geo),
            "year": year,
            "value": None if value is None else Decimal(value),
            "status": "suppressed" if value is None else "reported",
            "unit": "millions_usd" if measure == "pce" else "usd",
        }
        for measure, category, geo, year, value in cells
    ]
    return pl.DataFrame(rows, schema=GOLD_FACTS.polars_schema)


def series(category: str, geo: str, values: dict[int, str | None], measure: str = "pce") -> list[Fact]:
    return [(measure, category, geo, year, value) for year, value in values.items()]


def one(frame: pl.DataFrame, geo: str, category: str, year: int) -> dict[str, Any]:
    where = (pl.col("geo_fips") == geo) & (pl.col("category_id") == category) & (pl.col("year") == year)
    return frame.filter(where).row(0, named=True)


def test_growth_and_rolling_means_of_a_whole_series():
    panel = facts(series(GOODS, "06000", {2016: "100", 2017: "110", 2018: "99", 2019: "120", 2020: "150.5"}))
    found = metrics(panel, CATALOG, range(2016, 2021))
    assert GOLD_PCE_STATE_METRICS.conform(found).equals(found)
    assert found["pce_yoy_pct"].to_list() == [None, 10.0, -10.0, 21.212121, 25.416667]
    assert found["pce_mean_3y_millions_usd"].to_list() == [None, None, 103.0, 109.666667, 123.166667]
    assert found["pce_mean_5y_millions_usd"].to_list() == [None, None, None, None, 115.9]


def test_per_capita_growth_is_of_the_per_capita_figures():
    panel = facts(
        series(GOODS, "06000", {2018: "100", 2019: "200", 2020: "100"})
        + series(GOODS, "06000", {2018: "50", 2019: "60", 2020: "45"}, "pce_per_capita")
    )
    found = metrics(panel, CATALOG, [2018, 2019, 2020])
    assert found["pce_per_capita_yoy_pct"].to_list() == [None, 20.0, -25.0]


def test_a_category_that_the_catalogue_does_not_hold_has_its_row_but_no_share():
    panel = facts(series("product.unheard_of", "06000", {2019: "1", 2020: "2"}) + series(TOTAL, "06000", {2020: "4"}))
    found = one(metrics(panel, CATALOG, [2020]), "06000", "product.unheard_of", 2020)
    assert (found["pce_yoy_pct"], found["pce_share_of_total_pct"]) == (100.0, None)


def test_a_missing_year_gives_no_growth_over_two_years():
    panel = facts(series(GOODS, "06000", {2016: "100", 2018: "121", 2019: "130", 2020: "140"}))
    found = metrics(panel, CATALOG, [2018, 2019, 2020])
    assert found["pce_yoy_pct"].to_list() == [None, 7.438017, 7.692308]
    assert found["pce_mean_3y_millions_usd"].to_list() == [None, None, 130.333333]


def test_a_suppressed_figure_has_no_metrics_and_is_no_zero_for_others():
    panel = facts(
        series(TOTAL, "06000", {2018: "200", 2019: "200", 2020: "200"})
        + series(GOODS, "06000", {2018: "100", 2019: None, 2020: "110"})
        + series(GOODS, "01000", {2018: "-5", 2019: "-7", 2020: "120"})
        + series(GOODS, "56000", {2019: None, 2020: None})
    )
    found = metrics(panel, CATALOG, [2019, 2020])
    assert [one(found, "06000", GOODS, 2019)[name] for name in METRIC_NAMES] == [None] * len(METRIC_NAMES)
    later = one(found, "06000", GOODS, 2020)
    assert (later["pce_yoy_pct"], later["pce_mean_3y_millions_usd"], later["pce_contribution_to_growth_pp"]) == (
        None,
    ) * 3
    assert (later["pce_share_of_total_pct"], later["pce_rank_among_states"]) == (55.0, 2)
    assert one(found, "01000", GOODS, 2019)["pce_rank_among_states"] == 1


@pytest.mark.parametrize("before", ["0", "-3.2", None])
def test_growth_on_zero_a_negative_or_a_missing_figure_is_null(before):
    panel = facts(
        series(GOODS, "06000", {2019: before, 2020: "10"})
        + series(GOODS, "06000", {2019: before, 2020: "9"}, "pce_per_capita")
    )
    found = one(metrics(panel, CATALOG, [2020]), "06000", GOODS, 2020)
    assert found["pce_yoy_pct"] is None
    assert found["pce_per_capita_yoy_pct"] is None


def test_growth_to_a_negative_figure_is_a_number():
    panel = facts(series(GOODS, "06000", {2019: "10", 2020: "-5"}))
    assert one(metrics(panel, CATALOG, [2020]), "06000", GOODS, 2020)["pce_yoy_pct"] == -150.0


def test_shares_and_contributions_are_of_the_areas_own_total_and_deducted_ones_count_against_it():
    panel = facts(
        series(TOTAL, "06000", {2019: "80", 2020: "100"})
        + series(GOODS, "06000", {2019: "90", 2020: "120"})
        + series(LESS, "06000", {2019: "10", 2020: "20"})
        + series(TOTAL, "01000", {2019: "1", 2020: "1"})
        + series("function.pce", "06000", {2019: "1", 2020: "1"})
    )
    found = metrics(panel, CATALOG, [2020])
    total, goods, less = (one(found, "06000", category, 2020) for category in (TOTAL, GOODS, LESS))
    assert [row["pce_share_of_total_pct"] for row in (total, goods, less)] == [100.0, 120.0, -20.0]
    assert [row["pce_contribution_to_growth_pp"] for row in (total, goods, less)] == [25.0, 37.5, -12.5]
    assert total["pce_yoy_pct"] == 25.0


def test_without_the_total_there_is_no_share():
    found = one(metrics(facts(series(GOODS, "06000", {2019: "1", 2020: "2"})), CATALOG, [2020]), "06000", GOODS, 2020)
    assert found["pce_share_of_total_pct"] is None
    assert found["pce_contribution_to_growth_pp"] is None


def test_no_state_is_ranked_where_the_figure_of_one_could_not_be_read_and_all_else_stands():
    panel = facts(
        cell
        for measure in ("pce", "pce_per_capita")
        for geo in LEVELS
        for category in (TOTAL, GOODS)
        for cell in series(category, geo, {2019: "100", 2020: "150"}, measure)
    )
    alabama = (pl.col("geo_fips") == "01000") & (pl.col("category_id") == GOODS) & (pl.col("year") == 2020)
    unread = alabama & (pl.col("measure") == "pce")
    panel = panel.with_columns(
        value=pl.when(~unread).then("value"), status=pl.when(unread).then(pl.lit("quarantined")).otherwise("status")
    )
    found = metrics(panel, CATALOG, [2019, 2020])
    ranks = "pce_rank_among_states"
    assert found.filter(pl.col("category_id") == GOODS, pl.col("year") == 2020)[ranks].null_count() == len(LEVELS)
    ranked = ("pce_rank_among_states", "pce_per_capita_rank_among_states")
    for category, year, column in ((GOODS, 2020, ranked[1]), (GOODS, 2019, ranked[0]), (TOTAL, 2020, ranked[0])):
        assert one(found, "06000", category, year)[column] == 1
    mine, other = one(found, "01000", GOODS, 2020), one(found, "06000", GOODS, 2020)
    assert (mine["pce_share_of_total_pct"], mine["pce_yoy_pct"], mine["pce_contribution_to_growth_pp"]) == (None,) * 3
    assert (other["pce_share_of_total_pct"], other["pce_yoy_pct"]) == (100.0, 50.0)


def test_no_state_is_ranked_where_the_row_of_one_is_missing_and_all_other_ranks_stand():
    panel = facts(
        cell
        for measure in ("pce", "pce_per_capita")
        for geo in LEVELS
        for category in (TOTAL, GOODS)
        for cell in series(category, geo, {2019: "100", 2020: "150"}, measure)
    )
    wyoming = (pl.col("geo_fips") == "56000") & (pl.col("category_id") == GOODS) & (pl.col("year") == 2020)
    ranks = ("pce_rank_among_states", "pce_per_capita_rank_among_states")
    without_both = metrics(panel.filter(~wyoming), CATALOG, [2019, 2020])
    without_per_capita = metrics(panel.filter(~(wyoming & (pl.col("measure") == "pce_per_capita"))), CATALOG, [2020])
    for name in ranks:
        assert one(without_both, "06000", GOODS, 2020)[name] is None
        assert one(without_both, "06000", GOODS, 2019)[name] == 1
        assert one(without_both, "06000", TOTAL, 2020)[name] == 1
    assert [one(without_per_capita, "06000", GOODS, 2020)[name] for name in ranks] == [1, None]


def test_what_is_relative_to_a_figure_that_could_not_be_read_is_null_for_all():
    panel = facts(
        cell
        for measure in ("pce", "pce_per_capita")
        for geo in LEVELS
        for category in (TOTAL, GOODS)
        for cell in series(category, geo, {2020: "150"}, measure)
    )
    unread = ((pl.col("geo_fips") == "00000") & (pl.col("measure") == "pce_per_capita")) | (
        (pl.col("geo_fips") == "06000") & (pl.col("category_id") == TOTAL) & (pl.col("measure") == "pce")
    )
    panel = panel.with_columns(
        value=pl.when(~unread).then("value"), status=pl.when(unread).then(pl.lit("quarantined")).otherwise("status")
    )
    found = metrics(panel, CATALOG, [2020])
    assert found["pce_per_capita_index_us100"].null_count() == found.height
    assert found.filter(geo_fips="06000")["pce_share_of_total_pct"].null_count() == 2
    assert found.filter(geo_fips="01000")["pce_share_of_total_pct"].to_list() == [100.0, 100.0]


def test_ranks_are_among_states_and_ties_share_the_better_one():
    panel = facts(
        [("pce", GOODS, geo, 2020, value) for geo, value in
         {"00000": "1000", "91000": "900", "01000": "5", "06000": "7", "56000": "7"}.items()]
        + [("pce_per_capita", GOODS, geo, 2020, value) for geo, value in
           {"00000": "50", "01000": "60", "06000": None, "56000": "40"}.items()]
    )  # fmt: skip
    found = metrics(panel, CATALOG, [2020])
    assert found.select("geo_fips", "pce_rank_among_states", "pce_per_capita_rank_among_states").rows() == [
        ("00000", None, None),
        ("01000", 3, 1),
        ("06000", 1, None),
        ("56000", 1, 2),
        ("91000", None, None),
    ]


def test_the_per_capita_index_is_relative_to_the_us_figure_of_the_same_category_and_year():
    cells = [("pce", GOODS, geo, 2020, "1") for geo in ("00000", "01000", "06000")]
    cells += [("pce_per_capita", GOODS, geo, 2020, value) for geo, value in {"00000": "40", "01000": "50"}.items()]
    found = metrics(facts(cells), CATALOG, [2020])
    assert found["pce_per_capita_index_us100"].to_list() == [100.0, 125.0, None]


def test_exactly_the_wanted_years_come_out():
    panel = facts(series(GOODS, "06000", dict.fromkeys(range(2010, 2021), "10")))
    assert metrics(panel, CATALOG, [2020, 2015])["year"].to_list() == [2015, 2020]
    assert metrics(panel, CATALOG, [2030]).is_empty()
    assert dict(metrics(panel.clear(), CATALOG, [2020]).schema) == GOLD_PCE_STATE_METRICS.polars_schema


def test_a_change_too_small_to_show_is_zero_without_a_sign():
    panel = facts(series(GOODS, "06000", {2019: "100000000000.001", 2020: "100000000000"}))
    assert str(one(metrics(panel, CATALOG, [2020]), "06000", GOODS, 2020)["pce_yoy_pct"]) == "0.0"


def naive(panel: pl.DataFrame, years: list[int]) -> dict[tuple[str, str, int], dict[str, float | int | None]]:
    """The declared definitions, one row at a time."""
    level: dict[tuple[str, str, str, int], Decimal] = {
        (row["measure"], row["geo_fips"], row["category_id"], row["year"]): row["value"]
        for row in panel.iter_rows(named=True)
        if row["value"] is not None
    }
    told = set(panel.select("measure", "geo_fips", "category_id", "year").iter_rows())

    def percent(top: Decimal | None, bottom: Decimal | None) -> float | None:
        return None if top is None or bottom is None or bottom <= 0 else float(top / bottom * 100)

    def less(a: Decimal | None, b: Decimal | None) -> Decimal | None:
        return None if a is None or b is None else a - b

    def rank(measure: str, geo: str, category: str, year: int) -> int | None:
        own = level.get((measure, geo, category, year))
        if own is None or LEVELS[geo] != "state":
            return None
        if not all((measure, state, category, year) in told for state in POSTAL):
            return None
        others = [level.get((measure, state, category, year)) for state in POSTAL]
        return 1 + sum(other is not None and other > own for other in others)

    def row(geo: str, category: str, year: int) -> dict[str, float | int | None]:
        pce = [level.get(("pce", geo, category, year - back)) for back in range(5)]
        each = [level.get(("pce_per_capita", geo, category, year - back)) for back in range(2)]
        total = [level.get(("pce", geo, f"{category.partition('.')[0]}.pce", year - back)) for back in range(2)]
        three, five = ([value for value in pce[:n] if value is not None] for n in (3, 5))
        share, contribution = percent(pce[0], total[0]), percent(less(pce[0], pce[1]), total[1])
        return {
            "pce_yoy_pct": percent(less(pce[0], pce[1]), pce[1]),
            "pce_per_capita_yoy_pct": percent(less(each[0], each[1]), each[1]),
            "pce_mean_3y_millions_usd": float(sum(three) / 3) if len(three) == 3 else None,
            "pce_mean_5y_millions_usd": float(sum(five) / 5) if len(five) == 5 else None,
            "pce_share_of_total_pct": None if share is None else share * SIGNS[category],
            "pce_contribution_to_growth_pp": None if contribution is None else contribution * SIGNS[category],
            "pce_rank_among_states": rank("pce", geo, category, year),
            "pce_per_capita_rank_among_states": rank("pce_per_capita", geo, category, year),
            "pce_per_capita_index_us100": percent(each[0], level.get(("pce_per_capita", "00000", category, year))),
        }

    keys = panel.filter((pl.col("measure") == "pce") & pl.col("year").is_in(years))
    return {key: row(*key) for key in keys.select("geo_fips", "category_id", "year").iter_rows()}


# Whole series, because growth and means need years in a row: for each year no figure, a suppressed one, or one about
# zero, of some series mostly below it, so that every kind of neighbour comes up. A per-capita fact without its total
# makes no row, and nothing is said of it.
ABSENT, SUPPRESSED = -2, -1
year_by_year = st.tuples(st.sampled_from([3, 26]), st.lists(st.integers(ABSENT, 30), min_size=7, max_size=7))
panels = st.dictionaries(
    st.tuples(st.sampled_from(sorted(SIGNS)), st.sampled_from(["00000", "01000", "06000", "56000"])),
    st.tuples(year_by_year, year_by_year),
    min_size=1,
    max_size=14,
)


Series = tuple[int, list[int]]


def panel_of(drawn: dict[tuple[str, str], tuple[Series, Series]]) -> pl.DataFrame:
    return facts(
        (measure, category, geo, year, None if tenths == SUPPRESSED else str(Decimal(tenths - zero) / 10))
        for (category, geo), (total, each) in drawn.items()
        for measure, (zero, years) in (("pce", total), ("pce_per_capita", each))
        for year, tenths, of_total in zip(range(2014, 2021), years, total[1], strict=True)
        if ABSENT not in {tenths, of_total}
    )


def test_metrics_are_what_their_definitions_say_row_by_row():
    kinds: Counter[tuple[str, str]] = Counter()

    @settings(max_examples=examples(60), deadline=None, derandomize=not is_thorough())
    @given(panels, st.sets(st.integers(2014, 2020), min_size=1))
    def agrees(drawn, years):
        panel = panel_of(drawn)
        expected = naive(panel, sorted(years))
        shuffled = panel.sample(fraction=1, shuffle=True, seed=1)
        found = {
            (row["geo_fips"], row["category_id"], row["year"]): row
            for row in metrics(shuffled, CATALOG, sorted(years)).iter_rows(named=True)
        }
        assert found.keys() == expected.keys()
        for key, row in expected.items():
            assert {name: found[key][name] for name in row} == pytest.approx(row, abs=2e-6), key
            kinds.update((name, kind_of(value)) for name, value in row.items())

    agrees()
    never_negative = {name for name in METRIC_NAMES if name.endswith("_among_states")}
    everything = {(name, kind) for name in METRIC_NAMES for kind in ("NULL", "positive")}
    everything |= {(name, "negative") for name in METRIC_NAMES if name not in never_negative}
    # A claim to compare all metrics holds only if the panels drawn give each of them, and many times.
    assert {seen for seen, times in kinds.items() if times >= 20} >= everything


def test_formulas_that_traces_go_by_give_the_same_numbers():
    formulas = of_metrics()
    assert set(formulas) == set(METRIC_NAMES)

    @settings(max_examples=examples(25), deadline=None, derandomize=not is_thorough())
    @given(panels)
    def agrees(drawn):
        panel = panel_of(drawn)
        known = {
            (row["measure"], row["geo_fips"], row["category_id"], row["year"]): Known(row["value"], row["status"])
            for row in panel.iter_rows(named=True)
        }

        def of_term(term: Term, row: dict[str, Any]) -> list[Known]:
            is_state = LEVELS[row["geo_fips"]] == "state"
            category = f"{row['category_id'].partition('.')[0]}.pce" if term.of == "its total" else row["category_id"]
            areas = {"the US": ["00000"], "all states": list(POSTAL) if is_state else []}.get(
                term.of, [row["geo_fips"]]
            )
            keys = [(term.measure, area, category, row["year"] - term.back) for area in areas]
            return [known.get(key, Known(None, NOT_PUBLISHED)) for key in keys]

        for row in metrics(panel, CATALOG, range(2014, 2021)).iter_rows(named=True):
            for name, formula in formulas.items():
                terms = {term.name: of_term(term, row) for term in formula.terms}
                assert agree(row[name], formula.compute(terms, SIGNS[row["category_id"]])), (name, row)

    agrees()


def kind_of(value: float | None) -> str:
    if value is None:
        return "NULL"
    return "negative" if value < 0 else "positive" if value > 0 else "zero"


def large_panel() -> pl.DataFrame:
    states = PCE_STATE.areas.select("geo_fips", "geo_level", "state").with_row_index("place")
    lines = PCE_STATE.categories.select("category_id").with_row_index("line").head(120)
    years = pl.DataFrame({"year": range(2010, 2021)}, schema={"year": pl.Int32})
    numbered = states.join(lines, how="cross").join(years, how="cross").with_row_index("row")
    tenths = (pl.col("row") * 7919 + pl.col("line") * 104729) % 99991
    return pl.concat(
        numbered.select(
            dataset=pl.lit("pce_state"),
            measure=pl.lit(measure),
            category_id="category_id",
            geo_fips="geo_fips",
            geo_level="geo_level",
            state="state",
            year="year",
            value=(tenths / 10).cast(GOLD_FACTS.polars_schema["value"]),
            status=pl.lit("reported"),
            unit=pl.lit("x"),
        )
        for measure in ("pce", "pce_per_capita")
    )


def test_row_order_makes_no_difference():
    panel = large_panel()
    shuffled = panel.sample(fraction=1, shuffle=True, seed=1)
    hashes = {content_sha256(metrics(order, PCE_STATE, range(2012, 2021))) for order in (shuffled, panel.reverse())}
    assert hashes == {content_sha256(metrics(panel, PCE_STATE, range(2012, 2021)))}


def test_a_year_needs_no_more_years_before_it_than_the_declared_reach():
    panel = large_panel()
    whole = metrics(panel, PCE_STATE, range(2010, 2021))
    for year in (2014, 2020):
        window = panel.filter(pl.col("year").is_between(year - METRICS.reach, year))
        assert metrics(window, PCE_STATE, [year]).equals(whole.filter(pl.col("year") == year))


_HASH_IN_A_PROCESS = """
import sys
import polars as pl
from pce_pipeline.catalog.reading import load_datasets
from pce_pipeline.gold.pce_state.metrics import metrics
from pce_pipeline.tables.table import content_sha256
assert pl.thread_pool_size() == int(sys.argv[2])
pce_state = load_datasets("full")["pce_state"]
print(content_sha256(metrics(pl.read_parquet(sys.argv[1]), pce_state, range(2012, 2021))))
"""


def test_the_number_of_threads_makes_no_difference(tmp_path):
    path, other = tmp_path / "facts.parquet", "1" if pl.thread_pool_size() > 1 else "8"
    panel = large_panel()
    panel.write_parquet(path)
    with_another_number = subprocess.run(
        [sys.executable, "-c", _HASH_IN_A_PROCESS, str(path), other],
        env={**os.environ, "POLARS_MAX_THREADS": other},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert with_another_number.strip() == content_sha256(metrics(panel, PCE_STATE, range(2012, 2021)))
