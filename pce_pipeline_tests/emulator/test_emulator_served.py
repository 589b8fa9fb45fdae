"""The look-alike on a port, asked by BEA's own client."""

import socket
import warnings

import httpx
import pytest

from pce_pipeline.emulator.app import create_app
from pce_pipeline.emulator.faults import Fault, FaultKind
from pce_pipeline.emulator.serve import EmulatorNotServed, running, serve

KEY = "0a1b2c3d-0000-4000-8000-00000000ABCD"


@pytest.fixture
def beaapi():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("beaapi")


def test_an_app_is_served_as_long_as_the_block_lasts(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with running(create_app(3)) as url:
        assert httpx.get(f"{url}/health").json() == {"status": "ok", "release": 3}
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/health")


def test_a_taken_port_is_said_so():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(EmulatorNotServed, match="Choose another port") as refused:
            serve(port)
    assert refused.value.port == port


@pytest.mark.system
@pytest.mark.filterwarnings("ignore:The inplace keyword:DeprecationWarning")
def test_beas_own_client_reads_data_lists_and_errors(served, beaapi):
    url = f"{served(create_app(faults=[Fault(FaultKind.SINGLE_AS_DICT)]))}/api/data?"
    for asked in ({"LineCode": "1", "GeoFips": "STATE"}, {"LineCode": "ALL", "GeoFips": "48000"}):
        table = beaapi.get_data(
            KEY, datasetname="Regional", TableName="SAPCE3", Year="ALL", base_url=url, throttle=False, **asked
        )
        assert table["DataValue"].dtype == float
        assert table.attrs["release_date"].isoformat() == "2025-09-26"
    assert len(table) == 112 * 28

    coded = beaapi.get_data(
        KEY, datasetname="Regional", TableName="SAPCE3", LineCode="29", GeoFips="11000", Year="2004",
        base_url=url, throttle=False,
    )  # fmt: skip
    assert coded["NoteRef"].to_list() == ["(D)"]

    lines = beaapi.get_parameter_values_filtered(
        KEY, "Regional", "LineCode", TableName="SAPCE4", base_url=url, throttle=False
    )
    assert lines.shape == (134, 2)

    with pytest.raises(beaapi.BEAAPIResponseError, match="Invalid Value for Parameter TableName"):
        beaapi.get_data(
            KEY, datasetname="Regional", TableName="SAPCE9", LineCode="1", GeoFips="STATE", base_url=url, throttle=False
        )


@pytest.mark.system
@pytest.mark.parametrize("kind", [FaultKind.EMPTY_BODY, FaultKind.HTML, FaultKind.TRUNCATED, FaultKind.NO_DATA])
def test_beas_own_client_knows_the_faults_for_what_they_are(served, beaapi, kind):
    url = f"{served(create_app(faults=[Fault(kind)]))}/api/data?"
    expected = beaapi.BEAAPIResponseError if kind is FaultKind.NO_DATA else beaapi.BEAAPIFailure
    with pytest.raises(expected):
        beaapi.get_data(
            KEY, datasetname="Regional", TableName="SAPCE1", LineCode="1", GeoFips="STATE", base_url=url, throttle=False
        )
