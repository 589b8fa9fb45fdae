"""A pin is named wherever the state of a world is shown: what Postgres holds because of it, since when and why."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pce_pipeline.bronze.store import bronze_of
from pce_pipeline.cli import markdown
from pce_pipeline.lake.layout import Layout
from pce_pipeline.lake.resource import Lake
from pce_pipeline_tests.alerts.receiver import receiver
from pce_pipeline_tests.cli.conftest import Pce
from pce_pipeline_tests.datasets import PCE_STATE

pytestmark = [pytest.mark.postgres]

EARLIER, LATER = "2025-09-26", "2026-09-30"


@pytest.fixture
def two_releases(loaded: Pce) -> Pce:
    """A world that holds two releases, the later one in Postgres."""
    loaded("sample", "release", "3")
    assert loaded("run").code == 0
    return loaded


def _age(folder: Path, days: int) -> None:
    """Let the pin be that old."""
    bronze = bronze_of(Lake(str(folder / "sample-smoke" / "lake"), Layout("local", "sample-smoke")), PCE_STATE)
    pin = bronze.pin()
    assert pin is not None
    held = next(each for each in bronze.extracts() if str(each) == pin.extract)
    bronze.write_pin(held, now=pin.pinned_at - timedelta(days=days), reason=pin.reason)


def test_a_pin_says_what_postgres_really_holds_before_and_after_the_refresh(two_releases: Pce, held: str) -> None:
    pce = two_releases
    assert pce("check", "--json").document["pin"] is None
    later = pce("status", "--json").document["extracts"][-1]["extract"]
    days = [datetime.now(UTC)]
    assert pce("pin", held, "--why", "revised by mistake").code == 0
    days.append(datetime.now(UTC))
    checked = pce("check", "--json").document
    # beside what BEA says stands the newest that is held of it, though it does not count
    assert [(each["extract"], each["last_updated"]) for each in checked["compared"]] == [(later, LATER)]
    told = checked["pin"]
    assert (told["holds"], told["extract"], told["ignored"]) == ("later", held, [later])
    assert "(revised by mistake); Postgres still holds the later figures of" in told["said"]
    assert pce("refresh").code == 0
    for verb in (("run",), ("check",), ("status",), ("doctor", "--quick")):
        said = " ".join(pce(*verb, COLUMNS="400").out.split())
        since = [f"extracts after {held} do not count since {day:%Y-%m-%d}" for day in days]
        assert any(words in said for words in since), verb
        assert f"(revised by mistake); Postgres holds the figures of {EARLIER}" in said, verb
        document = pce(*verb, "--json").document
        assert pce(*verb).code == 0
        if "pin" in document:
            assert document["pin"]["holds"] == "pinned"
            assert document["pin"]["reason"] == "revised by mistake"
    # what is current is that of the pin, and not what BEA published last
    assert EARLIER in pce("run", "--json").document["why"]
    assert pce("pin", "--clear").code == 0
    assert pce("check", "--json").document["pin"] is None


def test_a_pin_over_an_empty_database_says_that_it_holds_nothing(own: Pce, held: str) -> None:
    assert own("pin", held, "--why", "before anything is loaded").code == 0
    pin = own("status", "--json").document["pin"]
    assert pin["holds"] == "nothing"
    assert pin["said"].endswith("Postgres holds nothing of it, until `pce refresh`")


def test_a_pin_needs_a_reason_under_either_name(own: Pce, held: str) -> None:
    for arguments, named in (
        ((), "Add --why"),
        (("--why", " "), "--why is given without a value"),
        (("--reason", " "), "--reason is given without a value"),
        (("--reason=",), "--reason is given without a value"),
    ):
        said = own("pin", held, *arguments)
        assert said.code == 2
        assert named in said.err
    assert own("pin", held, "--reason", "by its other name", "--json").document["reason"] == "by its other name"


@pytest.mark.long
def test_a_pin_that_is_old_needs_a_person_and_is_told_once_for_each_pin(loaded: Pce, held: str, tmp_path: Path) -> None:
    own = loaded
    assert own("pin", held, "--why", "until BEA answers").code == 0
    assert "explorer files are stale" in own("status").out  # the page says that there is a pin
    assert own("refresh").code == 0
    assert own("status").code == 0
    with receiver() as heard:
        channel = {
            "PCE_ALERT_WEBHOOK_URL": heard.url,
            "PCE_ALERT_WEBHOOK_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        }
        assert "not for long yet" in own("alert", "pinned", **channel).out
        _age(tmp_path, 15)
        status = own("status", "--json")
        assert (status.code, list(status.document["needs_a_person"])) == (1, ["pinned for more than 14 days"])
        assert own("status", PCE_PIN_ALERT_DAYS="30").code == 0
        assert own("alert", "pinned", "--json", **channel).document["sent"] == ["webhook"]
        assert own("alert", "pinned", "--json", **channel).document["sent_earlier"] == ["webhook"]
        own("pin", held, "--why", "still")
        _age(tmp_path, 16)
        assert own("alert", "pinned", "--json", **channel).document["sent"] == ["webhook"]
    first, second = heard.received
    assert first.document["type"] == "alert.pin_old"
    assert "until BEA answers" in first.document["data"]["what_happened"]
    assert "still" in second.document["data"]["what_happened"]
    own("pin", "--clear")
    assert own("alert", "pinned").out.endswith("Nothing is pinned.\n")


def test_the_summary_of_a_workflow_names_the_pin_and_what_the_doctor_found() -> None:
    said: dict[str, dict[str, Any]] = {
        "check": {"action": "nothing", "pin": {"said": "extracts after X do not count (a | b)"}},
        "doctor": {
            "findings": [
                {
                    "where": "lake",
                    "what": "gold 2010 is not there",
                    "command": "pce refresh",
                    "advice": "",
                    "is_wrong": True,
                },
                {"where": "lake", "what": "a note", "command": None, "advice": "", "is_wrong": False},
            ]
        },
    }
    text = markdown.report("Ingest", said, [], None, None)
    assert "> **Pinned**: extracts after X do not count (a &#124; b)." in text
    assert "| lake | gold 2010 is not there | pce refresh |" in text
    assert "a note" not in text
