"""Fixtures every room may use: where BEA's own files lie, and a clean environment."""

import os
from pathlib import Path

import pytest

_BESIDE_THE_CHECKOUT = Path(__file__).parents[2] / "shared" / "bea" / "real"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with BEA's own files, named by PCE_REAL_DATA; skips where it is absent."""
    folder = Path(os.environ.get("PCE_REAL_DATA", _BESIDE_THE_CHECKOUT))
    if not folder.is_dir():
        pytest.skip(f"BEA's own files are not at {folder}: set PCE_REAL_DATA to the folder that holds them")
    return folder
