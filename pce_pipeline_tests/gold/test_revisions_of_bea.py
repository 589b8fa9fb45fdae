"""What BEA revised in its summary of the states, from its own files."""

from pathlib import Path

import polars as pl
import pytest

from pce_pipeline.bronze.current import current
from pce_pipeline.bronze.history import History
from pce_pipeline.bronze.store import BronzeStore
from pce_pipeline.catalog.reading import load_datasets
from pce_pipeline.gold.revisions import revision_stats, revisions
from pce_pipeline.gold.vintages import figures
from pce_pipeline.lake.backends import DirectoryBackend
from pce_pipeline.lake.layout import Layout
from pce_pipeline.lake.store import Store
from pce_pipeline.quality.revision_stats import stats_rules
from pce_pipeline.quality.revisions import RevisionYears, revisions_rules
from pce_pipeline.quality.rules import judge
from pce_pipeline.tables.vintages import REVISION_STATS, revisions_table
from pce_pipeline_tests.bronze.importing import import_file
from pce_pipeline_tests.bronze.test_what_was_known import REAL, log_of, rows_of

pytestmark = pytest.mark.real


def test_revisions_of_the_summary_of_the_states(real_data: Path, tmp_path: Path) -> None:
    dataset = load_datasets("full")["summary_state"]
    bronze = BronzeStore(Store(DirectoryBackend(tmp_path)), Layout("local", "bea"), dataset.name)
    for file in REAL[dataset.name]:
        import_file(bronze, dataset, real_data / file)
    now = current(bronze, dataset)
    vintages, table = History(now).vintages, revisions_table(dataset)
    log = figures(rows_of(log_of(now)), vintages, dataset)
    revised = revisions(log, vintages, dataset)
    assert table.conform(revised).equals(revised)
    assert revised.group_by("valid_from", "kind").len().sort("valid_from", "kind").rows() == [
        (2024_12_12_01, "new", 780),
        (2024_12_12_01, "newly_published", 467),
        (2024_12_12_01, "redefined", 4926),
        (2024_12_12_01, "revision", 10674),
        (2025_03_28_01, "new", 780),
        (2025_03_28_01, "revision", 2556),
        (2025_09_26_01, "newly_published", 156),
        (2025_09_26_01, "revision", 2181),
    ]
    stats = revision_stats([log], vintages, dataset)
    assert REVISION_STATS.conform(stats).equals(stats)
    spending = stats.filter(measure="pce", geo_level="state", age_years=3).select(
        "is_comprehensive", "n_releases", "n_figures", "mean_abs_pct", "band_is"
    )
    assert spending.rows() == [
        (False, 1, 51, pytest.approx(0.043, abs=0.001), "too_few_releases"),
        (True, 1, 51, pytest.approx(1.299, abs=0.001), "too_few_releases"),
    ]
    results = [
        *judge(revisions_rules, table.name, RevisionYears(table, {1: revised}, {1: log})),
        *judge(stats_rules, REVISION_STATS.name, stats),
    ]
    assert [(each.name, each.examples) for each in results if not each.passed] == []
    assert revised.filter((pl.col("kind") == "revision") & (pl.col("age_years") < 1)).is_empty()
