"""The key travels encrypted or not at all: an address that is neither https nor this machine gets no request."""

import pytest
from pydantic import SecretStr

from pce_pipeline.bea.client import BeaClient
from pce_pipeline.bea.errors import BeaKeyExposed

KEY = SecretStr("0f3a-very-secret")


@pytest.mark.parametrize(
    "url",
    [
        "http://apps.bea.gov",
        "http://127.0.0.1.example.org",
        "http://localhost.example.org:8000",
        "http://localhost@example.org",
        "http://10.0.0.1:8000",
        "http://0.0.0.0:8000",
        "HTTP://APPS.BEA.GOV",
        "ftp://127.0.0.1",
        "https://",
        "apps.bea.gov",
        "http://[::1",
        "http://user:0f3a-very-secret@example.org/x?UserID=0f3a-very-secret",
        "",
    ],
)
def test_a_key_is_not_sent_to_an_address_that_others_can_read_on_the_way_to(url):
    with pytest.raises(BeaKeyExposed, match="not sent") as refused:
        BeaClient(url, KEY)
    assert KEY.get_secret_value() not in str(refused.value) + refused.value.remedy
    assert "PCE_BEA_URL" in refused.value.remedy


@pytest.mark.parametrize(
    "url",
    [
        "https://apps.bea.gov",
        "HTTPS://apps.bea.gov",
        "http://127.0.0.1:8000",
        "http://localhost:8000",
        "http://[::1]:80",
    ],
)
def test_https_and_this_machine_get_the_key(url):
    assert BeaClient(url, KEY).url


def test_without_a_key_any_address_may_be_asked():
    assert BeaClient("http://mirror.example.org").url == "http://mirror.example.org"
