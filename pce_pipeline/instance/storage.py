"""Runs, events and schedules in the schema `dagster` of the environment's database.

The storages are dagster-postgres's own. What is ours is the connection: signed in to as the pipeline does, so that a
token of 15 minutes does not end a long run, and kept open, because Dagster would make a new one for every event.
"""

import time
from collections.abc import Mapping
from contextlib import closing
from functools import cache
from typing import Any

from dagster._config import UserConfigSchema
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage
from dagster_postgres.auth import PgTokenProvider
from sqlalchemy import URL

from pce_pipeline.errors import PceError
from pce_pipeline.settings import load_settings
from pce_pipeline.warehouse.login import DatabaseLogin

SCHEMA = "dagster"

_PASSWORD_SECONDS = 900  # what a token of RDS lives; Dagster asks for another five minutes before its end
_STATEMENT_MILLISECONDS = 300_000
_KEPT_SECONDS = 60  # networks drop what is idle for minutes without a word
_MORE_CONNECTIONS = 10


class HistoryNotPrepared(PceError):
    """The database has no room for Dagster's history; `server` says which one it is."""

    def __init__(self, server: str) -> None:
        self.server = server
        super().__init__(
            f"The database {server} has no schema {SCHEMA} that this user may use.",
            remedy="Run `pce db migrate` as the database's owner.",
        )


class PostgresHistory(DagsterPostgresStorage):
    """Dagster's storage in the database that PCE_DATABASE_URL names; it takes no configuration.

    Raises what `DatabaseLogin` raises, or `HistoryNotPrepared`.
    """

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        return {}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "PostgresHistory":
        del config_value
        login = DatabaseLogin.of(load_settings())
        _demand_schema(login)
        history = cls(_address(login), inst_data=inst_data, token_provider=_Password(login))
        events: Any = history.event_log_storage
        events.has_table = cache(events.has_table)  # it is asked with every event, over a second connection
        for storage in (history.run_storage, events, history.schedule_storage):
            storage.optimize_for_webserver(
                statement_timeout=_STATEMENT_MILLISECONDS,
                pool_recycle=_KEPT_SECONDS,
                max_overflow=_MORE_CONNECTIONS,
            )
        return history


class _Password(PgTokenProvider):
    """The password that is good now, whichever way the user signs in."""

    def __init__(self, login: DatabaseLogin) -> None:
        super().__init__()
        self._login = login

    def _fetch_token(self) -> tuple[str, float]:
        return self._login.parameters().get("password", ""), time.time() + _PASSWORD_SECONDS


def _address(login: DatabaseLogin) -> str:
    """SQLAlchemy's URL without the password; nothing but our schema is in sight, least of all our own migrations."""
    where = {name: str(value) for name, value in login.parameters().items() if name != "password"}
    where["options"] = f"{where.get('options', '')} -csearch_path={SCHEMA}".strip()
    return URL.create("postgresql+psycopg2", query=where).render_as_string(hide_password=False)


def _demand_schema(login: DatabaseLogin) -> None:
    with closing(login.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT has_schema_privilege(to_regnamespace(%s), 'USAGE')", (SCHEMA,))
        if cursor.fetchone() != (True,):
            raise HistoryNotPrepared(login.server)
