"""AWS's API on loopback, for what alerts and log lines ask of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

REGION = "us-east-1"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
}


@contextmanager
def aws_on_loopback() -> Iterator[str]:
    """The address of a server of moto's."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@contextmanager
def environment(address: str) -> Iterator[dict[str, str]]:
    """What leads boto3's default chain, in this process or another, to `address`."""
    variables = {**CREDENTIALS, "AWS_ENDPOINT_URL": address}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        yield variables


def client(service: str, address: str) -> Any:
    make: Any = boto3.Session("testing", "testing", region_name=REGION).client
    return make(service, endpoint_url=address)
