"""Asking BEA what it has released: by API, without a key, and of the embedded sample."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
import stamina
from pydantic import SecretStr

from pce_pipeline.bea.errors import BeaKeyRejected, BeaTransportError
from pce_pipeline.bea.gateway import BeaGateway, Release
from pce_pipeline.emulator.app import create_app
from pce_pipeline.emulator.faults import Fault, FaultKind
from pce_pipeline.emulator.serve import running
from pce_pipeline.emulator.state import Emulator
from pce_pipeline.errors import UsageError
from pce_pipeline.settings import Settings
from pce_pipeline_tests.datasets import PCE_STATE

KEY = "e0d1c2b3-0000-4000-8000-00000000aBcD"
NAMES = PCE_STATE.release_names
CELL = (1, "00000")


@pytest.fixture(autouse=True)
def _impatient_retries() -> Iterator[None]:
    with stamina.set_testing(True, attempts=100, cap=True):
        yield


@pytest.fixture
def served() -> Iterator[tuple[Emulator, str]]:
    app = create_app(2)
    with running(app) as url:
        yield app.state.emulator, url


def ask(home: Path, url: str, source: str, tables: list[str]) -> Release:
    settings = Settings(
        home=home, chosen_source="bulk" if source == "bulk" else "api", bea_api_key=SecretStr(KEY), bea_url=url
    )
    return BeaGateway(settings).releases({"pce_state": NAMES}, {"pce_state": dict.fromkeys(tables, CELL)})["pce_state"]


def test_with_a_key_it_costs_one_small_request_per_table_and_the_calendar(served, tmp_path):
    emulator, url = served
    release = ask(tmp_path, url, "api", ["SAPCE1", "SAPCE2"])
    assert release.notes is not None
    assert {table: note.last_updated for table, note in release.notes.items() if note} == {
        "SAPCE1": date(2025, 9, 26),
        "SAPCE2": date(2025, 9, 26),
    }
    assert emulator.counts == {"GetData": 2, "calendar": 1}
    latest = release.latest_announced()
    assert latest is not None
    assert latest.date() == date(2025, 9, 26)


def test_without_a_key_only_the_calendar_is_asked(served, tmp_path):
    emulator, url = served
    release = ask(tmp_path, url, "bulk", ["SAPCE1"])
    assert release.notes is None
    assert release.calendar is not None
    assert emulator.counts == {"calendar": 1}


@pytest.mark.parametrize("kind", [FaultKind.HTML, FaultKind.EMPTY_BODY, FaultKind.SERVER_ERROR, FaultKind.DROP])
def test_a_calendar_that_cannot_be_had_is_left_out(served, tmp_path, kind):
    emulator, url = served
    emulator.set_faults(Fault(kind, on=("calendar",)))
    release = ask(tmp_path, url, "api", ["SAPCE1"])
    assert release.calendar is None
    assert release.latest_announced() is None
    assert release.notes is not None


@pytest.mark.parametrize(
    ("fault", "error"),
    [(Fault(FaultKind.API_ERROR, code="1"), BeaKeyRejected), (Fault(FaultKind.DROP), BeaTransportError)],
)
def test_a_note_that_cannot_be_had_is_an_error_without_the_key(served, tmp_path, fault, error):
    emulator, url = served
    emulator.set_faults(fault)
    with pytest.raises(error) as raised:
        ask(tmp_path, url, "api", ["SAPCE1", "SAPCE2"])
    assert KEY.lower() not in str(raised.value).lower()


@pytest.mark.parametrize(("said", "day"), [(None, "2025-09-26"), ("1", "2024-10-03"), ("3\n", "2026-09-30")])
def test_the_sample_publishes_the_release_that_its_file_names(tmp_path, said, day):
    gateway = BeaGateway(Settings(home=tmp_path, chosen_source="sample"))
    if said:
        gateway.sample_release_file.parent.mkdir(parents=True)
        gateway.sample_release_file.write_text(said)
    notes = gateway.releases({"pce_state": NAMES}, {"pce_state": {"SAPCE1": CELL}})["pce_state"].notes
    assert notes is not None
    assert notes["SAPCE1"] is not None
    assert str(notes["SAPCE1"].last_updated) == day


@pytest.mark.parametrize("said", ["", "9", "two", "²", "\xff"])
def test_a_release_that_the_sample_does_not_have_is_refused_with_what_to_write(tmp_path, said):
    gateway = BeaGateway(Settings(home=tmp_path, chosen_source="sample"))
    gateway.sample_release_file.parent.mkdir(parents=True)
    gateway.sample_release_file.write_text(said, encoding="latin-1")
    with pytest.raises(UsageError, match="Write one of 1, 2, 3, 4"):
        gateway.releases({"pce_state": NAMES}, {"pce_state": {"SAPCE1": CELL}})
