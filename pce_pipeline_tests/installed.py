"""What an installation brings, and nothing else: programs run where the tools of the tests cannot be imported."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import pce_pipeline

_ROOT = Path(pce_pipeline.__file__).parent


class Installed:
    """The packages that `pip install REQUIREMENT` brings, out of those that are installed here."""

    def __init__(self, requirement: str, folder: Path) -> None:
        """Link them in the folder, which is made."""
        self._folder = folder
        folder.mkdir(parents=True)
        for name in dict.fromkeys([_ROOT, *(name for each in closure(requirement) for name in _top_levels(each))]):
            if name.exists() and not (folder / name.name).exists():
                (folder / name.name).symlink_to(name)

    def run(self, *arguments: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run Python with these arguments, and only these packages beside the standard library."""
        own = {name: value for name, value in os.environ.items() if not name.startswith(("PCE_", "PYTHON"))}
        return subprocess.run(
            [sys.executable, "-S", *arguments],
            cwd=cwd,
            env={**own, **environment, "PYTHONPATH": str(self._folder)},
            capture_output=True,
            text=True,
            check=False,
        )


def closure(requirement: str) -> Iterator[Distribution]:
    seen: set[tuple[str, str]] = set()
    wanted = [Requirement(requirement)]
    while wanted:
        each = wanted.pop()
        for extra in ("", *sorted(each.extras)):
            if (canonicalize_name(each.name), extra) in seen:
                continue
            seen.add((canonicalize_name(each.name), extra))
            found = distribution(each.name)
            yield found
            wanted += _needed(found.requires or [], extra)


def _needed(requires: Sequence[str], extra: str) -> Iterator[Requirement]:
    for line in requires:
        each = Requirement(line)
        if each.marker is None or each.marker.evaluate({"extra": extra}):
            yield each


def _top_levels(found: Distribution) -> Iterator[Path]:
    names = {file.parts[0] for file in found.files or ()} - {"..", "__pycache__"}
    yield from (Path(str(found.locate_file(name))) for name in sorted(names) if not name.endswith(".pth"))
