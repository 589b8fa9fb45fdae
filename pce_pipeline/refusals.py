"""What the operating system refuses, in words: which place, why, and what to do about it.

Such errors are the user's: a full disk, a place that is read-only, a right that is missing. They come as `OSError`, as
texts of Rust ("os error 28") through Polars and the object store, and from SQLite and Postgres, often inside what
Dagster raised. `refusal_of` finds them wherever they are; what it does not know stays what it was.
"""

import errno
import re
from collections.abc import Iterator
from pathlib import Path

from pce_pipeline.errors import SystemRefused

_ELSEWHERE = "name another place (PCE_HOME, PCE_LAKE_URI, or the file that the call names)"
_REASONS = {
    errno.ENOSPC: (
        "no space is left on its disk",
        f"Make room there (`pce prune` drops versions), or {_ELSEWHERE}.",
    ),
    errno.EDQUOT: ("the quota of its disk is used up", f"Make room there, or {_ELSEWHERE}."),
    errno.EFBIG: (
        "the file would be larger than this process may write",
        f"Raise the limit (`ulimit -f`, or the file system's), or {_ELSEWHERE}.",
    ),
    errno.EROFS: ("its file system is read-only", f"Make it writable, or {_ELSEWHERE}."),
    errno.EACCES: ("this user has no right to it", f"Ask its owner for the right, run as that user, or {_ELSEWHERE}."),
    errno.EPERM: ("this user has no right to it", f"Ask its owner for the right, run as that user, or {_ELSEWHERE}."),
    errno.ENAMETOOLONG: ("its name is too long for the file system", f"Use a shorter path: {_ELSEWHERE}."),
    errno.EISDIR: ("it is a directory, and a file is needed", f"Move it away, or {_ELSEWHERE}."),
    errno.ENOTDIR: (
        "a part of its path is a file, not a directory",
        f"Move that file away, or {_ELSEWHERE}.",
    ),
    errno.ENOENT: ("it is not there, or is a link that leads nowhere", f"Make it, mend the link, or {_ELSEWHERE}."),
    errno.EEXIST: ("something else lies there", f"Move it away, or {_ELSEWHERE}."),
    errno.ENOTEMPTY: ("something else lies in it", f"Move that away, or {_ELSEWHERE}."),
    errno.ELOOP: ("its links lead in a circle", f"Mend them, or {_ELSEWHERE}."),
    errno.EMFILE: ("this process has too many files open", "Raise the limit (`ulimit -n 4096`) and run it again."),
    errno.ENFILE: ("this machine has too many files open", "End other programs and run it again."),
    errno.EIO: ("its disk reports an error, or is full", f"Check the disk and its room, or {_ELSEWHERE}."),
    errno.ESTALE: ("its network file system has lost it", "Mount it again and run the same command again."),
    errno.ENOMEM: ("there is not enough memory", "End other programs, or use a machine with more memory."),
    errno.EPIPE: ("nobody reads it any more", "Run it again without the program behind the pipe."),
}
_IN_WORDS = (
    ("database or disk is full", errno.ENOSPC),
    ("No space left on device", errno.ENOSPC),
    ("readonly database", errno.EROFS),
    ("Read-only file system", errno.EROFS),
    ("unable to open database file", errno.EACCES),
    ("disk I/O error", errno.EIO),
)
_OF_DATABASES = {"sqlite3", "sqlalchemy", "psycopg2", "duckdb", "_duckdb"}
_OF_NETWORKS = (ConnectionError, TimeoutError)
_BY_TYPE: dict[type[BaseException], int] = {
    PermissionError: errno.EACCES,
    FileNotFoundError: errno.ENOENT,
    FileExistsError: errno.EEXIST,
    IsADirectoryError: errno.EISDIR,
    NotADirectoryError: errno.ENOTDIR,
}
_IN_RUST = re.compile(r"\(?os error (\d+)\)?")
_PATH = re.compile(r"(?<![\w.~/-])/[^\s:'\"`,()]+")


def reason_and_remedy(number: int, path: str = "") -> tuple[str, str] | None:
    """What an error number of the operating system means for a place, and what to do; None for one of other things.

    >>> reason_and_remedy(errno.EROFS)[0]
    'its file system is read-only'
    """
    on_the_way = (Path(path), *Path(path).parents)
    if number == errno.EEXIST and any(each.is_symlink() and not each.exists() for each in on_the_way):
        number = errno.ENOENT  # a folder cannot be made where a link leads nowhere
    return _REASONS.get(number)


def number_in(text: str) -> int | None:
    """The error number in a text of Rust, such as "No space left on device (os error 28)"."""
    found = _IN_RUST.search(text)
    return int(found[1]) if found else None


def refusal_of(error: BaseException, *, sqlite: str = "A file of SQLite") -> SystemRefused | None:
    """What the operating system refused, if that is what `error` comes from: itself, or what it was raised from.

    `sqlite` is where SQLite's files lie, which its errors do not say.
    """
    for each in _chain(error):
        refused = _refusal_itself(each, sqlite)
        if refused is not None:
            refused.__cause__ = error
            return refused
    return None


def _refusal_itself(error: BaseException, sqlite: str) -> SystemRefused | None:
    text = str(error)
    if isinstance(error, MemoryError):
        return SystemRefused("The memory of this machine", "it is used up", remedy=_REASONS[errno.ENOMEM][1])
    if isinstance(error, RecursionError):
        return SystemRefused(
            "What was read",
            "it is nested too deeply",
            remedy="Look at the file or the answer it came from; nothing of it was kept.",
        )
    number = _number_of(error)
    if isinstance(error, OSError) and number is not None:
        paths = [str(each) for each in (error.filename, error.filename2) if each is not None]
        return _refused(number, " and ".join(paths) or _path_in(text))
    if type(error).__module__.partition(".")[0] in _OF_DATABASES:
        number = next((number for words, number in _IN_WORDS if words in text), None)
        what = sqlite if "sqlite" in f"{type(error).__module__} {text}" else "The disk of the database"
        return _refused(number, what) if number is not None else None
    number = number_in(text)
    return _refused(number, _path_in(text)) if number is not None else None


def _number_of(error: BaseException) -> int | None:
    """The error number of what the operating system refused about a place; libraries raise its types without one."""
    if not isinstance(error, OSError) or isinstance(error, _OF_NETWORKS):
        return None
    return _BY_TYPE.get(type(error)) if error.errno is None else error.errno


def _refused(number: int, what: str) -> SystemRefused | None:
    known = reason_and_remedy(number, what)
    if known is None:
        return None
    return SystemRefused(what or "A place that is needed", known[0], remedy=known[1], number=number)


def _path_in(text: str) -> str:
    found = _PATH.search(text)
    return found[0] if found else ""


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, and what it was raised from, as a traceback would show them."""
    seen: list[BaseException] = []
    inner: BaseException | None = error
    while inner is not None and inner not in seen:
        yield inner
        seen.append(inner)
        inner = inner.__cause__ or (None if inner.__suppress_context__ else inner.__context__)
