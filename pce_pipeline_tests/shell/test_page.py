"""What the page says of a table and of its newest year."""

from pathlib import Path
from typing import Literal
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import polars as pl
import pytest

from pce_pipeline.definitions import build_definitions
from pce_pipeline.settings import Settings
from pce_pipeline.shell.page import column_schema, shown
from pce_pipeline.tables.registry import load_registry
from pce_pipeline.tables.table import MONEY, Table
from pce_pipeline.warehouse.types import postgres_type

REGISTRY = load_registry("full", None)
ANNUAL = next(table for table in REGISTRY.tables if table.name == "gold/pce_state_annual")
SHOWN_AT_ONCE = 1000  # characters of Markdown; the page hides more behind a click


def rows(*values: tuple[str, str, str | None, str, str | None]) -> pl.DataFrame:
    """Rows of a year: area, level, state, category, millions."""
    frame = pl.DataFrame(values, schema=["geo_fips", "geo_level", "state", "category_id", "text"], orient="row")
    return frame.select(
        "geo_fips",
        "geo_level",
        "state",
        "category_id",
        year=pl.lit(2024),
        pce_millions_usd=pl.col("text").cast(MONEY),
        pce_status=pl.when(pl.col("text").is_null()).then(pl.lit("suppressed")).otherwise(pl.lit("reported")),
    )


def test_of_a_year_the_states_of_the_total_are_shown_the_largest_first() -> None:
    found = shown(
        ANNUAL,
        rows(
            ("00000", "nation", None, "product.pce", "900"),
            ("01000", "state", "AL", "product.pce", "1.5"),
            ("02000", "state", "AK", "product.pce", None),
            ("06000", "state", "CA", "product.pce", "30.25"),
            ("06000", "state", "CA", "product.goods", "99"),
        ),
        "product.pce",
    )
    preview = found["preview"].md_str or ""
    assert preview.startswith("pce_millions_usd of the states, product.pce\n")
    told = [line.split("|")[1].strip() for line in preview.splitlines() if line.startswith("|")][2:]
    assert told == ["CA", "AL", "AK"]
    assert "nation" not in preview
    assert (found["chart"].md_str or "").endswith("CA 30.2 ... AL 1.5")


def test_a_chart_of_every_state_is_a_picture_that_the_page_shows_at_once() -> None:
    states = [row for row in REGISTRY.datasets["pce_state"].areas.iter_rows(named=True) if row["state"]]
    assert len(states) == 51
    each = [
        (row["geo_fips"], "state", row["state"], "product.pce", f"{number * 98765.432 - 50000:.3f}")
        for number, row in enumerate(states)
    ]
    chart = shown(ANNUAL, rows(*each), "product.pce")["chart"].md_str or ""
    assert len(chart) < SHOWN_AT_ONCE
    address = chart.partition("](")[2].partition(")")[0]
    picture = ET.fromstring(unquote(address.removeprefix("data:image/svg+xml,")))
    (path,) = picture
    assert path.attrib["d"].count("M") == 51
    heights = [int(end) for bar in path.attrib["d"].split("M")[1:] for end in bar.partition(",")[2].split("V")]
    assert min(heights) >= 0
    assert max(heights) <= int(picture.attrib["height"])


def test_a_year_without_states_shows_its_first_rows_and_no_chart() -> None:
    assert set(shown(ANNUAL, rows(("00000", "nation", None, "product.pce", "9")), "product.pce")) == {"preview"}


@pytest.mark.parametrize("table", REGISTRY.tables, ids=lambda table: table.name)
def test_every_column_says_where_it_comes_from(table: Table) -> None:
    assert [column.name for column in table.columns if not column.source] == []
    described = column_schema(table, postgres_type).columns
    assert [column.name for column in described if "From: " not in (column.description or "")] == []


@pytest.mark.parametrize("source", ["sample", "bulk"])
def test_the_sample_says_so_on_every_asset_and_bea_does_not(source: Literal["sample", "bulk"], tmp_path: Path) -> None:
    is_sample = source == "sample"
    definitions = build_definitions(Settings(home=tmp_path, chosen_source=source))
    specs = definitions.resolve_all_asset_specs()
    assert len(specs) > 10
    assert {(spec.description or "").startswith("**SAMPLE: synthetic numbers") for spec in specs} == {is_sample}
    assert {spec.tags["pce/world"] for spec in specs} == {"SAMPLE" if is_sample else "bea"}
    assert all(spec.group_name in ("bronze", "silver", "gold", "postgres") for spec in specs)
