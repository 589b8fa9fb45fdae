"""The commit that projects a table works in a catalogue of others, too: the REST catalogue of the loopback S3 server.

The product has no catalogue service and no settings of one. Here the same function brings a table in line that a
foreign service keeps the metadata of, in a bucket of its own, while the data files stay where the lake has them.
"""

import time
import uuid
from decimal import Decimal

import pytest
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.exceptions import CommitFailedException, RESTError, ValidationException
from pyiceberg.partitioning import PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.update import (
    AddPartitionSpecUpdate,
    AddSchemaUpdate,
    AssertTableUUID,
    SetCurrentSchemaUpdate,
    SetDefaultSpecUpdate,
)
from pyiceberg.types import NestedField, StringType

from pce_pipeline.lake.iceberg.commits import Wanted, commit
from pce_pipeline.lake.iceberg.schemas import schema_of, spec_of
from pce_pipeline.lake.store import Store
from pce_pipeline_tests.lake.test_iceberg import MINE, LakeOf, publish
from pce_pipeline_tests.servers import S3, TABLE_BUCKET

pytestmark = [pytest.mark.s3]

_READY_WITHIN_SECONDS = 30.0


@pytest.fixture
def catalogue(s3: S3) -> RestCatalog:
    made = RestCatalog(
        "rest",
        uri=s3.iceberg_url,
        warehouse=f"s3://{TABLE_BUCKET}",
        **{
            "rest.sigv4-enabled": "true",
            "rest.signing-name": "s3tables",
            "rest.signing-region": "us-east-1",
            "client.access-key-id": s3.access_key,
            "client.secret-access-key": s3.secret_key,
            "s3.endpoint": s3.endpoint_url,
            "s3.access-key-id": s3.access_key,
            "s3.secret-access-key": s3.secret_key,
            "s3.region": "us-east-1",
        },
    )
    give_up_at = time.monotonic() + _READY_WITHIN_SECONDS
    while True:
        try:
            made.create_namespace_if_not_exists("gold")
        except RESTError:  # its bucket is made a moment after the server has begun
            if time.monotonic() > give_up_at:
                raise
            time.sleep(0.2)
        else:
            return made


@pytest.fixture
def table(catalogue: RestCatalog) -> IcebergTable:
    """A table with our columns: a catalogue numbers the columns of a new table anew, so ours come with a change."""
    schema, spec = schema_of(MINE), spec_of(MINE)
    name = ("gold", f"mine_{uuid.uuid4().hex[:8]}")
    made = catalogue.create_table(name, Schema(NestedField(1, "nothing", StringType())))
    catalogue.commit_table(
        made,
        (AssertTableUUID(uuid=made.metadata.table_uuid),),
        (
            AddSchemaUpdate(schema_=Schema(*schema.fields, schema_id=1)),
            SetCurrentSchemaUpdate(schema_id=-1),
            AddPartitionSpecUpdate(spec=PartitionSpec(*spec.fields, spec_id=1)),
            SetDefaultSpecUpdate(spec_id=-1),
        ),
    )
    loaded: IcebergTable = catalogue.load_table(name)
    return loaded


def in_line(lake: LakeOf, table: IcebergTable, tag: str) -> bool:
    """Bring a table in line with the pointer; whether it got a new snapshot."""
    return commit(table, Wanted.of(lake, MINE, lake.table(MINE).latest(), [tag]), "a run")


def values(table: IcebergTable, tag: str | None = None) -> list[tuple[int, Decimal | None]]:
    snapshot = table.metadata.refs[tag].snapshot_id if tag is not None else None
    rows = table.scan(snapshot_id=snapshot).to_arrow().to_pylist()
    return sorted(((row["year"], row["value"]) for row in rows), key=str)


def test_a_rest_catalogue_gets_the_same_files_snapshots_and_tags(
    s3_store: Store, catalogue: RestCatalog, table: IcebergTable
) -> None:
    lake = LakeOf(s3_store)
    publish(lake, {2023: "1.125", 2024: "2"})
    assert in_line(lake, table, "extract-1")
    publish(lake, {2024: "3"})
    assert in_line(lake, table, "extract-2")
    assert not in_line(lake, table, "extract-2")
    found = catalogue.load_table(table.name())
    assert found.metadata.location.startswith(f"s3://{TABLE_BUCKET}/")
    assert [field.field_id for field in found.schema().fields] == [MINE.field_ids[name] for name in MINE.column_names]
    assert len(found.metadata.snapshots) == 2
    assert values(found) == [(2023, Decimal("1.125")), (2023, None), (2024, Decimal("3.000")), (2024, None)]
    assert values(found, "extract-1") == [
        (2023, Decimal("1.125")),
        (2023, None),
        (2024, Decimal("2.000")),
        (2024, None),
    ]
    files = found.inspect.files()["file_path"].to_pylist()
    assert all(file.startswith(f"{s3_store.backend.describe()}/") for file in files)


def test_who_commits_on_what_is_not_the_newest_any_more_has_lost(
    s3_store: Store, catalogue: RestCatalog, table: IcebergTable
) -> None:
    lake = LakeOf(s3_store)
    publish(lake, {2024: "1"})
    slow = catalogue.load_table(table.name())
    publish(lake, {2024: "2"})
    assert in_line(lake, table, "extract-2")
    with pytest.raises((CommitFailedException, ValidationException)):
        in_line(lake, slow, "extract-1")
    assert values(catalogue.load_table(table.name())) == [(2024, Decimal("2.000")), (2024, None)]
