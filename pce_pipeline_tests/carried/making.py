"""Makes what the tests here carry over: worlds written by the code of one earlier commit, as a person left them.

`before.tar.xz` is a whole world of the sample's smoke profile (lake, Dagster's history, database as SQL), with two
vintages, a pin that was taken back, a comparison that found nothing new and a sensor that was switched on.
`unfinished.tar.xz` is a lake whose only extract was killed after two of its three answers.

Both were made at the commit `MADE_AT`. To make them again, of that commit or of another one named there, run

    python -m pce_pipeline_tests.carried.making

from a checkout with its history: the code of the commit is taken from git, and what stays the same is the Dagster
and Polars that are installed. Nothing of the machine that made them is left in them: folders are rewritten to
`/srv/...`, and the host is called `before`.
"""

import io
import json
import os
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path

MADE_AT = "c801c4da6cea1abf4692229822bf1300ea88bf90"
"""The commit whose code wrote the archives."""

HERE = Path(__file__).parent
BEFORE = HERE / "before.tar.xz"
UNFINISHED = HERE / "unfinished.tar.xz"
DATABASE = "database.sql"
"""The database within `BEFORE`, beside the world's folder: INSERTs that any client can execute."""
SAID = "said"
"""The folder beside it with what verbs that only look answered then: `<verb>.json`."""
WORLD = "sample-smoke"
"""The world of both archives."""

_NEUTRAL = Path("/srv")
_LEFT_OUT = {"pce.lock"}
_OF_PSQL = ("\\restrict ", "\\unrestrict ")
_LOOKING = ("status", "verify", "years", "quarantine")
# The name of the host stands in the tags of Dagster's runs.
_PCE = "import socket; socket.gethostname = lambda: 'before'; from pce_pipeline.cli import main; main()"
# A passport is written after its answer, one answer at a time here, so that the second one ends the second answer.
_KILLED = """
import os, threading
from pce_pipeline.lake.manifest import BronzeStore
stage, passports, one_at_a_time = BronzeStore.stage, [], threading.Lock()
def stage_and_die(self, extract, name, body):
    with one_at_a_time:
        stage(self, extract, name, body)
        passports.extend([name] if name.endswith('.entry.json') else [])
        if len(passports) == 2:
            os._exit(9)
BronzeStore.stage = stage_and_die
"""


class _Before:
    """The code of `MADE_AT`, called as its users called it, on a home of its own."""

    def __init__(self, code: Path, home: Path) -> None:
        self.world = home / WORLD
        self._code = code
        self._environment = {
            "PATH": os.defpath,
            "HOME": str(home),
            "PYTHONPATH": str(code),
            "PCE_HOME": str(home),
            "PCE_SOURCE": "sample",
            "PCE_PROFILE": "smoke",
        }

    def pce(self, *arguments: str, first: str = "", ends_with: int = 0) -> str:
        """What one verb says."""
        return self._called([sys.executable, "-c", first + _PCE, *arguments], ends_with=ends_with)

    def document(self, *arguments: str) -> Mapping[str, object]:
        found: Mapping[str, object] = json.loads(self.pce(*arguments, "--json"))
        return found

    def switch_on(self, sensor: str) -> None:
        exports = {name: str(value) for name, value in self.document("env").items() if name != "DAGSTER_MODULE_NAME"}
        program = [str(Path(sys.executable).with_name("dagster")), "sensor", "start", sensor]
        self._called([*program, "-w", "workspace.yaml"], exports)

    def dump(self) -> str:
        """The database of the world, in statements only."""
        psql, where = self._psql()
        command = [str(Path(psql).with_name("pg_dump")), "--rows-per-insert=200", where]
        lines = self._called(command).splitlines(keepends=True)
        return "".join(line for line in lines if not line.startswith(_OF_PSQL))

    def _psql(self) -> tuple[str, str]:
        """The program psql, and where the database is."""
        command = self.document("db", "psql")["psql"]
        assert isinstance(command, list)
        return str(command[0]), str(command[1])

    def _called(self, command: list[str], exports: Mapping[str, str] | None = None, *, ends_with: int = 0) -> str:
        environment = {**self._environment, **(exports or {})}
        done = subprocess.run(command, cwd=self._code, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != ends_with:
            raise SystemExit(f"{command[-3:]} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout


def make() -> None:
    """Write both archives anew."""
    with tempfile.TemporaryDirectory(prefix="pce-before-") as folder:
        root = Path(folder)
        root.chmod(0o755)  # the account of the embedded Postgres passes through
        code = root / "code"
        _take_code(code)
        _pack(BEFORE, *_whole_world(_Before(code, root / "home")), root)
        _pack(UNFINISHED, *_killed_extract(_Before(code, root / "killed")), root)


def _take_code(folder: Path) -> None:
    folder.mkdir()
    packed = subprocess.run(
        ["git", "archive", MADE_AT, "pce_pipeline", "workspace.yaml"],
        cwd=HERE.parents[1],
        check=True,
        capture_output=True,
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as files:
        files.extractall(folder, filter="data")


def _whole_world(before: _Before) -> tuple[Path, list[str], dict[str, bytes]]:
    try:
        before.pce("sample", "release", "1")
        before.pce("extract")
        before.pce("sample", "release", "2")
        before.pce("run")
        before.pce("extract")
        first = before.document("status")["extracts"]
        assert isinstance(first, list)
        before.pce("pin", first[0]["extract"], "--why", "to see the figures of the year before")
        before.pce("pin", "--clear")
        before.switch_on("release_sensor")
        more = {f"{SAID}/{verb}.json": before.pce(verb, "--json").encode() for verb in _LOOKING}
        more[DATABASE] = before.dump().encode()
    finally:
        before.pce("db", "stop")
    return before.world, ["lake", "dagster", "sample-release"], more


def _killed_extract(before: _Before) -> tuple[Path, list[str], dict[str, bytes]]:
    before.pce("sample", "release", "2")
    before.pce("extract", first=_KILLED, ends_with=9)
    return before.world, ["lake", "sample-release"], {}


def _pack(archive: Path, world: Path, parts: Iterable[str], more: Mapping[str, bytes], machine: Path) -> None:
    """Write an archive without owners, and without the folders of this machine."""
    for database in sorted(world.rglob("*.db")):
        _rewrite(database, machine)
    files = {f"{WORLD}/{file.relative_to(world)}": file for part in parts for file in _files(world / part)}
    # the window of this preset reaches over everything, so that a version and its copy at the fixed key count once
    with tarfile.open(archive, "w:xz", preset=9) as packed:
        for name, file in sorted(files.items(), key=lambda item: (item[1].name, item[0])):
            _add(packed, name, file.read_bytes(), int(file.stat().st_mtime), machine)
        for name, body in more.items():
            _add(packed, name, body.replace(bytes(machine), bytes(_NEUTRAL)), 0, machine)


def _files(part: Path) -> list[Path]:
    found = [part] if part.is_file() else [file for file in part.rglob("*") if file.is_file()]
    return [file for file in found if file.name not in _LEFT_OUT]


def _add(packed: tarfile.TarFile, name: str, body: bytes, modified: int, machine: Path) -> None:
    if str(machine).encode() in body or sys.prefix.encode() in body:
        raise SystemExit(f"{name} names a folder of this machine")
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime, entry.mode = len(body), modified, 0o644
    packed.addfile(entry, io.BytesIO(body))


def _rewrite(database: Path, machine: Path) -> None:
    """Name a neutral folder in Dagster's texts, and leave no trace of what was there."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for _, column, *_ in connection.execute(f'PRAGMA table_info("{table}")').fetchall():
                connection.execute(
                    f'UPDATE "{table}" SET "{column}" = replace("{column}", ?, ?) '
                    f'WHERE typeof("{column}") = \'text\' AND instr("{column}", ?)',
                    (str(machine), str(_NEUTRAL), str(machine)),
                )
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("VACUUM")


if __name__ == "__main__":
    make()
