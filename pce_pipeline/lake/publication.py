"""Publishing tables so that readers see all of a change or nothing of it, and a kill at any point does no harm.

Immutable versions are written first, then the pointer is swapped: the commit point. Promotion to fixed keys follows.
Readers follow the pointer and verify every hash. What equals the published content is not written again. Partitions,
files and hashes are all this module knows; which frames they are is its callers' business.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

import msgspec
import polars as pl

from pce_pipeline.lake.commits import Commits
from pce_pipeline.lake.earlier import earlier_objects, kept_versions
from pce_pipeline.lake.errors import DamagedObject, MissingObject, MissingPartitions, PartitionsDisagree
from pce_pipeline.lake.healing import (
    Healed,
    files_of_record,
    find_damage,
    glance_at,
    good_copies,
    hashes_of_files,
    mended_records,
    withdrawn_files,
)
from pce_pipeline.lake.integrity import NOTHING, Damage, sha256_of
from pce_pipeline.lake.parquet import from_parquet, in_threads
from pce_pipeline.lake.planning import cuts_of, version_of, versions_are_there
from pce_pipeline.lake.pointer import (
    FILE_FORMAT,
    MANIFEST,
    VERSIONS,
    WHOLE,
    NewPartition,
    Partition,
    Pointer,
    TableKeys,
    decode_manifest,
)
from pce_pipeline.lake.promotion import Promotion, Seen
from pce_pipeline.lake.staging import Publication, Staging
from pce_pipeline.lake.store import Store

__all__ = ["Healed", "NewPartition", "Partition", "Publication", "TableStore"]


class TableStore:
    """One published table of one lake; `table_name` is its asset path (`gold/pce_state_annual`).

    For example, a table in one piece, published twice:

        >>> import tempfile
        >>> from pathlib import Path
        >>> from pce_pipeline.lake.backends import DirectoryBackend
        >>> from pce_pipeline.lake.pointer import WHOLE
        >>> folder = tempfile.TemporaryDirectory()
        >>> table = TableStore(Store(DirectoryBackend(Path(folder.name))), "local/gold/sample/areas", "gold/areas")
        >>> areas = pl.DataFrame({"geo_fips": ["01000"], "state": ["AL"]})
        >>> new = NewPartition(WHOLE, {"part-000.parquet": areas}, inputs={}, code_version="1")
        >>> table.publish([new], run_id="a-run").written
        ['all']
        >>> table.publish([new], run_id="another-run").unchanged
        ['all']
        >>> table.read([WHOLE]).rows()
        [('01000', 'AL')]
        >>> folder.cleanup()
    """

    def __init__(self, store: Store, prefix: str, table_name: str, required: Collection[str] = ()) -> None:
        """`required` are the columns that are never NULL."""
        self._store = store
        self._table = table_name
        self._keys = TableKeys(prefix)
        self._required = required
        self._promotion = Promotion(store, self._keys, table_name, required)
        self._commits = Commits(store, self._keys, table_name, self._promotion)

    def latest(self) -> dict[str, Partition]:
        """The published partitions by key, in order; none before the first publication.

        Raises `NewerLakeFormat`, and `DamagedObject` for a pointer that cannot be read.
        """
        return self._commits.read()[0].partitions

    def read(self, partitions: Sequence[str] | None = None, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """The rows of the partitions (default: all published ones), in the order given, every byte verified.

        Raises `MissingPartitions`, `DamagedObject`, `PartitionsDisagree`, `NewerLakeFormat`.
        """
        latest = self.latest()
        wanted = list(latest) if partitions is None else list(partitions)
        missing = [key for key in wanted if key not in latest]
        if missing or not wanted:
            raise MissingPartitions(self._table, missing, remedy=self._how_to_materialise(missing))
        objects = [stored for key in wanted for stored in latest[key].objects]
        found = self._store.get_many(dict.fromkeys(self._keys.full(o.version_key) for o in objects), missing_ok=True)
        hashes = {key: sha256_of(body) for key, body in found.items()}
        for stored in objects:
            key = self._keys.full(stored.version_key)
            if hashes.get(key) != stored.sha256:
                raise DamagedObject(key, stored.sha256, hashes.get(key, NOTHING))
        try:
            return from_parquet([found[self._keys.full(stored.version_key)] for stored in objects], columns)
        except pl.exceptions.PolarsError:
            raise PartitionsDisagree(self._table, wanted) from None

    def read_partition(self, partition: Partition) -> pl.DataFrame:
        """The rows of a partition that `latest` gave, without looking at the pointer again; raises what `read` does."""
        rows = self.read_version(partition)
        return self.read([partition.key]) if rows is None else rows

    def read_version(self, partition: Partition) -> pl.DataFrame | None:
        """The rows of a partition as it was once published; None where its versions were pruned or are damaged."""
        found = self._store.get_many([self._keys.full(o.version_key) for o in partition.objects], missing_ok=True)
        bodies = [found.get(self._keys.full(stored.version_key)) for stored in partition.objects]
        intact = [
            body
            for body, stored in zip(bodies, partition.objects, strict=True)
            if body is not None and sha256_of(body) == stored.sha256
        ]
        return from_parquet(intact) if intact and len(intact) == len(bodies) else None

    def standing(self, made_of: Mapping[str, tuple[Mapping[str, str], str]]) -> dict[str, Partition]:
        """Those of the partitions that are published as made of these inputs by this code version, and lie there whole.

        Whole by a listing: every version with its size, every fixed key as nobody has touched it since its promotion.
        No file is read.
        """
        seen = self._promotion.look()
        pointer, _ = self._commits.read()
        alike = {
            key: each
            for key, each in pointer.partitions.items()
            if key in made_of and (each.inputs, each.code_version) == made_of[key] and each.file_format == FILE_FORMAT
        }
        behind = self._promotion.behind(Pointer(table=self._table, partitions=alike), seen)
        return {
            key: each for key, each in alike.items() if key not in behind and versions_are_there(each, seen.listing)
        }

    def publish(self, new: Sequence[NewPartition], *, run_id: str, now: datetime | None = None) -> Publication:
        """Publishes the partitions, all at once, and finishes promotions that earlier runs did not.

        `now` (UTC) is the date of publication for the records. Raises `LostRace`, with nothing committed, where another
        run has changed one of the same partitions since; `NewerLakeFormat`; `DamagedObject` where a promotion cannot
        be finished, though the commit is done.
        """
        staging = self.staging(run_id=run_id, now=now)
        staging.add(new)
        return staging.publish()

    def staging(self, *, run_id: str, now: datetime | None = None) -> Staging:
        """Begins a publication whose partitions are given one after the other; nothing is committed until its end.

        Raises `NewerLakeFormat`, and `DamagedObject` for a pointer that cannot be read.
        """
        self._rewrite_earlier_formats()
        return Staging(self._store, self._keys, self._commits, self._promotion, self._required, run_id, now)

    def bring_to_format(self) -> list[str]:
        """Writes the files of partitions of an earlier file format again, once; returns these partitions.

        Rows, content hashes and provenance stay. Versions come first, then one swap of the pointer, then the fixed
        keys: killed in between, the next call or publication goes on. Damage is left as it is, for `heal`.
        """
        rewritten = self._rewrite_earlier_formats()
        seen = self._promotion.look()
        self._commits.promote(self._commits.read()[0], seen, {})
        return rewritten

    def _rewrite_earlier_formats(self) -> list[str]:
        """As far as the pointer."""
        pointer, token = self._commits.read()
        old = [each for each in pointer.partitions.values() if each.file_format < FILE_FORMAT]
        if not old:
            return []
        again = {before.key: (before, now) for before, now in zip(old, in_threads(self._rewritten, old), strict=True)}

        def change(there: dict[str, Partition]) -> dict[str, Partition]:
            # another run may have published or rewritten one meanwhile
            ours = {key: now for key, (before, now) in again.items() if now is not None and there.get(key) == before}
            return {**there, **ours}

        rewritten = [key for key, (_, now) in again.items() if now is not None]
        if rewritten:
            self._commits.commit(pointer, token, change)
        return rewritten

    def _rewritten(self, before: Partition) -> Partition | None:
        """A partition in today's format, its version written; None where it is damaged."""
        bodies = self._store.get_many([self._keys.full(o.version_key) for o in before.objects], missing_ok=True)
        if any(sha256_of(bodies.get(self._keys.full(o.version_key), b"")) != o.sha256 for o in before.objects):
            return None
        files = {o.path: from_parquet([bodies[self._keys.full(o.version_key)]]) for o in before.objects}
        stored, body = version_of(before.key, files, self._keys, self._required)
        self._store.put(self._keys.full(stored.version_key), body)
        return msgspec.structs.replace(before, objects=(stored,), cuts=cuts_of(files), file_format=FILE_FORMAT)

    def withdraw(self, partitions: Collection[str]) -> dict[str, Partition]:
        """Takes partitions out of the table, and their files from the fixed keys; returns those that were published.

        Versions stay until they are pruned. Killed in between, the next call removes what is left.
        """
        pointer, token = self._commits.read()
        given = {key: each for key, each in pointer.partitions.items() if key in partitions}
        if given:
            self._commits.commit(
                pointer, token, lambda there: {k: each for k, each in there.items() if given.get(k) != each}
            )
            pointer, _ = self._commits.read()
        gone = withdrawn_files(self._keys, pointer.partitions, self._promotion.look())
        self._store.delete_many([self._keys.full(path) for path in gone])
        return given

    def verify(self, partitions: Collection[str] | None = None) -> list[Damage]:
        """Reads every byte of the partitions (default: all), versions and fixed keys; what is not as recorded."""
        seen = self._promotion.look()
        latest = self.latest()
        chosen = latest.keys() if partitions is None else latest.keys() & set(partitions)
        return find_damage(self._store, self._keys, latest, chosen, seen)

    def glance(self) -> list[Damage]:
        """What a listing shows without reading a file: objects of the table that are gone or of another size.

        A pointer that is gone while manifests are left is one of them.
        """
        listing = {info.key: info for info in self._store.list(self._keys.prefix)}
        pointer, token = self._commits.read()
        if token is None:
            left = any(key.rpartition("/")[2] == MANIFEST for key in listing)
            return [Damage(self._keys.pointer, "missing", "a pointer", NOTHING)] if left else []
        # the size of a cut is known to its manifest alone
        has_cuts = any(each.cuts for each in pointer.partitions.values())
        manifests = self._promotion.look().manifests if has_cuts else {}
        return glance_at(self._keys, pointer.partitions.values(), listing, manifests)

    def files_of(self, partition: Partition) -> dict[str, str | None]:
        """The hash of every file of a partition, by key of the lake, versions first.

        None for a cut that its manifest does not vouch for.
        """
        hashes: dict[str, str | None] = {self._keys.full(o.version_key): o.sha256 for o in partition.objects}
        key = self._keys.full(self._keys.manifest(partition.key))
        manifest = None
        if partition.cuts:
            with suppress(MissingObject, DamagedObject):
                manifest = decode_manifest(key, self._store.get(key))
        of_files = hashes_of_files(partition, manifest)
        return hashes | {self._keys.full(path): of_files.get(path) for path in partition.paths}

    def heal(self) -> Healed:
        """Restores damaged versions and fixed keys from each other, and a lost pointer from the manifests.

        A partition without a good copy is withdrawn from the table: materialise it again. Of a dimension the record
        stays, because its history is in it; what is lost of that is told.
        """
        # The pointer comes first: without it nothing says which bytes are right.
        restored = self._commits.restored(self._promotion.look())
        damage = self.verify()
        if not damage:
            return Healed(restored, [])
        pointer, token = self._commits.read()
        bad = {each.key for each in damage}
        copies = good_copies(self._store, self._keys, pointer.partitions.values(), bad, self._required)
        self._store.put_many(copies.bodies)
        found = pointer.partitions
        hopeless = {key: found[key] for key in copies.hopeless}
        left = bad - copies.bodies.keys()
        mended = mended_records(found, copies, {key.removeprefix(f"{self._keys.prefix}/") for key in left})
        if mended != found:
            # Another run may have published anew meanwhile: only what is still as it was found is touched.
            def mend(there: dict[str, Partition]) -> dict[str, Partition]:
                as_found = {key for key, each in there.items() if found.get(key) == each}
                return {
                    key: mended.get(key, each) for key, each in there.items() if key in mended or key not in as_found
                }

            self._commits.commit(pointer, token, mend)
        self._rewrite_earlier_formats()
        seen = self._promotion.look()
        pointer, _ = self._commits.read()
        lost = {key: files_of_record(self._keys, each) for key, each in hopeless.items()}
        gone = {self._keys.full(path) for path in withdrawn_files(self._keys, pointer.partitions, seen)}
        for key, files in lost.items():
            if pointer.partitions.get(key) == mended.get(key):
                gone |= files & bad  # what lies there could be taken for whole by its size
        self._store.delete_many(sorted(gone))
        # A changed file can look untouched by its e-tag and date: promotion is told not to trust it.
        changed = {each.key for each in damage if each.problem == "changed"}
        trusted = {path: info for path, info in seen.listing.items() if self._keys.full(path) not in changed}
        self._commits.promote(pointer, Seen(trusted, seen.manifests), {}, pointer.partitions.keys() - hopeless.keys())
        of_hopeless = set[str]().union(*lost.values())
        earlier = {self._keys.full(o.version_key) for each in mended.values() for o in earlier_objects(each)} & left
        return Healed(
            restored + [each for each in damage if each.key not in of_hopeless | earlier],
            copies.hopeless,
            [each for each in damage if each.key in earlier - of_hopeless],
        )

    def prune(self, older_than: timedelta, now: datetime, held: Collection[str] = ()) -> list[str]:
        """Deletes versions that are older and neither current nor `held` (version keys); returns their version keys."""
        gone = [version for version in self.old_versions(older_than, now) if version not in held]
        self._store.delete_many([self._keys.full(version) for version in gone])
        return gone

    def old_versions(self, older_than: timedelta, now: datetime) -> list[str]:
        """The version keys of those that are older and not current.

        What the pointer names as the earlier versions of a dimension is kept as the current ones are.

        The listing comes before the pointer, so that what is committed in between counts as current.
        """
        cut = len(self._keys.prefix) + 1
        infos = self._store.list(self._keys.full(VERSIONS))
        kept = set[str]().union(*map(kept_versions, self.latest().values()))
        old = [info.key[cut:] for info in infos if info.last_modified < now - older_than]
        return [version for version in old if version not in kept]

    def _how_to_materialise(self, partitions: Collection[str]) -> str:
        years = "" if set(partitions) <= {WHOLE} else f" --partition-range {min(partitions)}...{max(partitions)}"
        return f"Run `dagster asset materialize --select 'key:\"{self._table}\"'{years}`."
