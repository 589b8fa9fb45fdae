"""Where a second copy of Bronze may be: a directory or a bucket, and neither the lake nor within it.

What goes wrong there is said of the copy and not of the lake. An address is in no error, because it may hold a secret.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from pce_pipeline.addresses import LakeAddress
from pce_pipeline.bronze.errors import CopyPlaceRefused, CopyUnreachable
from pce_pipeline.lake.backends import DirectoryBackend, ObjectInfo, S3Backend
from pce_pipeline.lake.errors import (
    BucketMissing,
    LakeAccessDenied,
    LakeAddressRefused,
    LakeDirectoryRefused,
    LakeUnavailable,
    UnsafeKey,
)
from pce_pipeline.lake.store import Store, open_store


class CopyStore(Store):
    """The objects of a second copy by key. What a lake's store raises of a place, it raises as `CopyUnreachable`."""

    def list(self, prefix: str) -> Sequence[ObjectInfo]:
        with self._speaking():
            return super().list(prefix)

    def list_dirs(self, prefix: str) -> Sequence[str]:
        with self._speaking():
            return super().list_dirs(prefix)

    def get_many(self, keys: Iterable[str], *, missing_ok: bool = False) -> dict[str, bytes]:
        with self._speaking():
            return super().get_many(keys, missing_ok=missing_ok)

    def create_many(self, objects: Mapping[str, bytes]) -> set[str]:
        with self._speaking():
            return super().create_many(objects)

    def put_many(self, objects: Mapping[str, bytes]) -> dict[str, str]:
        with self._speaking():
            return super().put_many(objects)

    def delete_many(self, keys: Collection[str]) -> None:
        """Nothing is deleted from a copy."""
        raise NotImplementedError

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        try:
            yield
        except LakeUnavailable as failed:
            raise CopyUnreachable(str(self), f"no usable answer for {failed.key}: {failed.reason}") from None
        except LakeAccessDenied as failed:
            raise CopyUnreachable(str(self), f"access to {failed.key} is refused: {failed.reason}") from None
        except LakeDirectoryRefused as failed:
            raise CopyUnreachable(str(self), failed.reason, remedy=failed.remedy) from None
        except BucketMissing:
            raise CopyUnreachable(str(self), "the bucket does not exist") from None


def place_of_copy(address: str, lake: Store, *, endpoint_url: str | None = None) -> CopyStore:
    """The place of a second copy; nothing is contacted. Raises `CopyPlaceRefused`, also for the lake itself."""
    try:
        place = CopyStore(open_store(_checked(address), endpoint_url=endpoint_url, is_lake=False).backend)
    except LakeAddressRefused:
        raise CopyPlaceRefused("it is not a directory") from None
    except UnsafeKey:
        raise CopyPlaceRefused("its prefix has characters that no key has") from None
    if _is_within(place, lake) or _is_within(lake, place):
        raise CopyPlaceRefused("it is the lake itself, or one of them lies within the other")
    return place


def shares_bucket(lake: Store, copy: Store) -> bool:
    """Whether both are in one bucket, so that both are gone with it."""
    mine, theirs = lake.backend, copy.backend
    return isinstance(mine, S3Backend) and isinstance(theirs, S3Backend) and mine.bucket == theirs.bucket


def _checked(address: str) -> str:
    """An address as it is used, `~` resolved; its text may hold a secret and is in no error."""
    if not address.strip():
        raise CopyPlaceRefused("no address is given")
    try:
        return TypeAdapter(LakeAddress).validate_python(address)
    except ValidationError as wrong:
        (first, *_) = wrong.errors(include_input=False, include_url=False)
        raise CopyPlaceRefused(str(first["msg"]).removeprefix("Value error, ")) from None


def _is_within(one: Store, other: Store) -> bool:
    """Whether the first place is the second, or lies below it."""
    a, b = one.backend, other.backend
    if isinstance(a, S3Backend) and isinstance(b, S3Backend):
        return a.bucket == b.bucket and f"{a.prefix}/".startswith(f"{b.prefix}/" if b.prefix else "")
    if isinstance(a, DirectoryBackend) and isinstance(b, DirectoryBackend):
        return any(_is_same(parent, b.root) for parent in _with_parents(a.root))
    return False


def _with_parents(path: Path) -> Iterable[Path]:
    resolved = path.resolve()
    return (resolved, *resolved.parents)


def _is_same(one: Path, other: Path) -> bool:
    """Whether two paths are one folder, by whatever names."""
    try:
        return one.samefile(other)
    except OSError:
        return one == other.resolve()
