"""Connections: which server, which parameters, and never a password in what people read."""

import socket
import traceback

import pytest
from pydantic import SecretStr

from pce_pipeline.warehouse.errors import (
    WarehouseError,
    WarehouseTooOld,
    WarehouseUnreachable,
    WarehouseUrlInvalid,
)
from pce_pipeline.warehouse.postgres import PostgresResource, require_supported
from pce_pipeline_tests.postgres_server import reachable_folder

PASSWORD = "s3cr3t%2Fpa:ss"
PLAIN = "s3cr3t/pa:ss"


def _closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _shown(error: BaseException) -> str:
    return f"{error!r} {error} {vars(error)} {''.join(traceback.format_exception(error))}"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://pce:{password}@127.0.0.1:{port}/pce",
        "postgresql+psycopg2://pce:{password}@127.0.0.1:{port}/pce?sslmode=disable&connect_timeout=2",
        "postgresql://pce:{password}@[not-a-host/pce",
        "postgresql://pce:{password}@127.0.0.1:port/pce",
        "postgresql://127.0.0.1/pce?pasword={password}",
        "postgresql://pce:x@{password}@127.0.0.1:{port}/pce",
        "postgresql://pce:12/{password}@127.0.0.1:{port}/pce",
        "postgresql://pce:12?{password}@127.0.0.1:{port}/pce",
        "mysql://pce:{password}@127.0.0.1/pce",
        "pce:{password}@127.0.0.1",
        "postgresql://pce:{password}@127.0.0.1:{port}/pce?sslmode={password}",
    ],
)
def test_no_error_shows_the_password(url: str):
    postgres = PostgresResource(SecretStr(url.format(password=PASSWORD, port=_closed_port())))
    with pytest.raises(WarehouseError) as failed, postgres.connect():
        pass
    assert isinstance(failed.value, (WarehouseUnreachable, WarehouseUrlInvalid))
    assert failed.value.__context__ is None
    for secret in (PASSWORD, PLAIN, "s3cr3t"):
        assert secret not in _shown(failed.value)


@pytest.mark.postgres
def test_a_wrong_password_is_named_as_such_and_not_shown(server):
    with server.database() as url:
        right = url.split(":")[2].partition("@")[0]
        wrong = PostgresResource(url.replace(right, PASSWORD))
        with pytest.raises(WarehouseUnreachable) as failed, wrong.connect():
            pass
        assert "authentication failed" in failed.value.reason
        assert not failed.value.retryable
        assert "s3cr3t" not in _shown(failed.value) + repr(wrong) + str(wrong)


@pytest.mark.postgres
def test_parameters_of_the_url_are_honoured(server):
    with server.database(migrated=False) as url:
        with PostgresResource(url).connect() as connection, connection.cursor() as cursor:
            cursor.execute("SHOW application_name")
            assert cursor.fetchone() == ("pce",)
        with PostgresResource(f"{url}?application_name=mine").connect() as connection, connection.cursor() as cursor:
            cursor.execute("SHOW application_name")
            assert cursor.fetchone() == ("mine",)
        with pytest.raises(WarehouseUnreachable, match="SSL"), PostgresResource(f"{url}?sslmode=require").connect():
            pass


@pytest.mark.postgres
def test_what_is_not_committed_is_rolled_back(server):
    with server.database(migrated=False) as url:
        postgres = PostgresResource(url)
        with postgres.connect() as connection:
            connection.cursor().execute("CREATE TABLE lost (n integer)")
        with postgres.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT to_regclass('lost')")
            assert cursor.fetchone() == (None,)


@pytest.mark.postgres
def test_the_embedded_server_starts_with_the_first_connection():
    with reachable_folder() as folder:
        postgres = PostgresResource(directory=folder / "postgres")
        assert postgres.embedded is not None
        try:
            assert not postgres.embedded.is_running()
            postgres.migrate()
            assert postgres.embedded.is_running()
            assert repr(postgres) == f"PostgresResource({folder / 'postgres'})"
        finally:
            postgres.embedded.remove()


def test_a_server_that_cannot_merge_is_refused():
    require_supported(170000)
    with pytest.raises(WarehouseTooOld) as refused:
        require_supported(160009)
    assert refused.value.server_version == 160009
    assert "PostgreSQL 16" in str(refused.value)


def test_a_resource_is_of_one_place():
    with pytest.raises(TypeError):
        PostgresResource()
