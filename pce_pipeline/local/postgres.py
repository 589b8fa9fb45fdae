"""A Postgres of one's own in a folder: made at the first start, kept over restarts, stopped only when asked.

The server outlives the command that started it and listens on loopback TCP only, so no length or spelling of the
folder's path matters. A lock that the server itself holds tells whether anything still uses the data, even after a
kill; a process is taken for the server only if it is a `postgres` that works in this data folder.
"""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psutil

from pce_pipeline.local.errors import (
    BelongsToAnotherUser,
    DataIncomplete,
    LocalPostgresError,
    OtherMajorVersion,
    PostgresDidNotStart,
    PostgresDidNotStop,
    PostgresNotRunning,
)
from pce_pipeline.local.programs import (
    ENVIRONMENT,
    SHELTER,
    Account,
    account_for,
    installed_programs,
    reachable_programs,
)
from pce_pipeline.local.server_data import missing_in
from pce_pipeline.refusals import refusal_of

if sys.platform != "win32":
    import fcntl

_HOST = "127.0.0.1"
_NAME = "pce"
_SECONDS_TO_START = 60.0
_SECONDS_TO_STOP = 60.0
_SECONDS_FOR_ORPHANS = 15.0
_LOG_LINES_SHOWN = 15
_LOG_BYTES_KEPT = 4_000_000

# Every write is still synced: a laptop may lose power. The rest suits one person loading half a million rows at once.
_SERVER_SETTINGS = {
    "listen_addresses": _HOST,
    "unix_socket_directories": "",
    "max_connections": "50",
    "shared_buffers": "256MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "wal_compression": "on",
    # Parallel plans want shared memory, of which containers give 64 MB.
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "cluster_name": "pce_pipeline",
}


@dataclass(frozen=True)
class _Postmaster:
    process: psutil.Process
    port: int
    is_ready: bool


class EmbeddedPostgres:
    """The Postgres of one folder; many of these may speak of the same folder, in any number of processes.

    `shelter` is where programs and data go when root runs this and the server's account cannot reach the folder.
    """

    def __init__(self, directory: Path, *, shelter: Path = SHELTER) -> None:
        self.directory = directory.absolute()
        self._shelter = shelter
        self._data = self.directory / "data"
        self._log = self.directory / "server.log"
        self._passfile = self.directory / "password"

    def __repr__(self) -> str:
        return f"EmbeddedPostgres({str(self.directory)!r})"

    @property
    def url(self) -> str:
        """Where the running server is, password included. Raises `PostgresNotRunning`."""
        return f"postgresql://{_NAME}:{self._password()}@{_HOST}:{self._running().port}/{_NAME}"

    def psql_arguments(self) -> list[str]:
        """The command line of a psql on the running server; the password stays in its file.

        Raises `PostgresNotRunning`.
        """
        where = f"postgresql://{_NAME}@{_HOST}:{self._running().port}/{_NAME}?passfile={quote(str(self._passfile))}"
        return [str(installed_programs() / "psql"), where]

    def is_made(self) -> bool:
        """Whether a first start has made the data."""
        return (self._data / "PG_VERSION").exists()

    def is_running(self) -> bool:
        """Whether the server accepts connections."""
        postmaster = self._postmaster()
        return postmaster is not None and postmaster.is_ready

    def start(self) -> str:
        """Start the server unless it runs, making its data at the first time; its URL.

        Raises `LocalPostgresError`; a second caller at the same time waits for the first.
        """
        installed_programs()
        if not self.is_running():
            try:
                with self._only_one():
                    if self._postmaster() is None:
                        self._launch()
                    self._wait_until_ready()
            except OSError as failed:
                raise refusal_of(failed) or PostgresDidNotStart(self.directory, str(failed)) from failed
        return self.url

    def stop(self) -> None:
        """Stop the server and wait until it is gone; clients are cut off, nothing committed is lost."""
        if not self.directory.is_dir():
            return
        with self._only_one():
            postmaster = self._postmaster()
            if postmaster is None:
                return
            # Postgres calls SIGINT the fast shutdown; psutil refuses a process that only inherited the number.
            with suppress(psutil.NoSuchProcess):
                postmaster.process.send_signal(2)
            deadline = time.monotonic() + _SECONDS_TO_STOP
            while self._postmaster() is not None or not self._is_unused():
                if time.monotonic() > deadline:
                    raise PostgresDidNotStop(self.directory, postmaster.process.pid, _SECONDS_TO_STOP)
                time.sleep(0.01)

    def remove(self) -> None:
        """Stop the server and delete its folder and data, wherever they lie."""
        self.stop()
        if self._data.is_symlink():
            shutil.rmtree(self._data.resolve(), ignore_errors=True)
        shutil.rmtree(self.directory, ignore_errors=True)

    def _running(self) -> _Postmaster:
        postmaster = self._postmaster()
        if postmaster is None or not postmaster.is_ready:
            raise PostgresNotRunning(self.directory)
        return postmaster

    def _postmaster(self) -> _Postmaster | None:
        """The process that serves this folder's data, verified; None for a pid file that lies."""
        try:
            lines = (self._data / "postmaster.pid").read_text("utf-8", "replace").splitlines()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except PermissionError:
            raise BelongsToAnotherUser(self.directory) from None
        try:
            process = psutil.Process(int(lines[0]))
            is_ours = process.name() == "postgres" and Path(process.cwd()).samefile(self._data)
            port = int(lines[3])
        except (psutil.Error, OSError, ValueError, IndexError):
            return None
        is_ready = len(lines) > 7 and lines[7].startswith("ready")  # noqa: PLR2004 (the eighth line is its status)
        return _Postmaster(process, port, is_ready) if is_ours else None

    def _password(self) -> str:
        try:
            return self._passfile.read_text("utf-8").strip().rpartition(":")[2]
        except FileNotFoundError:
            raise LocalPostgresError(
                f"{self._passfile} is gone.", remedy="pce db stop, then pce db start, makes a new one."
            ) from None
        except PermissionError:
            raise BelongsToAnotherUser(self.directory) from None

    @contextmanager
    def _only_one(self) -> Iterator[None]:
        """Starts and stops of one folder happen one after the other."""
        try:
            # The server's account must be able to pass through, not to list or read.
            self.directory.mkdir(mode=0o711, parents=True, exist_ok=True)
            lock = os.open(self.directory / "start.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except PermissionError:
            raise BelongsToAnotherUser(self.directory) from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _take_data_lock(self) -> int | None:
        """The lock that a server and all its children hold for as long as one of them lives."""
        lock = os.open(self.directory / "data.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return None
        return lock

    def _is_unused(self) -> bool:
        lock = self._take_data_lock()
        if lock is None:
            return False
        os.close(lock)
        return True

    @contextmanager
    def _unused_data(self) -> Iterator[int]:
        """The data lock, once the children of a killed server have noticed and ended."""
        deadline = time.monotonic() + _SECONDS_FOR_ORPHANS
        while (lock := self._take_data_lock()) is None:
            if time.monotonic() > deadline:
                raise PostgresDidNotStart(
                    self.directory,
                    "something outside of this process table still uses its data",
                    remedy="Stop the server in the container that shares this folder.",
                )
            time.sleep(0.02)
        try:
            yield lock
        finally:
            os.close(lock)

    def _launch(self) -> None:
        account = account_for(self._data)
        programs = reachable_programs(account, self._shelter)
        with self._unused_data() as lock:
            self._prepare(account, programs)
            self._forget_stale_pid()
            self._spawn(account, programs, lock)

    def _prepare(self, account: Account, programs: Path) -> None:
        """Data of the installed version, and a password for it; a kill in between leaves nothing half made."""
        if self._is_empty():
            self._initialise(account, programs)
            return
        if missing := missing_in(self._data, _NAME):
            raise DataIncomplete(self._data, missing)
        found = (self._data / "PG_VERSION").read_text("utf-8", "replace").strip()
        installed = self._tool(account, [programs / "postgres", "--version"]).split()[2].partition(".")[0]
        if found != installed:
            raise OtherMajorVersion(self._data, found=found, installed=installed)
        if not self._passfile.exists():
            self._set_password(account, programs, self._data)

    def _is_empty(self) -> bool:
        """Whether there is no data at all, so that nothing is lost where new data takes its place."""
        return not self._data.exists() or (self._data.is_dir() and not any(self._data.iterdir()))

    def _initialise(self, account: Account, programs: Path) -> None:
        sheltered = not account.reaches(self.directory)
        if sheltered and not self._data.is_symlink():
            self._shelter.mkdir(mode=0o755, parents=True, exist_ok=True)
            self._data.symlink_to(self._shelter / f"data-{secrets.token_hex(8)}")
        target = self._data.readlink() if self._data.is_symlink() else self._data
        partial = target.with_name(f"{target.name}.new")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(mode=0o700)
        os.chown(partial, account.uid, account.gid)
        self._tool(
            account,
            [
                programs / "initdb",
                f"--pgdata={partial}",
                f"--username={_NAME}",
                "--auth=reject",
                "--encoding=UTF8",
                "--locale=C",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--data-checksums",
            ],
        )
        (partial / "pg_hba.conf").write_text(f"host all all {_HOST}/32 scram-sha-256\n", "ascii")
        self._set_password(account, programs, partial, f"CREATE DATABASE {_NAME}")
        partial.rename(target)

    def _set_password(self, account: Account, programs: Path, data: Path, *more: str) -> None:
        password = secrets.token_urlsafe(24)
        statements = (f"ALTER ROLE {_NAME} PASSWORD '{password}'", *more)
        self._tool(
            account,
            [programs / "postgres", "--single", "-D", data, "-c", "exit_on_error=on", "postgres"],
            "".join(f"{statement}\n" for statement in statements),
        )
        partial = self._passfile.with_suffix(".new")
        partial.unlink(missing_ok=True)
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"{_HOST}:*:*:{_NAME}:{password}\n")
        partial.replace(self._passfile)

    def _tool(self, account: Account, command: list[str | Path], text: str = "") -> str:
        """Run one of Postgres' programs; its output. The text it is given may hold a password and is never shown."""
        done = subprocess.run(  # noqa: S603 (our own program and arguments, no shell)
            command,
            input=text,
            text=True,
            capture_output=True,
            cwd="/",
            env=ENVIRONMENT,
            check=False,
            **account.spawn_arguments,
        )
        if done.returncode:
            said = [line for line in done.stderr.splitlines() if "PASSWORD" not in line]
            raise PostgresDidNotStart(
                self.directory,
                f"{Path(command[0]).name} failed with {done.returncode}",
                log_tail="\n".join(said[-_LOG_LINES_SHOWN:]),
            )
        return done.stdout

    def _forget_stale_pid(self) -> None:
        """Drop a pid file whose number now belongs to another program, or that says none; nobody uses the data now.

        Postgres itself sees to the dead ones, and refuses to start beside a file that it cannot read.
        """
        pidfile = self._data / "postmaster.pid"
        with suppress(FileNotFoundError):
            first = pidfile.read_text("utf-8", "replace").partition("\n")[0].strip()
            if not (first.isascii() and first.isdigit()) or psutil.pid_exists(int(first)):
                pidfile.unlink()

    def _spawn(self, account: Account, programs: Path, lock: int) -> None:
        settings = _SERVER_SETTINGS | {"port": str(self._free_port())}
        command: list[str | Path] = [programs / "postgres", "-D", self._data.resolve()]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        if self._log.exists() and self._log.stat().st_size > _LOG_BYTES_KEPT:
            self._log.replace(self._log.with_suffix(".log.1"))
        with os.fdopen(os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as log:
            # The shell leaves at once, so that the server is nobody's child and no terminal's business.
            subprocess.run(  # noqa: S603 (the shell gets the command as arguments, not as text)
                ["/bin/sh", "-c", '"$@" &', "sh", *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=ENVIRONMENT,
                check=True,
                start_new_session=True,
                pass_fds=(lock,),
                **account.spawn_arguments,
            )

    def _free_port(self) -> int:
        """The port of the last start if it is free, else any."""
        remembered = self.directory / "port"
        try:
            candidates = [int(remembered.read_text("ascii")), 0]
        except (FileNotFoundError, ValueError, IsADirectoryError):
            candidates = [0]
        for candidate in candidates:
            with socket.socket() as probe, suppress(OSError):
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((_HOST, candidate))
                port: int = probe.getsockname()[1]
                remembered.write_text(str(port), "ascii")
                return port
        raise PostgresDidNotStart(self.directory, f"no port of {_HOST} is free")

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _SECONDS_TO_START
        while not self.is_running():
            if self._is_unused():
                raise PostgresDidNotStart(self.directory, "it ended at once", log_tail=self._log_tail())
            if time.monotonic() > deadline:
                raise PostgresDidNotStart(
                    self.directory,
                    f"it is not ready after {_SECONDS_TO_START:.0f} seconds",
                    log_tail=self._log_tail(),
                    remedy="After a crash it may need longer: try again in a minute.",
                )
            time.sleep(0.01)

    def _log_tail(self) -> str:
        try:
            lines = self._log.read_text("utf-8", "replace").splitlines()
        except FileNotFoundError:
            return ""
        return "\n".join(lines[-_LOG_LINES_SHOWN:])
