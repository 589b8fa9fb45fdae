"""What a load records of where figures come from, gathered from the manifests of the lake and of Bronze."""

from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta

import msgspec

from pce_pipeline.bronze.current import Current
from pce_pipeline.bronze.lineage import ExtractsBehind
from pce_pipeline.bronze.manifest import Manifest, ObjectEntry
from pce_pipeline.bronze.watermarks import watermarks_of
from pce_pipeline.lake.pointer import Partition
from pce_pipeline.observability.audit import AuditEntry
from pce_pipeline.settings import Settings
from pce_pipeline.shell.audit import entry_of_extract, entry_of_partition
from pce_pipeline.tables.registry import Registry
from pce_pipeline.tables.table import Table
from pce_pipeline.warehouse.contents import Key
from pce_pipeline.warehouse.lineage import Lineage, ManifestRow, RawObjectRow


class LineageOfLake:
    """The lineage of everything that a lake publishes, given what counts and the partitions of each table."""

    def __init__(
        self,
        registry: Registry,
        held: Mapping[str, Current],
        published: Mapping[str, Mapping[str, Partition]],
    ) -> None:
        self._registry = registry
        self._held = held
        self._published = published
        self._behind = ExtractsBehind(registry, published)

    def manifest(self, table: Table, partition: Partition) -> ManifestRow:
        """The manifest of a partition, with the extracts that it follows from."""
        return ManifestRow(
            table_name=table.name,
            partition=partition.key,
            content_sha256=partition.content_sha256,
            rows=partition.rows,
            code_version=partition.code_version,
            inputs=partition.inputs,
            manifest=msgspec.to_builtins(partition),
            extracts=self._behind.of(table, partition) or None,
        )

    def manifests(self, loading: Collection[Key], loaded: Mapping[Key, str]) -> list[ManifestRow]:
        """The manifests of the partitions that a load is of, and of those that Postgres holds as the lake does.

        `loaded` is the content that Postgres holds of each partition.
        """
        return [
            self.manifest(table, partition)
            for table in self._registry.in_postgres
            for key, partition in self._published[table.name].items()
            if (table.name, key) in loading or loaded.get((table.name, key)) == partition.content_sha256
        ]

    def rows(self, settings: Settings) -> Lineage:
        """All that is recorded beside the manifests of loaded tables."""
        in_postgres = {table.name for table in self._registry.in_postgres}
        of_lake = [table for table in self._registry.tables if table.name not in in_postgres]
        return Lineage(
            raw_objects=[row for now in self._held.values() for row in _raw_objects(now)],
            watermarks=[mark for now in self._held.values() for mark in watermarks_of(now).values()],
            full_comparison=timedelta(days=settings.full_comparison_days),
            manifests=[
                self.manifest(table, partition)
                for table in of_lake
                for partition in self._published[table.name].values()
            ],
            tables=[table.name for table in of_lake],
            history=list(self._history()),
        )

    def told(self, entry: AuditEntry) -> AuditEntry:
        """An entry of a run with the extracts behind it, where its step did not know them and it is published still."""
        partition = self._published.get(entry.table, {}).get(entry.partition)
        if entry.extracts or partition is None or partition.content_sha256 != entry.content_sha256:
            return entry
        table = next(each for each in self._registry.tables if each.name == entry.table)
        return msgspec.structs.replace(entry, extracts=self._behind.of(table, partition))

    def _history(self) -> Iterator[tuple[str, AuditEntry]]:
        for now in self._held.values():
            for manifest in now.manifests.values():
                yield manifest.run_id, entry_of_extract(manifest)
        for table in self._registry.tables:
            for partition in self._published[table.name].values():
                yield partition.run_id, entry_of_partition(table, partition, self._behind.of(table, partition))


def _raw_objects(now: Current) -> Iterator[RawObjectRow]:
    for extract, manifest in now.manifests.items():
        for entry in manifest.objects:
            yield _raw_object(manifest, entry, now.bronze.key_of(extract, entry.key))


def _raw_object(manifest: Manifest, entry: ObjectEntry, lake_key: str) -> RawObjectRow:
    return RawObjectRow(
        dataset=manifest.dataset,
        extract=manifest.extract_date,
        object_key=entry.key,
        lake_key=lake_key,
        bea_tables=entry.tables,
        line_code=entry.line,
        published_as=entry.published_as or None,
        origin=manifest.origin,
        endpoint=entry.endpoint,
        parameters=entry.parameters,
        extracted_at=entry.extracted_at,
        sha256=entry.sha256,
        bytes=entry.bytes,
        rows=entry.rows,
        last_updated_on=entry.last_updated,
        run_id=manifest.run_id,
        code_version=manifest.code_version,
    )
