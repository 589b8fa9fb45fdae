"""The two places a lake can be, a directory and an S3 bucket, behind one small set of atomic operations.

Everything is obstore; what a directory lacks (compare-and-swap) is added here, and obstore's errors become ours.
Backends are thread-safe and open nothing before the first operation. Keys, concurrency and meaning are store.py's.
"""

import errno
import fcntl
import hashlib
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import LocalStore, S3Store

from pce_pipeline.lake.errors import (
    BucketMissing,
    LakeAccessDenied,
    LakeDirectoryRefused,
    LakeUnavailable,
    LostRace,
    MissingObject,
    ObjectExists,
    StackOutdated,
)
from pce_pipeline.lake.stacks import place_of
from pce_pipeline.refusals import number_in, reason_and_remedy

if TYPE_CHECKING:
    import boto3
    from obstore import Attributes, PutMode
    from obstore.store import ObjectStore, S3Config

_DEFAULT_REGION = "us-east-1"
_REQUEST_TIMEOUT = timedelta(seconds=120)
_RETRY_FOR = timedelta(seconds=60)


@dataclass(frozen=True)
class ObjectInfo:
    """One listed object."""

    key: str
    """Its key."""
    size: int
    """Its bytes."""
    last_modified: datetime
    """When it was written (UTC)."""
    e_tag: str
    """What the write of it returned."""


class Backend(Protocol):
    """What a place must offer.

    An e-tag tells that an object was written again; listings have it, but a directory's repeats itself now and then.
    A token names the state of an object so well that a compare-and-swap can rest on it.
    """

    parallel: int

    def describe(self) -> str:
        """The address, for people."""

    def get(self, key: str) -> bytes:
        """Raises `MissingObject`."""

    def get_versioned(self, key: str) -> tuple[bytes, str]:
        """Body and token. Raises `MissingObject`."""

    def exists(self, key: str) -> bool: ...

    def create(self, key: str, body: bytes) -> str:
        """Writes where nothing is and returns the e-tag. Raises `ObjectExists`."""

    def put(self, key: str, body: bytes) -> str:
        """Writes whatever is there, all or nothing, and returns the e-tag."""

    def swap(self, key: str, body: bytes, expected: str | None) -> str:
        """Writes if the object still has the token `expected` (None: is not there), and returns the new token.

        Raises `LostRace`.
        """

    def copy(self, source: str, target: str) -> None:
        """Raises `MissingObject`."""

    def delete(self, keys: Sequence[str]) -> None:
        """What is not there is no error."""

    def list(self, prefix: str) -> Sequence[ObjectInfo]:
        """Everything below `prefix/` (all, for an empty prefix), sorted by key."""

    def list_dirs(self, prefix: str) -> Sequence[str]:
        """The names directly below `prefix/` that have something below them, sorted."""


class _Obstore(ABC):
    """What both places do the same way."""

    parallel = 1
    keeps_headers = True

    @abstractmethod
    def _readable(self) -> "ObjectStore | None":
        """The store; None where there is nothing to read yet."""

    @abstractmethod
    def _writable(self) -> "ObjectStore":
        """The store, made ready to be written to."""

    @abstractmethod
    def _translated(self, key: str, error: Exception, written: str | None) -> Exception:
        """Our error for what obstore raised; `written` is the key that was to be written or deleted, if any."""

    @contextmanager
    def _speaking(self, key: str, written: str | None = None) -> Iterator[None]:
        """Turns what obstore raises into our errors; its texts quote the store's answer and go no further."""
        try:
            yield
        except (AlreadyExistsError, PreconditionError):
            raise  # a condition that did not hold means something else to each operation
        except (BaseError, OSError, ValueError) as error:
            raise self._translated(key, error, written) from None

    def get(self, key: str) -> bytes:
        return self._get(key)[0]

    def exists(self, key: str) -> bool:
        try:
            with self._speaking(key):
                store = self._readable()
                if store is not None:
                    obstore.head(store, key)
        except MissingObject:
            return False
        return store is not None

    def create(self, key: str, body: bytes) -> str:
        try:
            return self._put(key, body, "create")
        except AlreadyExistsError:
            raise ObjectExists(key) from None

    def put(self, key: str, body: bytes) -> str:
        return self._put(key, body, "overwrite")

    def put_for_browsers(self, key: str, body: bytes, headers: Mapping[str, str]) -> None:
        """`put`, with what a bucket tells of the object to who reads it: Content-Type, Cache-Control.

        A directory keeps nothing of that: what serves it has to say it.
        """
        self._put(key, body, "overwrite", headers if self.keeps_headers else None)

    def copy(self, source: str, target: str) -> None:
        with self._speaking(source, target):
            obstore.copy(self._writable(), source, target)

    def list(self, prefix: str) -> Sequence[ObjectInfo]:
        with self._speaking(prefix):
            store = self._readable()
            found = obstore.list(store, prefix or None).collect() if store is not None else []
        infos = [ObjectInfo(f["path"], f["size"], f["last_modified"], f["e_tag"] or "") for f in found]
        return sorted(infos, key=lambda info: info.key)

    def list_dirs(self, prefix: str) -> Sequence[str]:
        with self._speaking(prefix):
            store = self._readable()
            found = obstore.list_with_delimiter(store, prefix or None)["common_prefixes"] if store is not None else []
        return sorted(path.rsplit("/", 1)[-1] for path in found)

    def _get(self, key: str) -> tuple[bytes, str]:
        with self._speaking(key):
            store = self._readable()
            if store is None:
                raise MissingObject(key)
            answer = obstore.get(store, key)
            return bytes(answer.bytes()), answer.meta["e_tag"] or ""

    def _put(self, key: str, body: bytes, mode: "PutMode", headers: Mapping[str, str] | None = None) -> str:
        attributes: Attributes | None = dict(headers) if headers else None
        with self._speaking(key, key):
            written = obstore.put(self._writable(), key, body, mode=mode, use_multipart=False, attributes=attributes)
        return written["e_tag"] or ""


class DirectoryBackend(_Obstore):
    """A directory. Reading one that does not exist finds nothing; the first write makes it."""

    parallel = 16
    keeps_headers = False

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    def describe(self) -> str:
        return str(self.root)

    def get_versioned(self, key: str) -> tuple[bytes, str]:
        body = self.get(key)
        return body, _sha256(body)

    def swap(self, key: str, body: bytes, expected: str | None) -> str:
        with self._speaking(key), _locked((self.root / key).parent):
            try:
                if expected is None:
                    self.create(key, body)
                elif self.get_versioned(key)[1] == expected:
                    self.put(key, body)
                else:
                    raise LostRace(key)
            except (ObjectExists, MissingObject):
                raise LostRace(key) from None
        return _sha256(body)

    def delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            with self._speaking(key), suppress(FileNotFoundError):
                if (store := self._readable()) is not None:
                    obstore.delete(store, key)

    def _readable(self) -> LocalStore | None:
        return self._store if self.root.is_dir() else None

    def _writable(self) -> LocalStore:
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except FileNotFoundError:  # elsewhere this means that an object is missing
            raise self._refused("", errno.ENOENT) from None
        return self._store

    @cached_property
    def _store(self) -> LocalStore:
        return LocalStore(self.root, automatic_cleanup=True)

    def _translated(self, key: str, error: Exception, written: str | None) -> Exception:
        del written  # a directory refuses by itself what it refuses
        text = str(error).split("\n", 1)[0]
        match error:
            case FileNotFoundError():
                return MissingObject(key)
            case PermissionError() | PermissionDeniedError():
                return self._refused(key, errno.EACCES)
            case OSError(errno=int(number)):
                return self._refused(key, number, text)
            case _:
                return self._refused(key, number_in(str(error)), text)

    def _refused(self, key: str, number: int | None, text: str = "") -> Exception:
        known = reason_and_remedy(number, str(self.root / key)) if number is not None else None
        if number is None or known is None:
            return LakeUnavailable(key, text)
        reason, remedy = known
        if number in {errno.EACCES, errno.EPERM, errno.EROFS}:
            return LakeAccessDenied(str(self.root / key), reason, remedy=remedy)
        return LakeDirectoryRefused(str(self.root / key), number, reason, remedy)


class S3Backend(_Obstore):
    """A bucket, or a prefix of one, of AWS or of any server with conditional writes.

    Credentials come from boto3's default chain unless a session is given. A bucket that is not the lake's own
    (`is_lake` false) may lie in another region, and may have Object Lock, which takes no object without a checksum.
    """

    parallel = 64

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        *,
        endpoint_url: str | None = None,
        session: "boto3.Session | None" = None,
        retries: int = 5,
        is_lake: bool = True,
    ) -> None:
        self.bucket = bucket
        self.prefix = prefix
        self.endpoint_url = endpoint_url
        self._session = session
        self._retries = retries
        self._is_lake = is_lake

    def describe(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    def get_versioned(self, key: str) -> tuple[bytes, str]:
        return self._get(key)

    def swap(self, key: str, body: bytes, expected: str | None) -> str:
        try:
            return self._put(key, body, "create" if expected is None else {"e_tag": expected})
        except (AlreadyExistsError, PreconditionError, MissingObject):
            raise LostRace(key) from None

    def delete(self, keys: Sequence[str]) -> None:
        if keys:
            with self._speaking(keys[0], keys[0]):
                obstore.delete(self._store, keys)

    def _readable(self) -> S3Store:
        return self._store

    def _writable(self) -> S3Store:
        return self._store

    @cached_property
    def _store(self) -> S3Store:
        import boto3  # noqa: PLC0415 (a third of a second that a lake in a directory does not need)
        from obstore.auth.boto3 import Boto3CredentialProvider  # noqa: PLC0415 (imports boto3)

        session = self._session or boto3.Session()
        if session.get_credentials() is None:
            raise LakeAccessDenied(self.describe(), "there are no AWS credentials")
        place: S3Config = {"endpoint": self.endpoint_url} if self.endpoint_url else {}
        region = session.region_name or _DEFAULT_REGION
        if not self._is_lake:
            place["checksum_algorithm"] = "sha256"
            region = region if self.endpoint_url else region_of(session, self.bucket) or region
        return S3Store(
            self.bucket,
            config=place,
            prefix=self.prefix or None,
            region=region,
            # S3-compatible servers rarely have a host name per bucket, and no certificate covers a dotted one
            virtual_hosted_style_request=self.endpoint_url is None and "." not in self.bucket,
            credential_provider=Boto3CredentialProvider(session),
            client_options={
                "allow_http": (self.endpoint_url or "").startswith("http://"),
                "timeout": _REQUEST_TIMEOUT,
            },
            retry_config={"max_retries": self._retries, "retry_timeout": _RETRY_FOR},
        )

    def _translated(self, key: str, error: Exception, written: str | None) -> Exception:
        text = str(error)
        code = re.search(r"<Code>(\w+)</Code>", text)
        status = re.search(r"status code: (\d{3})", text)
        reason = " ".join(found[1] for found in (status, code) if found) or _first_line(text)
        if "NoSuchBucket" in reason:
            return BucketMissing(self.bucket)
        if isinstance(error, PermissionDeniedError | UnauthenticatedError) or reason.startswith(("401", "403")):
            # who is not known at all gets another code
            outdated = place_of(written) if written is not None and "AccessDenied" in reason else None
            return StackOutdated(written or key, reason, *outdated) if outdated else LakeAccessDenied(key, reason)
        if isinstance(error, FileNotFoundError):
            return MissingObject(key)
        return LakeUnavailable(key, reason)


def region_of(session: "boto3.Session", bucket: str) -> str | None:
    """The region that a bucket lies in, which S3 tells also whom it lets no further; None where nobody answers."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 (as boto3)

    try:
        answer = session.client("s3").head_bucket(Bucket=bucket)
    except ClientError as refused:
        answer = refused.response
    except BotoCoreError:
        return None
    told: str | None = answer["ResponseMetadata"].get("HTTPHeaders", {}).get("x-amz-bucket-region")
    return told


def _first_line(text: str) -> str:
    return text.split("\n", 1)[0][:300]


def _sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One swap at a time, over threads and processes: the folder itself is the lock, so that no file is left over."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
