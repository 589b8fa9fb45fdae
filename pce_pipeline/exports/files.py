"""Writing files so that a name only ever leads to a whole one.

A file is written under another name beside its own and renamed when it is whole. What a killed process left under such
a name is removed by the next one that writes the same file.
"""

import errno
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from pce_pipeline.errors import SystemRefused
from pce_pipeline.exports.errors import CannotBeWritten, NotHere
from pce_pipeline.refusals import refusal_of

_ABOUT_THE_NAME = {
    errno.ENOENT,
    errno.EEXIST,
    errno.EISDIR,
    errno.ENOTDIR,
    errno.ENAMETOOLONG,
    errno.ELOOP,
}
_CHUNK = 1 << 20
_ADDRESS = re.compile(r"[a-z][a-z0-9+]+:/")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """The name to write under; what lies there at the end becomes the file, in the place of an earlier one.

    After an exception the earlier file is untouched. Raises `CannotBeWritten`, `SystemRefused`, `NotHere`.
    """
    _check_is_here(path)
    if path.is_dir():
        raise CannotBeWritten(path, "it is a directory")
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        _sweep(path)
        part.unlink(missing_ok=True)
        yield part
        with part.open("rb+") as written:
            os.fsync(written.fileno())
        part.replace(path)
    except Exception as problem:
        refused = refusal_of(problem, sqlite=str(path))
        if refused is None:
            raise
        raise _cannot_be_written(path, refused) from None
    finally:
        with suppress(OSError):  # what went wrong above is what is told
            part.unlink(missing_ok=True)


def forget(path: Path) -> None:
    """Remove a file that will not be true any more, if there is one. Raises `CannotBeWritten`, `SystemRefused`."""
    try:
        path.unlink(missing_ok=True)
    except OSError as problem:
        raise _cannot_be_written(path, refusal_of(problem)) from None


def made_folder(path: Path) -> Path:
    """The folder, made where it is not there. Raises `CannotBeWritten`, `SystemRefused`, `NotHere`."""
    _check_is_here(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise _cannot_be_written(path, refusal_of(problem)) from None
    return path


def sha256_of_file(path: Path) -> str:
    """The hash of a file, which is not read into memory as a whole."""
    digest = hashlib.sha256()
    with path.open("rb") as content:
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _cannot_be_written(path: Path, refused: SystemRefused | None) -> CannotBeWritten | SystemRefused:
    """Wrong usage where another name helps; else the machine's own trouble, which no other call would avoid."""
    if refused is None or refused.number in _ABOUT_THE_NAME:
        return CannotBeWritten(path, refused.reason if refused else "the file system refuses it")
    return SystemRefused(str(path), refused.reason, remedy=refused.remedy, number=refused.number)


def _check_is_here(path: Path) -> None:
    """Raises `NotHere` for `s3://bucket/key`, which as a path would be a folder called `s3:`."""
    if _ADDRESS.match(str(path)):
        raise NotHere(path)


def _sweep(path: Path) -> None:
    """Remove what processes that are no more left of this file."""
    of_file = re.compile(rf"\.{re.escape(path.name)}\.(\d+)\.part")
    for beside in path.parent.iterdir():
        found = of_file.fullmatch(beside.name)
        if found and not psutil.pid_exists(int(found[1])):
            beside.unlink(missing_ok=True)
