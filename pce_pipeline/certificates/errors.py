"""What can go wrong with certificates and proofs, as a tree of types with facts as attributes.

    PceError
    ├── LeafNotCanonical       a cell cannot be written as a leaf
    ├── NoCertificate          there is none of the vintage that was known then
    │   └── SilverBehind       of months: Silver is not made of the vintage
    ├── CellNotThere           a proof was asked for of a cell that the vintage does not have
    ├── OtherCells             cells that are not those of the certificate cannot prove anything by it
    └── NotACertificate        a file is not what it should be

What a readable certificate or proof says wrongly is no error, but a list of sentences (`proofs.verify_proof`).
"""

from pce_pipeline.errors import PceError


class LeafNotCanonical(PceError):
    """A text of a cell holds a control character, which would make its leaf ambiguous."""

    def __init__(self, dataset: str, cell: str) -> None:
        self.dataset = dataset
        self.cell = cell
        super().__init__(
            f"A text of {dataset}, {cell} holds a tab or another control character, so that no leaf can be made of it.",
            remedy="Look at the unit of that line in Silver and at BEA's answer in Bronze; no other figures suffer.",
        )


class NoCertificate(PceError):
    """There is no certificate of the vintage that was known then."""

    def __init__(self, dataset: str, vintage: str | None, why: str, *, remedy: str) -> None:
        self.dataset = dataset
        self.vintage = vintage
        of = f"of {dataset} as of {vintage}" if vintage else f"of {dataset}"
        super().__init__(f"There is no certificate {of}: {why}.", remedy=remedy)


class SilverBehind(NoCertificate):
    """Silver is not made of the vintage, and of months it is all that cells can be taken from."""

    def __init__(self, dataset: str, vintage: str) -> None:
        super().__init__(
            dataset,
            vintage,
            "Silver is not wholly made of it, and months have no log of their values",
            remedy="Bring all years of the newest extract to Silver with `pce refresh`; of earlier ones none is made.",
        )


class CellNotThere(PceError):
    """The vintage has no such cell."""

    def __init__(self, dataset: str, vintage: str, cell: str) -> None:
        self.dataset = dataset
        self.vintage = vintage
        self.cell = cell
        super().__init__(
            f"{dataset} as of {vintage} has no cell {cell}, so there is nothing to prove.",
            remedy="`pce query --as-of` shows what there is of that day.",
        )


class OtherCells(PceError):
    """The cells given are not those that the certificate is of."""

    def __init__(self, dataset: str, vintage: str, root: str, certified: str) -> None:
        self.dataset = dataset
        self.vintage = vintage
        self.root = root
        self.certified = certified
        super().__init__(
            f"The cells of {dataset} as of {vintage} give the root {root}, and its certificate says {certified}.",
            remedy="`pce verify` says whether stored bytes have changed; `pce refresh --years ...` makes a certificate "
            "of what counts now.",
        )


class NotACertificate(PceError):
    """A file that should be a certificate or a proof cannot be read as one."""

    def __init__(self, name: str, what: str, why: str) -> None:
        self.name = name
        self.what = what
        self.why = why
        super().__init__(
            f"{name} is not {what}: {why}.",
            remedy="Do not trust it: a certificate or proof is these very bytes. `pce certificate show --to FOLDER` "
            "and `pce trace --prove --to FOLDER` write what is stored.",
        )
