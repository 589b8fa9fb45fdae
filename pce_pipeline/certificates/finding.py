"""Finding the certificate of what was known at a time."""

from pce_pipeline.bronze.current import current
from pce_pipeline.bronze.store import bronze_of
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.certificates.errors import NoCertificate
from pce_pipeline.certificates.statement import Certificate
from pce_pipeline.certificates.store import CertificateStore, Newest
from pce_pipeline.certificates.vintages import vintages_of
from pce_pipeline.errors import UsageError
from pce_pipeline.gold.known import AsOf
from pce_pipeline.lake.resource import Lake

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
    if as_of is not None and (as_of.clock != "extract" or as_of.include):
        raise UsageError(
            "Certificates are of vintages that count, by the dates of their extracts.",
            remedy="Leave --clock and --include out.",
        )
    now = current(bronze_of(lake, dataset), dataset)
    counting = vintages_of(now)
    known = [each for each in counting if as_of is None or each.at.vintage_id <= as_of.vintage_id]
    if not known:
        first = f"the first vintage is of {counting[0].at}" if counting else "there is no extract that counts"
        raise NoCertificate(
            dataset.name,
            None if as_of is None else str(as_of.day),
            f"nothing was known then, because {first}" if counting else first,
            remedy="Name a later day." if counting else "Take an extract first: `pce run`.",
        )
    vintage = known[-1]
    entry = CertificateStore(lake, dataset.name).newest().get(str(vintage.at))
    if entry is None or entry.made_of.get("vintage") != vintage.sha256:
        why = "none was made yet" if entry is None else "what counts has changed since one was made"
        if dataset.is_monthly and vintage != counting[-1]:
            raise NoCertificate(
                dataset.name,
                str(vintage.at),
                "months have no log of their values, so that there is one only of a vintage that was current in a run",
                remedy="Name a later day, or none for the newest.",
            )
        years = {year for each in vintage.tables.values() for year in each.years}
        raise NoCertificate(dataset.name, str(vintage.at), why, remedy=_MAKE.format(year=max(years)))
    return str(vintage.at), entry
