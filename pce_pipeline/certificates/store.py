"""Where certificates lie in the lake: written once each, and a record that names the newest of every vintage.

A certificate is written first and recorded last, so that a run that was killed makes it again, byte for byte.
"""

from collections.abc import Collection, Mapping

import msgspec

from pce_pipeline.certificates.errors import NotACertificate
from pce_pipeline.certificates.statement import Certificate, read, written
from pce_pipeline.lake.errors import DamagedObject, LostRace, MissingObject
from pce_pipeline.lake.integrity import NOTHING, sha256_of
from pce_pipeline.lake.layout import join
from pce_pipeline.lake.records import Record, decode_record, encode_record
from pce_pipeline.lake.resource import Lake

_NEWEST = "_newest.json"
_TRIES = 5


class Newest(msgspec.Struct, frozen=True, kw_only=True):
    """The newest certificate of one vintage."""

    file: str
    """Its name in the folder of the vintage."""
    sha256: str
    """The hash of the file."""
    key_id: str | None
    """Whose signature it has; None for one that is unsigned."""
    made_of: dict[str, str]
    """Hashes of what it was made of: if they are those of today, it fits."""


class NewestOfVintages(Record, frozen=True, kw_only=True):
    """Which certificate is the newest of each vintage, by extract date."""

    dataset: str
    vintages: dict[str, Newest]


class CertificateStore:
    """The certificates of one dataset in one lake."""

    def __init__(self, lake: Lake, dataset: str) -> None:
        self._store = lake.store
        self._dataset = dataset
        self._prefix = lake.layout.certificates(dataset)
        self._record_key = join(self._prefix, _NEWEST)

    def key_of(self, vintage: str, file: str) -> str:
        """Where a certificate lies."""
        return join(self._prefix, vintage, file)

    def newest(self) -> dict[str, Newest]:
        """The newest certificate of each vintage; nothing where there are none."""
        return self._recorded()[0]

    def there(self) -> set[str]:
        """The keys at which certificates lie."""
        return {info.key for info in self._store.list(self._prefix)}

    def read(self, vintage: str, entry: Newest) -> tuple[Certificate, bytes]:
        """A certificate, and the bytes of its file. Raises `DamagedObject`, also where it is of another version."""
        key = self.key_of(vintage, entry.file)
        remedy = f"Delete {key}, then run `pce refresh --years ...` of any year: it is made again."
        try:
            body = self._store.get(key)
        except MissingObject:
            again = "Run `pce refresh --years ...` of any year: it is made again."
            raise DamagedObject(key, entry.sha256, NOTHING, remedy=again) from None
        if (found := sha256_of(body)) != entry.sha256:
            raise DamagedObject(key, entry.sha256, found, remedy=remedy)
        try:
            return read(body, Certificate, name=key, what="a certificate"), body
        except NotACertificate as other:  # whole, and yet of another version of this package
            raise DamagedObject(key, "a certificate of this version", other.why, remedy=remedy) from None

    def keep(self, certificate: Certificate, made_of: Mapping[str, str]) -> Newest:
        """Keep a certificate and record it as the newest of its vintage."""
        body, signer = written(certificate), certificate.statement.signed_by
        # its name is a hash of what it says, and its bytes follow from that: what else lies there is damage
        self._store.put(self.key_of(certificate.statement.vintage, certificate.name), body)
        entry = Newest(
            file=certificate.name,
            sha256=sha256_of(body),
            key_id=None if signer is None else signer.key_id,
            made_of=dict(made_of),
        )
        self._record({certificate.statement.vintage: entry})
        return entry

    def forget(self, vintages: Collection[str]) -> None:
        """Name no certificate of these vintages any more, because they do not count; the files stay."""
        self._record({}, without=vintages)

    def _recorded(self) -> tuple[dict[str, Newest], str | None]:
        try:
            body, token = self._store.get_versioned(self._record_key)
        except MissingObject:
            return {}, None
        record = decode_record(
            self._record_key, body, NewestOfVintages, remedy=f"Delete {self._record_key}: it is made again."
        )
        return record.vintages, token

    def _record(self, entries: Mapping[str, Newest], without: Collection[str] = ()) -> None:
        """Raises `LostRace` where others keep writing."""
        for left in reversed(range(_TRIES)):
            held, token = self._recorded()
            kept = {vintage: each for vintage, each in {**held, **entries}.items() if vintage not in without}
            record = NewestOfVintages(dataset=self._dataset, vintages=kept)
            try:
                self._store.replace(self._record_key, encode_record(record), token)
            except LostRace:
                if not left:
                    raise
            else:
                return
