"""What is gone from a server's data is named, so far as folders and files tell."""

import shutil
from pathlib import Path

import pytest

from pce_pipeline.local.errors import DataIncomplete, PostgresDidNotStart
from pce_pipeline.local.postgres import EmbeddedPostgres
from pce_pipeline.local.server_data import _FOLDERS, _NEVER_EMPTY, missing_in


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Data that looks whole: the folders and files that `initdb` makes."""
    data = tmp_path / "postgres" / "data"
    for folder in (*_FOLDERS, *(f"base/{number}" for number in (1, 4, 5, 16384))):
        (data / folder).mkdir(parents=True)
    for file in (*_NEVER_EMPTY, *(f"base/{number}/PG_VERSION" for number in (1, 4, 5, 16384)), f"pg_wal/{'0' * 23}1"):
        (data / file).write_text("18\n")
    return data


def test_whole_data_lacks_nothing(data: Path) -> None:
    assert missing_in(data, "pce") == []


@pytest.mark.parametrize(
    "name", [*_NEVER_EMPTY, *(f"{each}/" for each in _FOLDERS), "base/5/", "base/16384/PG_VERSION"]
)
def test_what_is_gone_is_named_with_what_may_be_deleted_and_nothing_is(data: Path, name: str) -> None:
    gone = data / name
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    before = sorted(data.rglob("*"))
    with pytest.raises((DataIncomplete, PostgresDidNotStart)) as refused:
        EmbeddedPostgres(data.parent).start()
    assert isinstance(refused.value, DataIncomplete)
    assert name in refused.value.missing
    assert f"delete {data}" in refused.value.remedy
    assert "pce run" in refused.value.remedy
    assert sorted(data.rglob("*")) == before


def test_an_emptied_file_counts_as_gone(data: Path) -> None:
    (data / "PG_VERSION").write_text("")
    assert missing_in(data, "pce") == ["PG_VERSION"]


def test_the_database_and_the_last_segment_are_missed(data: Path) -> None:
    shutil.rmtree(data / "base" / "16384")
    (data / "pg_wal" / f"{'0' * 23}1").unlink()
    assert missing_in(data, "pce") == ["the folder of the database pce in base/", "every segment in pg_wal/"]
