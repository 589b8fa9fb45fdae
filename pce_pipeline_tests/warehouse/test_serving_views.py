"""The views of schema serving never fail, and show what gold computes."""

import random
from datetime import UTC, date, datetime
from decimal import Decimal

import polars as pl
import pytest

from pce_pipeline.catalog.reading import load_datasets
from pce_pipeline.gold.dimensions import category_line, dim_category
from pce_pipeline.gold.pce_state.annual import annual
from pce_pipeline.gold.pce_state.metrics import metrics as gold_metrics
from pce_pipeline.gold.pce_us_monthly.months import us_months
from pce_pipeline.tables.dimensions import CATEGORY_LINE, DIM_CATEGORY, DIM_GEOGRAPHY
from pce_pipeline.tables.facts import GOLD_FACTS
from pce_pipeline.tables.pce_state import GOLD_PCE_STATE_ANNUAL, GOLD_PCE_STATE_METRICS
from pce_pipeline.tables.pce_us_monthly import GOLD_PCE_US_MONTHLY
from pce_pipeline.tables.table import MONEY
from pce_pipeline.tables.vintages import REVISION_STATS
from pce_pipeline.warehouse.loads import RunRow, TableLoad, load
from pce_pipeline_tests.datasets import PCE_STATE

pytestmark = pytest.mark.postgres

CATALOG = PCE_STATE
US_MONTHS = load_datasets("full")["pce_us_monthly"]
TOTAL = CATALOG.categories.filter(role="total", scheme="product")["category_id"].item()
YEARS = range(2014, 2021)


def _load(postgres, levels: dict[int, str | None], metrics: pl.DataFrame | None = None) -> None:
    annual = pl.DataFrame(
        [
            {
                "geo_fips": "06000",
                "geo_level": "state",
                "state": "CA",
                "category_id": TOTAL,
                "year": year,
                "pce_millions_usd": None if level is None else Decimal(level),
                "pce_status": "suppressed" if level is None else "reported",
                "pce_per_capita_usd": None if level is None else Decimal(level) * 2,
                "pce_per_capita_status": "suppressed" if level is None else "reported",
            }
            for year, level in levels.items()
        ],
        schema=GOLD_PCE_STATE_ANNUAL.polars_schema,
    )
    tables = [
        TableLoad(DIM_GEOGRAPHY, CATALOG.areas),
        TableLoad(DIM_CATEGORY, CATALOG.categories),
        TableLoad(GOLD_PCE_STATE_ANNUAL, annual, list(YEARS)),
    ]
    if metrics is not None:
        tables.append(TableLoad(GOLD_PCE_STATE_METRICS, metrics, list(YEARS)))
    run = RunRow("run", "pce_state", datetime.now(UTC))
    with postgres.connect() as connection:
        load(connection, tables, world="sample", env="local", run=run, manifests=[])


def _rows(postgres, statement):
    with postgres.connect() as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def test_growth_is_null_on_nothing_on_less_than_nothing_on_a_gap_and_on_a_missing_figure(postgres):
    _load(postgres, {2014: "0", 2015: "5", 2016: "-5", 2017: "10", 2018: None, 2019: "8", 2020: "10"})
    growth = _rows(
        postgres,
        "SELECT year, pce_prior_year_millions_usd, pce_yoy_pct, pce_per_capita_yoy_pct "
        "FROM serving.v_pce_state_yoy ORDER BY year",
    )
    assert growth == [
        (2014, None, None, None),
        (2015, Decimal(0), None, None),
        (2016, Decimal(5), -200.0, -200.0),
        (2017, Decimal(-5), None, None),
        (2018, Decimal(10), None, None),
        (2019, None, None, None),
        (2020, Decimal(8), 25.0, 25.0),
    ]


def test_growth_over_a_missing_year_is_none(postgres):
    _load(postgres, {2014: "1", 2016: "2"})
    assert _rows(postgres, "SELECT year, pce_yoy_pct FROM serving.v_pce_state_yoy ORDER BY year") == [
        (2014, None),
        (2016, None),
    ]


def test_means_need_every_year_of_their_window(postgres):
    _load(postgres, {2014: "1", 2015: "2", 2016: "4", 2017: "0", 2018: "-7", 2019: None, 2020: "3"})
    means = _rows(
        postgres,
        "SELECT year, pce_mean_3y_millions_usd, pce_mean_5y_millions_usd "
        "FROM serving.v_pce_state_rolling ORDER BY year",
    )
    assert means == [
        (2014, None, None),
        (2015, None, None),
        (2016, 2.333333, None),
        (2017, 2.0, None),
        (2018, -1.0, 0.0),
        (2019, None, None),
        (2020, None, None),
    ]


def test_a_window_with_a_missing_year_has_no_mean(postgres):
    _load(postgres, {2014: "1", 2015: "2", 2017: "4", 2018: "5"})
    assert _rows(postgres, "SELECT max(pce_mean_3y_millions_usd) FROM serving.v_pce_state_rolling") == [(None,)]


def test_the_newest_year_comes_with_names_and_metrics(postgres):
    metrics = pl.DataFrame(
        [
            {
                "geo_fips": "06000",
                "geo_level": "state",
                "state": "CA",
                "category_id": TOTAL,
                "year": 2020,
                "pce_yoy_pct": 50.0,
                "pce_rank_among_states": 1,
            }
        ],
        schema=GOLD_PCE_STATE_METRICS.polars_schema,
    )
    _load(postgres, {2019: "2", 2020: "3"}, metrics)
    latest = _rows(
        postgres,
        "SELECT geo_name, geo_level, category_id, scheme, year, pce_millions_usd, pce_yoy_pct, "
        "pce_rank_among_states, pce_mean_3y_millions_usd FROM serving.v_pce_state_latest",
    )
    assert latest == [("California", "state", TOTAL, "product", 2020, Decimal(3), 50.0, 1, None)]
    assert _rows(postgres, "SELECT pce_yoy_pct FROM serving.v_pce_state_yoy WHERE year = 2020") == [(50.0,)]


def test_the_newest_year_says_how_far_it_usually_moves_within_a_year(postgres):
    _load(postgres, {2020: "3"})
    usual = (
        "SELECT pce_usual_revision_within_a_year_pct, pce_per_capita_usual_revision_within_a_year_pct "
        "FROM serving.v_pce_state_latest"
    )
    assert _rows(postgres, usual) == [(None, None)]
    band = {"dataset": "pce_state", "category_id": TOTAL, "n_releases": 6, "n_figures": 306, "band_is": "ok"}
    of_ages = [
        ("pce", "state", 2, False, 0.9),
        ("pce", "state", 3, False, 0.5),
        ("pce", "state", 2, True, 3.5),
        ("pce", "nation", 2, False, 0.2),
        ("pce_per_capita", "state", 2, False, None),
    ]
    names = ("measure", "geo_level", "age_years", "is_comprehensive", "abs_pct90")
    stats = pl.DataFrame(
        [band | {"mean_pct": 0.1, "mean_abs_pct": 0.4} | dict(zip(names, row, strict=True)) for row in of_ages],
        schema=REVISION_STATS.polars_schema,
    )
    run = RunRow("run", "pce_state", datetime.now(UTC))
    with postgres.connect() as connection:
        load(connection, [TableLoad(REVISION_STATS, stats)], world="sample", env="local", run=run, manifests=[])
    assert _rows(postgres, usual) == [(0.9, None)]


def test_views_and_gold_agree_on_growth_and_means(postgres):
    draw = random.Random(7)
    areas = CATALOG.areas.filter(pl.col("state").is_in(["CA", "TX"])).select("geo_fips", "geo_level", "state")
    cells = areas.join(CATALOG.categories.head(12).select("category_id"), how="cross")
    cells = cells.join(pl.DataFrame({"year": YEARS}, schema={"year": pl.Int32}), how="cross")
    cells = cells.join(
        pl.DataFrame({"measure": ["pce", "pce_per_capita"], "unit": ["millions_usd", "usd"]}), how="cross"
    )
    values = [
        draw.choice([None, Decimal(0), *(Decimal(draw.randint(-3000, 90000)) / 10 for _ in range(6))])
        for _ in range(cells.height)
    ]
    facts = cells.with_columns(
        dataset=pl.lit("pce_state"),
        value=pl.Series(values, dtype=MONEY),
        status=pl.Series(["not_available" if value is None else "reported" for value in values]),
    ).select(GOLD_FACTS.column_names)
    run = RunRow("run", "pce_state", datetime.now(UTC))
    tables = [
        TableLoad(GOLD_PCE_STATE_ANNUAL, annual(facts), list(YEARS)),
        TableLoad(GOLD_PCE_STATE_METRICS, gold_metrics(facts, CATALOG, list(YEARS)), list(YEARS)),
    ]
    with postgres.connect() as connection:
        load(connection, tables, world="sample", env="local", run=run, manifests=[])
    differing = """
        SELECT count(*), count(*) FILTER (WHERE shown IS NOT NULL),
            count(*) FILTER (WHERE (shown IS NULL) <> (computed IS NULL) OR abs(shown - computed) > 0.0000011)
        FROM (
            SELECT unnest(ARRAY[yoy.pce_yoy_pct, yoy.pce_per_capita_yoy_pct, rolling.pce_mean_3y_millions_usd,
                    rolling.pce_mean_5y_millions_usd]) AS shown,
                unnest(ARRAY[gold.pce_yoy_pct, gold.pce_per_capita_yoy_pct, gold.pce_mean_3y_millions_usd,
                    gold.pce_mean_5y_millions_usd]) AS computed
            FROM gold.pce_state_metrics AS gold
            JOIN serving.v_pce_state_yoy AS yoy USING (geo_fips, category_id, year)
            JOIN serving.v_pce_state_rolling AS rolling USING (geo_fips, category_id, year)
        ) AS pairs
    """
    ((compared, with_value, apart),) = _rows(postgres, differing)
    assert compared == 4 * 2 * 12 * len(YEARS)
    assert with_value > compared / 3
    assert apart == 0


def _load_us_months(postgres, indexes: dict[int, list[str]]) -> pl.DataFrame:
    """Load gold.pce_us_monthly with the price indexes of all consumption, by year from January on; its rows."""
    cells = pl.DataFrame(
        [
            (TOTAL, year, month, "pce_price_index", Decimal(text), "reported")
            for year, texts in indexes.items()
            for month, text in enumerate(texts, start=1)
        ],
        schema=["category_id", "year", "month", "measure", "value", "status"],
        orient="row",
    ).cast({"year": pl.Int32, "month": pl.Int32, "value": MONEY})
    rows = us_months(cells, list(indexes))
    tables = [
        TableLoad(DIM_CATEGORY, dim_category({US_MONTHS.name: US_MONTHS})),
        TableLoad(CATEGORY_LINE, category_line({US_MONTHS.name: US_MONTHS})),
        TableLoad(GOLD_PCE_US_MONTHLY, rows, list(indexes)),
    ]
    run = RunRow("run", US_MONTHS.name, datetime.now(UTC))
    with postgres.connect() as connection:
        load(connection, tables, world="sample", env="local", run=run, manifests=[])
    return rows


def test_months_come_with_names_dates_and_every_figure_of_the_table(postgres):
    rows = _load_us_months(postgres, {2016: [f"{98 + month / 10}" for month in range(12)], 2017: ["100.000"] * 11})
    names = GOLD_PCE_US_MONTHLY.column_names
    shown = _rows(postgres, f"SELECT {', '.join(names)} FROM serving.v_pce_us_mom ORDER BY year, month")
    assert shown == rows.rows()
    assert rows["price_index_3m_annualised_pct"].count() == 20
    assert _rows(
        postgres,
        "SELECT category_name, scheme, line_code, month_start, price_index_mom_pct FROM serving.v_pce_us_mom "
        "WHERE month_start = '2017-01-01'",
    ) == [("Personal consumption expenditures", "product", 1, date(2017, 1, 1), 0.908174)]


@pytest.mark.parametrize(
    ("of_2017", "base_year"),
    [
        (["100.000"] * 12, 2017),
        ([*["99.000"] * 6, *["101.000"] * 5, "101.108"], 2017),
        ([*["99.000"] * 6, *["101.000"] * 5, "101.120"], None),
        (["100.000"] * 11, None),
        ([], None),
    ],
)
def test_the_base_year_is_the_one_whole_year_over_which_prices_are_100_on_average(postgres, of_2017, base_year):
    _load_us_months(postgres, {2016: ["98.000"] * 12, 2017: of_2017, 2018: ["102.000"]})
    assert _rows(postgres, "SELECT DISTINCT base_year FROM serving.v_pce_us_mom") == [(base_year,)]


def test_there_is_no_base_year_where_several_would_do(postgres):
    _load_us_months(postgres, {2017: ["100.000"] * 12, 2018: ["100.009"] * 12})
    assert _rows(postgres, "SELECT DISTINCT base_year FROM serving.v_pce_us_mom") == [(None,)]
