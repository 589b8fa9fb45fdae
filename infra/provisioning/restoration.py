"""One damaged object of Bronze: what lies there, where its right bytes still are, and how to put them back.

The hash that a record of the lake names decides which bytes are right. What no record names was written once, as all of
Bronze, so that its oldest version counts; a second copy has to agree. Nothing is ever deleted, and each write names the
version that it replaces: one that somebody else has written meanwhile stays.
"""

import base64
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from botocore.exceptions import ClientError

from infra.provisioning.cloud import Client, error_code
from infra.provisioning.errors import ProvisioningError
from pce_pipeline import __version__
from pce_pipeline.bronze.restoring import BronzeObject, Restoration, RestorationDone, done_of
from pce_pipeline.lake.errors import LakeError
from pce_pipeline.lake.integrity import NOTHING, sha256_of
from pce_pipeline.lake.records import decode_record, encode_record

_TAKEN = ("PreconditionFailed", "ConditionalRequestConflict")


class NotRestorable(ProvisioningError):
    """Nothing says which bytes of `key` are right, or they are nowhere any more."""

    def __init__(self, key: str, problem: str, *, remedy: str) -> None:
        super().__init__(f"{key} cannot be restored: {problem}.", remedy=remedy)
        self.key = key
        self.problem = problem


class ChangedMeanwhile(ProvisioningError):
    """Somebody wrote `key` after it was looked at."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"{key} was written by somebody else meanwhile: it was left as it is.", remedy="Run the same command again."
        )
        self.key = key


@dataclass(frozen=True)
class Version:
    """One version of an object in a bucket; `id` is that of a delete marker where `is_marker`."""

    id: str
    """Its id."""
    is_marker: bool
    """Whether it says that the object is gone."""
    e_tag: str
    """What a conditional write names it by."""


@dataclass(frozen=True)
class Source:
    """Bytes, and where they lie, in words."""

    where: str
    """Where they lie."""
    body: bytes
    """The bytes."""


Copy = Callable[[str], Iterator[Source]]
"""The bytes that a second copy has had for a key, newest first."""


@dataclass(frozen=True)
class Finding:
    """One object as it was found: intact where there is no `source`."""

    object: BronzeObject
    """The object."""
    sha256: str
    """Of the right bytes."""
    named_by: str | None
    """The record that names this hash; None where the oldest version counts."""
    found: str
    """The hash of what lies there, or "nothing"."""
    current: Version | None
    """The version that lies there, or the delete marker; None where there is no version at all."""
    source: Source | None
    """Where the right bytes are; None where they lie where they should."""

    def said(self) -> list[str]:
        """For people."""
        if self.source is None:
            return [f"{self.object.key}: intact."]
        what = "is gone" if self.found == NOTHING else f"has the hash {self.found}"
        basis = (
            f"as {self.named_by} names" if self.named_by else "that of its oldest version, because no record names it"
        )
        return [
            f"{self.object.key} {what}.",
            f"  Right is {self.sha256}, {basis}.",
            f"  These bytes are in {self.source.where} ({len(self.source.body):,} bytes).",
        ]


@dataclass(frozen=True)
class Bucket:
    """The lake's bucket, as the role that restores may use it, and the second copies."""

    s3: Client
    """S3, with that role's credentials."""
    name: str
    """The bucket."""
    copies: Sequence[Copy] = ()
    """The second copies, in the order in which they are asked."""

    def look(self, key: str) -> Finding:
        """Compare an object with what it should be, and find its right bytes.

        Raises `NotRestorable`, and `UsageError` for a key that is none of Bronze's.
        """
        wanted = BronzeObject.of(key)
        versions = versions_of(self.s3, self.name, key)
        current = versions[0] if versions else None
        lies = self._body(key, current) if current is not None and not current.is_marker else None
        found = sha256_of(lies) if lies is not None else NOTHING
        earlier = self._sources(key, [each for each in versions if each is not current and not each.is_marker])
        now = [Source("the version that lies there", lies)] if lies is not None else []
        if wanted.named_by is None:
            right = self._oldest(wanted, [*now, *earlier])
            source = None if sha256_of(right.body) == found else right
            return Finding(wanted, sha256_of(right.body), None, found, current, source)
        sha256 = self._hash_of(wanted)
        if sha256 == found:
            return Finding(wanted, sha256, wanted.named_by, found, current, None)
        for source in [*earlier, *self._copied(key)]:
            if sha256_of(source.body) == sha256:
                return Finding(wanted, sha256, wanted.named_by, found, current, source)
        raise NotRestorable(
            key,
            f"no earlier version has the hash {sha256} that {wanted.named_by} names, and no second copy that was given",
            remedy="Name a copy that has it with --copy, or ignore its extract: pce pin DATE --why ...",
        )

    def restore(self, finding: Finding, *, reason: str, by: str, now: Callable[[], datetime]) -> str:
        """Record it, write the right bytes as a further version, look at them, record that; the version.

        Killed anywhere, the same is done again. Raises `ChangedMeanwhile`.
        """
        source, key = finding.source, finding.object.key
        if source is None:
            raise ValueError(f"{key} is intact")
        record = finding.object.record_of(begun := now())
        what = Restoration(
            key=key,
            sha256=finding.sha256,
            named_by=finding.named_by,
            found=finding.found,
            found_version=finding.current.id if finding.current is not None else None,
            source=source.where,
            bucket=self.name,
            reason=reason,
            by=by,
            begun_at=begun,
            code_version=__version__,
        )
        self._create(record, encode_record(what))
        over = finding.current if finding.found != NOTHING else None
        version = self._write(key, source.body, over)
        lies = self._body(key, Version(version, is_marker=False, e_tag=""))
        if sha256_of(lies) != finding.sha256:
            raise ProvisioningError(
                f"{key} has other bytes than those that were written.", remedy="Run the same command again."
            )
        self._create(done_of(record), encode_record(RestorationDone(key=key, version=version, done_at=now())))
        return version

    def finish(self, finding: Finding, *, now: Callable[[], datetime]) -> list[str]:
        """For an object that is intact: record it where a run that was killed has not; the keys of these records."""
        place, key = finding.object.layout.restored(finding.object.dataset), finding.object.key
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=f"{place}/")
        names = {each["Key"] for page in pages for each in page.get("Contents", ())}
        done = []
        for name in sorted(names):
            if name.endswith(".done.json") or done_of(name) in names or finding.current is None:
                continue
            begun = decode_record(name, self._object(name), Restoration)
            if begun.key == key and begun.sha256 == finding.sha256:
                said = RestorationDone(key=key, version=finding.current.id, done_at=now())
                self._create(done_of(name), encode_record(said))
                done.append(done_of(name))
        return done

    def _hash_of(self, wanted: BronzeObject) -> str:
        named_by = wanted.named_by or ""
        try:
            sha256 = wanted.hash_in(self._object(named_by))
        except ClientError as error:
            if error_code(error) != "NoSuchKey":
                raise
            raise NotRestorable(
                wanted.key, f"{named_by}, which names its hash, is gone", remedy="Restore that one first."
            ) from None
        except LakeError as error:
            raise NotRestorable(
                wanted.key, f"{named_by}, which names its hash, is damaged ({error.message})", remedy=error.remedy
            ) from None
        if sha256 is None:
            raise NotRestorable(
                wanted.key,
                f"{named_by} does not name it, so that nothing says which bytes are right",
                remedy="It is not part of the extract; leave it.",
            )
        return sha256

    def _oldest(self, wanted: BronzeObject, versions: Sequence[Source]) -> Source:
        """The oldest bytes that can be right, of the lake's versions and of second copies, which have to agree."""
        chosen: Source | None = None
        for oldest_first in (list(versions)[::-1], list(self._copied(wanted.key))[::-1]):
            fit = next((each for each in oldest_first if _speaks_against(wanted, each.body) is None), None)
            if fit is None:
                continue
            if chosen is not None and chosen.body != fit.body:
                raise NotRestorable(
                    wanted.key,
                    f"{chosen.where} and {fit.where} differ, and no record names its hash",
                    remedy="Compare the two; without --copy the bucket's oldest version counts.",
                )
            chosen = chosen or fit
        if chosen is None:
            said = {_speaks_against(wanted, each.body) for each in versions} or {"there is no version of it"}
            raise NotRestorable(
                wanted.key,
                f"no version of it can be right ({'; '.join(sorted(map(str, said)))})",
                remedy="Name a second copy that has it with --copy.",
            )
        return chosen

    def _sources(self, key: str, versions: Sequence[Version]) -> Iterator[Source]:
        for each in versions:
            yield Source(f"its version {each.id}", self._body(key, each))

    def _copied(self, key: str) -> Iterator[Source]:
        for copy in self.copies:
            yield from copy(key)

    def _body(self, key: str, version: Version) -> bytes:
        return bytes(self.s3.get_object(Bucket=self.name, Key=key, VersionId=version.id)["Body"].read())

    def _object(self, key: str) -> bytes:
        return bytes(self.s3.get_object(Bucket=self.name, Key=key)["Body"].read())

    def _create(self, key: str, body: bytes) -> None:
        self.s3.put_object(Bucket=self.name, Key=key, Body=body, IfNoneMatch="*", **_checksum(body))

    def _write(self, key: str, body: bytes, over: Version | None) -> str:
        condition = {"IfNoneMatch": "*"} if over is None else {"IfMatch": over.e_tag}
        try:
            written = self.s3.put_object(Bucket=self.name, Key=key, Body=body, **condition, **_checksum(body))
        except ClientError as error:
            if error_code(error) in _TAKEN:
                raise ChangedMeanwhile(key) from None
            raise
        if "VersionId" not in written:
            raise ProvisioningError(
                f"{self.name} keeps no versions, so that what lay at {key} is gone.",
                remedy="The right bytes lie there now. Switch the bucket's versioning on.",
            )
        return str(written["VersionId"])


def versions_of(s3: Client, bucket: str, key: str) -> list[Version]:
    """All versions of an object and its delete markers, newest first."""
    found: list[tuple[datetime, bool, Version]] = []
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=key):
        for kind in ("Versions", "DeleteMarkers"):
            for each in page.get(kind, ()):
                if each["Key"] == key:
                    version = Version(each["VersionId"], kind == "DeleteMarkers", each.get("ETag", ""))
                    found.append((each["LastModified"], each["IsLatest"], version))
    found.sort(key=lambda each: (each[1], each[0]), reverse=True)
    return [version for _, _, version in found]


def copy_in_bucket(s3: Client, bucket: str, prefix: str = "") -> Copy:
    """A second copy in a bucket, with its earlier versions: damage may have been copied, too."""

    def sources(key: str) -> Iterator[Source]:
        there = f"{prefix}/{key}" if prefix else key
        for version in versions_of(s3, bucket, there):
            if not version.is_marker:
                body = s3.get_object(Bucket=bucket, Key=there, VersionId=version.id)["Body"].read()
                yield Source(f"s3://{bucket}/{there}, version {version.id}", bytes(body))

    return sources


def copy_in_folder(folder: Path) -> Copy:
    """A second copy in a folder of this machine."""

    def sources(key: str) -> Iterator[Source]:
        file = folder / key
        if file.is_file():
            yield Source(str(file), file.read_bytes())

    return sources


def _speaks_against(wanted: BronzeObject, body: bytes) -> str | None:
    try:
        return wanted.is_unfit(body)
    except LakeError as error:
        return error.message
    except msgspec.MsgspecError as error:
        return str(error)


def _checksum(body: bytes) -> dict[str, str]:
    """What S3 compares with the bytes that reach it."""
    return {"ChecksumSHA256": base64.b64encode(hashlib.sha256(body).digest()).decode()}


def utc_now() -> datetime:
    """The time (UTC)."""
    return datetime.now(UTC)
