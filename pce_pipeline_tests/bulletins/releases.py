"""Small releases to make bulletins of: figures of Alabama's and Alaska's spending, and what BEA says of them."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime

import polars as pl

from pce_pipeline.bea.observations import LINE_SCHEMA
from pce_pipeline.bronze.counting import Layer, Vintage
from pce_pipeline.bronze.manifest import TableEntry
from pce_pipeline.bronze.scope import blocks_of
from pce_pipeline.bulletins.comparing import Known, Release
from pce_pipeline.gold.changes import AsKnown
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.tables.columns import FIGURE
from pce_pipeline_tests.datasets import pce_state
from pce_pipeline_tests.gold.test_changes import SCHEMA
from pce_pipeline_tests.gold.test_changes import _typed as typed

DATASET = pce_state("smoke")
THEN, NOW = ExtractId(date(2025, 3, 28)), ExtractId(date(2025, 9, 26))
STATES = {"AL": ("01000", "state"), "AK": ("02000", "state"), "US": ("00000", "nation")}
LINES = {1: "Personal consumption expenditures", 2: "  Goods", 13: "  Services"}
UNIT = "Millions of current dollars"

Figures = Mapping[tuple[str, str, int], str]
"""Published texts by area, category and year."""


def known(
    figures: Figures,
    at: ExtractId,
    *,
    lines: Mapping[int, str] = LINES,
    units: Mapping[int, str] | None = None,
    note: str = "Last updated: a day",
    quarantined: int = 0,
) -> Known:
    """What is known with an extract that speaks of these figures."""
    rows = [
        (
            *("pce", f"product.{category}", STATES[area][0], year),
            *(STATES[area][1], None if area == "US" else area, "SAPCE1", *typed(text), UNIT, None),
        )
        for (area, category, year), text in figures.items()
    ]
    cells = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    entry = TableEntry(
        last_updated=at.day,
        note=note,
        rows=cells.height,
        lines=tuple(lines),
        years=dict.fromkeys(cells["year"].unique(), "hash"),
        content_sha256=f"of {at}",
        holds=blocks_of(cells),
        quarantined=quarantined,
    )
    said = [("SAPCE1", code, text, (units or {}).get(code, UNIT)) for code, text in lines.items()]
    return Known(
        {"SAPCE1": Vintage("SAPCE1", at, (Layer(at, entry, is_live=False),))},
        AsKnown(cells, cells.select(FIGURE)),
        pl.DataFrame(said, schema={**LINE_SCHEMA, "unit": pl.String}, orient="row"),
    )


def release(before: Known | None, after: Known) -> Release:
    """A release of BEA's after another one, or the first."""
    return Release(
        dataset=DATASET,
        at=NOW,
        before_at=None if before is None else THEN,
        after=after,
        before=before,
        origins=("file",),
        published_at=datetime(2025, 9, 26, 14, 0, tzinfo=UTC),
        updated_at=datetime(2025, 9, 26, 15, 0, tzinfo=UTC),
        is_sample=False,
    )


def of_sample(found: Release) -> Release:
    return replace(found, is_sample=True)
