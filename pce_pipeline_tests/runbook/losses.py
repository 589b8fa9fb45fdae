"""What goes wrong in the runbook's symptoms, made to happen to a world: nothing here says how to mend it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import psycopg2

from pce_pipeline.lake.resource import Lake
from pce_pipeline.settings import Settings
from pce_pipeline.tables.registry import load_registry
from pce_pipeline.warehouse.contents import contents_held
from pce_pipeline_tests.cli.conftest import Called, call

_WIDE = {"COLUMNS": "1000"}
_PCE = (sys.executable, "-c", "from pce_pipeline.cli import main; main()")
_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
_WITH_DISKS_OF_ITS_OWN = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c")


@dataclass(frozen=True)
class Victim:
    """A world of the sample that things happen to."""

    home: Path
    """Its PCE_HOME."""
    url: str
    """Its database."""
    profile: str = "smoke"
    """How much of each dataset it has."""

    @property
    def environment(self) -> dict[str, str]:
        """The variables that a person has set."""
        return {"PCE_HOME": str(self.home), "PCE_PROFILE": self.profile, "PCE_DATABASE_URL": self.url}

    @property
    def settings(self) -> Settings:
        return Settings(home=self.home, profile=self.profile, chosen_source="sample", chosen_database_url=self.url)

    def pce(self, *arguments: str, **environment: str) -> Called:
        """Call a verb as a person would, on a wide terminal."""
        return call(*arguments, **{**_WIDE, **self.environment, **environment})

    def folder(self, layer: str) -> Path:
        """Where a layer of the lake lies."""
        return self.settings.world_home / "lake" / "local" / layer / self.settings.world

    def execute(self, statement: str) -> None:
        """Do something to the database that no verb does."""
        connection = psycopg2.connect(self.url)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement)
        finally:
            connection.close()

    def contents(self) -> dict[str, str]:
        """A hash of each object of Bronze, of each published partition, and of what Postgres holds of each."""
        bronze = self.folder("bronze")
        found = {
            f"bronze/{file.relative_to(bronze)}": sha256(file.read_bytes()).hexdigest()
            for file in sorted(bronze.rglob("*"))
            if file.is_file()
        }
        lake, registry = Lake.of(self.settings), load_registry(self.profile, None)
        for table in registry.tables:
            for key, partition in lake.table(table).latest().items():
                found[f"{table.name}/{key}"] = partition.content_sha256
        connection = psycopg2.connect(self.url)
        try:
            for (name, key), content in contents_held(connection).items():
                found[f"postgres/{name}/{key}"] = f"{content.rows} {content.hash}"
        finally:
            connection.close()
        return found


Looking = tuple[str, ...]
"""A call that shows the symptom, and later that it is gone."""


@dataclass(frozen=True)
class Symptom:
    """Something that goes wrong, and where it is seen."""

    happens: Callable[[Victim], str | None]
    """Make it happen; what a person has seen by then, if that is where it shows."""
    looks: Looking = ("doctor", "--quick")
    """The call that shows it, and that says when it is gone."""
    known: Callable[[Victim], Mapping[str, str]] = lambda _: {}
    """What a person knows of placeholders of commands, such as `URI`."""
    environment: Callable[[Victim], Mapping[str, str]] = lambda _: {}
    """Variables that are wrong at the first look, and then corrected by hand."""


def make_a_partition_stale(victim: Victim) -> None:
    """Gold lacks a year that Bronze covers."""
    _forget_year(victim, "pce_state_metrics", "2010")


def _forget_year(victim: Victim, table: str, year: str) -> None:
    pointer = victim.folder("gold") / table / "_latest.json"
    document = json.loads(pointer.read_text())
    del document["partitions"][year]
    pointer.write_text(json.dumps(document))


def damage_gold(victim: Victim) -> None:
    """Both copies of a year hold something else."""
    files = [*(victim.folder("gold") / "pce_state_annual").rglob("year=2020/*.parquet")]
    assert len(files) == 2
    for file in files:
        file.write_bytes(bytes(file.stat().st_size))


def damage_bronze(victim: Victim) -> None:
    """An answer of BEA's holds something else; a second copy was made before."""
    copied = victim.pce("bronze", "copy", second_copy(victim)["URI"])
    assert copied.code == 0, copied.err
    next(victim.folder("bronze").rglob("*.json.gz")).write_bytes(b"something else")


def second_copy(victim: Victim) -> Mapping[str, str]:
    """Where the second copy of Bronze is."""
    return {"URI": str(victim.home.parent / f"{victim.home.name}-copy")}


def lose_rows(victim: Victim) -> None:
    """Somebody deletes rows of two years."""
    victim.execute("DELETE FROM gold.pce_state_annual WHERE geo_fips = '06000' AND year IN (2019, 2020)")


def lose_silver_and_gold(victim: Victim) -> None:
    """All that follows from Bronze is gone from the lake."""
    for layer in ("silver", "gold"):
        shutil.rmtree(victim.folder(layer))


def lose_the_database(victim: Victim) -> None:
    """The database is a new and empty one."""
    victim.execute("DROP SCHEMA gold, serving, meta CASCADE")


def lose_the_history(victim: Victim) -> None:
    """Dagster's history is a new one, which knows neither runs nor extracts."""
    for each in victim.settings.dagster_home.iterdir():
        if each.is_dir():
            shutil.rmtree(each)


def fill_the_disk(victim: Victim) -> str:
    """A refresh that has a disk of one page for what it writes to a table; what it said."""
    _forget_year(victim, "pce_state_annual", "2024")
    folder = victim.folder("gold") / "pce_state_annual"
    within = f"mount -t tmpfs -o size=4k tmpfs '{folder}' && exec \"$@\""
    ran = subprocess.run(
        [*_WITH_DISKS_OF_ITS_OWN, within, "sh", *_PCE, "refresh", "--years", "2024"],
        env={**os.environ, **_WIDE, **victim.environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1, ran.stderr
    return ran.stderr


def has_disks_to_fill() -> bool:
    """Whether a process may have a file system of its own here."""
    tried = [*_WITH_DISKS_OF_ITS_OWN, "mount -t tmpfs -o size=100k tmpfs /mnt"]
    return (
        shutil.which("unshare") is not None and subprocess.run(tried, check=False, capture_output=True).returncode == 0
    )


def kill_a_load(victim: Victim) -> None:
    """A load is killed in its transaction, by which time it has written to one table and waits for another."""
    victim.execute(
        "DELETE FROM gold.pce_state_annual WHERE year = 2022; DELETE FROM gold.pce_state_metrics WHERE year = 2022"
    )
    blocking, watching = psycopg2.connect(victim.url), psycopg2.connect(victim.url)
    watching.autocommit = True
    try:
        blocking.cursor().execute("LOCK TABLE gold.pce_state_metrics_stored IN SHARE ROW EXCLUSIVE MODE")
        process = subprocess.Popen(
            [*_PCE, "refresh", "--years", "2022"],
            env={**os.environ, **victim.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        with watching.cursor() as cursor:
            while process.poll() is None:
                cursor.execute(_WAITING)
                if cursor.fetchone() == (1,):
                    break
                time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "it was in its transaction"
    finally:
        watching.close()
        blocking.close()


def pin(victim: Victim) -> None:
    """Somebody holds on to a vintage."""
    (extract,) = victim.pce("status", "--json").document["extracts"]
    assert victim.pce("pin", str(extract["extract"]), "--why", "until BEA answers").code == 0


def nothing(_: Victim) -> None:
    """What is wrong is a variable."""


def wrong_password(victim: Victim) -> dict[str, str]:
    """The URL of the database with another password."""
    user, _, server = victim.url.partition("@")
    return {"PCE_DATABASE_URL": f"{user}s@{server}"}


SYMPTOMS: Mapping[str, Symptom] = {
    "stale partition": Symptom(make_a_partition_stale, ("status",)),
    "damaged Gold": Symptom(damage_gold, ("verify",)),
    "damaged Bronze": Symptom(damage_bronze, ("verify",), known=second_copy),
    "rows gone in Postgres": Symptom(lose_rows, ("status",)),
    "lost Silver and Gold": Symptom(lose_silver_and_gold),
    "lost database": Symptom(lose_the_database),
    "lost history": Symptom(lose_the_history),
    "disk full": Symptom(fill_the_disk),
    "wrong password": Symptom(nothing, environment=wrong_password),
    "pinned": Symptom(pin, ("status",)),
    "load killed midway": Symptom(kill_a_load),
}
"""All but the late release, by which a world begins."""
