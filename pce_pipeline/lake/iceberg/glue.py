"""Telling AWS Glue where the newest metadata of each Iceberg table is, so that Athena and others find it by name.

Glue holds one address per table and is told it again by the next call: it is a signpost, never the truth.
"""

import re
from functools import cached_property
from typing import Any

from pce_pipeline.errors import PceError
from pce_pipeline.lake.iceberg.projection import Projected
from pce_pipeline.settings import Settings
from pce_pipeline.tables.table import Table

Client = Any
"""A boto3 client; its methods are made at run time."""

_ATTEMPTS = 5
_NUMBER = re.compile(r"/v([1-9][0-9]*)\.metadata\.json$")


def glue_name(table: Table) -> str:
    """The name of a table in a Glue database: layer and relation, `gold_pce_state_annual`."""
    return f"{table.layer}_{table.relation}".lower()


class GlueDatabaseMissing(PceError):
    """There is no database of that name in Glue."""

    def __init__(self, database: str) -> None:
        self.database = database
        super().__init__(
            f"AWS Glue has no database {database}.",
            remedy="Create it (`aws glue create-database --database-input Name=...`), or unset PCE_GLUE_DATABASE.",
        )


class Glue:
    """One database of Glue, which must exist."""

    def __init__(self, database: str, endpoint_url: str | None = None) -> None:
        """With boto3's own credentials; `endpoint_url` is another service's address."""
        self.database = database
        """The name of the database."""
        self._endpoint_url = endpoint_url

    @classmethod
    def of(cls, settings: Settings) -> "Glue | None":
        """The database of the settings; None where none is set."""
        return None if settings.glue_database is None else cls(settings.glue_database, settings.aws_endpoint_url)

    @cached_property
    def _client(self) -> Client:
        import boto3  # noqa: PLC0415 (a third of a second that a call without Glue does not need)

        return boto3.client("glue", endpoint_url=self._endpoint_url)

    def tell(self, name: str, projected: Projected) -> bool:
        """Points a table at its newest metadata; false where Glue knows it, or a later one, already.

        Raises `GlueDatabaseMissing`, and what boto3 raises, also where others are always faster.
        """
        newest = f"{projected.location}/metadata/v{projected.number}.metadata.json"
        for attempt in range(_ATTEMPTS):
            try:
                held = self._client.get_table(DatabaseName=self.database, Name=name)["Table"]
            except self._client.exceptions.EntityNotFoundException:
                try:
                    self._client.create_table(
                        DatabaseName=self.database, TableInput=_input(name, projected, newest, {})
                    )
                except self._client.exceptions.AlreadyExistsException:
                    continue
                except self._client.exceptions.EntityNotFoundException:
                    raise GlueDatabaseMissing(self.database) from None
                return True
            parameters = held.get("Parameters", {})
            said = parameters.get("metadata_location", "")
            if said == newest or _is_later(said, projected):
                return False
            try:
                self._client.update_table(
                    DatabaseName=self.database,
                    TableInput=_input(name, projected, newest, {"previous_metadata_location": said}),
                    VersionId=held["VersionId"],
                    SkipArchive=True,
                )
            except self._client.exceptions.ConcurrentModificationException:
                if attempt == _ATTEMPTS - 1:
                    raise
                continue
            return True
        return False


def _is_later(said: str, projected: Projected) -> bool:
    found = _NUMBER.search(said)
    return found is not None and said.startswith(f"{projected.location}/") and int(found[1]) > projected.number


def _input(name: str, projected: Projected, newest: str, more: dict[str, str]) -> Any:  # noqa: ANN401 (boto3's own)
    return {
        "Name": name,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"table_type": "ICEBERG", "metadata_location": newest, **more},
        "StorageDescriptor": {"Location": projected.location, "Columns": []},
    }
