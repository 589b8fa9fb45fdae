"""The alert that an answer of BEA has cells that could not be read. A pure function of the cells set aside."""

import polars as pl

from pce_pipeline.automation.alerts.alert import Alert, key_of
from pce_pipeline.lake.layout import ExtractId

_SHOWN = 5


def alert_of_quarantine(
    extract: ExtractId, cells: pl.DataFrame, *, env: str, world: str, dataset: str, lake: str
) -> Alert:
    """The alert, the same one for the same extract; `cells` is the part of the quarantine that stands in it."""
    examples = "; ".join(
        f"{row['bea_table']} line {row['line_code']}, area {row['geo_fips']}, {row['year']}: {row['reason']}"
        for row in cells.head(_SHOWN).iter_rows(named=True)
    )
    more = f"; and {cells.height - _SHOWN} more" if cells.height > _SHOWN else ""
    counted = "1 cell" if cells.height == 1 else f"{cells.height} cells"
    return Alert(
        kind="cells_quarantined",
        key=key_of(dataset, str(extract)),
        severity="warning",
        env=env,
        world=world,
        title=f"{dataset}: {counted} of BEA's answer of {extract.day} could not be read",
        happened=f"{counted} could not be read, set aside and published as NULL, unless another table of the release "
        f"has the figure; all others go on. {examples}{more}",
        remedy="Look: `pce quarantine`. A code that BEA has introduced is added to bea/values.py with its meaning, an "
        "area to catalog/areas.csv; what BEA mistyped heals with its next release.",
        facts={
            "dataset": dataset,
            "extract": str(extract),
            "tables": ", ".join(cells["bea_table"].unique().sort()),
            "lake": lake,
        },
    )
