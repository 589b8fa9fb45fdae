"""Proofs that a cell is among those of a certificate, and their check: pure functions, without lake or network.

proof = prove(tree_of(certificate, cells, dataset), Cell("SAPCE1", 1, "01000", 2023))
verify_proof(proof, certificate, trusted_key=None)      # [] where nothing is wrong
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from pce_pipeline import signing
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.certificates import merkle
from pce_pipeline.certificates.errors import CellNotThere, OtherCells
from pce_pipeline.certificates.leaves import Cell, leaves_of
from pce_pipeline.certificates.statement import (
    FORMAT,
    UNSIGNED,
    Certificate,
    Part,
    sha256_of_statement,
    statement_bytes,
)

_HASH = 32


class Proof(Part, frozen=True, kw_only=True):
    """That a leaf is in the tree of a certificate."""

    format: int = FORMAT
    kind: str = "proof of a cell"
    data: str
    """Whose numbers these are; the sample's are labelled."""
    dataset: str
    vintage: str
    statement_sha256: str
    """Of the certificate that it belongs to."""
    leaf: str
    """The cell, as the certificate says in words."""
    index: int
    """Its place among all leaves, from 0."""
    tree_size: int
    path: tuple[str, ...]
    """The nodes from the bottom up, in hexadecimal."""
    root: str


@dataclass(frozen=True)
class Tree:
    """All leaves of a certificate, hashed once for as many proofs as are wanted."""

    certificate: Certificate
    """The certificate."""
    leaves: Sequence[bytes]
    """The leaves, in order."""
    hashes: Sequence[bytes]
    """Their hashes."""


def tree_of(certificate: Certificate, cells: pl.DataFrame, dataset: Dataset) -> Tree:
    """The tree of a certificate from all cells of its vintage (`making.cells_of_vintage`), with the columns of Silver.

    Raises `OtherCells` where these cells are not those of the certificate.
    """
    statement = certificate.statement
    leaves = leaves_of(cells, dataset)
    hashes = merkle.hashes_of(leaves)
    root = merkle.root_of(hashes).hex()
    if (root, len(leaves)) != (statement.cells.root, statement.cells.leaves):
        raise OtherCells(statement.dataset, statement.vintage, root, statement.cells.root)
    return Tree(certificate, leaves, hashes)


def prove(tree: Tree, cell: Cell) -> Proof:
    """The proof that a cell stands in a certificate. Raises `CellNotThere`."""
    certificate, leaves = tree.certificate, tree.leaves
    statement = certificate.statement
    begins = cell.begins(statement.dataset).encode()
    index = bisect_left(leaves, begins)
    if index == len(leaves) or not leaves[index].startswith(begins):
        raise CellNotThere(statement.dataset, statement.vintage, str(cell))
    return Proof(
        data=statement.data,
        dataset=statement.dataset,
        vintage=statement.vintage,
        statement_sha256=certificate.statement_sha256,
        leaf=leaves[index].decode(),
        index=index,
        tree_size=len(leaves),
        path=tuple(node.hex() for node in merkle.audit_path(tree.hashes, index)),
        root=statement.cells.root,
    )


def verify_certificate(certificate: Certificate, trusted_key: str | None = None) -> list[str]:
    """What is wrong with a certificate; nothing where its hash holds, and its signature if it has one.

    With a trusted key (as `signing.public_key` gives it) it must be signed by that key.
    """
    statement, wrong = certificate.statement, []
    if statement.format != FORMAT:
        wrong.append(f"it is of format {statement.format}, and this version of the package knows {FORMAT}")
    if sha256_of_statement(statement) != certificate.statement_sha256:
        wrong.append("the statement is not the one that its hash is of")
    signer = statement.signed_by
    if (signer is None) != (certificate.signature == UNSIGNED):
        wrong.append("it names a signer and is unsigned" if signer else "it is signed and names no signer")
    elif signer is not None:
        wrong += _wrong_signature(certificate, signer.public_key, signer.key_id)
    if trusted_key is not None:
        expected = signing.key_id(trusted_key)
        if signer is None:
            wrong.append(f"it is unsigned, and should be signed by the key {expected}")
        elif signer.public_key != trusted_key:
            wrong.append(f"it names the key {signer.key_id}, and should be signed by {expected}")
    return wrong


def verify_proof(proof: Proof, certificate: Certificate, trusted_key: str | None = None) -> list[str]:
    """What is wrong with a proof and its certificate; nothing where the cell was published as the leaf says."""
    statement, wrong = certificate.statement, verify_certificate(certificate, trusted_key)
    if proof.format != FORMAT:
        wrong.append(f"the proof is of format {proof.format}, and this version of the package knows {FORMAT}")
    same = {
        "data": (proof.data, statement.data),
        "statement": (proof.statement_sha256, certificate.statement_sha256),
        "dataset": (proof.dataset, statement.dataset),
        "vintage": (proof.vintage, statement.vintage),
        "number of leaves": (proof.tree_size, statement.cells.leaves),
        "root": (proof.root, statement.cells.root),
    }
    wrong += [
        f"the proof has the {what} {found}, and the certificate {certified}"
        for what, (found, certified) in same.items()
        if found != certified
    ]
    if not proof.leaf.startswith(f"{statement.dataset}\t"):
        wrong.append(f"the leaf is not one of {statement.dataset}")
    path = [_node(each) for each in proof.path]
    leaf = merkle.leaf_hash(proof.leaf.encode())
    known = [node for node in path if node is not None]
    root = merkle.root_by_path(leaf, proof.index, proof.tree_size, known) if len(known) == len(path) else None
    if root is None:
        wrong.append(f"the path does not lead from leaf {proof.index} of {proof.tree_size} to a root")
    elif root.hex() != statement.cells.root:
        wrong.append(f"leaf and path give the root {root.hex()}, and the certificate says {statement.cells.root}")
    return wrong


def _wrong_signature(certificate: Certificate, public_key: str, key_id: str) -> list[str]:
    try:
        named = signing.key_id(signing.public_key(public_key))
    except ValueError:
        return ["what it names as its public key is not one"]
    if named != key_id:
        return [f"it names the key {key_id}, and its public key is {named}"]
    if not signing.is_signed(public_key, certificate.signature, statement_bytes(certificate.statement)):
        return [f"the signature is not one of the key {key_id} on this statement"]
    return []


def _node(text: str) -> bytes | None:
    """A node of a path; None for what is not the hexadecimal text of a hash."""
    try:
        node = bytes.fromhex(text)
    except ValueError:
        return None
    return node if len(node) == _HASH and node.hex() == text else None
