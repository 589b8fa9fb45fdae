"""What cannot be decoded is refused by one kind of error, wherever it comes from, and never as a RecursionError."""

import ast
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

import pce_pipeline
from pce_pipeline.bea.answers import RegionalRow, load_json, read_answer
from pce_pipeline.bea.errors import BeaContentError, BeaFileRefused, BeaTransportError
from pce_pipeline.bea.kept import kept_answers
from pce_pipeline.bea.releases import parse_calendar
from pce_pipeline.bronze.manifest import ObjectEntry
from pce_pipeline.catalog.decoding import read_part
from pce_pipeline.catalog.errors import CatalogMistake
from pce_pipeline.certificates.errors import NotACertificate
from pce_pipeline.certificates.statement import Certificate, read
from pce_pipeline.decoding import decoded_json, decoded_toml
from pce_pipeline.errors import PceError
from pce_pipeline.lake.errors import DamagedObject
from pce_pipeline.lake.records import Record, decode_record

PACKAGE = Path(pce_pipeline.__file__).parent
DEEP = b"[" * 100_000
DEEP_INSIDE = b'{"format": 2, "Results": ' + b'{"a":' * 100_000
BARELY_DECODABLE = b'{"BEAAPI": {"Results": ' + b'{"a":' * 800 + b"1" + b"}" * 800 + b"}}"
BODIES = (DEEP, DEEP_INSIDE, b"", b"{", b"\xff\xfe", b'"\xff"', b"1" * 5000)
DECODERS: dict[str, tuple[Callable[[bytes], Any], type[PceError]]] = {
    "an answer of BEA": (lambda body: read_answer(body, RegionalRow), BeaTransportError),
    "the calendar": (parse_calendar, BeaContentError),
    "answers in a file": (kept_answers, BeaFileRefused),
    "a record of the lake": (lambda body: decode_record("a/b", body, Record), DamagedObject),
    "a certificate": (lambda body: read(body, Certificate, name="x.json", what="a certificate"), NotACertificate),
}


@pytest.mark.parametrize("body", BODIES, ids=lambda body: str(body[:8]))
@pytest.mark.parametrize("kind", [object, dict, ObjectEntry])
def test_all_that_can_be_wrong_with_json_is_one_error(body: bytes, kind: type) -> None:
    if body == b"1" * 5000 and kind is object:
        body = b"[" + body
    with pytest.raises(msgspec.DecodeError):
        decoded_json(body, kind)


def test_deep_toml_is_refused_like_any_other() -> None:
    with pytest.raises(msgspec.DecodeError, match="nested too deeply"):
        decoded_toml("a = " + "[" * 100_000, dict)


@pytest.mark.parametrize("body", [DEEP, DEEP_INSIDE], ids=["lists", "objects"])
@pytest.mark.parametrize("what", DECODERS)
def test_whoever_decodes_refuses_what_is_nested_too_deeply(what: str, body: bytes) -> None:
    decode, error = DECODERS[what]
    with pytest.raises((error, BeaContentError)):
        decode(body)


@pytest.mark.parametrize("body", [*BODIES, BARELY_DECODABLE], ids=lambda body: str(body[:24]))
@pytest.mark.parametrize("what", DECODERS)
def test_whoever_decodes_raises_nothing_but_its_own_errors(what: str, body: bytes) -> None:
    decode, error = DECODERS[what]
    with suppress(error, BeaContentError):
        decode(body)


def test_a_body_that_is_deep_is_no_json_of_beas() -> None:
    with pytest.raises(BeaTransportError):
        load_json(DEEP)


def test_a_catalogue_that_is_nested_too_deeply_is_a_mistake_in_it(tmp_path: Path) -> None:
    (tmp_path / "dataset.toml").write_text("name = " + "[" * 100_000)
    with pytest.raises(CatalogMistake, match="nested too deeply"):
        read_part(tmp_path, "mine")


ALLOWED = {
    ("bea/answers.py", "msgspec.json.Decoder"),
    ("bea/kept.py", "json.JSONDecoder"),
    ("bea/places.py", "json.loads"),
    ("bea/layouts.py", "tomllib.loads"),
    ("cli/app.py", "json.loads"),
    ("cli/completing.py", "json.loads"),
    ("cli/completing.py", "tomllib.loads"),
    ("cli/explaining.py", "tomllib.loads"),
    ("decoding.py", "msgspec.json.decode"),
    ("decoding.py", "msgspec.toml.decode"),
    ("finding/searching.py", "tomllib.loads"),
    ("instance/own_logs.py", "json.loads"),
    ("settings.py", "tomllib.loads"),
}
"""Who decodes by itself: files of the package, lines of our own, and readers that are tested above."""


def test_nothing_else_decodes_by_itself() -> None:
    functions = ("json.load", "json.loads", "json.JSONDecoder", "tomllib.load", "tomllib.loads")
    names = {*functions, "msgspec.json.decode", "msgspec.toml.decode", "msgspec.json.Decoder"}
    found = {
        (str(module.relative_to(PACKAGE)), called)
        for module in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(module.read_text("utf-8")))
        if isinstance(node, ast.Call) and (called := ast.unparse(node.func)) in names
    }
    assert found == ALLOWED
