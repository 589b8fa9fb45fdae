"""Where bulletins lie in the lake: their pages, the feed, and the index that says what each was made of.

The index is written last: a bulletin that it does not name, or names with other inputs, is made again. Nothing here is
kept twice, because all of it can be made again.
"""

from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any

import msgspec

from pce_pipeline.bulletins.bulletin import Bulletin
from pce_pipeline.bulletins.pages import chart_of, markdown_of
from pce_pipeline.decoding import decoded_json
from pce_pipeline.lake.errors import DamagedObject
from pce_pipeline.lake.integrity import Damage, damages, sha256_of
from pce_pipeline.lake.layout import join
from pce_pipeline.lake.records import Record, decode_record, encode_record, unreadable
from pce_pipeline.lake.resource import Lake

BULLETINS = "gold/bulletins"
"""The name of all of them, where tables are named."""

BULLETIN, PAGE, CHART, FEED = "bulletin.json", "bulletin.md", "revisions.svg", "feed.atom"
"""The names of the files."""

Key = tuple[str, str]
"""A dataset, and an extract of it as text."""

_INDEX = "_index.json"
_MADE_AGAIN = "It is made again by the next `pce refresh`."


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One bulletin in the index."""

    inputs: str
    """The hash of what it was made of."""
    files: dict[str, str]
    """The sha256 of each of its files, by name."""


class Index(Record, frozen=True, kw_only=True):
    """What was written."""

    bulletins: dict[str, dict[str, Entry]] = msgspec.field(default_factory=dict)
    """The bulletins by dataset and extract."""
    feed: str | None = None
    """The sha256 of the feed; None where none was written since something changed."""

    @property
    def entries(self) -> dict[Key, Entry]:
        """The bulletins, each with its dataset and extract."""
        return {(name, extract): each for name, of in self.bulletins.items() for extract, each in of.items()}

    @classmethod
    def of(cls, entries: Mapping[Key, Entry], feed: str | None) -> "Index":
        """The index of these bulletins."""
        found: dict[str, dict[str, Entry]] = {}
        for (name, extract), each in sorted(entries.items()):
            found.setdefault(name, {})[extract] = each
        return cls(bulletins=found, feed=feed)


class BulletinStore:
    """The bulletins of one lake."""

    def __init__(self, lake: Lake) -> None:
        self._store = lake.store
        self._prefix = lake.layout.bulletins

    def index(self) -> Index:
        """What was written; one that is missing or cannot be read names nothing, so that all is made again."""
        key = self._key(_INDEX)
        body = self._store.get_many([key], missing_ok=True).get(key)
        if body is None:
            return Index()
        try:
            return decode_record(key, body, Index)
        except DamagedObject:
            return Index()

    def present(self) -> set[str]:
        """The names of all that lies there, below the bulletins' prefix."""
        return {info.key.removeprefix(f"{self._prefix}/") for info in self._store.list(self._prefix)}

    def write(self, bulletin: Bulletin, inputs: str, there: Mapping[str, str]) -> Entry:
        """Write those files of a bulletin that do not lie `there`, by name and sha256; the index names it later."""
        bodies = {
            PAGE: markdown_of(bulletin).encode(),
            CHART: chart_of(bulletin),
            BULLETIN: encode_record(bulletin),
        }
        found = {name: sha256_of(body) for name, body in sorted(bodies.items())}
        self._store.put_many(
            {
                self._key(bulletin.dataset, bulletin.extract, name): body
                for name, body in bodies.items()
                if there.get(name) != found[name]
            }
        )
        return Entry(inputs=inputs, files=found)

    def write_feed(self, body: bytes) -> str:
        """Write the feed; its sha256."""
        self._store.put(self._key(FEED), body)
        return sha256_of(body)

    def write_index(self, index: Index) -> None:
        """Write the index, when all that it names is there."""
        self._store.put(self._key(_INDEX), encode_record(index))

    def remove(self, names: Collection[Key]) -> None:
        """Delete the files of bulletins; what is not there is no error."""
        self._store.delete_many([self._key(*each, name) for each in names for name in (BULLETIN, PAGE, CHART)])

    def remove_feed(self) -> None:
        """Delete the feed, because there is no bulletin."""
        self._store.delete_many([self._key(FEED)])

    def read(self, dataset: str, extract: str) -> Bulletin:
        """A bulletin. Raises `DamagedObject` for one that cannot be read, and `MissingObject`."""
        key = self._key(dataset, extract, BULLETIN)
        return decode_record(key, self._store.get(key), Bulletin, remedy=_MADE_AGAIN)

    def document(self, dataset: str, extract: str) -> dict[str, Any]:
        """A bulletin as it lies there, for other programs. Raises `DamagedObject` and `MissingObject`."""
        key = self._key(dataset, extract, BULLETIN)
        try:
            found: dict[str, Any] = decoded_json(self._store.get(key), dict)
        except msgspec.DecodeError as error:
            raise DamagedObject(key, "a JSON document", str(error), remedy=_MADE_AGAIN) from error
        return found

    def page(self, dataset: str, extract: str) -> str:
        """A bulletin as Markdown. Raises `MissingObject`."""
        return self._store.get(self._key(dataset, extract, PAGE)).decode(errors="replace")

    def intact(self, index: Index, names: Collection[Key]) -> dict[Key, Bulletin]:
        """Those of the bulletins that lie there as the index says, and that this version can read."""
        keys = {self._key(*each, BULLETIN): each for each in names}
        found = {}
        for key, body in self._store.get_many(keys, missing_ok=True).items():
            entry = index.entries.get(keys[key])
            if entry is not None and entry.files.get(BULLETIN) == sha256_of(body):
                with suppress(DamagedObject):  # one of an earlier version may have had other fields
                    found[keys[key]] = decode_record(key, body, Bulletin, remedy=_MADE_AGAIN)
        return found

    def damages(self) -> list[Damage]:
        """An index that cannot be read, or what is missing or not as it says; reads every byte."""
        if found := unreadable(self._store, self._key(_INDEX), Index):
            return found
        index = self.index()
        expected = {
            self._key(*each, name): digest
            for each, entry in index.entries.items()
            for name, digest in entry.files.items()
        }
        if index.feed is not None:
            expected[self._key(FEED)] = index.feed
        return damages(self._store, expected)

    def forget_damaged(self) -> list[str]:
        """Let the index name no bulletin that is damaged, so that it is made again; the names of those.

        One that cannot be read itself names nothing any more, and is among them.
        """
        if unreadable(self._store, self._key(_INDEX), Index):
            self.write_index(Index())
            return [_INDEX]
        index, bad = self.index(), {damage.key for damage in self.damages()}
        if not bad:
            return []
        gone = {
            each for each, entry in index.entries.items() if any(self._key(*each, name) in bad for name in entry.files)
        }
        kept = {each: entry for each, entry in index.entries.items() if each not in gone}
        self.write_index(Index.of(kept, None))
        return [*(f"{name} {extract}" for name, extract in sorted(gone)), *([FEED] if self._key(FEED) in bad else [])]

    def _key(self, *parts: str) -> str:
        return join(self._prefix, *parts)
