"""Reports in the lake: written parts first and manifest last, found again, and the file of the newest runs.

A run that begins leaves a mark below `_open/`, and takes it away when its report is written. A mark that is left over
is of a run whose process was killed: whoever publishes the next report writes that one, too.
"""

import hashlib
from collections.abc import Iterable, Mapping

from pce_pipeline.lake.errors import DamagedObject, LostRace, MissingObject
from pce_pipeline.lake.integrity import Damage, damages
from pce_pipeline.lake.layout import join
from pce_pipeline.lake.records import decode_record, encode_record, unreadable
from pce_pipeline.lake.resource import Lake
from pce_pipeline.reports.errors import ReportMissing
from pce_pipeline.reports.report import LAYERS, FileOf, LayerName, LayerPart, Report, ReportManifest
from pce_pipeline.reports.runs import RunOf, Runs, encode_runs, with_runs

REPORTS = "reports"
"""What these are called where tables are named."""

PAGE = "report.html"
TEXT = "report.md"
MANIFEST = "manifest.json"
RUNS = "runs.json"
_OPEN = "_open"
_MADE_AGAIN = "`pce report --run ID` makes it from the run's record whenever it is asked for."
_TRIES = 10


class ReportStore:
    """The reports of one lake."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._store = lake.store
        self._prefix = lake.layout.reports

    def key(self, run_id: str, name: str = PAGE) -> str:
        """Where a file of a run's report lies."""
        return join(self._prefix, run_id, name)

    def open(self, run_id: str) -> None:
        """Leave the mark of a run that begins."""
        self._store.put(join(self._prefix, _OPEN, f"{run_id}.json"), b"{}\n")

    def close(self, run_ids: Iterable[str]) -> None:
        """Take away the marks of runs whose report is written; one that is not there is no error."""
        self._store.delete_many([join(self._prefix, _OPEN, f"{run_id}.json") for run_id in run_ids])

    def opened(self) -> list[str]:
        """The runs that have begun and whose report is not written, in the order of their ids."""
        found = self._store.list(join(self._prefix, _OPEN))
        return [info.key.rpartition("/")[2].removesuffix(".json") for info in found]

    def write(self, report: Report, of_record: str, texts: Mapping[str, str]) -> ReportManifest:
        """Write a report over an earlier one of the run: its parts and texts, and when these are there the manifest."""
        run = report.head.run_id
        bodies = {f"{part.layer}.json": encode_record(part) for part in report.parts}
        bodies |= {name: text.encode() for name, text in texts.items()}
        self._store.put_many({self.key(run, name): body for name, body in bodies.items()})
        files = {
            name: FileOf(sha256=hashlib.sha256(body).hexdigest(), bytes=len(body)) for name, body in bodies.items()
        }
        manifest = ReportManifest(head=report.head, of_record=of_record, files=files)
        self._store.put(self.key(run, MANIFEST), encode_record(manifest))
        return manifest

    def manifest(self, run_id: str) -> ReportManifest | None:
        """The manifest of a run's report; None where there is none, or none that this version can read."""
        try:
            key = self.key(run_id, MANIFEST)
            return decode_record(key, self._store.get(key), ReportManifest, remedy=_MADE_AGAIN)
        except (MissingObject, DamagedObject):
            return None

    def file(self, run_id: str, name: str) -> bytes | None:
        """A file of a run's report; None where it is not there."""
        key = self.key(run_id, name)
        return self._store.get_many([key], missing_ok=True).get(key)

    def read(self, run_id: str) -> Report:
        """A report as it lies there. Raises `ReportMissing`, and `DamagedObject` where a part is not as written."""
        manifest = self.manifest(run_id)
        if manifest is None:
            raise ReportMissing(run_id)
        names = {layer: f"{layer}.json" for layer in LAYERS if f"{layer}.json" in manifest.files}
        bodies = self._store.get_many([self.key(run_id, name) for name in names.values()])
        return Report(
            head=manifest.head,
            parts=tuple(decode_record(key, body, LayerPart, remedy=_MADE_AGAIN) for key, body in bodies.items()),
        )

    def part(self, run_id: str, layer: LayerName) -> LayerPart | None:
        """What a report says of a layer; None where that is not there or cannot be read."""
        key = self.key(run_id, f"{layer}.json")
        try:
            return decode_record(key, self._store.get(key), LayerPart, remedy=_MADE_AGAIN)
        except (MissingObject, DamagedObject):
            return None

    def damages(self) -> list[Damage]:
        """What is missing or not as the manifests say, and the manifests and lists that cannot be read."""
        found = unreadable(self._store, join(self._prefix, RUNS), Runs)
        expected: dict[str, str] = {}
        for run in self._reported():
            found += (of_manifest := unreadable(self._store, self.key(run, MANIFEST), ReportManifest))
            manifest = None if of_manifest else self.manifest(run)
            if manifest is not None:
                expected |= {self.key(run, name): file.sha256 for name, file in manifest.files.items()}
        return found + damages(self._store, expected)

    def forget_damaged(self) -> list[str]:
        """Take away the manifests of damaged reports, and a list that cannot be read; the names of those.

        A report is made from its run's record whenever it is asked for, and the list anew with the next run.
        """
        bad = {damage.key for damage in self.damages()}
        runs = [run for run in self._reported() if any(key.startswith(f"{join(self._prefix, run)}/") for key in bad)]
        lists = [RUNS] if join(self._prefix, RUNS) in bad else []
        self._store.delete_many(
            [*(self.key(run, MANIFEST) for run in runs), *(join(self._prefix, name) for name in lists)]
        )
        return [*runs, *lists]

    def _reported(self) -> list[str]:
        """The runs that have a folder here, and whose report nobody is about to write."""
        return [name for name in self._store.list_dirs(self._prefix) if name not in {_OPEN, *self.opened()}]

    def runs(self) -> Runs:
        """The newest runs that have a report, newest first; a file of them that cannot be read counts as none."""
        return self._runs()[0]

    def add(self, new: Iterable[RunOf]) -> Runs:
        """Put runs into the file of the newest ones, whoever else does so at the same time.

        Raises `LostRace` where others are quicker again and again.
        """
        lines = list(new)
        for _ in range(_TRIES):
            runs, token = self._runs()
            found = with_runs(runs, lines)
            try:
                self._store.replace(join(self._prefix, RUNS), encode_runs(found), token)
            except LostRace:
                continue
            return found
        raise LostRace(join(self._prefix, RUNS))

    def _runs(self) -> tuple[Runs, str | None]:
        world = self._lake.layout.world
        empty = Runs(world=world, is_sample=world.startswith("sample"))
        key = join(self._prefix, RUNS)
        try:
            body, token = self._store.get_versioned(key)
        except MissingObject:
            return empty, None
        try:
            return decode_record(key, body, Runs, remedy=_MADE_AGAIN), token
        except DamagedObject:
            return empty, token


def runs_of(lake: Lake) -> Runs:
    """The newest runs of the lake's world, newest first, at most 150 kB of them: what a page draws."""
    return ReportStore(lake).runs()
