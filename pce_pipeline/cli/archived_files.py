"""Files of BEA's earlier releases, pulled from its archive or in somebody's folder: what each may hold, by its name."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path

from pce_pipeline.bea.archived_releases import DATA_ENDINGS, ReleaseName, release_named, release_of_file
from pce_pipeline.bronze.archive_pull import given_day
from pce_pipeline.bronze.archived_releases import ArchivedFile, ArchiveStore, Given
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.errors import UsageError
from pce_pipeline.lake.integrity import sha256_of

_COMPRESSED = (".gz", ".bz2", ".xz")
_MOST_FILES = 10_000

Kinds = Mapping[str, Sequence[str]]
"""The datasets whose tables releases of a kind may hold."""


@dataclass(frozen=True)
class Candidate:
    """A file that may hold tables of some datasets."""

    name: str
    """What people call it: `1019pce/pce1019.zip`."""
    said: ReleaseName | None
    """Month and kind of its release, as names say them."""
    released_on: date | None
    """The day of its release, where a page names one."""
    datasets: tuple[str, ...]
    """The datasets that it may be of."""
    endpoint: str
    """Where it comes from, as a manifest is to say it."""
    body: Callable[[], bytes]
    """Reads it."""
    sha256: str
    """The hash of its bytes."""

    def given(self, today: date) -> Given | None:
        """The day for tables that say none."""
        return given_day(self.said.month if self.said is not None else None, self.released_on, today)


def kinds_of(datasets: Mapping[str, Dataset]) -> Kinds:
    """The kinds of archived releases that some of the datasets have."""
    kinds: dict[str, list[str]] = {}
    for name, dataset in datasets.items():
        for kind in dataset.archived_as:
            kinds.setdefault(kind, []).append(name)
    return kinds


def of_archive(held: Iterable[ArchivedFile], store: ArchiveStore, kinds: Kinds, since: date | None) -> list[Candidate]:
    """The held files of BEA's archive whose kind of release some dataset has, from a month on."""
    found = []
    for file in held:
        said = release_named(file.release) or release_of_file(file.file)
        if said is None or said.kind not in kinds or (since is not None and said.month < since):
            continue
        found.append(
            Candidate(
                name=f"{file.release}/{file.file}",
                said=said,
                released_on=file.released_on,
                datasets=tuple(kinds[said.kind]),
                endpoint=file.address,
                body=partial(store.body, file),
                sha256=file.sha256,
            )
        )
    return found


def of_folder(
    folder: Path, datasets: Mapping[str, Dataset], since: date | None
) -> tuple[list[Candidate], dict[str, str]]:
    """The files of a folder of somebody's, and what is not taken of it, each with the reason.

    A file whose name says neither kind nor month may be of every dataset, and says its day itself. Raises `UsageError`
    for a folder with far too many files.
    """
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith(".")]
    if len(paths) > _MOST_FILES:
        raise UsageError(
            f"{folder} holds {len(paths):,} files.", remedy=f"Name the folder of BEA's files: {_MOST_FILES:,} at most."
        )
    found: list[Candidate] = []
    left: dict[str, str] = {}
    kinds = kinds_of(datasets)
    for path in paths:
        place = path.relative_to(folder)
        said = _said_of(place, kinds)
        if not _is_data(path):
            left[place.as_posix()] = "neither a zip nor a CSV"
        elif said is not None and said.kind not in kinds:
            left[place.as_posix()] = f"no dataset has releases of the kind {said.kind}"
        elif said is None or since is None or said.month >= since:
            try:
                sha256 = sha256_of(path.read_bytes())
            except OSError as problem:
                left[place.as_posix()] = f"it cannot be read: {problem.strerror}"
            else:
                found.append(_of_path(path, place, said, sha256, datasets, kinds))
    return found, left


def _of_path(
    path: Path, place: Path, said: ReleaseName | None, sha256: str, datasets: Mapping[str, Dataset], kinds: Kinds
) -> Candidate:
    of_all = [name for name, dataset in datasets.items() if dataset.source == "Regional"]
    return Candidate(
        name=place.as_posix(),
        said=said,
        released_on=None,
        datasets=tuple(of_all if said is None else kinds[said.kind]),
        endpoint=f"folder: {path.name}",
        body=path.read_bytes,
        sha256=sha256,
    )


def _said_of(place: Path, kinds: Kinds) -> ReleaseName | None:
    """What the names say; a file's own name is believed only if its kind is known: `data1219.zip` is of no release."""
    for folder in reversed(place.parts[:-1]):
        if (said := release_named(folder)) is not None:
            return said
    said = release_of_file(place.name)
    return said if said is not None and said.kind in kinds else None


def _is_data(path: Path) -> bool:
    bare = path.with_suffix("") if path.suffix.lower() in _COMPRESSED else path
    return bare.suffix.lower() in DATA_ENDINGS
