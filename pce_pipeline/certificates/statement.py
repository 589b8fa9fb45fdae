"""What a certificate says, as typed records, and the bytes of its statement, which are signed, and of its file.

The bytes of a statement are its JSON with sorted keys, without blanks, in UTF-8. It holds texts, whole numbers and
truth values only, so that any JSON library writes the same. Nothing in it depends on the environment, the run or the
time at which it was made: equal state gives equal bytes.
"""

import hashlib
import json
from typing import Any, Literal, TypeVar

import msgspec

from pce_pipeline.certificates.errors import NotACertificate
from pce_pipeline.decoding import decoded_json

FORMAT = 1
"""Raised whenever an older reader would misunderstand what is written."""

UNSIGNED = "unsigned"
"""What stands in the place of a signature where no key was set."""

OF_BEA = "as published by the U.S. Bureau of Economic Analysis"
OF_SAMPLE = "SAMPLE: synthetic numbers, not statistics of the U.S. Bureau of Economic Analysis"

_Figure = int | str


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all parts: what is not declared is refused, so that nothing is signed unseen."""


class MadeBy(Part, frozen=True, kw_only=True):
    """The code that made a certificate."""

    package: str
    version: str
    certificates: str
    """The version of the rules by which certificates are made."""


class TableVintage(Part, frozen=True, kw_only=True):
    """What one of BEA's tables says as of the vintage."""

    vintage: str
    """The extract date of the table's own vintage, which may be an earlier one."""
    extracts: tuple[str, ...]
    """The extracts that it is made of, later ones over earlier ones."""
    released_on: tuple[str, ...]
    """The release day that each of these says; empty where it says none."""
    decided: str
    """`over` or `instead` where a person decided to use it, with the reason; else empty."""


class RawObject(Part, frozen=True, kw_only=True):
    """One stored answer or file of BEA."""

    key: str
    """Where it lies in Bronze, below the environment: `<world>/<dataset>/<extract>/<object>`."""
    address: str
    """Where it was asked for; `file` for a file that somebody brought."""
    parameters: dict[str, str]
    """What was asked, the API key left out."""
    sha256: str
    """The hash of the bytes that are stored."""
    bytes: int


class InputExtract(Part, frozen=True, kw_only=True):
    """An extract that the vintage is made of."""

    extract: str
    origin: str
    """api, bulk, file, sample, ..."""
    taken_at: str
    """When (UTC) the pipeline took it."""
    objects: tuple[RawObject, ...]


class Outputs(Part, frozen=True, kw_only=True):
    """What was published of the vintage when the certificate was made."""

    published: dict[str, dict[str, str]]
    """Content hashes by table and year; of the facts, of those of this dataset."""
    not_published: dict[str, tuple[int, ...]]
    """Years of tables that are not, or not yet, made of this vintage."""


class Residual(Part, frozen=True, kw_only=True):
    """One sum beside the figure that BEA publishes for it; numbers as decimal texts in the measure's unit."""

    measure: str
    category_id: str
    geo_fips: str
    year: int
    published: str
    added_up: str
    deviation: str
    """Added up less published."""
    tolerance: str
    """What rounding explains."""
    explained_by: str
    """`rounding`, why BEA itself does not keep the sum, or `nothing`: then the identity does not hold."""


class Identity(Part, frozen=True, kw_only=True):
    """What one accounting identity says of the vintage."""

    name: str
    says: str
    """The identity in a sentence."""
    result: Literal["holds", "does not hold", "nothing to compare"]
    summary: str
    figures: dict[str, _Figure]
    """What was counted: compared, violations, known exceptions, not checked."""
    examples: tuple[str, ...]
    """The first violations, and sums that BEA is known not to keep (`known: ...`)."""
    largest_residuals: tuple[Residual, ...]
    """The largest deviations: of those that nothing explains, that BEA is known for, and that are rounding."""


class Cells(Part, frozen=True, kw_only=True):
    """All cells of the vintage, as one hash."""

    tree: str
    leaf: str
    order: str
    leaves: int
    root: str


class Signer(Part, frozen=True, kw_only=True):
    """Whose signature stands below."""

    algorithm: str
    key_id: str
    """SHA-256 of the public key's DER form."""
    public_key: str
    """The public key: base64 of its DER form, the middle line of its PEM."""


class Statement(Part, frozen=True, kw_only=True):
    """Everything that a certificate states."""

    format: int = FORMAT
    kind: str = "certificate of a release"
    made_by: MadeBy
    data: str
    """Whose numbers these are; the sample's are labelled."""
    world: str
    dataset: str
    title: str
    vintage: str
    """The extract date: all that counted up to and with this extract was known."""
    tables: dict[str, TableVintage]
    inputs: tuple[InputExtract, ...]
    cells: Cells
    identities: tuple[Identity, ...]
    outputs: Outputs | None
    """None where the vintage was not the current one when the certificate was made."""
    signed_by: Signer | None
    """None where no key was set."""


class Certificate(Part, frozen=True, kw_only=True):
    """A statement with its hash and its signature."""

    statement: Statement
    statement_sha256: str
    signature: str
    """Ed25519, as base64, over the bytes of the statement; or `unsigned`."""

    @property
    def name(self) -> str:
        """The name of its file."""
        return f"{self.statement_sha256[:16]}.json"


_Record = TypeVar("_Record", bound=Part)


def statement_bytes(statement: Statement) -> bytes:
    """The bytes that are hashed and signed."""
    plain = msgspec.to_builtins(statement, str_keys=True)
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def sha256_of_statement(statement: Statement) -> str:
    """In hexadecimal."""
    return hashlib.sha256(statement_bytes(statement)).hexdigest()


def written(record: Part) -> bytes:
    """The bytes of a file: indented JSON with sorted keys and an end of line."""
    plain: Any = msgspec.to_builtins(record, str_keys=True)
    return (json.dumps(plain, sort_keys=True, indent=1, ensure_ascii=False) + "\n").encode()


def read(body: bytes, kind: type[_Record], *, name: str, what: str) -> _Record:
    """The record in the bytes of a file called `name`, which should be `what` (`a certificate`).

    Raises `NotACertificate`, also where the bytes are not exactly those that `written` gives: then somebody changed
    them.
    """
    try:
        record = decoded_json(body, kind)
    except msgspec.DecodeError as problem:
        raise NotACertificate(name, what, str(problem)) from None
    if written(record) != body:
        raise NotACertificate(name, what, "its bytes are not those that were written, so somebody changed them")
    return record
