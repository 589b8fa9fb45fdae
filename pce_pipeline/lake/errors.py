"""What can go wrong between us and the lake, as a tree of types with facts as attributes.

    LakeError
    ├── LakeAddressRefused       the lake's address names no place a lake can be
    ├── UnsafeKey                a key outside the grammar of layout.py
    ├── LakeUnavailable          no usable answer from the store; worth another try
    ├── LakeDirectoryRefused     the operating system cannot do it in the lake's directory: full, name too long
    ├── LakeAccessDenied         the store knows us too little: credentials or rights
    │   └── StackOutdated        an environment's stack does not know yet what this code writes
    ├── BucketMissing            the bucket is not there
    ├── MissingObject            nothing lies at this key
    ├── ObjectExists             a write-once key is taken by something else
    ├── LostRace                 somebody else wrote first
    ├── DamagedObject            an object is not what its record says
    ├── NewerLakeFormat          written by a later version of this package
    ├── MissingPartitions        a table lacks partitions that were asked for
    └── PartitionsDisagree       partitions of one table have different columns

No text holds credentials: of a store's answer only its error code and status are kept.
"""

from collections.abc import Iterable

from pce_pipeline.errors import PceError, UsageError
from pce_pipeline.lake.stacks import how_to_update

HEAL_COMMAND = "pce heal"


class LakeError(PceError):
    """Base of everything here."""


class LakeAddressRefused(LakeError, UsageError):
    """The address is no directory and no `s3://bucket/prefix`."""

    def __init__(self, uri: str, problem: str) -> None:
        self.uri = uri
        super().__init__(
            f"The lake cannot be at {uri}: {problem}.",
            remedy="Set PCE_LAKE_URI to a directory or to s3://bucket/prefix.",
        )


class UnsafeKey(LakeError):
    """A key, or a part of one, that the grammar does not allow."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(
            f"{key!r} cannot be part of a lake key.",
            remedy="Segments are made of letters, digits and . _ = - only, and do not start with a dot.",
        )


class LakeUnavailable(LakeError):
    """No usable answer came; `reason` is what the store or the network said."""

    retryable = True

    def __init__(self, key: str, reason: str) -> None:
        self.key = key
        self.reason = reason
        super().__init__(
            f"The lake gave no usable answer for {key}: {reason}.",
            remedy="Check that the address, AWS_ENDPOINT_URL and the region are right and the place is reachable "
            "(a directory: that the disk has room).",
        )


class LakeDirectoryRefused(LakeError):
    """The operating system does not do what is needed at `path`; `number` is its error number."""

    def __init__(self, path: str, number: int, reason: str, remedy: str) -> None:
        self.path = path
        self.number = number
        self.reason = reason
        super().__init__(f"The lake cannot be used at {path}: {reason}.", remedy=remedy)


class LakeAccessDenied(LakeError):
    """The store refused us; `reason` is its error code, or why the operating system refuses a directory."""

    def __init__(self, key: str, reason: str, *, remedy: str = "") -> None:
        self.key = key
        self.reason = reason
        super().__init__(
            f"The lake refuses access to {key}: {reason}.",
            remedy=remedy
            or "Check the credentials (AWS_PROFILE or AWS_ACCESS_KEY_ID) and that the role may list, "
            "read, write and delete below this prefix.",
        )


class StackOutdated(LakeAccessDenied):
    """The bucket of an environment lets nothing be written or deleted below `place`, which this code does."""

    def __init__(self, key: str, reason: str, env: str, place: str) -> None:
        self.env = env
        self.place = place
        super().__init__(key, reason, remedy=how_to_update(env, [place]))


class BucketMissing(LakeError):
    """The bucket is not there: nothing here creates buckets."""

    def __init__(self, bucket: str) -> None:
        self.bucket = bucket
        super().__init__(
            f"The bucket {bucket} does not exist.",
            remedy="Create it with the templates in infra/, or correct PCE_LAKE_URI, the region or AWS_ENDPOINT_URL.",
        )


class MissingObject(LakeError):
    """Nothing lies at this key."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"There is no {key} in the lake.")


class ObjectExists(LakeError):
    """A write-once key is taken."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"{key} exists already and is never overwritten.")


class LostRace(LakeError):
    """Somebody else changed the object between our reading and our writing it."""

    retryable = True

    def __init__(self, key: str, *, partitions: Iterable[str] = ()) -> None:
        self.key = key
        self.partitions = tuple(partitions)
        what = f"partitions {', '.join(self.partitions)} of {key}" if self.partitions else key
        super().__init__(f"Another run changed {what} at the same time.", remedy="Run the same command again.")


class DamagedObject(LakeError):
    """An object whose bytes are not what its record says; hashes are sha256, `found` is "nothing" where it is gone."""

    def __init__(self, key: str, expected: str, found: str, *, remedy: str = "") -> None:
        self.key = key
        self.expected = expected
        self.found = found
        super().__init__(
            f"{key} is damaged: expected {expected}, found {found}.",
            remedy=remedy or f"Run `{HEAL_COMMAND}`.",
        )


class NewerLakeFormat(LakeError):
    """The object was written by a later version of this package, which may mean something else by it."""

    def __init__(self, key: str, found: int, known: int) -> None:
        self.key = key
        self.found = found
        self.known = known
        super().__init__(
            f"{key} has lake format {found}; this version knows up to {known}.", remedy="Upgrade pce_pipeline."
        )


class MissingPartitions(LakeError):
    """The table is not published for `partitions`; at all, if there are none of them."""

    def __init__(self, table: str, partitions: Iterable[str], *, remedy: str = "") -> None:
        self.table = table
        self.partitions = tuple(partitions)
        which = f"for {', '.join(self.partitions)}" if self.partitions else "at all"
        super().__init__(f"{table} is not published {which}.", remedy=remedy)


class PartitionsDisagree(LakeError):
    """Partitions of one table have different columns or types: they were written by different versions of the code."""

    def __init__(self, table: str, partitions: Iterable[str]) -> None:
        self.table = table
        self.partitions = tuple(partitions)
        super().__init__(
            f"The partitions {', '.join(self.partitions)} of {table} do not have the same columns and types.",
            remedy="Materialise the table again for all years.",
        )
