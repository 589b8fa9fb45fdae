"""The page that the package carries is what its sources give, by the lock, on any machine."""

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from pce_pipeline_tests.look.conftest import missing_tool

ROOT = Path(__file__).parents[2]
SOURCES, SITE = ROOT / "page", ROOT / "pce_pipeline" / "look" / "site"


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources with what the lock names."""
    npm = shutil.which("npm")
    if npm is None:
        missing_tool("npm")
    assert npm is not None
    copy = tmp_path_factory.mktemp("sources") / "page"
    shutil.copytree(SOURCES, copy, ignore=shutil.ignore_patterns("node_modules"))
    installed = subprocess.run([npm, "ci", "--ignore-scripts"], cwd=copy, capture_output=True, text=True, check=False)
    if installed.returncode:
        missing_tool(f"npm's registry ({installed.stderr.strip()[-200:]})")
    return copy


def hashes(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.iterdir())}


def test_the_sources_give_the_page_that_the_package_carries(sources: Path, tmp_path: Path) -> None:
    subprocess.run(["node", "build.js", str(tmp_path / "site")], cwd=sources, check=True, capture_output=True)
    assert hashes(tmp_path / "site") == hashes(SITE)


def test_the_pure_parts_of_the_script_keep_their_promises(sources: Path) -> None:
    tried = subprocess.run(["node", "--test", "test/"], cwd=sources, capture_output=True, text=True, check=False)
    assert tried.returncode == 0, tried.stdout[-3000:]


def test_the_lock_names_no_address() -> None:
    assert "://" not in (SOURCES / "package-lock.json").read_text("utf-8").replace("https://opencollective.com", "")
