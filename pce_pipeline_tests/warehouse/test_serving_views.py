"""The views of schema serving never fail, and show what gold computes."""

import random
from datetime import UTC, datetime
from decimal import Decimal

import polars as pl
import pytest

from pce_pipeline.gold.pce_state.annual import annual
from pce_pipeline.gold.pce_state.metrics import metrics as gold_metrics
from pce_pipeline.tables.dimensions import DIM_CATEGORY, DIM_GEOGRAPHY
from pce_pipeline.tables.facts import GOLD_FACTS
from pce_pipeline.tables.pce_state import GOLD_PCE_STATE_ANNUAL, GOLD_PCE_STATE_METRICS
from pce_pipeline.tables.table import MONEY
from pce_pipeline.tables.vintages import REVISION_STATS
from pce_pipeline.warehouse.loads import RunRow, TableLoad, load
from pce_pipeline_tests.datasets import PCE_STATE

pytestmark = pytest.mark.postgres

CATALOG = PCE_STATE
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
