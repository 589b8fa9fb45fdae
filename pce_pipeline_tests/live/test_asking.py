"""What BEA's client would refuse is asked without it, and its key stays as secret as there."""

import logging
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from pce_pipeline.emulator.app import create_app
from pce_pipeline.emulator.faults import Fault, FaultKind
from pce_pipeline_tests.live.asking import Asking, read_answer
from pce_pipeline_tests.live.assumptions import Answers

KEY = "0a1b2c3d-0000-4000-8000-00000000abcd"
LOOK_ALIKE = "http://127.0.0.1"
TOTAL = {
    "method": "GetData",
    "datasetname": "Regional",
    "TableName": "SAPCE1",
    "LineCode": "1",
    "GeoFips": "00000",
    "Year": "LAST5",
}


def asking(folder: Path, *faults: Fault) -> Asking:
    app = create_app(faults=faults)
    return Asking(LOOK_ALIKE, SecretStr(KEY), Answers(folder, KEY), httpx.ASGITransport(app=app))


def test_an_error_is_an_answer_and_is_kept_without_the_key(tmp_path: Path) -> None:
    said = asking(tmp_path)("no-dataset", method="GetParameterList", datasetname="Nothing")
    assert (said.code, said.rows) == ("20", [])
    kept = (tmp_path / "no-dataset.json").read_bytes()
    assert b"USERID" in kept
    assert KEY.encode() not in kept.lower()


@pytest.mark.parametrize(
    "fault",
    [
        Fault(FaultKind.DROP),
        Fault(FaultKind.SERVER_ERROR),
        Fault(FaultKind.TOO_MANY),
        Fault(FaultKind.HTML),
        Fault(FaultKind.EMPTY_BODY),
        Fault(FaultKind.TRUNCATED),
        *(Fault(FaultKind.API_ERROR, code=code) for code in ("1", "4", "7")),
    ],
    ids=lambda fault: f"{fault.kind}{fault.code}",
)
def test_no_answer_of_beas_own_leaves_the_question_open(
    tmp_path: Path, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING), pytest.raises(pytest.skip.Exception) as left_open:
        asking(tmp_path, fault)("total", **TOTAL)
    assert KEY not in str(left_open.value) + caplog.text


def test_another_key_than_ours_may_be_refused_as_an_answer(tmp_path: Path) -> None:
    assert asking(tmp_path)("bad-key", key="nobody", method="GetDataSetList").code == "1"


@pytest.mark.parametrize(
    "answer",
    [
        b'{"BEAAPI":{"Error":{"APIErrorCode":"40"}}}',
        b'{"BEAAPI":{"Results":{"Error":{"APIErrorCode":"40"}}}}',
        b'{"BEAAPI":{"Results":[{"Error":[{"APIErrorCode":"40"}]}]}}',
    ],
)
def test_an_error_is_found_wherever_bea_puts_it(answer: bytes) -> None:
    assert read_answer(answer).code == "40"
