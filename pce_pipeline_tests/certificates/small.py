"""A few cells, keys, and a certificate of them, made without any lake."""

import base64
from collections.abc import Sequence
from decimal import Decimal

import polars as pl
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from pce_pipeline import signing
from pce_pipeline.certificates import merkle
from pce_pipeline.certificates.leaves import ORDER, TREE, leaf_in_words, leaves_of
from pce_pipeline.certificates.statement import (
    OF_SAMPLE,
    UNSIGNED,
    Cells,
    Certificate,
    MadeBy,
    Signer,
    Statement,
    sha256_of_statement,
    statement_bytes,
)
from pce_pipeline.tables.table import MONEY
from pce_pipeline_tests.datasets import PCE_STATE

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
PUBLIC, OTHER_PUBLIC = signing.public_key_of(KEY), signing.public_key_of(OTHER_KEY)
MILLIONS = "Millions of current dollars"

Row = tuple[str, int, str, int, str | None, str, str]

ROWS: Sequence[Row] = (
    ("SAPCE1", 1, "01000", 2023, "230469.1", "reported", MILLIONS),
    ("SAPCE1", 1, "01000", 2024, "242905.3", "reported", MILLIONS),
    ("SAPCE1", 10, "01000", 2023, "0", "reported", MILLIONS),
    ("SAPCE1", 2, "00000", 2023, None, "suppressed", MILLIONS),
    ("SAPCE2", 1, "01000", 2023, "-45012", "reported", "Dollars"),
)


def pem_of(key: Ed25519PrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def pem_of_public(public: str) -> str:
    return f"-----BEGIN PUBLIC KEY-----\n{public}\n-----END PUBLIC KEY-----\n"


def in_one_line(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def cells_of(rows: Sequence[Row]) -> pl.DataFrame:
    """Cells with the columns of Silver that a leaf has."""
    names = ("bea_table", "line_code", "geo_fips", "year", "value", "status", "unit")
    columns = {
        name: [(None if value is None else Decimal(value)) if name == "value" else value for value in values]
        for name, values in zip(names, zip(*rows, strict=True), strict=True)
    }
    return pl.DataFrame(columns, schema_overrides={"line_code": pl.Int32, "year": pl.Int32, "value": MONEY})


def certificate_of(cells: pl.DataFrame, key: Ed25519PrivateKey | None = None) -> Certificate:
    leaves = leaves_of(cells, PCE_STATE)
    statement = Statement(
        made_by=MadeBy(package="pce_pipeline", version="0", certificates="1"),
        data=OF_SAMPLE,
        world="sample",
        dataset=PCE_STATE.name,
        title=PCE_STATE.title,
        vintage="2024-10-03",
        tables={},
        inputs=(),
        cells=Cells(
            tree=TREE,
            leaf=leaf_in_words(monthly=False),
            order=ORDER,
            leaves=len(leaves),
            root=merkle.root_of(merkle.hashes_of(leaves)).hex(),
        ),
        identities=(),
        outputs=None,
        signed_by=None
        if key is None
        else Signer(
            algorithm="Ed25519",
            key_id=signing.key_id(signing.public_key_of(key)),
            public_key=signing.public_key_of(key),
        ),
    )
    return resigned(statement, key)


def resigned(statement: Statement, key: Ed25519PrivateKey | None) -> Certificate:
    """A certificate of a statement whose hash fits, signed by a key whatever the statement says of it."""
    signature = UNSIGNED if key is None else signing.sign(key, statement_bytes(statement))
    return Certificate(statement=statement, statement_sha256=sha256_of_statement(statement), signature=signature)
