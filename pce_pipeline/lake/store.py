"""The object store as the pipeline sees it: keys checked, many objects at once, errors typed.

`open_store` takes the lake's address; nothing is contacted or made until the first operation. Calls are synchronous
and thread-safe, also where an event loop runs; calls for many objects keep dozens of requests in flight.
"""

import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pce_pipeline.lake.backends import Backend, DirectoryBackend, ObjectInfo, S3Backend
from pce_pipeline.lake.errors import LakeAddressRefused, LostRace, MissingObject, ObjectExists
from pce_pipeline.lake.layout import checked_key

if TYPE_CHECKING:
    import boto3

_In = TypeVar("_In")
_Out = TypeVar("_Out")


class Store:
    """A lake's objects by key.

    Every method may raise `LakeUnavailable`, `LakeAccessDenied`, `BucketMissing` and `UnsafeKey`.
    """

    def __init__(self, backend: Backend) -> None:
        self.backend = backend

    def __str__(self) -> str:
        return self.backend.describe()

    def get(self, key: str) -> bytes:
        """Raises `MissingObject`."""
        return self.backend.get(checked_key(key))

    def get_many(self, keys: Iterable[str], *, missing_ok: bool = False) -> dict[str, bytes]:
        """Bodies by key, in the order given. Raises `MissingObject`, unless missing ones may be left out."""

        def body(key: str) -> bytes | None:
            try:
                return self.get(key)
            except MissingObject:
                if missing_ok:
                    return None
                raise

        wanted = list(keys)
        bodies = self._each(body, wanted)
        return {key: found for key, found in zip(wanted, bodies, strict=True) if found is not None}

    def get_versioned(self, key: str) -> tuple[bytes, str]:
        """Body and the token that `replace` compares. Raises `MissingObject`."""
        return self.backend.get_versioned(checked_key(key))

    def get_versioned_many(self, keys: Iterable[str]) -> dict[str, tuple[bytes, str]]:
        """Bodies and tokens of those that exist."""

        def body(key: str) -> tuple[bytes, str] | None:
            try:
                return self.get_versioned(key)
            except MissingObject:
                return None

        wanted = list(keys)
        return {key: found for key, found in zip(wanted, self._each(body, wanted), strict=True) if found is not None}

    def exists(self, key: str) -> bool:
        return self.backend.exists(checked_key(key))

    def existing(self, keys: Iterable[str]) -> Sequence[str]:
        """Those keys at which something lies, in the order given."""
        wanted = list(keys)
        return [key for key, there in zip(wanted, self._each(self.exists, wanted), strict=True) if there]

    def create(self, key: str, body: bytes) -> None:
        """Writes once. Raises `ObjectExists`, also if two create the same key at the same time."""
        self.backend.create(checked_key(key), body)

    def create_many(self, objects: Mapping[str, bytes]) -> set[str]:
        """Writes each object whose key is free, and returns the keys that were taken: look what lies there."""

        def taken(item: tuple[str, bytes]) -> bool:
            try:
                self.create(*item)
            except ObjectExists:
                return True
            return False

        return {key for key, was in zip(objects, self._each(taken, objects.items()), strict=True) if was}

    def put(self, key: str, body: bytes) -> str:
        """Writes over whatever is there, all or nothing. Returns the e-tag that listings will show."""
        return self.backend.put(checked_key(key), body)

    def put_many(self, objects: Mapping[str, bytes]) -> dict[str, str]:
        """`put` for each: e-tags by key."""
        return dict(zip(objects, self._each(lambda item: self.put(*item), objects.items()), strict=True))

    def replace(self, key: str, body: bytes, expected: str | None) -> str:
        """Compare and swap: writes if the object still has the token `expected` (None: is not there).

        Returns the new token. Raises `LostRace`.
        """
        return self.backend.swap(checked_key(key), body, expected)

    def replace_many(self, objects: Mapping[str, tuple[bytes, str | None]]) -> set[str]:
        """`replace` for each (body, expected); returns the keys whose race was lost."""

        def lost(item: tuple[str, tuple[bytes, str | None]]) -> bool:
            try:
                self.replace(item[0], *item[1])
            except LostRace:
                return True
            return False

        return {key for key, was in zip(objects, self._each(lost, objects.items()), strict=True) if was}

    def list(self, prefix: str) -> Sequence[ObjectInfo]:
        """Everything below `prefix/`, sorted by key; nothing there is no error."""
        return self.backend.list(checked_key(prefix))

    def list_dirs(self, prefix: str) -> Sequence[str]:
        """The names directly below `prefix/` that have something below them, sorted."""
        return self.backend.list_dirs(checked_key(prefix))

    def delete_many(self, keys: Collection[str]) -> None:
        """What is not there is no error."""
        self.backend.delete([checked_key(key) for key in keys])

    def copy_many(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Copies from each first to each second key. Raises `MissingObject`."""
        self._each(lambda pair: self.backend.copy(checked_key(pair[0]), checked_key(pair[1])), pairs)

    def _each(self, do: Callable[[_In], _Out], items: Iterable[_In]) -> Sequence[_Out]:
        """Results in order; the first error ends what has not begun."""
        tasks = [*items]
        if len(tasks) < 2:  # noqa: PLR2004 (one task needs no second thread)
            return [do(task) for task in tasks]
        with ThreadPoolExecutor(min(self.backend.parallel, len(tasks)), thread_name_prefix="lake") as threads:
            futures = [threads.submit(do, task) for task in tasks]
            try:
                return [future.result() for future in futures]
            except BaseException:
                threads.shutdown(wait=True, cancel_futures=True)
                raise


def open_store(
    uri: str | Path,
    *,
    endpoint_url: str | None = None,
    session: "boto3.Session | None" = None,
    is_lake: bool = True,
) -> Store:
    """The lake at a directory or at `s3://bucket[/prefix]`, or another place like it (`is_lake` false).

    `endpoint_url` leads to an S3-compatible server (http or https); `session` replaces boto3's default credentials.
    Raises `LakeAddressRefused`.
    """
    if isinstance(uri, Path) or "://" not in uri:
        root = Path(uri)
        if not os.fspath(uri) or (root.exists() and not root.is_dir()):
            raise LakeAddressRefused(str(uri), "it is not a directory")
        return Store(DirectoryBackend(root))
    scheme, _, rest = uri.partition("://")
    bucket, _, prefix = rest.partition("/")
    if scheme != "s3" or not bucket:
        raise LakeAddressRefused(uri, f"{scheme}:// is not supported" if scheme != "s3" else "the bucket is missing")
    if prefix.strip("/"):
        checked_key(prefix.strip("/"))
    return Store(S3Backend(bucket, prefix.strip("/"), endpoint_url=endpoint_url, session=session, is_lake=is_lake))
