"""The examples for those who read run as they are written, over verified TLS, as a user who may only read."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pytest

import pce_pipeline
from pce_pipeline_tests.postgres_server import postgres_server
from pce_pipeline_tests.warehouse.tls_servers import Authority, tls_before
from pce_pipeline_tests.worlds import World

pytestmark = pytest.mark.postgres

DOCUMENT = (Path(pce_pipeline.__file__).parents[1] / "docs" / "connect.md").read_text("utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", DOCUMENT, flags=re.MULTILINE | re.DOTALL)


def _block(language: str, heading: str) -> str:
    """The first block below a heading."""
    section = DOCUMENT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return str(re.findall(rf"^```{language}\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL)[0])


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of anna, who has followed the document: service file, password file, and a loaded database."""
    folder = tmp_path_factory.mktemp("anna")
    authority = Authority(folder, "rds")
    with postgres_server() as server, server.database() as url:
        world = World(tmp_path_factory.mktemp("world"), url, profile="smoke")
        world.extract()
        world.refresh(1997, 2024)
        admin = psycopg2.connect(url)
        with admin, admin.cursor() as cursor:
            for statements in _blocks("sql"):
                cursor.execute(statements)
            cursor.execute("ALTER ROLE anna PASSWORD 'the-password'")
        admin.close()
        where = urlsplit(url)
        assert where.hostname is not None
        assert where.port is not None
        with tls_before((where.hostname, where.port), authority.certify("localhost")) as port:
            ours = {
                "host": "localhost",
                "port": str(port),
                "dbname": where.path.lstrip("/"),
                "sslrootcert": str(authority.bundle),
            }
            (written,) = _blocks("ini")
            service = folder / "pg_service.conf"
            service.write_text(
                re.sub(
                    r"^(\w+)=(.*)$", lambda line: f"{line[1]}={ours.get(line[1], line[2])}", written, flags=re.MULTILINE
                )
            )
            passwords = folder / "pgpass"
            passwords.write_text(f"localhost:{port}:{ours['dbname']}:anna:the-password\n")
            passwords.chmod(0o600)
            yield {
                "PATH": os.environ["PATH"],
                "HOME": str(folder),
                "LC_ALL": "C.UTF-8",
                "PGSERVICEFILE": str(service),
                "PGPASSFILE": str(passwords),
                "PCE_GOLD": f"{world.settings.lake_uri}/local/gold/{world.settings.world}",
            }


def _run(environment: dict[str, str], *command: str) -> str:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_psql(reader):
    if shutil.which("psql") is None:
        pytest.skip("no psql is installed (Debian: apt-get install postgresql-client)")
    assert "(5 rows)" in _run(reader, "sh", "-c", _block("sh", "psql"))


def test_polars(reader):
    shown = _run(reader, sys.executable, "-c", _block("python", "polars"))
    assert "2024" in shown
    assert "pce_yoy_pct" in shown


def test_as_it_was_known_on_a_day(reader):
    example = _block("python", "As it was known on a day")
    assert example.count("2024-12-31") == 1
    shown = _run(reader, sys.executable, "-c", example.replace("2024-12-31", f"{datetime.now(UTC):%Y-%m-%d}"))
    assert "known_then" in shown
    assert "2024" in shown


def test_pandas(reader):
    pytest.importorskip("pandas", reason="pandas is not installed")
    shown = _run(reader, sys.executable, "-c", _block("python", "pandas"))
    assert "2024" in shown
    assert "WY" in shown


def test_r(reader):
    has_driver = 'quit(status = !requireNamespace("RPostgres", quietly = TRUE))'
    if shutil.which("Rscript") is None or subprocess.run(["Rscript", "-e", has_driver], check=False).returncode:
        pytest.skip("R with the packages DBI and RPostgres is not installed")
    assert "1998" in _run(reader, "Rscript", "-e", _block("r", "R"))


def test_parquet_with_polars_and_duckdb(reader):
    shown = _run(reader, sys.executable, "-c", _block("python", "Parquet, without a database"))
    assert "[(2024, 4284)]" in shown


def test_every_example_of_a_language_that_runs_here_is_run():
    assert len(_blocks("python")) == 4
    assert len(_blocks("sh")) == len(_blocks("r")) == len(_blocks("ini")) == len(_blocks("sql")) == 1
