"""Lakes to test on: a new one in a directory or on a real S3 server, and backends that fail or are watched."""

from pathlib import Path
from secrets import token_hex

import pytest

from pce_pipeline.lake.store import Store, open_store
from pce_pipeline_tests.servers import S3


@pytest.fixture
def s3_store(s3: S3) -> Store:
    """A lake of its own on the S3 server."""
    return open_store(f"s3://{s3.bucket}/{token_hex(8)}/lake", endpoint_url=s3.endpoint_url, session=s3.session())


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where a lake may be: the name has what file systems allow and URLs escape."""
    return tmp_path / "a läke #1" / "lake"


@pytest.fixture(params=["directory", pytest.param("s3", marks=pytest.mark.s3)])
def store(request: pytest.FixtureRequest) -> Store:
    """A new, empty lake: each test runs on a directory and on S3."""
    if request.param == "s3":
        on_s3: Store = request.getfixturevalue("s3_store")
        return on_s3
    folder: Path = request.getfixturevalue("directory")
    return open_store(folder)
