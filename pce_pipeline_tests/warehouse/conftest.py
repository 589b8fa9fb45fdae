"""A database per test on one server per session."""

from collections.abc import Iterator

import pytest

from pce_pipeline.warehouse.postgres import PostgresResource
from pce_pipeline_tests.postgres_server import PostgresServer, postgres_server


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    with postgres_server() as running:
        yield running


@pytest.fixture
def postgres(server: PostgresServer) -> Iterator[PostgresResource]:
    """The resource of a migrated, empty database."""
    with server.database() as url:
        yield PostgresResource(url)
