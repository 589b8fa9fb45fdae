"""Proofs and signatures: what is right is verified, and whatever is changed is refuted with its reason."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pce_pipeline.certificates.errors import CellNotThere, LeafNotCanonical, NotACertificate, OtherCells
from pce_pipeline.certificates.leaves import Cell, leaf_in_words, leaves_of
from pce_pipeline.certificates.proofs import Proof, prove, tree_of, verify_certificate, verify_proof
from pce_pipeline.certificates.statement import OF_BEA, UNSIGNED, Certificate, read, statement_bytes, written
from pce_pipeline_tests.certificates.small import (
    KEY,
    OTHER_KEY,
    OTHER_PUBLIC,
    PUBLIC,
    ROWS,
    cells_of,
    certificate_of,
    resigned,
)
from pce_pipeline_tests.datasets import EVERYTHING, PCE_STATE

CELLS = cells_of(ROWS)
UNSIGNED_ONE = certificate_of(CELLS)
SIGNED = certificate_of(CELLS, KEY)
ALABAMA = Cell("SAPCE1", 1, "01000", 2023)
PROOF = prove(tree_of(SIGNED, CELLS, PCE_STATE), ALABAMA)
NAME = PCE_STATE.name

Change = Callable[[Proof], dict[str, Any]]


def changed(proof: Proof, **fields: Any) -> Proof:
    return msgspec.structs.replace(proof, **fields)


def as_certificate(body: bytes) -> Certificate:
    return read(body, Certificate, name="c.json", what="a certificate")


def test_leaves_are_lines_in_the_order_of_their_bytes() -> None:
    assert [leaf.decode() for leaf in leaves_of(CELLS.reverse(), PCE_STATE)] == [
        f"{NAME}\tSAPCE1\t1\t01000\t2023\t230469.100\treported\tMillions of current dollars",
        f"{NAME}\tSAPCE1\t1\t01000\t2024\t242905.300\treported\tMillions of current dollars",
        f"{NAME}\tSAPCE1\t10\t01000\t2023\t0.000\treported\tMillions of current dollars",
        f"{NAME}\tSAPCE1\t2\t00000\t2023\t\tsuppressed\tMillions of current dollars",
        f"{NAME}\tSAPCE2\t1\t01000\t2023\t-45012.000\treported\tDollars",
    ]


@given(
    units=st.lists(st.text(st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc"])), min_size=1, max_size=5)
)
def test_any_texts_are_sorted_as_their_bytes_are(units: list[str]) -> None:
    rows = cells_of([("SAPCE1", 1, "01000", 2000 + at, "1", "reported", unit) for at, unit in enumerate(units)])
    leaves = leaves_of(rows.with_columns(year=pl.lit(2000, pl.Int32)), PCE_STATE)
    assert leaves == sorted(leaves)
    assert len(leaves) == len(units)


def test_months_stand_behind_their_year() -> None:
    monthly = next(each for each in EVERYTHING.datasets.values() if each.is_monthly)
    rows = CELLS.head(1).with_columns(month=pl.lit(7, pl.Int32))
    (leaf,) = leaves_of(rows, monthly)
    assert leaf.startswith(Cell("SAPCE1", 1, "01000", 2023, 7).begins(monthly.name).encode())
    assert leaf.split(b"\t")[4:7] == [b"2023", b"7", b"230469.100"]
    assert "month" in leaf_in_words(monthly=True)
    assert "month" not in leaf_in_words(monthly=False)


@pytest.mark.parametrize("control", ["\t", "\n", "\x7f"])
def test_a_text_that_would_make_a_leaf_ambiguous_is_refused_with_its_cell(control: str) -> None:
    rows = CELLS.with_columns(unit=pl.when(pl.col("year") == 2024).then(pl.lit(f"a{control}b")).otherwise("unit"))
    with pytest.raises(LeafNotCanonical, match="SAPCE1 line 1, area 01000, 2024"):
        leaves_of(rows, PCE_STATE)


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("certificate", [UNSIGNED_ONE, SIGNED], ids=["unsigned", "signed"])
def test_every_cell_is_proven(row: tuple[Any, ...], certificate: Certificate) -> None:
    proof = prove(tree_of(certificate, CELLS.reverse(), PCE_STATE), Cell(*row[:4]))
    assert verify_proof(proof, certificate) == []
    assert json.loads(written(proof))["leaf"] == proof.leaf
    assert read(written(proof), Proof, name="p.json", what="a proof") == proof


@pytest.mark.parametrize(
    "change",
    [
        {"leaf": PROOF.leaf.replace("230469.100", "230469.200")},
        {"leaf": PROOF.leaf.replace(NAME, "another")},
        {"index": PROOF.index + 1},
        {"index": -1},
        {"tree_size": PROOF.tree_size + 1},
        {"path": PROOF.path[:-1]},
        {"path": (*PROOF.path, PROOF.root)},
        {"path": (PROOF.path[0][::-1], *PROOF.path[1:])},
        {"path": (PROOF.path[0].upper() + "00", *PROOF.path[1:])},
        {"path": ("no hash", *PROOF.path[1:])},
        {"root": "0" * 64},
        {"statement_sha256": UNSIGNED_ONE.statement_sha256},
        {"vintage": "2025-10-03"},
        {"data": OF_BEA},
        {"dataset": "another"},
        {"format": 2},
    ],
    ids=str,
)
def test_whatever_is_changed_in_a_proof_is_refuted(change: dict[str, Any]) -> None:
    assert verify_proof(PROOF, SIGNED) == []
    assert verify_proof(changed(PROOF, **change), SIGNED) != []


def test_a_cell_that_is_not_there_has_no_proof() -> None:
    with pytest.raises(CellNotThere, match="SAPCE1 line 1, area 01000, 2022"):
        prove(tree_of(SIGNED, CELLS, PCE_STATE), Cell("SAPCE1", 1, "01000", 2022))
    with pytest.raises(CellNotThere, match="SAPCE9"):
        prove(tree_of(SIGNED, CELLS, PCE_STATE), Cell("SAPCE9", 1, "01000", 2022))


def test_cells_that_are_not_those_of_the_certificate_prove_nothing() -> None:
    with pytest.raises(OtherCells):
        prove(tree_of(SIGNED, CELLS.head(4), PCE_STATE), ALABAMA)


def test_a_certificate_says_whose_signature_it_has() -> None:
    assert UNSIGNED_ONE.signature == UNSIGNED
    assert json.loads(written(UNSIGNED_ONE))["signature"] == "unsigned"
    assert verify_certificate(UNSIGNED_ONE) == verify_certificate(SIGNED) == []
    assert verify_certificate(SIGNED, PUBLIC) == []
    assert "it is unsigned" in verify_certificate(UNSIGNED_ONE, PUBLIC)[0]
    assert "should be signed by" in verify_certificate(SIGNED, OTHER_PUBLIC)[0]


def test_a_signature_of_another_key_is_refuted() -> None:
    forged = resigned(SIGNED.statement, OTHER_KEY)
    assert "the signature is not one of the key" in verify_certificate(forged)[0]
    assert verify_certificate(forged, PUBLIC) != []


def test_a_signature_that_was_taken_off_is_missed() -> None:
    without = msgspec.structs.replace(SIGNED, signature=UNSIGNED)
    assert verify_certificate(without) == ["it names a signer and is unsigned"]
    with_another = msgspec.structs.replace(UNSIGNED_ONE, signature=SIGNED.signature)
    assert verify_certificate(with_another) == ["it is signed and names no signer"]


@pytest.mark.parametrize(
    ("signer", "why"),
    [
        ({"public_key": "no key"}, "is not one"),
        ({"public_key": OTHER_PUBLIC}, "its public key is"),
        ({"key_id": "0" * 64}, "its public key is"),
    ],
)
def test_a_signer_that_is_not_what_it_says_is_refuted(signer: dict[str, str], why: str) -> None:
    assert SIGNED.statement.signed_by is not None
    named = msgspec.structs.replace(SIGNED.statement.signed_by, **signer)
    forged = resigned(msgspec.structs.replace(SIGNED.statement, signed_by=named), KEY)
    assert why in verify_certificate(forged)[0]


def test_a_later_format_is_told() -> None:
    later = resigned(msgspec.structs.replace(SIGNED.statement, format=2), KEY)
    assert "it is of format 2" in verify_certificate(later)[0]


@given(data=st.data())
def test_a_changed_byte_of_a_certificate_is_refuted(data: st.DataObject) -> None:
    body = bytearray(written(SIGNED))
    body[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        certificate = as_certificate(bytes(body))
    except NotACertificate:
        return
    assert verify_certificate(certificate) != []


def test_a_changed_statement_is_refuted_although_its_hash_is_made_again() -> None:
    statement = msgspec.structs.replace(SIGNED.statement, vintage="2025-10-03")
    forged = msgspec.structs.replace(resigned(statement, None), signature=SIGNED.signature)
    assert "the signature is not one of the key" in verify_certificate(forged)[0]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "not a certificate"),
        (b"\xff\xfe", "not a certificate"),
        (written(PROOF), "not a certificate"),
        (written(SIGNED).replace(b'"world"', b'"word"'), "not a certificate"),
        (written(SIGNED) + b"\n", "somebody changed them"),
        (json.dumps(json.loads(written(SIGNED))).encode(), "somebody changed them"),
        (written(SIGNED).replace(b"sample", b"\\ud800", 1), "c.json"),
    ],
)
def test_a_file_that_is_not_as_it_was_written_is_not_a_certificate(body: bytes, why: str) -> None:
    with pytest.raises(NotACertificate, match=why):
        as_certificate(body)


def test_equal_state_gives_equal_bytes_and_any_json_library_gives_the_signed_ones() -> None:
    again = certificate_of(CELLS.reverse(), KEY)
    assert written(again) == written(SIGNED)
    plain = json.loads(written(SIGNED))["statement"]
    compact = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert compact == statement_bytes(SIGNED.statement)
