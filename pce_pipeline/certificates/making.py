"""Making certificates: of each vintage that counts, those that are missing or no longer fit.

Whether one fits is told by hashes in a record, so that where nothing has changed no figures are read.
"""

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import msgspec
import polars as pl
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pce_pipeline import __version__, signing
from pce_pipeline.bronze.current import Current
from pce_pipeline.bronze.history import History, PublishedLog, decoded_of, fold_year
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.certificates.aside import CellsAside
from pce_pipeline.certificates.errors import SilverBehind
from pce_pipeline.certificates.identities import catalogue_sha256, identities_of_months, identities_of_ranges
from pce_pipeline.certificates.leaves import ORDER, TREE, leaf_in_words
from pce_pipeline.certificates.outputs import outputs_stated
from pce_pipeline.certificates.statement import (
    OF_BEA,
    OF_SAMPLE,
    UNSIGNED,
    Cells,
    Certificate,
    MadeBy,
    Outputs,
    Signer,
    Statement,
    sha256_of_statement,
    statement_bytes,
)
from pce_pipeline.certificates.store import CertificateStore, Newest
from pce_pipeline.certificates.vintages import (
    DatasetVintage,
    current_vintage,
    inputs_stated,
    sha256_of_plain,
    tables_stated,
    vintages_of,
)
from pce_pipeline.gold.known import AsOf, known_cells
from pce_pipeline.lake.errors import DamagedObject
from pce_pipeline.lake.resource import Lake
from pce_pipeline.tables.registry import Registry
from pce_pipeline.tables.silver import silver_table
from pce_pipeline.tables.vintages import COUNTED

CODE_VERSION = "1"
"""Raised when a certificate of the same vintage should say something else: then all are made again."""

_ALGORITHM = "Ed25519"
_SAMPLE = "sample"


@dataclass
class Made:
    """What was done about the certificates of one dataset."""

    made: dict[str, str] = field(default_factory=dict)
    """The file of each certificate that was made, by vintage."""
    signed: list[str] = field(default_factory=list)
    """The vintages whose certificate was signed anew, because there is a key now, or another."""
    fit: int = 0
    """How many were there and fit."""
    waiting: str = ""
    """Why there is none of a vintage yet; empty where nothing is missing."""


def make_missing(lake: Lake, registry: Registry, now: Current, key: Ed25519PrivateKey | None) -> Made:
    """Make the certificates of a dataset that are missing or no longer fit, each kept as soon as it is made.

    One that says what it would say today, and only lacks the signature of `key`, is signed without reading figures. A
    dataset of months has no log of its values: there is one of the current vintage, made while it is current.
    """
    done, store = Made(), CertificateStore(lake, now.dataset.name)
    held, counting = store.newest(), vintages_of(now)
    signer = None if key is None else _signer(key)
    for each in _wanted(lake, registry, now, store, held, counting):
        name = str(each.vintage.at)
        if each.entry is not None:
            if signer is None or each.entry.key_id == signer.key_id:
                done.fit += 1
                continue
            if _is_signed_anew(store, name, each.entry, signer, key):
                done.signed.append(name)
                continue
        with tempfile.TemporaryDirectory() as folder:
            aside = CellsAside(Path(folder), now.dataset)
            try:
                aside.add(years_of_vintage(lake, registry, now, each.vintage))
            except SilverBehind as behind:
                done.waiting = behind.message
                continue
            statement = _statement(aside, each.vintage, now, lake, registry, each.outputs, signer)
        done.made[name] = store.keep(_certificate(statement, key), each.made_of).file
    if gone := held.keys() - {str(each.at) for each in counting}:
        store.forget(gone)
    return done


def all_fit(lake: Lake, registry: Registry, now: Current, key: Ed25519PrivateKey | None) -> bool:
    """Whether `make_missing` would find nothing to do for a dataset; no figures are read."""
    store, counting = CertificateStore(lake, now.dataset.name), vintages_of(now)
    held, signer = store.newest(), None if key is None else _signer(key)
    return held.keys() <= {str(each.at) for each in counting} and all(
        each.entry is not None and (signer is None or each.entry.key_id == signer.key_id)
        for each in _wanted(lake, registry, now, store, held, counting)
    )


@dataclass(frozen=True)
class _Wanted:
    """A vintage that should have a certificate."""

    vintage: DatasetVintage
    outputs: Outputs | None
    made_of: dict[str, str]
    entry: Newest | None
    """What is recorded of the one that is there and says what it would say today; None where it has to be made."""


def _wanted(
    lake: Lake,
    registry: Registry,
    now: Current,
    store: CertificateStore,
    held: Mapping[str, Newest],
    counting: Iterable[DatasetVintage],
) -> Iterator[_Wanted]:
    there, latest = store.there(), current_vintage(now)
    for vintage in counting:
        is_current = latest is not None and vintage.at == latest.at
        if now.dataset.is_monthly and not is_current:
            continue
        outputs = outputs_stated(now, lake, registry) if is_current else None
        made_of, entry = _made_of(vintage, now.dataset, outputs), held.get(str(vintage.at))
        fits = (
            entry is not None and store.key_of(str(vintage.at), entry.file) in there and _says_the_same(entry, made_of)
        )
        yield _Wanted(vintage, outputs, made_of, entry if fits else None)


def cells_of_vintage(lake: Lake, registry: Registry, now: Current, vintage: DatasetVintage) -> pl.DataFrame:
    """All cells that were known with a vintage: `years_of_vintage` in one frame, and raises what that does."""
    nothing = pl.DataFrame(schema=silver_table(now.dataset).polars_schema)
    return pl.concat([nothing, *years_of_vintage(lake, registry, now, vintage)])


def years_of_vintage(lake: Lake, registry: Registry, now: Current, vintage: DatasetVintage) -> Iterator[pl.DataFrame]:
    """The cells that were known with a vintage, with the columns of Silver: of what counts alone, year by year.

    Those of years come from the log of values; those of months are Silver as it stands, all at once. Raises
    `SilverBehind`.
    """
    dataset = now.dataset
    if dataset.is_monthly:
        yield _months(lake, registry, now, vintage)
        return
    columns, derivation = silver_table(dataset).column_names, registry.logs[dataset.name]
    history, published, decoded = History(now), PublishedLog(lake, derivation), cache(decoded_of(now))
    as_of = AsOf(vintage.at.day, vintage.at.number)
    held = {year for each in vintage.tables.values() for year in each.years}
    for year in sorted(history.years & held):
        log = fold_year(history, year, decoded, published.of_year(year)).log
        yield known_cells(log.filter(basis=COUNTED), history.vintages, as_of).select(columns)


def _months(lake: Lake, registry: Registry, now: Current, vintage: DatasetVintage) -> pl.DataFrame:
    table = registry.silver[now.dataset.name].table
    latest, store, covered = current_vintage(now), lake.table(table), sorted(now.covered_years)
    held = store.latest()
    is_current = latest is not None and latest.sha256 == vintage.sha256
    if not is_current or any(str(year) not in held or held[str(year)].inputs != now.inputs(year) for year in covered):
        raise SilverBehind(now.dataset.name, str(vintage.at))
    return store.read([str(year) for year in covered], table.column_names)


def _is_signed_anew(
    store: CertificateStore, vintage: str, entry: Newest, signer: Signer, key: Ed25519PrivateKey | None
) -> bool:
    """Sign what a certificate says already; false where it cannot be read, so that it is to be made from the cells."""
    try:
        statement = store.read(vintage, entry)[0].statement
    except DamagedObject:
        return False
    store.keep(_certificate(msgspec.structs.replace(statement, signed_by=signer), key), entry.made_of)
    return True


def _made_of(vintage: DatasetVintage, dataset: Dataset, outputs: Outputs | None) -> dict[str, str]:
    """Hashes of everything that a certificate says, by what it is."""
    made_of = {"vintage": vintage.sha256, "code": CODE_VERSION, "catalogue": catalogue_sha256(dataset)}
    return made_of if outputs is None else {**made_of, "outputs": sha256_of_plain(msgspec.to_builtins(outputs))}


def _says_the_same(entry: Newest, made_of: Mapping[str, str]) -> bool:
    """Whether a certificate would say the same today; what was published of a vintage that is past stays said."""
    return {name: entry.made_of.get(name) for name in made_of} == made_of


def _statement(
    aside: CellsAside,
    vintage: DatasetVintage,
    now: Current,
    lake: Lake,
    registry: Registry,
    outputs: Outputs | None,
    signer: Signer | None,
) -> Statement:
    dataset, world = now.dataset, lake.layout.world
    root, leaves = aside.root_and_size()
    return Statement(
        made_by=MadeBy(package=__package__.partition(".")[0], version=__version__, certificates=CODE_VERSION),
        data=OF_SAMPLE if world.startswith(_SAMPLE) else OF_BEA,
        world=world,
        dataset=dataset.name,
        title=dataset.title,
        vintage=str(vintage.at),
        tables=tables_stated(vintage),
        inputs=inputs_stated(vintage, now, world),
        cells=Cells(
            tree=TREE,
            leaf=leaf_in_words(monthly=dataset.is_monthly),
            order=ORDER,
            leaves=leaves,
            root=root.hex(),
        ),
        identities=identities_of_months(aside.all_cells, dataset, registry)
        if dataset.is_monthly
        else identities_of_ranges(aside.ranges(), vintage, dataset, aside.whole_units),
        outputs=outputs,
        signed_by=signer,
    )


def _signer(key: Ed25519PrivateKey) -> Signer:
    public = signing.public_key_of(key)
    return Signer(algorithm=_ALGORITHM, key_id=signing.key_id(public), public_key=public)


def _certificate(statement: Statement, key: Ed25519PrivateKey | None) -> Certificate:
    signature = UNSIGNED if key is None else signing.sign(key, statement_bytes(statement))
    return Certificate(statement=statement, statement_sha256=sha256_of_statement(statement), signature=signature)
