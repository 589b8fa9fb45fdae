"""The page that the package carries is what its sources give, by the lock, on any machine."""

import hashlib
import subprocess
from pathlib import Path

from pce_pipeline_tests.look.conftest import SOURCES

ROOT = Path(__file__).parents[2]
SITE = ROOT / "pce_pipeline" / "look" / "site"


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
