"""A look-alike of BEA and a lake beside it for each test; retries do not wait."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import stamina

from pce_pipeline_tests.bronze.look_alike import Lakeside, LookAlike


@pytest.fixture(autouse=True)
def _impatient_retries() -> Iterator[None]:
    with stamina.set_testing(True, attempts=100, cap=True):
        yield


@pytest.fixture
def bea() -> LookAlike:
    return LookAlike()


@pytest.fixture
def lake(tmp_path: Path, bea: LookAlike) -> Lakeside:
    return Lakeside(tmp_path / "lake", bea)
