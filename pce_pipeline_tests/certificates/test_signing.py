"""Keys as people write them, and the settings that hold them: read, checked at the start, and shown nowhere."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pce_pipeline import signing
from pce_pipeline.errors import SettingsError
from pce_pipeline.observability.logs import hide, without_secrets
from pce_pipeline.settings import Settings, load_settings
from pce_pipeline_tests.certificates.small import (
    KEY,
    OTHER_PUBLIC,
    PUBLIC,
    in_one_line,
    pem_of,
    pem_of_public,
)

PEM = pem_of(KEY)
LINE = PEM.splitlines()[1]
OF_ANOTHER_KIND = """-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VuBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f
-----END PRIVATE KEY-----"""


@pytest.mark.parametrize("text", [PEM, LINE, PEM.replace("\n", "\\n"), in_one_line(PEM), f"  {LINE}\n"])
def test_a_private_key_is_read_however_it_is_spelled(text: str) -> None:
    assert signing.public_key_of(signing.private_key(text)) == PUBLIC


@pytest.mark.parametrize("text", [pem_of_public(PUBLIC), PUBLIC, in_one_line(pem_of_public(PUBLIC))])
def test_a_public_key_is_read_however_it_is_spelled(text: str) -> None:
    assert signing.public_key(text) == PUBLIC


@pytest.mark.parametrize("text", ["", "hunter2hunter2", "aHVudGVyMg==", PUBLIC, pem_of_public(PUBLIC), OF_ANOTHER_KIND])
def test_what_is_no_private_key_is_refused_and_never_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="openssl genpkey") as refused:
        signing.private_key(text)
    assert not text or text not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize("text", ["", "no key", PEM, LINE])
def test_what_is_no_public_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="openssl pkey"):
        signing.public_key(text)


def test_a_signature_holds_for_its_key_and_message_alone() -> None:
    signature = signing.sign(KEY, b"message")
    assert signing.sign(KEY, b"message") == signature
    assert signing.is_signed(PUBLIC, signature, b"message")
    assert not signing.is_signed(PUBLIC, signature, b"another")
    assert not signing.is_signed(OTHER_PUBLIC, signature, b"message")
    assert not signing.is_signed(PUBLIC, "unsigned", b"message")
    assert not signing.is_signed("no key", signature, b"message")


def test_openssl_makes_such_a_key_and_calls_it_the_same(tmp_path: Path) -> None:
    def openssl(*arguments: str) -> bytes:
        try:
            return subprocess.run(["openssl", *arguments], cwd=tmp_path, check=True, capture_output=True).stdout
        except FileNotFoundError:
            pytest.skip("openssl is not installed")

    key = signing.private_key(openssl("genpkey", "-algorithm", "ed25519").decode())
    (tmp_path / "key.pem").write_text(pem_of(key))
    public = signing.public_key(openssl("pkey", "-in", "key.pem", "-pubout").decode())
    assert public == signing.public_key_of(key)
    (tmp_path / "public.der").write_bytes(openssl("pkey", "-in", "key.pem", "-pubout", "-outform", "DER"))
    assert openssl("dgst", "-sha256", "-r", "public.der").decode().split()[0] == signing.key_id(public)


def settings(**given: Any) -> Settings:
    return load_settings(chosen_source="sample", **given)


def test_settings_take_a_pair_of_keys() -> None:
    held = settings(signing_key=PEM, signing_public_key=PUBLIC)
    assert held.signing_key is not None
    assert held.signing_public_key == PUBLIC


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"signing_key": "hunter2hunter2"}, "PCE_SIGNING_KEY: it is not an Ed25519 private key"),
        ({"signing_public_key": "hunter2hunter2"}, "PCE_SIGNING_PUBLIC_KEY: it is not an Ed25519 public key"),
        ({"signing_key": PEM, "signing_public_key": OTHER_PUBLIC}, "set both to one pair"),
    ],
)
def test_keys_that_cannot_work_are_refused_at_the_start_without_being_shown(given: dict[str, str], why: str) -> None:
    with pytest.raises(SettingsError, match=why) as refused:
        settings(**given)
    with pytest.raises(ValidationError) as raw:
        Settings(chosen_source="sample", **given)  # type: ignore[arg-type]  # as a variable gives it
    for text in (str(refused.value), str(raw.value), repr(raw.value)):
        assert "hunter2" not in text
        assert LINE not in text


def test_the_key_is_in_no_repr_and_blanked_wherever_it_stands() -> None:
    held = settings(signing_key=PEM)
    assert LINE not in repr(held)
    assert LINE not in str(held.model_dump())
    for secret in held.secrets:
        hide(secret)
    for shown in (PEM, repr(PEM), LINE, PEM.replace("\n", "\\n"), f"key={LINE}"):
        assert LINE not in without_secrets(shown)
