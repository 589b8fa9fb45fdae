"""What is held is compared with what BEA says by its other way, with kept extracts, and with tables that repeat it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import httpx
import polars as pl
import pytest
import stamina
from pydantic import SecretStr

from pce_pipeline.automation.agreement import Bea, Comparison, compare_sources
from pce_pipeline.automation.alerts.differences import alerts_of_differences
from pce_pipeline.automation.differences import differences_of
from pce_pipeline.bea.client import BeaClient
from pce_pipeline.bronze.agreement import Tally
from pce_pipeline.bronze.decisions import Decision
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.catalog.reading import load_datasets
from pce_pipeline.emulator.faults import Fault, FaultKind
from pce_pipeline_tests.bronze.look_alike import KEY, Lakeside, LookAlike, archive_of, archive_with, today
from pce_pipeline_tests.datasets import PCE_STATE

DATASETS = load_datasets("full")
CELLS = 5040
ALL_EQUAL = Tally(CELLS, CELLS, 0, 0)
ONE_OFF = Tally(CELLS, CELLS - 1, 0, 1)


@pytest.fixture(autouse=True)
def _impatient_retries() -> Iterator[None]:
    with stamina.set_testing(True, attempts=100, cap=True):
        yield


@pytest.fixture
def lake(tmp_path: Path) -> Lakeside:
    return lakeside(tmp_path)


def lakeside(folder: Path, dataset: Dataset | None = None) -> Lakeside:
    return Lakeside(folder / "lake", LookAlike(2, dataset=dataset))


def looked(lake: Lakeside, *, api: Literal["api"] | None = "api") -> list[Comparison]:
    name = lake.dataset.name
    return compare_sources({name: lake.current()}, [name], Bea(lake.bea.client, api, 0))


def only(found: list[Comparison]) -> Comparison:
    (one,) = found
    return one


def spoil(lake: Lakeside, *faults: Fault) -> None:
    lake.bea.emulator.archives.clear()
    lake.bea.emulator.set_faults(*faults)


DIFFER = Fault(FaultKind.FILES_DIFFER, tables=("SAPCE1",), lines=(13,), areas=("02000",), years=(2020,))


def test_an_extract_by_the_api_is_compared_with_the_archive_which_is_not_kept(lake: Lakeside) -> None:
    lake.taken()
    lake.bea.bulk()  # which it serves
    lake.current()
    before = lake.listing()
    found = only(looked(lake))
    assert (found.how, found.tally, found.why_not) == ("asked", ALL_EQUAL, "")
    assert str(found.one) == f"extract {today()} (api) of 2025-09-26"
    assert str(found.other) == "the keyless file, asked now of 2025-09-26"
    assert lake.listing() == before


def test_an_archive_is_compared_with_the_api_where_there_is_a_key(lake: Lakeside) -> None:
    lake.taken(lake.bea.bulk())
    assert only(looked(lake)).tally == ALL_EQUAL
    without = only(looked(lake, api=None))
    assert (without.cells, without.failed) == (None, False)
    assert "without a key (BEA_API_KEY)" in without.why_not


@pytest.mark.parametrize("way", ["api", "bulk"])
def test_a_cell_that_the_files_say_otherwise_is_named_with_both_values_and_addresses(lake: Lakeside, way: str) -> None:
    spoil(lake, DIFFER)
    lake.taken(lake.bea.api() if way == "api" else lake.bea.bulk())
    found = only(looked(lake))
    assert found.tally == ONE_OFF
    (told,) = differences_of(found)
    assert told.cell == "SAPCE1 line 13, area 02000, 2020"
    values = {told.document[side]["value"] for side in ("one", "other")}
    assert len(values) == 2
    assert all(f"{value.normalize():f}" in told.both for value in values)
    held, asked = told.addresses
    by_api, in_archive = (held, asked) if way == "api" else (asked, held)
    assert by_api.startswith(
        "http://bea/api/data?GeoFips=STATE&LineCode=13&ResultFormat=JSON&TableName=SAPCE1&Year=ALL"
    )
    assert in_archive.startswith("http://bea/regional/zip/SAPCE.zip")
    assert f"local/bronze/sample-smoke/pce_state/{today()}/" in held
    assert KEY not in held + asked


def test_of_a_dataset_of_many_lines_a_few_are_asked_and_it_says_how_many(tmp_path: Path) -> None:
    tables = ["SAPCE1", "SAPCE2"]
    two_tables = replace(
        PCE_STATE,
        profile="two tables",
        tables={table: PCE_STATE.tables[table] for table in tables},
        lines=PCE_STATE.lines.filter(pl.col("bea_table").is_in(tables)),
    )
    lake = lakeside(tmp_path, two_tables)
    lake.taken(lake.bea.bulk())
    lake.bea.log.clear()
    found = looked(lake)
    assert [(each.table, each.lines) for each in found] == [("SAPCE1", (9, 24)), ("SAPCE2", (9, 24))]
    assert [each.tally for each in found] == [Tally(9 * 1680, 9 * 1680, 0, 0)] * 2
    assert sum(lake.bea.asked().values()) == 9 + 9


@pytest.mark.parametrize(
    ("held", "now", "why"), [(2, 3, "There is a newer release"), (3, 2, "the release is not there yet")]
)
def test_two_releases_are_not_compared(lake: Lakeside, held: int, now: int, why: str) -> None:
    lake.bea.emulator.set_release(held)
    lake.taken()
    lake.bea.emulator.set_release(now)
    found = only(looked(lake))
    assert (found.cells, found.failed, found.tally) == (None, False, Tally(0, 0, 0, 0))
    assert why in found.why_not


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (Fault(FaultKind.SERVER_ERROR, on=("archive",)), "could not be asked: BEA answered HTTP 503"),
        (Fault(FaultKind.LINES_RENAMED, lines=(2,)), "means something else"),
    ],
)
def test_an_answer_that_does_not_come_or_means_something_else_is_a_failure(
    lake: Lakeside, fault: Fault, why: str
) -> None:
    lake.taken()
    spoil(lake, fault)
    found = only(looked(lake))
    assert (found.cells, found.failed) == (None, True)
    assert why in found.why_not


def test_a_table_that_the_other_way_does_not_have_is_said_to_be_absent(lake: Lakeside) -> None:
    lake.taken()
    spoil(lake, Fault(FaultKind.TABLE_RENAMED, tables=("SAPCE1",)))
    found = only(looked(lake))
    assert (found.failed, found.why_not) == (False, "the keyless file has no SAPCE1 now")


def test_figures_that_one_of_two_whole_answers_lacks_are_missing(lake: Lakeside) -> None:
    lake.taken()
    spoil(lake, Fault(FaultKind.CELLS_DROPPED, areas=("02000",)))
    found = only(looked(lake))
    assert found.tally == Tally(CELLS, CELLS - 84, 0, 84)
    told = next(differences_of(found))
    assert told.cell == "SAPCE1 line 1, area 02000, 1997"
    assert told.both.endswith(", nothing in the keyless file, asked now of 2025-09-26")


def changed(name: str, body: bytes) -> bytes:
    """BEA's file with one number of Alaska changed."""
    if not name.startswith("SAPCE1__ALL"):
        return body
    lines = body.split(b"\n")
    at = next(n for n, line in enumerate(lines) if line.lstrip().startswith(b'"02000"') and b",SAPCE1,13," in line)
    *cells, last = lines[at].rstrip(b"\r").split(b",")
    lines[at] = b",".join([*cells, b"%.1f" % (float(last) + 1)]) + b"\r"
    return b"\n".join(lines)


def test_a_kept_file_of_the_same_release_is_compared_until_it_is_dropped(lake: Lakeside, tmp_path: Path) -> None:
    lake.taken()
    path = tmp_path / "SAPCE.zip"
    path.write_bytes(archive_with(archive_of(2), changed))
    kept = lake.take(lake.files(path), extract="2025-09-26")
    assert kept is not None
    lake.bea.bulk()
    found = looked(lake)
    assert [(each.how, each.tally) for each in found] == [("asked", ALL_EQUAL), ("kept", ONE_OFF)]
    assert str(found[1].other) == "extract 2025-09-26 (file) of 2025-09-26"
    now = datetime.now(UTC)
    lake.bronze.decisions.add(Decision(kind="drop", extract=str(kept), why="it is damaged", decided_at=now))
    assert [(each.how, each.tally) for each in looked(lake)] == [("asked", ALL_EQUAL)]


def test_what_was_taken_by_the_other_way_stands_aside_for_what_it_says_now(lake: Lakeside) -> None:
    silent = Fault(FaultKind.SILENT_REVISION)
    lake.taken(lake.bea.bulk())
    spoil(lake, silent)
    lake.taken(lake.bea.api())
    assert [(each.how, each.tally) for each in looked(lake)] == [("asked", ALL_EQUAL)]
    spoil(lake, silent, Fault(FaultKind.SERVER_ERROR, on=("archive",)))
    asked, kept = looked(lake)
    assert (asked.failed, kept.how) == (True, "kept")
    assert kept.tally.different > 0


def test_months_by_api_and_in_the_file_of_series_are_compared_by_the_day_it_was_written(tmp_path: Path) -> None:
    months = DATASETS["pce_us_monthly"]
    lake = lakeside(tmp_path, months)
    spoil(lake, Fault(FaultKind.FILES_DIFFER, tables=("T20805",), lines=(2,), years=(2020,)))
    lake.taken(lake.bea.months())
    found = {each.table: each for each in looked(lake)}
    assert {table: each.tally.different for table, each in found.items()} == {"T20804": 0, "T20805": 1, "T20806": 0}
    (told,) = differences_of(found["T20805"])
    assert told.cell == "T20805 line 2, area 00000, 2020M01"


# tables that repeat figures, and alerts


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lakeside, Lakeside]:
    """Personal income, and the summary that repeats it but for one cell."""
    folder = tmp_path_factory.mktemp("both")
    found = []
    for name in ("income_state", "summary_state"):
        bea = LookAlike(2, Fault(FaultKind.FILES_DIFFER, tables=("SASUMMARY",), lines=(5,)), dataset=DATASETS[name])
        lake = Lakeside(folder / "lake", bea)
        lake.taken(lake.bea.bulk())
        found.append(lake)
    return found[0], found[1]


def looked_at_both(both: tuple[Lakeside, Lakeside], *chosen: str) -> list[Comparison]:
    held = {each.dataset.name: each.current() for each in both}
    return compare_sources(held, chosen, Bea(both[0].bea.client, None, 0))


def test_a_table_that_repeats_another_is_compared_with_it_by_measure(both: tuple[Lakeside, Lakeside]) -> None:
    found = [each for each in looked_at_both(both, "income_state", "summary_state") if each.how == "repeated"]
    assert [(each.measure, each.tally) for each in found] == [
        ("personal_income", Tally(1404, 1403, 0, 1)),
        ("personal_income_per_capita", Tally(1404, 1404, 0, 0)),
    ]
    (told,) = differences_of(found[0])
    assert told.cell == "SASUMMARY line 5, area 01000, 2024"
    assert f"SAINC1 line 1, extract {today()} (bulk) of 2025-09-26" in told.both
    assert [address.rsplit("/", 1)[-1] for address in told.addresses] == ["SASUMMARY.zip", "SAINC.zip"]


def test_asked_about_one_of_two_datasets_it_compares_what_that_one_repeats_or_gives(
    both: tuple[Lakeside, Lakeside],
) -> None:
    for name in ("income_state", "summary_state"):
        found = looked_at_both(both, name)
        assert {each.dataset for each in found if each.how == "asked"} == {name}
        assert sum(each.tally.different for each in found) == 1


def test_what_differs_is_one_alert_whose_key_is_of_release_and_differences(both: tuple[Lakeside, Lakeside]) -> None:
    found = looked_at_both(both, "income_state", "summary_state")

    def alerts(comparisons: list[Comparison]) -> list[str]:
        told = alerts_of_differences(comparisons, env="prod", world="bea", lake="s3://lake")
        return [each.key for each in told]

    (key,) = alerts(found)
    assert key.startswith("summary_state-2025-09-26-repeated-")
    assert alerts(found) == [key]
    assert alerts([each for each in found if not each.tally.different]) == []
    (alert,) = alerts_of_differences(found, env="prod", world="bea", lake="s3://lake")
    assert "1 cell of BEA's release of 2025-09-26" in alert.title
    assert "SASUMMARY line 5, area 01000, 2024: " in alert.happened
    assert "pce check --sources" in alert.remedy
    assert "SASUMMARY.zip" in alert.facts["addresses"]


def test_a_release_that_is_not_held_is_named_with_those_that_are(tmp_path: Path) -> None:
    held = {}
    for name, release in (("income_state", 1), ("summary_state", 3)):
        lake = Lakeside(tmp_path / "lake", LookAlike(release, dataset=DATASETS[name]))
        lake.taken(lake.bea.bulk())
        held[name] = lake.current()
    found = compare_sources(held, ["summary_state"], Bea(lake.bea.client, None, 0))
    why_not = {each.measure: each.why_not for each in found if each.how == "repeated"}
    assert why_not["personal_income"] == (
        "no release of SAINC1 that is held (2024-10-03) is the one that its personal_income is of"
    )
    held["income_state"] = replace(held["income_state"], manifests={})
    found = compare_sources(held, ["summary_state"], Bea(lake.bea.client, None, 0))
    why_not = {each.measure: each.why_not for each in found if each.how == "repeated"}
    assert why_not["personal_income"] == "no release of SAINC1 is held that its personal_income is of"


def test_a_client_that_cannot_connect_is_a_failure_of_every_table(both: tuple[Lakeside, Lakeside]) -> None:
    def refused(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    def client() -> BeaClient:
        return BeaClient("http://bea", SecretStr(KEY), transport=httpx.MockTransport(refused), attempts=1)

    income = both[0]
    found = compare_sources({"income_state": income.current()}, ["income_state"], Bea(client, "api", 0))
    assert [(each.table, each.failed) for each in found] == [("SAINC1", True)]
    assert KEY not in found[0].why_not
