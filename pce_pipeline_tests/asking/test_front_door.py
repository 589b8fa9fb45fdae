"""The package opens in no time: what costs is imported when somebody asks for it, and Dagster never."""

import subprocess
import sys

import pytest

import pce_pipeline


def modules_after(code: str) -> set[str]:
    """The names of the packages that a fresh Python has imported after this code."""
    told = f"{code}\nimport sys\nprint(' '.join(sorted({{name.partition('.')[0] for name in sys.modules}})))"
    ran = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    return set(ran.stdout.split())


def test_importing_the_package_imports_neither_polars_nor_dagster() -> None:
    assert {"polars", "dagster", "pydantic", "typer"}.isdisjoint(modules_after("import pce_pipeline"))


def test_opening_a_lake_imports_polars_and_not_dagster() -> None:
    found = modules_after("import pce_pipeline\npce_pipeline.open_lake(source='sample').registry")
    assert "polars" in found
    assert {"dagster", "alembic", "uvicorn"}.isdisjoint(found)


def test_a_name_that_the_package_does_not_have_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'open_lakes'"):
        _ = pce_pipeline.open_lakes
