"""One flipped bit in a stored object, as a failing disk leaves it: `pce verify` names it, or nobody reads otherwise.

A small lake that has run once; of each kind of object some, each with one bit flipped. What is looked at is what
`pce verify` looks at, and what readers get: a typed error, or what the lake said before.
"""

import os
import random
import re
from collections.abc import Iterator
from pathlib import Path

from pce_pipeline.bronze.store import bronze_of
from pce_pipeline.bulletins.store import BulletinStore
from pce_pipeline.errors import PceError
from pce_pipeline.explorer.store import ExplorerStore
from pce_pipeline.lake.errors import DamagedObject
from pce_pipeline.lake.integrity import sha256_of
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.lake.resource import Lake
from pce_pipeline.observability.records import RunJournal
from pce_pipeline.reports.store import ReportStore
from pce_pipeline.settings import Settings
from pce_pipeline.tables.table import Table
from pce_pipeline_tests.cli.conftest import call
from pce_pipeline_tests.faults.gates import named
from pce_pipeline_tests.faults.scorecard import Part, Trial, part_of
from pce_pipeline_tests.faults.stage import registry_of, said_by

_SCOPE = 'name = "pce_state"\n\n[profiles.lean]\nSAPCE1 = [1, 2, 13]\nSAPCE2 = [1]\n'
_TRIED = re.compile(r"^local/(?:bronze|silver|gold|explorer|cells|quarantine|observability/runs|reports)/")
_YEAR = re.compile(r"/year=(\d{4})/")


class KeptLake:
    """A lake in a directory that `pce run` has filled, and what is read of it."""

    def __init__(self, folder: Path) -> None:
        own = folder / "catalog" / "pce_state"
        own.mkdir(parents=True)
        (own / "dataset.toml").write_text(_SCOPE)
        settings = {"PCE_HOME": str(folder / "home"), "PCE_PROFILE": "lean", "PCE_CATALOG": str(folder / "catalog")}
        ran = call("run", **settings, PCE_LOAD_POSTGRES="false")
        assert ran.code == 0, ran.err
        self._settings = Settings(home=folder / "home", profile="lean", catalog=folder / "catalog")
        self.lake = Lake.of(self._settings)
        self._registry = registry_of(self._settings)
        self._tables = {self.lake.prefix(table): table for table in self._registry.tables}
        self._root = Path(self.lake.uri)

    def objects(self) -> dict[str, list[str]]:
        """The keys that are tried, by kind."""
        kinds: dict[str, list[str]] = {}
        for path in sorted(self._root.rglob("*")):
            key = str(path.relative_to(self._root))
            if path.is_file() and _TRIED.match(key):
                kinds.setdefault(named(key), []).append(key)
        return kinds

    def flipped(self, key: str, chance: random.Random) -> bytes:
        """Flip one bit of an object, whose bytes of before are returned."""
        path = self._root / key
        body = path.read_bytes()
        bit = chance.randrange(len(body) * 8)
        times = path.stat()
        path.write_bytes(body[: bit // 8] + bytes([body[bit // 8] ^ 1 << bit % 8]) + body[bit // 8 + 1 :])
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        return body

    def restore(self, key: str, body: bytes) -> None:
        """Put the bytes of before back."""
        path = self._root / key
        times = path.stat()
        path.write_bytes(body)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    def amiss(self, key: str) -> bool:
        """Whether `pce verify` names anything, of what lies where the key does."""
        try:
            return bool(self._damages(key))
        except PceError:
            return True

    def _damages(self, key: str) -> list[object]:
        if table := self._table(key):
            year = _YEAR.search(key)
            return [*self.lake.table(table).verify({year[1]} if year else None)]
        if key.startswith("local/bronze/"):
            damages: list[object] = []
            for dataset in self._registry.datasets.values():
                bronze = bronze_of(self.lake, dataset)
                for extract in bronze.extracts():
                    try:
                        damages += bronze.verify(extract)
                    except DamagedObject as unreadable:
                        damages.append(unreadable)
            return damages
        return [
            *BulletinStore(self.lake).damages(),
            *ExplorerStore(self.lake).damages(),
            *ReportStore(self.lake).damages(),
            *RunJournal(self.lake).damages(),
        ]

    def said(self, key: str) -> object:
        """What readers get of what lies where the key does. Raises typed errors."""
        if table := self._table(key):
            store, year = self.lake.table(table), _YEAR.search(key)
            if year is not None and "/_versions/" in key:
                return said_by(store.read([year[1]]))
            return [(name, said_by(store.read_partition(each))) for name, each in store.latest().items()]
        if key.startswith(("local/bronze/", "local/cells/", "local/quarantine/")):
            found = re.search(r"/(\d{4}-\d{2}-\d{2}(?:\.\d+)?)/", key)
            if found is None:
                return None
            return [
                [(entry.key, body) for entry, body in bronze_of(self.lake, dataset).read_objects(extract)]
                for dataset in self._registry.datasets.values()
                for extract in bronze_of(self.lake, dataset).extracts()
                if extract == ExtractId.parse(found[1])
            ]
        if key.startswith(("local/observability/", "local/reports/")):
            return None  # no figure is in it
        current = ExplorerStore(self.lake).current()
        # by content: a file under another name is one that a page does not find
        return None if current is None else sorted(sha256_of(body) for _, body in current.files())

    def _table(self, key: str) -> Table | None:
        return next((table for prefix, table in self._tables.items() if key.startswith(f"{prefix}/")), None)


def trials(kept: KeptLake, most: int) -> Iterator[Trial]:
    """Of each kind of object so many at most, each with one bit flipped."""
    for kind, keys in kept.objects().items():
        chance = random.Random(kind)
        for key in chance.sample(keys, min(most, len(keys))):
            before = kept.said(key)
            body = kept.flipped(key, chance)
            try:
                found = kept.amiss(key)
                try:
                    # nothing at all is no figure: a set whose pointer cannot be read is made again as a whole
                    wrong = None if kept.said(key) in (before, None) else f"{key}: readers get something else"
                except PceError:
                    wrong = None
                yield Trial(_sort(key), wrong, "found" if found else "not found: read as before, or nothing is read")
            finally:
                kept.restore(key, body)


def _sort(key: str) -> str:
    layer = key.split("/")[1]
    if key.endswith(".json") and not key.endswith("payload.json"):
        return f"{layer}: records"
    return f"{layer}: {'versions' if '/_versions/' in key else 'objects'}"


def flips(folder: Path, most: int = 28) -> Part:
    """All of it."""
    return part_of(
        "one flipped bit in a stored object",
        "Of each kind of object below Bronze, Silver, Gold and the explorer's set, with what is kept of decoded cells, "
        "recorded of runs and reported of them: "
        "`pce verify` names the damage, or it lies where no figure is read from; no reader gets another figure.",
        trials(KeptLake(folder), most),
    )
