"""`pce check --sources` and `pce alert sources`, on a world of BEA's look-alike whose files can be made to differ."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import stamina

from pce_pipeline.emulator.app import create_app
from pce_pipeline.emulator.faults import Fault, FaultKind
from pce_pipeline.emulator.serve import running
from pce_pipeline.emulator.state import Emulator
from pce_pipeline_tests.alerts.receiver import Receiver, receiver
from pce_pipeline_tests.bronze.look_alike import KEY
from pce_pipeline_tests.cli.conftest import Called, Pce, call

DIFFERS = Fault(FaultKind.FILES_DIFFER, tables=("SAPCE1",))


@dataclass
class Place:
    """A world with one extract by the API, the BEA that it came from, and who hears its alerts."""

    bea: Emulator
    heard: Receiver
    environment: dict[str, str]

    def pce(self, *arguments: str, **environment: str) -> Called:
        return call(*arguments, **{**self.environment, **environment})


@pytest.fixture(scope="module")
def _place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    app = create_app(2)
    with running(app) as bea, receiver() as heard:
        environment = {
            "PCE_HOME": str(tmp_path_factory.mktemp("home")),
            "PCE_PROFILE": "smoke",
            "PCE_BEA_URL": bea,
            "BEA_API_KEY": KEY,
            "PCE_ALERT_WEBHOOK_URL": heard.url,
            "PCE_ALERT_WEBHOOK_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        }
        made = Place(app.state.emulator, heard, environment)
        taken = made.pce("extract")
        assert taken.code == 0, taken.err
        yield made


@pytest.fixture(autouse=True)
def _impatient_retries() -> Iterator[None]:
    with stamina.set_testing(True, attempts=100, cap=True):
        yield


@pytest.fixture
def place(_place: Place) -> Iterator[Place]:
    yield _place
    _place.bea.set_faults()
    _place.bea.set_release(2)
    _place.heard.received.clear()


def words(called: Called) -> str:
    """What a person reads, without line breaks."""
    return " ".join(called.out.split())


def test_where_sources_agree_it_says_how_much_was_compared(place: Place) -> None:
    said = place.pce("check", "--sources")
    assert said.code == 0, said.err
    assert "Of 5,040 cells compared none differs." in words(said)
    document = place.pce("check", "--sources", "--json").document
    assert [document[name] for name in ("compared", "equal", "precision", "different")] == [5040, 5040, 0, 0]
    (comparison,) = document["comparisons"]
    assert (comparison["how"], comparison["one"]["origin"], comparison["other"]["origin"]) == ("asked", "api", "bulk")


def test_a_difference_exits_with_one_and_names_the_cell_both_values_and_addresses(place: Place) -> None:
    place.bea.set_faults(DIFFERS)
    said = place.pce("check", "--sources")
    assert said.code == 1
    text = words(said)
    assert "SAPCE1 line 1, area 01000, 2024:" in text
    assert "The sources say 1 cell of 5,040 in two ways. What is published is what the extract in use says" in text
    document = place.pce("check", "--sources", "--json")
    assert document.code == 1
    (difference,) = document.document["differences"]
    assert [difference[name] for name in ("dataset", "table", "line", "area", "year", "kind")] == [
        "pce_state",
        "SAPCE1",
        1,
        "01000",
        2024,
        "different",
    ]
    assert difference["one"]["value"] != difference["other"]["value"]
    assert "TableName=SAPCE1" in difference["one"]["address"]
    assert difference["other"]["address"].endswith("/regional/zip/SAPCE.zip")
    assert KEY not in said.out + document.out


def test_where_nothing_can_be_compared_it_says_so_and_not_that_all_is_equal(place: Place, empty: Pce) -> None:
    place.bea.set_release(3)
    said = place.pce("check", "--sources")
    assert said.code == 0
    assert "Nothing was compared, so nothing is known" in words(said)
    assert "There is a newer release: the keyless file is of 2026-09-30; take it with `pce run`" in words(said)
    document = place.pce("check", "--sources", "--json").document
    assert (document["compared"], document["differences"], document["what_to_do"]) == (0, [], None)
    without_extract = empty("check", "--sources", "--json")
    assert (without_extract.code, without_extract.document["compared"]) == (0, 0)
    assert without_extract.document["not_held"] == ["pce_state"]


def test_an_archive_out_of_reach_fails_and_does_not_alert(place: Place) -> None:
    place.bea.set_faults(Fault(FaultKind.HTML, on=("archive",), first=5))
    said = place.pce("check", "--sources")
    assert said.code == 1
    assert "Nothing was compared: what failed is told above" in words(said)
    place.bea.set_faults(Fault(FaultKind.HTML, on=("archive",), first=5))
    told = place.pce("alert", "sources")
    assert told.code == 0
    assert "Nothing could be compared. SAPCE1: the keyless file could not be asked" in words(told)
    assert place.heard.received == []


def test_a_difference_is_told_once_for_its_release_and_another_one_again(place: Place) -> None:
    place.bea.set_faults(DIFFERS)
    first = place.pce("alert", "sources", "--json").document
    assert (first["compared"], first["different"], first["alerts"][0]["sent"]) == (5040, 1, ["webhook"])
    again = place.pce("alert", "sources", "--json").document
    assert again["alerts"][0]["sent_earlier"] == ["webhook"]
    (told,) = [each.document for each in place.heard.received]
    assert told["type"] == "alert.sources_differ"
    assert "SAPCE1 line 1, area 01000, 2024: " in told["data"]["what_happened"]
    assert "pce check --sources" in told["data"]["what_to_do"]
    place.bea.set_faults(DIFFERS, Fault(FaultKind.FILES_DIFFER, tables=("SAPCE1",), areas=("02000",)))
    assert place.pce("alert", "sources").code == 0
    assert len(place.heard.received) == 2


def test_the_summary_of_a_workflow_shows_what_differs_and_what_to_do(place: Place, tmp_path: Path) -> None:
    place.bea.set_faults(DIFFERS)
    (tmp_path / "sources.json").write_text(json.dumps(place.pce("alert", "sources", "--json").document))
    said = place.pce("report", "--folder", str(tmp_path), "--since", "2026-11-20T14:17:00Z")
    assert said.code == 0, said.err
    assert "**Do the sources say the same?** 5,040 cells compared, 1 different." in said.out
    assert "| SAPCE1 line 1 | 01000 | 2024 |" in said.out
    assert "**What to do**: What is published is what the extract in use says" in said.out
