"""The folder of one world on a laptop: Dagster's home, the release of its sample, and how to drop all of it.

Works from settings alone. Only what the pipeline itself has put there is ever deleted.
"""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pce_pipeline.bea.gateway import BeaGateway
from pce_pipeline.emulator.vintages import vintage
from pce_pipeline.errors import UsageError
from pce_pipeline.local.postgres import EmbeddedPostgres
from pce_pipeline.memory import ALLOCATOR
from pce_pipeline.observability import progress
from pce_pipeline.settings import Settings

_LOOK_AGAIN_SECONDS = 0.2
_DAGSTER_YAML_OF_BEFORE = """\
# Dagster's history of this world, in SQLite files beside this one; `pce env` points bare dagster commands here.

telemetry:
  enabled: false

nux:
  enabled: false # no sign-up window over the page

run_retries:
  enabled: false # the sensor tries again, with back-off
"""

_DAGSTER_YAML = f"""{_DAGSTER_YAML_OF_BEFORE}
python_logs:
  python_log_level: WARNING # a console shows what is wrong; every event of a run is on the page
"""


def prepared_dagster_home(settings: Settings) -> Path:
    """The absolute folder of Dagster's history, made with its dagster.yaml where there is none."""
    home = settings.dagster_home
    home.mkdir(parents=True, exist_ok=True)
    configuration = home / "dagster.yaml"
    if not configuration.exists() or configuration.read_text("utf-8") == _DAGSTER_YAML_OF_BEFORE:
        _write_whole(configuration, _DAGSTER_YAML)
    return home


def is_as_prepared(home: Path) -> bool:
    """Whether this folder of Dagster's history is configured as `prepared_dagster_home` does, by nobody else."""
    return (home / "dagster.yaml").read_text("utf-8") == _DAGSTER_YAML


@contextmanager
def alone(settings: Settings) -> Iterator[None]:
    """One process at a time moves data in a laptop's world: a second one waits here for the first to end."""
    home = prepared_dagster_home(settings)
    lock = os.open(home / "pce.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not _locked(lock):
            progress.stage("waiting for another pce to end")
            while not _locked(lock):
                time.sleep(_LOOK_AGAIN_SECONDS)  # unlike a wait for the lock, it ends at Ctrl-C
        yield
    finally:
        os.close(lock)


def _locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def exports(settings: Settings) -> Mapping[str, str]:
    """The variables with which bare `dagster` commands work on this world, from any folder; none is a secret.

    Paths are absolute, also those that were given as relative ones.
    """
    lake, catalog = settings.chosen_lake_uri, settings.catalog
    chosen = {
        "PCE_LAKE_URI": None if lake is None else lake if "://" in lake else str(Path(lake).absolute()),
        "PCE_CATALOG": None if catalog is None else str(catalog.absolute()),
    }
    return {
        **{name: place for name, place in chosen.items() if place is not None},
        "DAGSTER_HOME": str(prepared_dagster_home(settings)),
        "DAGSTER_MODULE_NAME": "pce_pipeline.definitions",
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "PYTHONWARNINGS": "ignore:Function `asset_materialize_command` is superseded",
        **ALLOCATOR,
        "PCE_HOME": str(settings.home.absolute()),
        "PCE_ENV": settings.env,
        "PCE_SOURCE": settings.source,
        "PCE_PROFILE": settings.profile,
    }


def move_sample(settings: Settings, release: int) -> None:
    """Let the embedded sample publish another release from now on.

    Raises `UsageError` for a release the sample does not have and in a world of BEA's data.
    """
    if not settings.is_sample:
        raise UsageError(
            f"The world {settings.world} holds BEA's data, which no sample release can change.",
            remedy="Add --source sample, or start a BEA of your own with `pce emulate --release`.",
        )
    try:
        vintage(release)
    except LookupError as unknown:
        raise UsageError(str(unknown), remedy="Choose one of these.") from None
    file = BeaGateway(settings).sample_release_file
    file.parent.mkdir(parents=True, exist_ok=True)
    _write_whole(file, f"{release}\n")


def check_droppable(settings: Settings) -> None:
    """Raise `UsageError` unless everything of this world lies in its folder on this machine."""
    if settings.env != "local":
        raise UsageError(
            f"Only a laptop's world can be dropped, and this is {settings.env}.", remedy="Nothing was deleted."
        )
    elsewhere = [
        name
        for name, chosen in (
            ("PCE_LAKE_URI", settings.chosen_lake_uri),
            ("PCE_DATABASE_URL", settings.chosen_database_url),
        )
        if chosen is not None
    ]
    if elsewhere:
        raise UsageError(
            f"{' and '.join(elsewhere)} point elsewhere; what lies there is left alone, and so is all the rest.",
            remedy="Unset them to drop the world's own folder.",
        )


def drop(settings: Settings) -> list[Path]:
    """Stop the world's Postgres and delete lake, database, history and sample release; the paths that went.

    Raises `UsageError` as `check_droppable`, `LocalPostgresError` where the server does not stop.
    """
    check_droppable(settings)
    home = settings.world_home
    gone = [path for path in (home / "postgres", home / "lake", home / "dagster") if path.exists()]
    EmbeddedPostgres(home / "postgres").remove()
    for path in gone:
        shutil.rmtree(path, ignore_errors=True)
    release = BeaGateway(settings).sample_release_file
    if release.exists():
        release.unlink()
        gone.append(release)
    if home.is_dir() and not any(home.iterdir()):
        home.rmdir()
    return gone


def _write_whole(file: Path, text: str) -> None:
    partial = file.with_name(f"{file.name}.new")
    partial.write_text(text, "utf-8")
    partial.replace(file)
