"""Finding the certificate of what was known at a time, and proving a cell by it."""

from pce_pipeline.bronze.current import Current, current
from pce_pipeline.bronze.store import bronze_of
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.certificates.errors import NoCertificate
from pce_pipeline.certificates.leaves import Cell
from pce_pipeline.certificates.making import cells_of_vintage
from pce_pipeline.certificates.proofs import Proof, Tree, prove, tree_of
from pce_pipeline.certificates.statement import Certificate
from pce_pipeline.certificates.store import CertificateStore, Newest
from pce_pipeline.certificates.vintages import DatasetVintage, vintages_of
from pce_pipeline.errors import UsageError
from pce_pipeline.gold.known import AsOf
from pce_pipeline.lake.resource import Lake
from pce_pipeline.tables.registry import Registry

_MAKE = "`pce refresh --years {year}` makes those that are missing; it may be any year that is held."


def newest_certificate(lake: Lake, dataset: Dataset, as_of: AsOf | None = None) -> Certificate:
    """The newest certificate of the vintage of a dataset that was known then; of the newest vintage for None.

    Raises `NoCertificate` where nothing was known then, or none is there of just this vintage; `UsageError` for another
    clock than the extract's, and for values that do not count, which no certificate is of.
    """
    vintage, entry = newest_entry(lake, dataset, as_of)
    return CertificateStore(lake, dataset.name).read(vintage, entry)[0]


def newest_entry(lake: Lake, dataset: Dataset, as_of: AsOf | None = None) -> tuple[str, Newest]:
    """The vintage that was known then, and the record of its newest certificate. Raises as `newest_certificate`."""
    now = current(bronze_of(lake, dataset), dataset)
    vintage = _known_then(now, as_of)
    return str(vintage.at), _entry_of(lake, now, vintage)


def prove_cell(
    lake: Lake, registry: Registry, dataset: Dataset, cell: Cell, as_of: AsOf | None = None
) -> tuple[Certificate, Proof]:
    """The certificate of what was known then, and the proof that a cell is among its cells.

    Raises as `certified_cells`, and `CellNotThere` for a cell that was not known then.
    """
    tree = certified_cells(lake, registry, dataset, as_of)
    return tree.certificate, prove(tree, cell)


def certified_cells(lake: Lake, registry: Registry, dataset: Dataset, as_of: AsOf | None = None) -> Tree:
    """The certificate of what was known then, with all of its cells, to prove several by.

    Raises as `newest_certificate`, `OtherCells` where the cells that are held are not the certified ones, and
    `SilverBehind` for months of a vintage that Silver is not made of.
    """
    now = current(bronze_of(lake, dataset), dataset)
    vintage = _known_then(now, as_of)
    entry = _entry_of(lake, now, vintage)
    certificate, _ = CertificateStore(lake, dataset.name).read(str(vintage.at), entry)
    return tree_of(certificate, cells_of_vintage(lake, registry, now, vintage), dataset)


def _known_then(now: Current, as_of: AsOf | None) -> DatasetVintage:
    if as_of is not None and (as_of.clock != "extract" or as_of.include):
        raise UsageError(
            "Certificates are of vintages that count, by the dates of their extracts.",
            remedy="Leave --clock and --include out.",
        )
    counting = vintages_of(now)
    if not counting:
        raise NoCertificate(
            now.dataset.name, None, "there is no extract that counts", remedy="Take an extract first: `pce run`."
        )
    known = [each for each in counting if as_of is None or each.at.vintage_id <= as_of.vintage_id]
    if not known:
        raise NoCertificate(
            now.dataset.name,
            None if as_of is None else str(as_of.day),
            f"nothing was known then, because the first vintage is of {counting[0].at}",
            remedy="Name a later day.",
        )
    return known[-1]


def _entry_of(lake: Lake, now: Current, vintage: DatasetVintage) -> Newest:
    name, at = now.dataset.name, str(vintage.at)
    entry = CertificateStore(lake, name).newest().get(at)
    if entry is not None and entry.made_of.get("vintage") == vintage.sha256:
        return entry
    if now.dataset.is_monthly and vintage != vintages_of(now)[-1]:
        raise NoCertificate(
            name,
            at,
            "months have no log of their values, so that there is one only of a vintage that was current in a run",
            remedy="Name a later day, or none for the newest.",
        )
    why = "none was made yet" if entry is None else "what counts has changed since one was made"
    years = {year for each in vintage.tables.values() for year in each.years}
    raise NoCertificate(name, at, why, remedy=_MAKE.format(year=max(years)))
