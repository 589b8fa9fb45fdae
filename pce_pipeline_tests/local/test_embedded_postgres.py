"""The embedded Postgres survives what laptops and containers do to it, and harms no other process."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg2
import pytest

from pce_pipeline.local.errors import OtherMajorVersion, PostgresDidNotStart, PostgresNotRunning
from pce_pipeline.local.postgres import EmbeddedPostgres
from pce_pipeline.local.programs import Account, account_for, reachable_programs
from pce_pipeline_tests.postgres_server import reachable_folder

pytestmark = pytest.mark.postgres


@pytest.fixture
def folder() -> Iterator[Path]:
    with reachable_folder() as temporary:
        yield temporary


@pytest.fixture
def embedded(folder: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(folder / "postgres")
    yield server
    server.remove()


def _ask(url: str, statement: str) -> list[tuple[object, ...]]:
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def _pid(server: EmbeddedPostgres) -> int:
    return int((server.directory / "data" / "postmaster.pid").read_text().splitlines()[0])


def test_data_password_and_port_outlive_a_restart(embedded: EmbeddedPostgres):
    url = embedded.start()
    _ask(url, "CREATE TABLE kept AS SELECT 1 AS n")
    embedded.stop()
    assert not embedded.is_running()
    with pytest.raises(PostgresNotRunning):
        _ = embedded.url
    assert embedded.start() == url
    assert _ask(url, "SELECT n FROM kept") == [(1,)]


def test_a_second_start_finds_the_first(embedded: EmbeddedPostgres):
    url = embedded.start()
    pid = _pid(embedded)
    assert EmbeddedPostgres(embedded.directory).start() == url
    assert _pid(embedded) == pid


def test_the_database_is_made_for_texts_of_any_language_and_kept_safe(embedded: EmbeddedPostgres):
    settings = ("server_encoding", "data_checksums", "fsync", "synchronous_commit", "autovacuum", "timezone")
    url = embedded.start()
    assert [_ask(url, f"SHOW {name}")[0][0] for name in settings] == ["UTF8", "on", "on", "on", "on", "UTC"]
    assert _ask(url, "SELECT lower('ÄÖ'), 'a' < 'B'") == [("äö", False)]


def test_secrets_are_for_the_owner_only(embedded: EmbeddedPostgres):
    url = embedded.start()
    password = url.split(":")[2].partition("@")[0]
    assert (embedded.directory / "password").stat().st_mode & 0o777 == 0o600
    assert password not in repr(embedded) + " ".join(embedded.psql_arguments())
    assert password not in (embedded.directory / "server.log").read_text()
    command_line = " ".join(psutil.Process(_pid(embedded)).cmdline())
    assert password not in command_line


@pytest.mark.parametrize("name", ['it\'s a "folder" with $HOME; and `more`', f"{'long' * 50}/{'path' * 50}"])
def test_any_path_will_do(folder: Path, name: str):
    server = EmbeddedPostgres(folder / name / "postgres")
    try:
        server.start()
        asked = subprocess.run(
            [*server.psql_arguments(), "-Atc", "SELECT current_user"], capture_output=True, text=True, check=True
        )
        assert asked.stdout == "pce\n"
    finally:
        server.remove()


def test_many_starts_at_once_make_one_server(embedded: EmbeddedPostgres):
    program = (
        "import sys; from pathlib import Path; from pce_pipeline.local.postgres import EmbeddedPostgres;"
        "print(EmbeddedPostgres(Path(sys.argv[1])).start())"
    )
    others = [
        subprocess.Popen([sys.executable, "-c", program, embedded.directory], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    urls: list[str] = []
    threads = [threading.Thread(target=lambda: urls.append(EmbeddedPostgres(embedded.directory).start())) for _ in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    urls += [other.communicate()[0].strip() for other in others]
    assert urls == [embedded.url] * 4


def test_the_server_outlives_the_killed_command_that_started_it(embedded: EmbeddedPostgres):
    program = (
        "import os, sys; from pathlib import Path; from pce_pipeline.local.postgres import EmbeddedPostgres;"
        "EmbeddedPostgres(Path(sys.argv[1])).start(); os.killpg(0, 9)"
    )
    killed = subprocess.run([sys.executable, "-c", program, embedded.directory], start_new_session=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert _ask(embedded.url, "SELECT 1") == [(1,)]


def test_a_killed_server_comes_back_with_what_was_committed(embedded: EmbeddedPostgres):
    url = embedded.start()
    with closing(psycopg2.connect(url)) as client:
        _ask(url, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
        os.kill(_pid(embedded), signal.SIGKILL)
        while embedded.is_running():
            time.sleep(0.001)
        # The client's server process lives on for a moment, and starting waits for it to end.
        assert embedded.start() == url
        assert client.closed == 0
    assert _ask(url, "SELECT count(*) FROM kept") == [(1000,)]


def test_a_stale_pid_that_now_belongs_to_another_program_harms_neither(embedded: EmbeddedPostgres):
    url = embedded.start()
    pidfile = embedded.directory / "data" / "postmaster.pid"
    lines = pidfile.read_text().splitlines()
    account = account_for(embedded.directory / "data")
    embedded.stop()
    with subprocess.Popen(["/bin/sleep", "60"], cwd="/", **account.spawn_arguments) as foreign:
        pidfile.write_text("\n".join([str(foreign.pid), *lines[1:]]) + "\n")
        assert not embedded.is_running()
        embedded.stop()
        assert embedded.start() == url
        embedded.stop()
        assert foreign.poll() is None
        foreign.kill()


def test_a_taken_port_gives_way_to_another(embedded: EmbeddedPostgres):
    url = embedded.start()
    embedded.stop()
    port = int(url.rpartition(":")[2].partition("/")[0])
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", port))
        squatter.listen()
        other = embedded.start()
    assert other != url
    assert _ask(other, "SELECT 1") == [(1,)]


def test_a_first_start_that_was_killed_half_way_is_begun_again(embedded: EmbeddedPostgres):
    half = embedded.directory / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    assert _ask(embedded.start(), "SELECT 1") == [(1,)]
    assert not half.exists()


def test_a_lost_password_is_replaced_at_the_next_start(embedded: EmbeddedPostgres):
    url = embedded.start()
    embedded.stop()
    (embedded.directory / "password").unlink()
    renewed = embedded.start()
    assert renewed != url
    assert _ask(renewed, "SELECT 1") == [(1,)]


def test_a_server_that_cannot_start_says_why(embedded: EmbeddedPostgres):
    embedded.start()
    embedded.stop()
    with (embedded.directory / "data" / "postgresql.conf").open("a") as file:
        file.write("no_such_setting = on\n")
    with pytest.raises(PostgresDidNotStart) as failed:
        embedded.start()
    assert "no_such_setting" in failed.value.log_tail
    assert "PCE_DATABASE_URL" in failed.value.remedy


def test_data_of_another_major_version_is_named_and_left_alone(embedded: EmbeddedPostgres):
    embedded.start()
    embedded.stop()
    (embedded.directory / "data" / "PG_VERSION").write_text("12\n")
    with pytest.raises(OtherMajorVersion) as refused:
        embedded.start()
    assert refused.value.found == "12"
    assert (embedded.directory / "data").exists()


def test_stopping_what_never_ran_leaves_no_trace(embedded: EmbeddedPostgres):
    embedded.stop()
    assert not embedded.directory.exists()


def test_stopping_cuts_off_clients(embedded: EmbeddedPostgres):
    with closing(psycopg2.connect(embedded.start())) as client, client.cursor() as cursor:
        cursor.execute("SELECT 1")
        started = time.monotonic()
        embedded.stop()
        assert time.monotonic() - started < 10
        with pytest.raises(psycopg2.OperationalError):
            cursor.execute("SELECT 1")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root lends the server another account")
def test_root_shelters_data_that_the_server_could_not_reach(folder: Path):
    private = folder / "private"
    private.mkdir(mode=0o700)
    server = EmbeddedPostgres(private / "postgres", shelter=folder / "shelter")
    try:
        url = server.start()
        _ask(url, "CREATE TABLE kept AS SELECT 1 AS n")
        server.stop()
        assert server.start() == url
        assert _ask(url, "SELECT n FROM kept") == [(1,)]
        assert (server.directory / "data").readlink().parent == folder / "shelter"
    finally:
        server.remove()
    assert list((folder / "shelter").iterdir()) == []


@dataclass(frozen=True)
class Confined(Account):
    """An account that may enter nothing outside of one folder."""

    only: Path = Path()

    def reaches(self, *paths: Path) -> bool:
        return all(path.is_relative_to(self.only) for path in paths)


def test_programs_that_the_server_could_not_reach_are_copied_once_and_run(folder: Path):
    account = Confined(os.geteuid(), os.getegid(), only=folder)
    copied = reachable_programs(account, folder / "shelter")
    assert copied.is_relative_to(folder)
    assert reachable_programs(account, folder / "shelter") == copied
    for program in ("postgres", "initdb", "psql"):
        done = subprocess.run([copied / program, "--version"], capture_output=True, text=True, check=True)
        assert "PostgreSQL" in done.stdout


def test_an_ordinary_user_runs_a_server_of_their_own(folder: Path):
    account = account_for(folder)
    interpreter = Path(sys.executable).resolve()
    if not account.reaches(interpreter.parent, interpreter):
        pytest.skip("the interpreter lies where an unprivileged account cannot reach it")
    home = folder / "home"
    home.mkdir()
    os.chown(home, account.uid, account.gid)
    program = (
        "import sys; from pathlib import Path; from pce_pipeline.local.postgres import EmbeddedPostgres;"
        "server = EmbeddedPostgres(Path(sys.argv[1])); server.start(); print(server.is_running()); server.remove()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, home / "postgres"],
        capture_output=True,
        text=True,
        check=False,
        **account.spawn_arguments,
    )
    assert (done.stdout, done.stderr) == ("True\n", "")
