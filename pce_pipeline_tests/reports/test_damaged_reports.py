"""A report whose bytes are not as they were written is named, and made again when it is asked for."""

from pathlib import Path

import pytest

from pce_pipeline.lake.layout import Layout
from pce_pipeline.lake.resource import Lake
from pce_pipeline.reports.making import Beside, report_of
from pce_pipeline.reports.store import ReportStore
from pce_pipeline_tests.reports.made_up import RUN, gold, run, silver


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"), Layout("local", "sample-smoke"))


@pytest.fixture
def store(lake: Lake) -> ReportStore:
    """The reports of a lake: one."""
    store, report = ReportStore(lake), report_of(run(silver(), gold()), Beside(), is_sample=True)
    store.write(report, "0" * 64, {"report.md": "A report."})
    return store


@pytest.mark.parametrize("name", ["silver.json", "report.md", "manifest.json"])
def test_a_damaged_report_is_named_and_forgotten(lake: Lake, store: ReportStore, name: str) -> None:
    assert store.damages() == []
    file = Path(lake.uri) / store.key(RUN, name)
    file.write_bytes(b"{" + file.read_bytes())
    assert [(damage.key, damage.problem) for damage in store.damages()] == [(store.key(RUN, name), "changed")]
    assert store.forget_damaged() == [RUN]
    assert store.damages() == []
    assert store.manifest(RUN) is None


def test_a_report_that_is_being_written_is_not_looked_at(lake: Lake, store: ReportStore) -> None:
    (Path(lake.uri) / store.key(RUN, "report.md")).write_bytes(b"Another report.")
    store.open(RUN)
    assert store.damages() == []
    store.close([RUN])
    assert len(store.damages()) == 1


def test_a_list_of_runs_that_cannot_be_read_is_named_and_forgotten(lake: Lake, store: ReportStore) -> None:
    store.add([])
    key = f"{lake.layout.reports}/runs.json"
    (Path(lake.uri) / key).write_bytes(b"{")
    assert [damage.key for damage in store.damages()] == [key]
    assert store.forget_damaged() == ["runs.json"]
    assert store.damages() == []
