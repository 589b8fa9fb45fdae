"""Whether the certificate of a vintage has the figures that a number is made of, and the proof of each."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

from pce_pipeline.certificates.errors import CellNotThere, OtherCells
from pce_pipeline.certificates.finding import certified_cells
from pce_pipeline.certificates.leaves import Cell
from pce_pipeline.certificates.proofs import Proof, Tree, prove, verify_proof
from pce_pipeline.certificates.statement import UNSIGNED, Certificate
from pce_pipeline.gold.known import AsOf
from pce_pipeline.lake.errors import DamagedObject
from pce_pipeline.lake.resource import Lake
from pce_pipeline.tables.registry import Registry
from pce_pipeline.tracing.records import Check, Link, Trace

_SHOWN_OF_ROOT = 12


@dataclass(frozen=True)
class Proven:
    """A trace, looked at in the light of the certificate of its vintage."""

    trace: Trace
    """The trace, with a check for each figure."""
    certificate: Certificate | None
    """The certificate; None where there is nothing to prove, or it cannot be read."""
    proofs: tuple[Proof, ...]
    """The proofs of those figures that it has."""


class Prover:
    """Proves traces of one lake: the cells of a certificate are hashed once."""

    def __init__(
        self, lake: Lake, registry: Registry, moment: Callable[[str], AsOf], trusted_key: str | None = None
    ) -> None:
        self._trusted_key = trusted_key
        self._tree = cache(lambda name: certified_cells(lake, registry, registry.datasets[name], moment(name)))

    def prove(self, trace: Trace) -> Proven:
        """Look each figure up in the certificate of what was known then, and verify its proof.

        Raises `NoCertificate` where none was made.
        """
        held = [link for link in trace.links if link.raw is not None]
        if not held:
            return Proven(trace, None, ())
        try:
            tree = self._tree(trace.asked.dataset.name)
        except (OtherCells, DamagedObject) as other:
            check = Check("certificate", holds=False, said=other.message)
            return Proven(replace(trace, checks=[*trace.checks, check]), None, ())
        found = [self._proven(tree, link, trace.asked.dataset.name) for link in held]
        checks = [*trace.checks, *(check for check, _ in found)]
        proofs = tuple(proof for _, proof in found if proof is not None)
        return Proven(replace(trace, checks=checks), tree.certificate, proofs)

    def _proven(self, tree: Tree, link: Link, dataset: str) -> tuple[Check, Proof | None]:
        what = f"certificate of {link}"
        cell = Cell(link.bea_table, link.line_code or 0, link.geo_fips, link.year, link.month)
        try:
            proof = prove(tree, cell)
        except CellNotThere as absent:
            return Check(what, holds=False, said=absent.message), None
        wrong = verify_proof(proof, tree.certificate, self._trusted_key)
        leaf = cell.leaf(dataset, link.value, link.status, link.unit)
        if proof.leaf != leaf:
            wrong.append(f"its leaf is {proof.leaf!r}, and the figure's {leaf!r}")
        said = (
            f"leaf {proof.index:,} of {proof.tree_size:,} under root {proof.root[:_SHOWN_OF_ROOT]}..., {signed(tree)}"
        )
        return Check(what, not wrong, "; ".join(wrong) or said), proof


def signed(tree: Tree) -> str:
    """Whose signature the certificate has, in words."""
    signer = tree.certificate.statement.signed_by
    return UNSIGNED if signer is None else f"signed by the key {signer.key_id}"


def file_of(proof: Proof) -> str:
    """What the file of a proof is called: `proof-SAPCE1-1-01000-2023.json`."""
    _, table, line, area, *rest = proof.leaf.split("\t")
    period = rest[0] if len(rest) == len(("year", "value", "status", "unit")) else f"{rest[0]}-{int(rest[1]):02}"
    return f"proof-{table}-{line}-{area}-{period}.json"
