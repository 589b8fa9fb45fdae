"""A cell of BEA's own answer that could not be read is told once per extract, and says which cell and why."""

from pathlib import Path

import pytest

from pce_pipeline.emulator.app import create_app
from pce_pipeline.emulator.serve import running
from pce_pipeline_tests.alerts.receiver import Receiver, Reply
from pce_pipeline_tests.bronze.look_alike import KEY, archive_of, archive_with
from pce_pipeline_tests.cli.conftest import Pce, call
from pce_pipeline_tests.datasets import PCE_STATE


@pytest.fixture
def pce(tmp_path: Path, heard: Receiver) -> Pce:
    """Calls on an empty world of BEA's data with a webhook."""
    base = {
        "PCE_HOME": str(tmp_path),
        "PCE_PROFILE": "smoke",
        "PCE_SOURCE": "bulk",
        "PCE_ALERT_WEBHOOK_URL": heard.url,
        "PCE_ALERT_WEBHOOK_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    }
    return lambda *arguments, **environment: call(*arguments, **{**base, **environment})


def with_unknown_code(name: str, body: bytes) -> bytes:
    if not name.startswith("SAPCE1__ALL"):
        return body
    lines = body.split(b"\n")
    at = next(n for n, line in enumerate(lines) if line.lstrip().startswith(b'"02000"') and b",SAPCE1,13," in line)
    lines[at] = b",".join([*lines[at].split(b",")[:-1], b"(T)"])
    return b"\n".join(lines)


def test_an_unknown_code_in_the_archive_of_bea_is_told_once_and_to_each_channel(pce, heard):
    app = create_app(2)
    app.state.emulator.archives[PCE_STATE.archive] = archive_with(archive_of(2), with_unknown_code)
    with running(app) as bea:
        taken = pce("extract", "--json", PCE_BEA_URL=bea, BEA_API_KEY=KEY)
        assert taken.code == 0, taken.err
    assert pce("alert", "quarantined", PCE_ALERT_WEBHOOK_URL="").code == 0
    heard.replies = [Reply(410)]
    assert pce("alert", "quarantined").code == 1
    said = pce("alert", "quarantined", "--json").document
    assert list(said["quarantined"].values()) == [1]
    assert said["alerts"][0]["sent"] == ["webhook"]
    assert pce("alert", "quarantined", "--json").document["alerts"][0]["sent_earlier"] == ["webhook"]
    told = heard.received[-1].document
    assert told["type"] == "alert.cells_quarantined"
    assert "SAPCE1 line 13, area 02000" in told["data"]["what_happened"]
    assert "'(T)' is not a known code" in told["data"]["what_happened"]
    assert "pce quarantine" in told["data"]["what_to_do"]
    assert len(heard.received) == 2
