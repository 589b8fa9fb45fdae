"""Revisions by size and on a map of years and categories: what the terminal shows of a comparison."""

from itertools import pairwise

import polars as pl
import pytest
from rich.console import Console

from pce_pipeline.catalog.reading import load_datasets
from pce_pipeline.cli.heat_map import heat, heat_map
from pce_pipeline.gold.changes import SIZES, sizes
from pce_pipeline_tests.datasets import PCE_STATE

SCHEMA = {
    "measure": pl.String,
    "category_id": pl.String,
    "geo_level": pl.String,
    "year": pl.Int32,
    "change_pct": pl.Float64,
}


def changed(*rows: tuple[str, str, int, float | None], level: str = "state") -> pl.DataFrame:
    """Changes: measure, category, year and percent."""
    return pl.DataFrame(
        [(measure, category, level, year, percent) for measure, category, year, percent in rows],
        schema=SCHEMA,
        orient="row",
    )


def lines(found: pl.DataFrame, dataset=PCE_STATE, **terminal) -> list[str]:
    console = Console(width=80, highlight=False, **terminal)
    with console.capture() as shown:
        console.print(heat_map(found, dataset))
    return [line.rstrip() for line in shown.get().splitlines()]


def test_a_size_has_its_lower_bound_and_not_its_upper_one() -> None:
    percents = [0.0, -0.0999, 0.1, -0.5, 0.99, 1.0, 4.9, -5.0, 70.0, None]
    found = sizes(changed(*(("pce", "product.goods", 2020, each) for each in percents)))
    assert found == dict(zip(SIZES, [2, 1, 2, 2, 2], strict=True))


def test_the_map_is_of_states_and_of_the_categories_at_the_top() -> None:
    of_states = changed(
        ("pce", "product.goods", 2020, 1.0),
        ("pce", "product.goods", 2020, -0.5),
        ("pce", "product.goods", 2021, None),
        ("pce", "product.durable_goods", 2020, 9.0),
    )
    of_the_nation = changed(("pce", "product.goods", 2020, 7.0), level="nation")
    found = heat(pl.concat([of_states, of_the_nation]), PCE_STATE)
    assert found.to_dicts() == [
        {
            "measure": "pce",
            "category_id": "product.goods",
            "year": 2020,
            "revised": 2,
            "mean_pct": 0.25,
            "mean_abs_pct": 0.75,
        }
    ]


def test_each_year_has_its_place_and_each_measure_of_several_categories_a_heading() -> None:
    found = heat(
        changed(
            ("pce", "product.goods", 2019, 0.05),
            ("pce", "product.goods", 2020, -0.1),
            ("pce", "product.services", 2022, 6.0),
            ("pce_per_capita", "product.pce", 2021, -1.0),
        ),
        PCE_STATE,
    )
    assert lines(found) == [
        "",
        "Mean revision of the states by year",
        f"{'':42}2020",
        "personal consumption expenditures",
        f"{'  product.goods':40}+1-2 · ·",
        f"{'  product.services':40} · · ·+5",
        f"{'pce_per_capita':40} · ·-4 ·",
        "+ up, - down, · none: 1 <0.1 %, 2 <0.5 %, 3 <1 %, 4 <5 %, 5 above",
    ]


@pytest.mark.parametrize("name", ["pce_state", "income_state", "summary_state"])
def test_all_years_of_all_lines_fit_in_eighty_columns_with_or_without_colours(name: str) -> None:
    dataset = load_datasets("full")[name]
    cells = dataset.lines.select("measure", "category_id").unique().rows()
    found = heat(changed(*((*cell, year, 1.5) for cell in cells for year in range(1997, 2027))), dataset)
    plain = lines(found, dataset)
    assert max(map(len, plain)) == 80
    heading, named = "", []
    for line in plain:
        heading = heading if line.startswith(" ") else line
        named.append((heading, line))
    assert len(set(named)) == len(named), "no two lines below a heading have the same name"
    assert "\x1b" not in "".join(plain)
    assert "\x1b[" in "".join(lines(found, dataset, force_terminal=True, color_system="truecolor"))


def test_years_without_a_fifth_one_among_them_are_named_by_the_first() -> None:
    found = heat(changed(("pce", "product.goods", 2021, 1.5), ("pce", "product.goods", 2024, 1.5)), PCE_STATE)
    assert lines(found)[2].strip() == "2021"


def test_names_of_years_do_not_run_into_each_other() -> None:
    found = heat(changed(*(("pce", "product.goods", year, 1.5) for year in range(1997, 2027))), PCE_STATE)
    named = [int(each) for each in lines(found)[2].split()]
    assert {later - earlier for earlier, later in pairwise(named)} == {5}
