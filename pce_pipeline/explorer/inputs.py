"""What each file of the set is or would be made of, as hashes: for who asks whether it is behind, and who makes it.

Nothing is read for it but records that a look at the lake reads anyway.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from pce_pipeline.bronze.current import Current
from pce_pipeline.bulletins.making import places
from pce_pipeline.bulletins.store import Index as Bulletins
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.explorer.indexing import described
from pce_pipeline.explorer.store import INDEX, Pointer
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.lake.pointer import Partition
from pce_pipeline.tables.lineage import Derivation
from pce_pipeline.tables.registry import Registry

EXPLORER_CODE_VERSION = "1"
"""Raised when the same input should give another set."""

MOST_BULLETINS = 6
"""How many bulletins of each dataset a set has: those of the newest extracts."""

Partitions = Mapping[str, Mapping[str, Partition]]
"""The published partitions of each table, by its name."""


def figures_path(dataset: str) -> str:
    """Where the set has the figures of a dataset."""
    return f"figures/{dataset}.parquet"


def missing_path(dataset: str) -> str:
    """Where the set has the counts of cells without a number."""
    return f"missing/{dataset}.json"


def history_path(dataset: str, measure: str) -> str:
    """Where the set has the history of a measure."""
    return f"history/{dataset}/{measure}.parquet"


def bulletin_path(dataset: str, extract: str) -> str:
    """Where the set has what an extract changed."""
    return f"bulletins/{dataset}/{extract}.json"


def inputs_of_explorer(
    registry: Registry, held: Mapping[str, Current], partitions: Partitions, bulletins: Bulletins, world: str
) -> dict[str, str]:
    """Every file that the set should have and that follows from figures, by path, with the hash of what it is made of.

    Nothing where no dataset holds anything.
    """
    found: dict[str, str] = {}
    for name, now in held.items():
        if not now.manifests or not any(partitions.get(each.table.name) for each in registry.gold[name]):
            continue
        found[figures_path(name)] = found[missing_path(name)] = figures_inputs(registry, now.dataset, partitions)
        if name in registry.logs and (chain := history_inputs(registry, now)):
            shown = described(registry, now.dataset).measures
            found |= {history_path(name, each.id): chain[-1][1] for each in shown}
        of_dataset = bulletins.bulletins.get(name, {})
        for extract in sorted(of_dataset, key=ExtractId.parse)[-MOST_BULLETINS:]:
            entry = of_dataset[extract]
            found[bulletin_path(name, extract)] = _digest([EXPLORER_CODE_VERSION, *sorted(entry.files.values())])
    if found:
        said = [_said_in_index(registry, held[name]) for name in sorted(held)]
        found[INDEX] = _digest([world, *(f"{path} {digest}" for path, digest in sorted(found.items())), *said])
    return found


def outdated_files(pointer: Pointer, inputs: Mapping[str, str]) -> list[str]:
    """The paths of the files that are not there, were made of something else, or should not be there.

    Files that follow what happens and not the figures are none of them.
    """
    parts = pointer.parts
    due = [path for path, digest in inputs.items() if path not in parts or parts[path].inputs != digest]
    return [*due, *(path for path, part in parts.items() if part.inputs and path not in inputs)]


def dataset_of(path: str) -> str | None:
    """The dataset that a file of the set is of; None for the index, which is of all."""
    return None if path == INDEX else path.split("/")[1].partition(".")[0]


def figures_inputs(registry: Registry, dataset: Dataset, partitions: Partitions) -> str:
    """The hash of what the figures of a dataset are made of: its tables of Gold, and what they are made of."""
    return _digest(
        [
            EXPLORER_CODE_VERSION,
            _catalogue(registry, dataset),
            *(
                f"{table.name} {key} {partition.part_sha256(dataset.name if table.parts_by else None)}"
                for table in (*(each.table for each in registry.gold[dataset.name]), source_of(registry, dataset).table)
                for key, partition in sorted(partitions.get(table.name, {}).items())
            ),
        ]
    )


def source_of(registry: Registry, dataset: Dataset) -> Derivation:
    """The table that says why a figure of a dataset is missing: the facts, or of months Silver's."""
    return registry.silver[dataset.name] if dataset.is_monthly else registry.facts


def history_inputs(registry: Registry, now: Current) -> list[tuple[ExtractId, str]]:
    """The extracts of a dataset's histories in order, each with the hash of all that is known up to it."""
    digest = hashlib.sha256(_digest([EXPLORER_CODE_VERSION, _catalogue(registry, now.dataset)]).encode())
    vintages = {table: now.vintages(table) for table in now.dataset.tables}
    found = []
    for place in places(now):
        for table, of_table in vintages.items():
            for vintage in of_table:
                if vintage.at == place:
                    digest.update(
                        f"{table} {place} {' '.join(map(str, vintage.extracts))} {vintage.content}\n".encode()
                    )
        found.append((place, digest.copy().hexdigest()))
    return found


def _catalogue(registry: Registry, dataset: Dataset) -> str:
    """A hash of what a set repeats or goes by: measures, lines, categories, areas, and the code of tables."""
    digest = hashlib.sha256(msgspec.json.encode(described(registry, dataset)))
    for frame in (dataset.lines, dataset.categories, dataset.areas):
        digest.update(frame.write_csv().encode())
    for each in registry.gold[dataset.name]:
        digest.update(f"{each.table.name} {each.code_version}\n".encode())
    return digest.hexdigest()


def _said_in_index(registry: Registry, now: Current) -> str:
    """A hash of what the index says of a dataset and no file of the set is made of."""
    return _digest(_parts_of_index(registry, now))


def _parts_of_index(registry: Registry, now: Current) -> Iterator[str]:
    yield _catalogue(registry, now.dataset)
    yield f"{now.dataset.title} {sorted(now.dataset.comprehensive_updates)} {now.pin.extract if now.pin else ''}"
    for extract, manifest in sorted(now.manifests.items()):
        updated = sorted((table, str(entry.last_updated)) for table, entry in manifest.tables.items())
        yield f"{extract} {manifest.origin} {manifest.ingested_at.date()} {updated}"


def _digest(parts: Sequence[str] | Iterator[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
