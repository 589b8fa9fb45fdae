"""What was pulled from BEA's archive of releases, in Bronze: files as received, their pages, and what became of them.

Everything is written once. A file exists once its record does, which is written last. A release's pages are kept for
the day on which they were read, because BEA may add to those of a new release. What became of a file in a dataset is
told by the file's hash, so that one file under two addresses, or in a folder of somebody's, is imported once.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import PurePosixPath
from typing import Literal, Self
from urllib.parse import unquote, urlsplit

from pce_pipeline import __version__
from pce_pipeline.bea.archived_releases import Release
from pce_pipeline.bea.client import RawAnswer
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.lake.errors import DamagedObject, ObjectExists
from pce_pipeline.lake.integrity import sha256_of
from pce_pipeline.lake.layout import Layout, join
from pce_pipeline.lake.records import Record, decode_record, encode_record
from pce_pipeline.lake.resource import Lake
from pce_pipeline.lake.store import Store

RECORD = ".record.json"
"""What the name of a file's record ends with; it is written after the file."""
_PAGES = re.compile(r"_pages-(\d{4}-\d\d-\d\d)\.json")
_READ = "_read"
_FOLDER_OF_RELEASES = "releases"
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
_LONGEST_NAME = 80
_PAGES_ARE_FINAL_AFTER = timedelta(days=90)
_HASH = 16
_RESTORE = "Bronze is kept once: restore the object from the bucket's earlier versions or a backup."

Outcome = Literal["new", "held", "nothing"]


class ArchivedFile(Record, frozen=True, kw_only=True):
    """Where a file of BEA's archive came from: `released_on` is the day that the release's pages name, if they do."""

    release: str
    file: str
    address: str
    sha256: str
    bytes: int
    fetched_at: datetime
    last_modified: str | None
    released_on: date | None


class ReleasePages(Record, frozen=True, kw_only=True):
    """The pages of a release as they were received, by address, in latin-1 so that no byte is lost."""

    release: str
    read_at: datetime
    pages: dict[str, str]

    @property
    def bodies(self) -> dict[str, bytes]:
        return {address: text.encode("latin-1") for address, text in self.pages.items()}


class Became(Record, frozen=True, kw_only=True):
    """What a dataset has of a file: `new` extracts, what another extract `held` already, or `nothing`."""

    file: str
    sha256: str
    dataset: str
    outcome: Outcome
    tables: tuple[str, ...]
    extracts: tuple[str, ...]
    imported_at: datetime
    code_version: str


@dataclass(frozen=True)
class Given:
    """The day that is taken for tables of a file that do not say their own."""

    day: date
    """The day: the one that the release's pages name, or the last one of its month."""
    is_of: Literal["day", "month"]
    """Whether the day is known, or only its month."""


class ArchiveStore:
    """What is held of BEA's archive in one environment and world."""

    def __init__(self, store: Store, layout: Layout) -> None:
        self._store = store
        self._prefix = layout.archived_releases

    @classmethod
    def of(cls, lake: Lake) -> Self:
        """That of a lake."""
        return cls(lake.store, lake.layout)

    def files(self) -> list[ArchivedFile]:
        """Every file that is held, by release and name."""
        keys = [info.key for info in self._store.list(self._prefix) if info.key.endswith(RECORD)]
        bodies = self._store.get_many(keys)
        return [decode_record(key, body, ArchivedFile, remedy=_RESTORE) for key, body in bodies.items()]

    def holds(self, release: str, address: str) -> bool:
        """Whether the file of that address is held."""
        return self._store.exists(self._file(release, file_name(release, address)) + RECORD)

    def keep(self, release: str, answer: RawAnswer, released_on: date | None) -> ArchivedFile:
        """Keep a file as received, then its record; what lies there already stays, and its record is given.

        What a kill has left without a record gets its own: it was whole when it was written.
        """
        name = file_name(release, answer.endpoint)
        key = self._file(release, name)
        body = answer.body if self._create(key, answer.body) else self._store.get(key)
        record = ArchivedFile(
            release=release_segment(release),
            file=name,
            address=answer.endpoint,
            sha256=sha256_of(body),
            bytes=len(body),
            fetched_at=answer.fetched_at,
            last_modified=answer.parameters.get("Last-Modified"),
            released_on=released_on,
        )
        if self._create(key + RECORD, encode_record(record)):
            return record
        return decode_record(key + RECORD, self._store.get(key + RECORD), ArchivedFile, remedy=_RESTORE)

    def body(self, file: ArchivedFile) -> bytes:
        """The bytes of a held file.

        Raises `MissingObject`, and `DamagedObject` where they are not those of its record.
        """
        key = self._file(file.release, file.file)
        body = self._store.get(key)
        if sha256_of(body) != file.sha256:
            raise DamagedObject(key, file.sha256, sha256_of(body), remedy=_RESTORE)
        return body

    def pages(self, release: Release, today: date) -> ReleasePages | None:
        """The pages of a release, if they need not be asked for again: of today, or long after it came out."""
        prefix = join(self._prefix, release_segment(release.name))
        found = {match[1]: info.key for info in self._store.list(prefix) if (match := _pages_of(info.key)) is not None}
        if not found:
            return None
        newest = max(found)
        read_on = date.fromisoformat(newest)
        is_final = release.said is not None and read_on - release.said.month > _PAGES_ARE_FINAL_AFTER
        if not is_final and read_on != today:
            return None
        return decode_record(found[newest], self._store.get(found[newest]), ReleasePages, remedy=_RESTORE)

    def keep_pages(self, release: Release, pages: Mapping[str, bytes], now: datetime) -> ReleasePages:
        """Keep the pages of a release for the day on which they were read."""
        record = ReleasePages(
            release=release_segment(release.name),
            read_at=now,
            pages={address: body.decode("latin-1") for address, body in pages.items()},
        )
        self._create(join(self._prefix, record.release, f"_pages-{now.date()}.json"), encode_record(record))
        return record

    def became(self, sha256: str, dataset: Dataset, given: Given | None) -> Became | None:
        """What became of a file in a dataset; None where it is to be read: at first, or by a newer version of ours.

        A dataset that has taken a file is done with it for good, so that a decision about the extract stays; for one
        that found nothing in it, a newer version of ours may find something.
        """
        for version in ("", __version__):
            key = self._became(sha256, dataset, given, version)
            if self._store.exists(key):
                return decode_record(key, self._store.get(key), Became, remedy=f"Delete {key}: the file is read again.")
        return None

    def note(
        self,
        file: str,
        sha256: str,
        dataset: Dataset,
        given: Given | None,
        outcome: Outcome,
        tables: Sequence[str],
        extracts: Sequence[str],
    ) -> Became:
        """Record what became of a file in a dataset."""
        became = Became(
            file=file,
            sha256=sha256,
            dataset=dataset.name,
            outcome=outcome,
            tables=tuple(tables),
            extracts=tuple(extracts),
            imported_at=datetime.now(UTC),
            code_version=__version__,
        )
        version = __version__ if outcome == "nothing" else ""
        self._create(self._became(sha256, dataset, given, version), encode_record(became))
        return became

    def _create(self, key: str, body: bytes) -> bool:
        try:
            self._store.create(key, body)
        except ObjectExists:
            return False
        return True

    def _file(self, release: str, name: str) -> str:
        return join(self._prefix, release_segment(release), name)

    def _became(self, sha256: str, dataset: Dataset, given: Given | None, version: str) -> str:
        """The name says what was looked for, so that a table that a catalogue adds later is looked for, too."""
        looked_for = "\n".join([str(given and (given.day, given.is_of)), *dataset.tables, version])
        return join(self._prefix, _READ, sha256, f"{dataset.name}-{_hash(looked_for)}.json")


def file_name(release: str, address: str) -> str:
    """The name of a release's file in Bronze: its own, with a piece of a hash where two may have it or no key can."""
    path = PurePosixPath(unquote(urlsplit(address).path))
    is_deeper = path.parent.name not in {release, _FOLDER_OF_RELEASES}
    return f"{_hash(address)}-{_segment(path.name, address)}" if is_deeper else _segment(path.name, address)


def release_segment(release: str) -> str:
    """The name of a release's folder in Bronze."""
    return _segment(release, release)


def _segment(name: str, whole: str) -> str:
    safe = _UNSAFE.sub("-", name)[-_LONGEST_NAME:]
    if safe == name and not name.startswith((".", "-", "_")):
        return name
    return f"{_hash(whole)}-{safe.lstrip('.-_')}"


def _hash(text: str) -> str:
    return sha256_of(text.encode())[:_HASH]


def _pages_of(key: str) -> re.Match[str] | None:
    return _PAGES.fullmatch(key.rpartition("/")[2])
