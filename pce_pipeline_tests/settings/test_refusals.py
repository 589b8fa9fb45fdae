"""What the operating system refuses is told with its place and a remedy, whoever passes it on."""

import errno
import os
import sqlite3
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa

from pce_pipeline.errors import SystemRefused
from pce_pipeline.refusals import reason_and_remedy, refusal_of


def raised(do: object) -> BaseException:
    assert callable(do)
    with pytest.raises(Exception) as caught:  # noqa: PT011 (whatever it raises is what is looked at)
        do()
    return caught.value


def refused(error: BaseException) -> SystemRefused:
    found = refusal_of(error, sqlite="/history")
    assert found is not None
    assert found.remedy
    return found


@pytest.mark.parametrize(
    "number",
    [
        errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.EISDIR,
        errno.ENOTDIR, errno.ENOENT, errno.EMFILE, errno.EIO, errno.EFBIG, errno.ELOOP,
    ],
)  # fmt: skip
def test_each_refusal_names_place_and_remedy(number: int) -> None:
    told = refused(OSError(number, os.strerror(number), "/lake/a"))
    assert (told.what, told.number) == ("/lake/a", number)
    assert (told.reason, told.remedy) == reason_and_remedy(number)


def test_real_refusals_of_python_are_known(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert "not a directory" in refused(raised((file / "below").mkdir)).reason
    assert "it is a directory" in refused(raised(tmp_path.read_bytes)).reason
    assert "too long" in refused(raised((tmp_path / ("x" * 300)).touch)).reason
    (tmp_path / "dead").symlink_to(tmp_path / "nowhere")
    assert "leads nowhere" in refused(raised((tmp_path / "dead").mkdir)).reason
    (tmp_path / "loop").symlink_to("loop")
    assert "circle" in refused(raised((tmp_path / "loop").read_bytes)).reason


def test_what_rust_says_in_its_texts_is_known(tmp_path: Path) -> None:
    told = refused(raised(lambda: pl.DataFrame({"a": [1]}).write_parquet(tmp_path)))
    assert told.reason == "it is a directory, and a file is needed"
    full = refused(RuntimeError("Generic LocalFileSystem error: /lake/b: No space left on device (os error 28)"))
    assert (full.what, full.number) == ("/lake/b", errno.ENOSPC)


def test_sqlite_is_known_with_the_place_that_it_does_not_say(tmp_path: Path) -> None:
    assert refused(raised(lambda: sqlite3.connect(tmp_path / "no" / "db"))).what == "/history"
    engine = sa.create_engine(f"sqlite:///{tmp_path}/no/db")
    assert refused(raised(engine.connect)).what == "/history"
    small = sqlite3.connect(tmp_path / "db")
    small.execute("PRAGMA max_page_count = 1")
    told = refused(raised(lambda: small.execute("CREATE TABLE t AS SELECT zeroblob(100000)")))
    assert told.reason == "no space is left on its disk"
    small.close()


def test_a_refusal_is_found_inside_whatever_was_raised_from_it() -> None:
    outer = RuntimeError("a step failed")
    outer.__cause__ = OSError(errno.ENOSPC, "full", "/lake/a")
    assert refused(outer).what == "/lake/a"


def test_too_little_memory_and_too_deep_a_nesting_are_told() -> None:
    assert "used up" in refused(MemoryError()).reason
    assert "too deeply" in refused(RecursionError()).reason


OF_OTHERS = (
    ConnectionRefusedError(111, "no"),
    TimeoutError(110, "late"),
    ValueError("28"),
    KeyError("a"),
    OSError("?"),
)


@pytest.mark.parametrize("error", OF_OTHERS, ids=lambda error: type(error).__name__)
def test_what_is_not_the_operating_systems_stays_what_it_is(error: Exception) -> None:
    assert refusal_of(error) is None
