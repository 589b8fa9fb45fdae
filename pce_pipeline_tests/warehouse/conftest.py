"""A database per test on one server per session."""

from collections.abc import Iterator

import pytest

from pce_pipeline.warehouse.postgres import PostgresResource
from pce_pipeline_tests.postgres_server import PostgresServer


@pytest.fixture
def postgres(server: PostgresServer) -> Iterator[PostgresResource]:
    """The resource of a migrated, empty database."""
    with server.database() as url:
        yield PostgresResource(url)
