"""The nation's months by hand: levels and growth over gaps and years, and rules that find each kind of damage."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pce_pipeline.catalog.reading import load_datasets
from pce_pipeline.gold.made import Inputs
from pce_pipeline.gold.pce_us_monthly import TABLES
from pce_pipeline.gold.pce_us_monthly.months import cells_of, us_months
from pce_pipeline.gold.pce_us_monthly.months_rules import UsMonths, months_rules
from pce_pipeline.quality.rules import RuleResult, judge
from pce_pipeline.tables.facts import GOLD_FACTS
from pce_pipeline.tables.lineage import FromTable
from pce_pipeline.tables.pce_us_monthly import FIGURES, GOLD_PCE_US_MONTHLY, RATES, gold
from pce_pipeline.tables.silver import silver_table
from pce_pipeline.tables.table import MONEY
from pce_pipeline_tests.examples import examples

DATASET = load_datasets("full")["pce_us_monthly"]
SILVER_SCHEMA = silver_table(DATASET).polars_schema
LINES = {
    (table, category): line for table, line, category in DATASET.lines["bea_table", "line_code", "category_id"].rows()
}
INDEX, DOLLARS, CHAINED = "T20804", "T20805", "T20806"
PCE, GOODS, SERVICES = "product.pce", "product.goods", "product.services"
NPISH, OUTPUT, SALES = (
    "product.npish_final_consumption",
    "product.npish_gross_output",
    "product.npish_receipts_from_sales",
)
MARKET = "addenda.market_based_pce"
PCE_RATES = [f"pce_{change}" for change in RATES]

Cell = tuple[str, str, int, int, str]


def silver(cells: Iterable[Cell]) -> pl.DataFrame:
    """Silver of cells of (table, category, year, month, published text)."""
    codes = {"(NA)": "not_available", "...": "not_applicable"}
    rows = [
        {
            "bea_table": table,
            "line_code": LINES.get((table, category), 99),
            "category_id": category,
            "geo_fips": "00000",
            "geo_level": "nation",
            "state": None,
            "year": year,
            "month": month,
            "value": None if text in codes else Decimal(text),
            "value_text": text,
            "status": codes.get(text, "reported"),
            "unit": "Fisher Price Index" if table == INDEX else "Current Dollars",
            "unit_multiplier": 0 if table == INDEX else 6,
        }
        for table, category, year, month, text in cells
    ]
    return pl.DataFrame(rows, schema=SILVER_SCHEMA)


def series(table: str, category: str, year: int, texts: Sequence[str | None], *, month: int = 1) -> list[Cell]:
    """Cells of consecutive months from one on; a text of None is a month that BEA has no row of."""
    moments = ((year * 12 + month - 1 + number, text) for number, text in enumerate(texts))
    return [(table, category, moment // 12, moment % 12 + 1, text) for moment, text in moments if text is not None]


def subject(cells: Iterable[Cell], years: Sequence[int]) -> UsMonths:
    of = cells_of(silver(cells), DATASET)
    return UsMonths(us_months(of, years), of, DATASET, years)


def results(months: UsMonths) -> dict[str, RuleResult]:
    return {each.name: each for each in judge(months_rules, GOLD_PCE_US_MONTHLY.name, months)}


def failing(months: UsMonths) -> list[str]:
    return [name for name, each in results(months).items() if not each.passed]


def one(months: UsMonths, category: str, year: int, month: int) -> dict[str, Any]:
    return months.frame.row(
        by_predicate=(pl.col("category_id") == category) & (pl.col("year") == year) & (pl.col("month") == month),
        named=True,
    )


# Two years in which spending and prices of all consumption grow, with a code, a line that only prices have, chained
# dollars that begin with the second year, and parts that add up in current dollars.
WORLD = (
    *series(DOLLARS, PCE, 2006, ["900", "990", *["1000"] * 10, "1100", "1210", "(NA)", "1331"]),
    *series(DOLLARS, GOODS, 2006, ["400", "490", *["500"] * 10, "600", "610", "500", "631"]),
    *series(DOLLARS, SERVICES, 2006, ["500", "500", *["500"] * 10, "500", "600", "500", "700"]),
    *series(DOLLARS, NPISH, 2007, ["20", "20"]),
    *series(DOLLARS, OUTPUT, 2007, ["100", "101"]),
    *series(DOLLARS, SALES, 2007, ["80", "81"]),
    *series(CHAINED, PCE, 2007, ["2000", "2002"]),
    *series(INDEX, PCE, 2006, ["98.000", *["100.000"] * 11, "102.000", "102.510"]),
    *series(INDEX, MARKET, 2007, ["97.125"]),
)


def test_a_month_has_its_levels_side_by_side_with_a_status_for_each():
    months = subject(WORLD, [2006, 2007])
    assert GOLD_PCE_US_MONTHLY.conform(months.frame).equals(months.frame)
    january = one(months, PCE, 2007, 1)
    assert january["pce_millions_usd_saar"] == Decimal(1100)
    assert january["real_pce_millions_chained_usd_saar"] == Decimal(2000)
    assert january["price_index"] == Decimal("102.000")
    assert [january[figure.status] for figure in FIGURES] == ["reported"] * 3
    december = one(months, PCE, 2006, 12)
    assert (december["real_pce_millions_chained_usd_saar"], december["real_pce_status"]) == (None, "not_published")
    addendum = one(months, MARKET, 2007, 1)
    assert [addendum[figure.status] for figure in FIGURES] == ["not_published", "not_published", "reported"]
    coded = one(months, PCE, 2007, 3)
    assert (coded["pce_millions_usd_saar"], coded["pce_status"]) == (None, "not_available")


def test_growth_is_computed_by_hand_and_reaches_over_the_turn_of_the_year():
    months = subject(WORLD, [2007])
    # 1100 on 1000: a tenth; 1.1^12 = 3.138428376721; 1.1^4 = 1.4641; on 900: two ninths
    assert [one(months, PCE, 2007, 1)[rate] for rate in PCE_RATES] == [10.0, 213.842838, 46.41, 22.222222]
    # 1210 on 1100, on 1000 three months before, which to the fourth is 2.14358881, and on 990
    assert [one(months, PCE, 2007, 2)[rate] for rate in PCE_RATES] == [10.0, 213.842838, 114.358881, 22.222222]
    # 102.51 on 102: half a percent, of which twelve are 6.1677812 percent
    price = one(months, PCE, 2007, 2)
    assert (price["price_index_mom_pct"], price["price_index_mom_annualised_pct"]) == (0.5, 6.167781)
    assert (price["price_index_yoy_pct"], one(months, PCE, 2007, 1)["price_index_yoy_pct"]) == (2.51, 4.081633)
    # 2002 on 2000, and nothing before that
    assert one(months, PCE, 2007, 2)["real_pce_mom_pct"] == 0.1
    assert [one(months, PCE, 2007, 1)[f"real_pce_{change}"] for change in RATES] == [None] * 4


def test_only_the_years_asked_for_have_rows():
    assert set(subject(WORLD, [2007]).frame["year"]) == {2007}
    assert subject(WORLD, [2008]).frame.is_empty()
    assert subject([], [2007]).frame.schema == GOLD_PCE_US_MONTHLY.polars_schema


def test_a_coded_month_has_no_growth_and_gives_none_to_the_months_that_look_back_at_it():
    months = subject(WORLD, [2007])
    assert [one(months, PCE, 2007, 3)[rate] for rate in PCE_RATES] == [None] * 4
    # 1331 on 1100 three months before, to the fourth, and on the 1000 of April before
    assert [one(months, PCE, 2007, 4)[rate] for rate in PCE_RATES] == [None, None, 114.358881, 33.1]


def test_growth_is_never_over_a_month_that_bea_has_no_row_of():
    texts = ["100", "110", None, "120", "121", *["150"] * 8, "220"]
    months = subject(series(DOLLARS, PCE, 2019, texts), [2019, 2020])
    assert months.frame.height == len(texts) - 1
    # April: no March; three months before is January
    assert [one(months, PCE, 2019, 4)[rate] for rate in PCE_RATES] == [None, None, 107.36, None]
    # May is on April, and three months before is February: 1.1^4
    assert one(months, PCE, 2019, 5)["pce_mom_pct"] == 0.833333
    assert one(months, PCE, 2019, 5)["pce_3m_annualised_pct"] == 46.41
    # June looks back at March; the year before is twelve months back, and not twelve rows
    assert one(months, PCE, 2019, 6)["pce_3m_annualised_pct"] is None
    assert [one(months, PCE, 2020, month)["pce_yoy_pct"] for month in (1, 2)] == [50.0, 100.0]


def test_january_without_the_december_before_has_no_growth_on_it():
    months = subject(series(DOLLARS, PCE, 2020, ["100", "110"]), [2020])
    assert [one(months, PCE, 2020, 1)[rate] for rate in PCE_RATES] == [None] * 4


@pytest.mark.parametrize("before", ["0", "-3"])
def test_growth_on_nothing_or_on_less_than_nothing_is_null(before: str):
    months = subject(series(DOLLARS, PCE, 2020, [before, "10"]), [2020])
    assert [one(months, PCE, 2020, 2)[rate] for rate in PCE_RATES] == [None] * 4
    assert failing(months) == []


def test_a_fall_to_nothing_is_all_of_it_and_a_fall_below_has_no_annual_rate():
    to_nothing = subject(series(DOLLARS, PCE, 2020, ["10", "10", "10", "0"]), [2020])
    assert [one(to_nothing, PCE, 2020, 4)[rate] for rate in PCE_RATES[:3]] == [-100.0] * 3
    below = subject(series(DOLLARS, PCE, 2020, [*["10"] * 12, "-0.001"]), [2020, 2021])
    assert [one(below, PCE, 2021, 1)[rate] for rate in PCE_RATES] == [-100.01, None, None, -100.01]
    assert failing(to_nothing) == failing(below) == []


def test_no_growth_is_zero_and_never_minus_zero():
    months = subject(series(DOLLARS, PCE, 2019, [*["100000000"] * 12, "99999999.999"]), [2019, 2020])
    rates = [value for rate in PCE_RATES for value in months.frame[rate].drop_nulls()]
    assert len(rates) == 12 + 12 + 10 + 1
    assert all(value == 0 and math.copysign(1, value) == 1 for value in rates)


def test_the_gold_of_the_dataset_reads_silver_of_the_year_before_too_and_follows_the_facts():
    (derivation,) = gold(DATASET)
    assert derivation.table.in_postgres
    assert derivation.inputs == (FromTable(silver_table(DATASET), reach=1),)
    assert derivation.follows == (GOLD_FACTS,)
    (made,) = TABLES
    assert made.table == derivation.table
    inputs = Inputs({silver_table(DATASET).name: silver(WORLD)}, DATASET, [2007])
    rows, of = made.compute(inputs)
    assert rows.equals(subject(WORLD, [2007]).frame)
    assert [each.name for each in judge(made.rules, "a", of) if not each.passed] == []


# Any series with gaps, codes, zeros and figures below zero.
TEXTS = st.lists(
    st.one_of(st.none(), st.just("(NA)"), st.integers(-2, 400).map(str), st.integers(1, 10**12).map(str)),
    min_size=1,
    max_size=30,
)


@given(st.lists(TEXTS, min_size=1, max_size=3), st.integers(1, 12))
@settings(max_examples=examples(40), deadline=None)
def test_whatever_is_missing_every_rule_holds_and_rates_are_null_exactly_where_their_months_are(
    texts: list[list[str | None]], month: int
):
    cells = [
        cell
        for table, category, of in zip((DOLLARS, INDEX, DOLLARS), (PCE, PCE, MARKET), texts, strict=False)
        for cell in series(table, category, 2019, of, month=month)
        if (table, category) in LINES
    ]
    months = subject(cells, range(2019, 2023))
    assert set(failing(months)) <= {"nulls_are_few"}
    held = {(table, category, year * 12 + at): text for table, category, year, at, text in cells}
    for row in months.frame.iter_rows(named=True):
        for figure, table in zip(FIGURES, (DOLLARS, CHAINED, INDEX), strict=True):
            for change, back in zip(RATES, (1, 1, 3, 12), strict=True):
                moment = row["year"] * 12 + row["month"]
                now, before = (held.get((table, row["category_id"], at), "(NA)") for at in (moment, moment - back))
                has_rate = "(NA)" not in (now, before) and int(before) > 0
                has_rate &= int(now) >= 0 or change in ("mom_pct", "yoy_pct") if has_rate else True
                rate = row[figure.rate(change)]
                assert (rate is not None) == has_rate, (row, change)
                assert rate is None or math.isfinite(rate)


@given(st.floats(-20, 20), st.integers(1, 12), st.integers(14, 30))
@settings(max_examples=examples(30), deadline=None)
def test_growth_of_a_geometric_series_is_its_rate_in_every_month(percent: float, month: int, length: int):
    factor = 1 + percent / 100
    # so large that no level is rounded away, whatever the rate
    cells = series(DOLLARS, PCE, 2019, [f"{1e11 * factor**number:.3f}" for number in range(length)], month=month)
    frame = subject(cells, range(2019, 2023)).frame
    expected = {
        "pce_mom_pct": (percent, 1),
        "pce_mom_annualised_pct": ((factor**12 - 1) * 100, 1),
        "pce_3m_annualised_pct": ((factor**12 - 1) * 100, 3),
        "pce_yoy_pct": ((factor**12 - 1) * 100, 12),
    }
    for rate, (value, missing) in expected.items():
        assert frame[rate].to_list() == [None] * missing + [pytest.approx(value, abs=2e-5)] * (length - missing), rate


@given(st.integers(0, 27))
@settings(max_examples=examples(14), deadline=None)
def test_a_missing_month_takes_its_own_rates_and_those_that_look_back_at_it_and_no_other(gone: int):
    texts = [str(1000 + 7 * number) for number in range(28)]
    whole = subject(series(DOLLARS, PCE, 2019, texts), range(2019, 2022)).frame
    without = [None if number == gone else text for number, text in enumerate(texts)]
    frame = subject(series(DOLLARS, PCE, 2019, without), range(2019, 2022)).frame
    here = [number for number in range(28) if number != gone]
    for rate, back in zip(PCE_RATES, (1, 1, 3, 12), strict=True):
        expected = [None if number - back == gone else whole[rate][number] for number in here]
        assert frame[rate].to_list() == expected, rate


def test_every_rule_of_a_whole_world_has_something_to_look_at_and_holds():
    months = subject(WORLD, [2006, 2007])
    found = results(months)
    assert [(each.name, each.examples) for each in found.values() if not each.passed] == []
    assert all(each.has_subject for each in found.values())
    # 15 months of all consumption, less the coded one, and two of the NPISHs
    sums = found["monthly_products_add_up"].figures
    assert (sums["checked"], sums["largest_rounding"]) == (15 + 2, 0.0)
    # the coded total of March; services, of whose parts there are only the NPISHs, twice
    assert sums["not_checked"] == 1 + 2
    rates = sum(months.frame[figure.rate(change)].count() for figure in FIGURES for change in RATES)
    assert found["growth_is_recomputed"].figures["compared"] == rates
    assert found["every_cell_is_in_one_column"].figures["compared"] == len(WORLD)


def test_rules_of_nothing_have_no_subject():
    found = results(subject([], [2007]))
    assert all(each.passed for each in found.values())
    assert not any(each.has_subject for each in found.values())
    first = results(subject(series(INDEX, PCE, 2007, ["100"]), [2007]))
    unseen = [name for name, each in first.items() if not each.has_subject]
    assert unseen == ["monthly_products_add_up", "growth_is_recomputed"]


@pytest.mark.parametrize(("off_by", "is_kept"), [("1.5", True), ("1.501", False), ("-1.5", True), ("-1.501", False)])
def test_a_sum_of_two_may_miss_by_half_a_million_for_each_of_the_three(off_by: str, is_kept: bool):
    totals = [str(1000 + Decimal(off_by)), "1000.5"]
    cells = [
        *series(DOLLARS, PCE, 2020, totals),
        *series(DOLLARS, GOODS, 2020, ["400", "400"]),
        *series(DOLLARS, SERVICES, 2020, ["600", "600"]),
    ]
    found = results(subject(cells, [2020]))["monthly_products_add_up"]
    assert (found.passed, found.figures["checked"], found.blocking) == (is_kept, 2, "threshold")
    assert found.figures["largest_rounding"] == (1.5 if is_kept else 0.5)
    assert [example[:31] for example in found.examples] == [f"{PCE}, 2020-01: published "[:31]] * (not is_kept)


def test_a_deducted_part_that_is_added_is_found():
    cells = [(DOLLARS, NPISH, 2020, 1, "180"), (DOLLARS, OUTPUT, 2020, 1, "100"), (DOLLARS, SALES, 2020, 1, "80")]
    (example,) = results(subject(cells, [2020]))["monthly_products_add_up"].examples
    assert example == f"{NPISH}, 2020-01: published 180, but added up 20, off by -160.0 (tolerance 1.5)"


def test_a_sum_without_its_total_or_in_chained_dollars_is_not_checked():
    parts = [(DOLLARS, GOODS, 2020, 1, "1"), (DOLLARS, SERVICES, 2020, 1, "2")]
    chained = [(CHAINED, PCE, 2020, 1, "9"), (CHAINED, GOODS, 2020, 1, "1"), (CHAINED, SERVICES, 2020, 1, "2")]
    for cells in (parts, chained):
        found = results(subject(cells, [2020]))["monthly_products_add_up"]
        figures = [found.figures[name] for name in ("checked", "not_checked", "largest_rounding")]
        assert (found.passed, figures) == (True, [0, 1, 0.0])


def test_what_is_no_product_is_not_added_up():
    core = "addenda.pce_excluding_food_and_energy"
    parent = pl.when(pl.col("category_id") == core).then(pl.lit(PCE)).otherwise("parent_id").alias("parent_id")
    months = subject([(DOLLARS, core, 2020, 1, "5"), (DOLLARS, PCE, 2020, 1, "9")], [2020])
    with_a_tree = replace(months, dataset=replace(DATASET, categories=DATASET.categories.with_columns(parent)))
    found = results(with_a_tree)["monthly_products_add_up"]
    assert (found.figures["checked"], found.figures["not_checked"]) == (0, 0)


IS_FEBRUARY = (pl.col("category_id") == PCE) & (pl.col("year") == 2007) & (pl.col("month") == 2)


def changed(column: str, value: object) -> pl.Expr:
    dtype = GOLD_PCE_US_MONTHLY.polars_schema[column]
    return pl.when(IS_FEBRUARY).then(pl.lit(value, dtype=dtype)).otherwise(column).alias(column)


@pytest.mark.parametrize(
    ("column", "value", "rules"),
    [
        ("pce_millions_usd_saar", Decimal(1211), ["every_cell_is_in_one_column"]),
        ("pce_millions_usd_saar", Decimal(1213), ["every_cell_is_in_one_column", "monthly_products_add_up"]),
        ("pce_millions_usd_saar", None, ["no_unexplained_nulls", "every_cell_is_in_one_column"]),
        ("price_index", Decimal("102.511"), ["every_cell_is_in_one_column"]),
        ("price_index_status", "not_available", ["no_unexplained_nulls", "every_cell_is_in_one_column"]),
        ("price_index_status", None, ["schema_is_as_declared", "every_cell_is_in_one_column"]),
        *((f"{figure.name}_mom_pct", 0.4, ["growth_is_recomputed"]) for figure in FIGURES),
        *((rate, None, ["growth_is_recomputed"]) for rate in PCE_RATES),
        ("pce_3m_annualised_pct", 114.358883, ["growth_is_recomputed"]),
        ("pce_yoy_pct", math.nan, ["growth_is_recomputed"]),
        ("real_pce_yoy_pct", 0.0, ["growth_is_recomputed"]),
    ],
)
def test_one_changed_value_is_found(column: str, value: object, rules: list[str]):
    months = subject(WORLD, [2006, 2007])
    damaged = replace(months, frame=months.frame.with_columns(changed(column, value)))
    assert failing(damaged) == rules
    assert all("2007-02" in example for name in rules[1:] for example in results(damaged)[name].examples)


def test_rates_that_are_off_by_what_rounding_does_are_right():
    months = subject(WORLD, [2006, 2007])
    assert failing(replace(months, frame=months.frame.with_columns(changed("pce_3m_annualised_pct", 114.358882)))) == []


@pytest.mark.parametrize(("off_by", "is_right"), [(0.8e-9, True), (1.5e-9, False), (-0.8e-9, True), (-1.5e-9, False)])
def test_a_very_large_rate_may_be_off_by_what_floats_lose(off_by: float, is_right: bool):
    months = subject(series(DOLLARS, PCE, 2020, ["1", "1000"]), [2020])
    off = replace(months, frame=months.frame.with_columns(pl.col("pce_mom_annualised_pct") * (1 + off_by)))
    assert failing(off) == ([] if is_right else ["growth_is_recomputed"])


def test_growth_of_a_figure_that_is_not_published_is_found():
    months = subject(WORLD, [2006, 2007])
    made_up = pl.when(pl.col("category_id") == MARKET).then(0.0).otherwise("pce_mom_pct").alias("pce_mom_pct")
    found = results(replace(months, frame=months.frame.with_columns(made_up)))["growth_is_recomputed"]
    assert found.examples == (f"pce_mom_pct of {MARKET}, 2007-01: 0.0, but None computed again",)


def test_rows_that_are_lost_repeated_or_made_up_are_found():
    months = subject(WORLD, [2006, 2007])
    row = months.frame.filter(IS_FEBRUARY)
    lost = replace(months, frame=months.frame.filter(~IS_FEBRUARY))
    assert failing(lost) == ["every_published_month_has_one_row", "every_cell_is_in_one_column"]
    repeated = replace(months, frame=pl.concat([months.frame, row]))
    assert failing(repeated) == ["primary_key_is_unique"]
    empty = us_months(cells_of(silver([(INDEX, PCE, 2007, 9, "1")]), DATASET), [2007]).with_columns(
        pl.lit(None, dtype=MONEY).alias("price_index"), price_index_status=pl.lit("not_published")
    )
    made_up = replace(months, frame=pl.concat([months.frame, empty]))
    assert failing(made_up) == ["every_published_month_has_one_row"]


def test_a_cell_of_a_line_that_the_dataset_does_not_have_is_found_and_one_of_a_further_measure_is_not_missed():
    stray = subject([*WORLD, (DOLLARS, "product.unheard_of", 2007, 1, "5")], [2006, 2007])
    (example,) = results(stray)["every_cell_is_in_one_column"].examples
    assert example.startswith("None of product.unheard_of, 2007-01: 5.000 (reported) in Silver")
    line = DATASET.lines.filter(bea_table=DOLLARS, category_id=PCE).with_columns(
        bea_table=pl.lit("T99999"), measure=pl.lit("further")
    )
    more = replace(DATASET, lines=pl.concat([DATASET.lines, line]))
    cells = cells_of(
        silver([*WORLD, (DOLLARS, PCE, 2007, 9, "5")]).with_columns(
            bea_table=pl.when(pl.col("month") == 9, pl.col("year") == 2007)
            .then(pl.lit("T99999"))
            .otherwise("bea_table")
        ),
        more,
    )
    assert cells.sort(cells.columns).equals(cells_of(silver(WORLD), DATASET).sort(cells.columns))


@pytest.mark.parametrize(("coded", "is_kept"), [(0, True), (1, True), (2, False), (11, False), (12, True)])
def test_few_months_of_a_published_year_are_without_a_number(coded: int, is_kept: bool):
    """Twelve coded months are a year that BEA does not publish; another year and figure stand beside it unharmed."""
    spending = series(DOLLARS, PCE, 2006, [*["(NA)"] * coded, *["1000"] * (12 - coded), *["1100"] * 12])
    months = subject([*spending, *series(INDEX, PCE, 2006, ["100.000"] * 12)], [2006, 2007])
    found = results(months)["nulls_are_few"]
    assert (found.passed, found.figures["rows"], found.figures["nulls"]) == (is_kept, 36, coded)
    assert is_kept or found.examples == (f"pce_annual_rate, 2006: {coded} of 12 months ({coded / 0.12:.1f} %)",)
