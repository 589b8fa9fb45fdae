"""Over TLS to a server that proves its name, or not at all."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pytest

from pce_pipeline.tables.dimensions import DIM_CATEGORY, DIM_GEOGRAPHY
from pce_pipeline.warehouse.errors import CertificateRefused, SignInRefused, WarehouseUnreachable
from pce_pipeline.warehouse.loads import RunRow, TableLoad, load
from pce_pipeline.warehouse.login import DatabaseLogin
from pce_pipeline.warehouse.postgres import PostgresResource
from pce_pipeline.warehouse.reading import row_counts
from pce_pipeline_tests.datasets import PCE_STATE
from pce_pipeline_tests.postgres_server import reachable_folder
from pce_pipeline_tests.warehouse.tls_servers import (
    ADMIN,
    Authority,
    installed_postgres,
    postgres_with_tls,
    tls_before,
)

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "ours")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("stranger"), "another")


@pytest.fixture(scope="module")
def port(authority: Authority) -> Iterator[int]:
    """A Postgres with TLS, whose certificate is for localhost."""
    programs = installed_postgres()
    if programs is None:
        pytest.skip("no Postgres with TLS is installed below /usr/lib/postgresql (Debian: apt-get install postgresql)")
    with (
        reachable_folder() as folder,
        postgres_with_tls(folder, authority.certify("localhost"), programs) as port,
    ):
        yield port


@pytest.fixture
def aws() -> Iterator[None]:
    given = {
        "AWS_ACCESS_KEY_ID": "AKIA-not-a-real-one",
        "AWS_SECRET_ACCESS_KEY": "not-a-real-secret-key",
        "AWS_SESSION_TOKEN": "a-session-of-github/" * 50,
        "AWS_DEFAULT_REGION": "eu-central-1",
    }
    os.environ.update(given)
    yield
    for name in given:
        del os.environ[name]


def _login(port: int, bundle: Path, *, host: str = "localhost", user: str = ADMIN) -> DatabaseLogin:
    return DatabaseLogin(
        f"postgresql://{user}@{host}:{port}/postgres?sslmode=verify-full&sslrootcert={bundle}", env="staging"
    )


def test_a_server_that_proves_its_name_is_connected_to(port, authority):
    connection = _login(port, authority.bundle).connect()
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
            assert cursor.fetchone() == (True, "TLSv1.3")
    finally:
        connection.close()


def test_the_authority_may_be_named_by_the_environment(port, authority):
    os.environ["PGSSLROOTCERT"] = str(authority.bundle)
    try:
        DatabaseLogin(f"postgresql://{ADMIN}@localhost:{port}/postgres?sslmode=verify-full").connect().close()
    finally:
        del os.environ["PGSSLROOTCERT"]


def test_a_certificate_of_another_authority_or_of_another_name_is_refused(port, authority, stranger, tmp_path):
    for login, reason in (
        (_login(port, stranger.bundle), "certificate verify failed"),
        (_login(port, authority.bundle, host="127.0.0.1"), "does not match host name"),
        (_login(port, tmp_path / "none.pem"), "does not exist"),
    ):
        with pytest.raises(
            CertificateRefused, match=r"PGSSLROOTCERT.*global-bundle\.pem.*name in the certificate"
        ) as no:
            login.connect()
        assert reason in no.value.reason
        assert not no.value.retryable


def test_a_server_without_tls_is_refused(server):
    with server.database(migrated=False) as url, pytest.raises(CertificateRefused, match="does not support SSL"):
        PostgresResource(f"{url}?sslmode=verify-full").establish(is_sample=True)


def test_the_server_takes_nobody_in_plain_text(port):
    with pytest.raises(WarehouseUnreachable, match="no encryption"):
        DatabaseLogin(f"postgresql://{ADMIN}@localhost:{port}/postgres?sslmode=disable").connect()


def test_a_token_is_taken_as_password(port, authority, aws):
    url = f"postgresql://pce_loader@localhost:{port}/postgres?sslmode=verify-full&sslrootcert={authority.bundle}"
    login = DatabaseLogin(url, way="iam", env="prod")
    given = login.parameters()
    assert len(given["password"]) > 1000
    admin = _login(port, authority.bundle).connect()
    try:
        admin.autocommit = True
        with admin.cursor() as cursor:
            cursor.execute("CREATE ROLE pce_loader LOGIN PASSWORD %s", (given["password"],))
            psycopg2.connect(**given).close()
            cursor.execute("ALTER ROLE pce_loader PASSWORD 'of another second'")
            with pytest.raises(SignInRefused, match=r"granted rds_iam.*rds-db:connect") as refused:
                login.connect()
            assert "X-Amz-Signature" not in str(refused.value)
    finally:
        admin.close()


def test_tables_are_made_filled_and_read_over_verified_tls(server, authority, stranger):
    dataset = PCE_STATE
    tables = [TableLoad(DIM_GEOGRAPHY, dataset.areas), TableLoad(DIM_CATEGORY, dataset.categories)]
    with server.database(migrated=False) as url:
        where = urlsplit(url)
        assert where.hostname is not None
        assert where.port is not None
        with tls_before((where.hostname, where.port), authority.certify("localhost")) as port:
            tls = f"postgresql://{where.username}:{where.password}@localhost:{port}{where.path}?sslmode=verify-full"
            postgres = PostgresResource(DatabaseLogin(f"{tls}&sslrootcert={authority.bundle}", env="prod"))
            assert postgres.establish(is_sample=True)
            with postgres.connect() as connection:
                assert connection.info.ssl_in_use
                run = RunRow("run", "pce_state", datetime.now(UTC))
                load(connection, tables, world="sample", env="prod", run=run, manifests=[])
            with postgres.connect() as connection:
                assert row_counts(connection)["gold/dim_category"] == dataset.categories.height
            with pytest.raises(CertificateRefused):
                DatabaseLogin(f"{tls}&sslrootcert={stranger.bundle}", env="prod").connect()
