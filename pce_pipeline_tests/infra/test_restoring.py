"""A damaged object of Bronze comes back as a further version, by one role alone, and the bucket's policy stays.

Restoring runs on a real S3 server with versions; what it asks S3 is judged by the policies of the template.
"""

import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from infra.provisioning.console import Console
from infra.provisioning.errors import UsageRefused
from infra.provisioning.restoration import (
    Bucket,
    ChangedMeanwhile,
    NotRestorable,
    copy_in_bucket,
    copy_in_folder,
    utc_now,
)
from infra.provisioning.restoring import Options, read_options, restore, run
from pce_pipeline.bronze.archived_releases import ArchivedFile, ArchiveStore
from pce_pipeline.bronze.restoring import BronzeObject, Restoration, RestorationDone, done_of
from pce_pipeline.bronze.store import REWRITTEN, BronzeStore
from pce_pipeline.errors import UsageError
from pce_pipeline.lake.integrity import sha256_of
from pce_pipeline.lake.layout import REWRITTEN_IN_BRONZE
from pce_pipeline.lake.records import decode_record, encode_record
from pce_pipeline.lake.stacks import how_to_restore
from pce_pipeline.lake.store import open_store
from pce_pipeline_tests.bronze.test_bronze_store import FIRST, FOLDER, LAYOUT, answers, manifest_of
from pce_pipeline_tests.infra.account import FIRST as FIRST_APPLY
from pce_pipeline_tests.infra.account import Account, _WatchedCloud, account
from pce_pipeline_tests.infra.policies import Call, allowed
from pce_pipeline_tests.infra.rendered import ACCOUNT, Rendered
from pce_pipeline_tests.infra.test_least_privilege import identity, of_resource
from pce_pipeline_tests.servers import S3

ALICE = f"arn:aws:iam::{ACCOUNT}:user/alice"
OF_MOTO = "arn:aws:iam::123456789012:user/alice"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/pce-staging-restore"
OBJECT = f"{FOLDER}/{FIRST}/A/1.json.gz"
MANIFEST = f"{FOLDER}/{FIRST}/manifest.json"
RESTORED = f"{FOLDER}/_restored"
EVERYTHING = [{"Effect": "Allow", "Action": "*", "Resource": "*"}]


@dataclass
class Lake:
    """A versioned bucket with one extract, what was asked of S3, what was said, and the answers to questions."""

    s3: Any
    name: str
    server: S3
    bronze: BronzeStore
    calls: list[Call] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)

    @property
    def bucket(self) -> Bucket:
        return Bucket(self.s3, self.name)

    @property
    def console(self) -> Console:
        return Console(say=self.said.append, ask=lambda _: self.answers.pop(0))

    def body(self, key: str) -> bytes:
        return bytes(self.s3.get_object(Bucket=self.name, Key=key)["Body"].read())

    def put(self, key: str, body: bytes) -> None:
        self.s3.put_object(Bucket=self.name, Key=key, Body=body)

    def delete(self, key: str) -> None:
        self.s3.delete_object(Bucket=self.name, Key=key)

    def records(self) -> dict[str, bytes]:
        listed = self.s3.list_objects_v2(Bucket=self.name, Prefix=f"{RESTORED}/").get("Contents", ())
        return {each["Key"]: self.body(each["Key"]) for each in listed}

    def restore(self, *keys: str, bucket: Bucket | None = None, **given: Any) -> int:
        options = Options(
            environment="staging", keys=keys, **{"reason": "a slip of mine", "confirm": self.name, **given}
        )
        return restore(options, bucket or self.bucket, self.console, by=ALICE)


def recorded(client: Any, calls: list[Call]) -> None:
    """Note what S3 checks for each request of a client."""

    def note(params: dict[str, Any], model: Any, **_: object) -> None:
        of_bucket = f"arn:aws:s3:::{params['Bucket']}"
        of_object = f"{of_bucket}/{params.get('Key')}"
        conditions = {"IfNoneMatch": "s3:if-none-match", "IfMatch": "s3:if-match"}
        context = {condition: params[name] for name, condition in conditions.items() if name in params}
        match model.name:
            case "ListObjectVersions":
                calls.append(Call("s3:ListBucketVersions", of_bucket, {"s3:prefix": params["Prefix"]}))
            case "ListObjectsV2":
                calls.append(Call("s3:ListBucket", of_bucket, {"s3:prefix": params["Prefix"]}))
            case "GetObject":
                action = "s3:GetObjectVersion" if "VersionId" in params else "s3:GetObject"
                calls.append(Call(action, of_object))
            case "PutObject":
                calls.append(Call("s3:PutObject", of_object, context))
            case other:
                raise NotImplementedError(other)

    client.meta.events.register("provide-client-params.s3", note)


def versioned(s3: S3) -> tuple[Any, str]:
    client = s3.session().client("s3", endpoint_url=s3.endpoint_url)
    name = f"lake-{secrets.token_hex(6)}"
    client.create_bucket(Bucket=name)
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return client, name


@pytest.fixture
def lake(s3: S3) -> Lake:
    client, name = versioned(s3)
    store = open_store(f"s3://{name}", endpoint_url=s3.endpoint_url, session=s3.session())
    bronze = BronzeStore(store, LAYOUT, "pce_state")
    bronze.publish(FIRST, manifest_of(FIRST, answers()), answers())
    return Lake(client, name, s3, bronze)


def damaged(lake: Lake) -> None:
    lake.put(OBJECT, b"something else")


def deleted(lake: Lake) -> None:
    lake.delete(OBJECT)


def damaged_then_deleted_then_damaged(lake: Lake) -> None:
    damaged(lake)
    deleted(lake)
    lake.put(OBJECT, b"")


@pytest.mark.s3
@pytest.mark.parametrize("damage", [damaged, deleted, damaged_then_deleted_then_damaged])
def test_the_earlier_version_that_the_manifest_names_becomes_the_newest(lake, damage):
    damage(lake)
    assert [each.key for each in lake.bronze.verify(FIRST)] == [OBJECT]
    before = lake.s3.list_object_versions(Bucket=lake.name, Prefix=OBJECT)
    assert lake.restore(OBJECT) == 0
    assert lake.bronze.verify(FIRST) == []
    assert lake.body(OBJECT) == answers()["A/1.json.gz"]
    after = lake.s3.list_object_versions(Bucket=lake.name, Prefix=OBJECT)
    assert len(after["Versions"]) == len(before["Versions"]) + 1, "no version goes"
    assert after.get("DeleteMarkers", []) == [
        {**each, "IsLatest": False} for each in before.get("DeleteMarkers", [])
    ], "and no marker"


@pytest.mark.s3
def test_what_is_restored_is_recorded_beside_with_who_why_and_from_where(lake):
    damaged(lake)
    lake.answers = ["  a slip of mine ", lake.name]
    lake.restore(OBJECT, reason=None, confirm=None)
    begun, done = (lake.records()[key] for key in sorted(lake.records(), key=len))
    what = decode_record("begun", begun, Restoration)
    assert (what.key, what.sha256, what.named_by) == (OBJECT, sha256_of(answers()["A/1.json.gz"]), MANIFEST)
    assert (what.found, what.by, what.reason, what.bucket) == (
        sha256_of(b"something else"),
        ALICE,
        "a slip of mine",
        lake.name,
    )
    assert what.source.startswith("its version ")
    assert decode_record("done", done, RestorationDone).key == OBJECT
    assert lake.bronze.verify(FIRST) == [], "a record is no stranger in an extract"
    assert lake.bronze.extracts() == [FIRST], "and no extract"
    assert any(RESTORED in line for line in lake.said)


@pytest.mark.s3
@pytest.mark.parametrize(
    ("given", "said"), [({"reason": " "}, "needs a reason"), ({"confirm": "staging"}, "not the bucket's name")]
)
def test_without_a_reason_and_the_typed_name_nothing_is_written(lake, given, said):
    damaged(lake)
    with pytest.raises(UsageRefused, match=said):
        lake.restore(OBJECT, **given)
    assert (lake.records(), lake.body(OBJECT)) == ({}, b"something else")


@pytest.mark.s3
def test_an_intact_object_is_left_alone_and_nobody_is_asked(lake):
    assert lake.restore(OBJECT, reason=None, confirm=None) == 0
    assert lake.said == [f"{OBJECT}: intact."]
    assert lake.records() == {}


@pytest.mark.s3
def test_the_second_copy_helps_where_no_version_has_the_hash(lake, s3, tmp_path):
    right = answers()["A/1.json.gz"]
    for version in lake.s3.list_object_versions(Bucket=lake.name, Prefix=OBJECT)["Versions"]:
        lake.s3.delete_object(Bucket=lake.name, Key=OBJECT, VersionId=version["VersionId"])  # as a lifecycle does
    damaged(lake)
    with pytest.raises(NotRestorable, match=r"no second copy.*") as lost:
        lake.restore(OBJECT)
    assert "--copy" in lost.value.remedy
    (tmp_path / OBJECT).parent.mkdir(parents=True)
    (tmp_path / OBJECT).write_bytes(b"a copy that is damaged, too")
    with pytest.raises(NotRestorable):
        lake.restore(OBJECT, bucket=replace(lake.bucket, copies=[copy_in_folder(tmp_path)]))
    assert lake.body(OBJECT) == b"something else"
    client, copy = versioned(s3)
    client.put_object(Bucket=copy, Key=f"second/{OBJECT}", Body=right)
    client.put_object(Bucket=copy, Key=f"second/{OBJECT}", Body=b"damage that was copied")
    in_bucket = copy_in_bucket(client, copy, "second")
    assert lake.restore(OBJECT, bucket=replace(lake.bucket, copies=[copy_in_folder(tmp_path), in_bucket])) == 0
    assert lake.body(OBJECT) == right
    begun = decode_record("begun", lake.records()[min(lake.records(), key=len)], Restoration)
    assert begun.source.startswith(f"s3://{copy}/second/{OBJECT}, version ")


@pytest.mark.s3
def test_a_manifest_comes_back_as_its_oldest_version_and_only_with_it_what_it_names(lake):
    right = lake.body(MANIFEST)
    changed = json.loads(right)
    changed["objects"][0]["sha256"] = "0" * 64
    lake.put(MANIFEST, json.dumps(changed).encode())
    lake.put(MANIFEST, b"no manifest")
    damaged(lake)
    with pytest.raises(NotRestorable, match="which names its hash, is damaged") as order:
        lake.restore(OBJECT)
    assert "Restore it first" in order.value.remedy
    lake.delete(MANIFEST)
    with pytest.raises(NotRestorable, match="which names its hash, is gone"):
        lake.restore(OBJECT)
    assert lake.restore(MANIFEST) == 0
    assert lake.body(MANIFEST) == right
    assert any("no record names it" in line for line in lake.said), "that is said"
    assert lake.restore(OBJECT) == 0
    assert lake.bronze.verify(FIRST) == []


@pytest.mark.s3
def test_a_manifest_of_another_extract_is_never_taken(lake):
    other = encode_record(manifest_of(FIRST.next_of_day, answers()))
    for version in lake.s3.list_object_versions(Bucket=lake.name, Prefix=MANIFEST)["Versions"]:
        lake.s3.delete_object(Bucket=lake.name, Key=MANIFEST, VersionId=version["VersionId"])
    lake.put(MANIFEST, other)
    with pytest.raises(NotRestorable, match=rf"it is of bea pce_state {FIRST.next_of_day}"):
        lake.restore(MANIFEST)


@pytest.mark.s3
def test_where_nothing_names_a_hash_the_oldest_version_and_the_copy_have_to_agree(lake, tmp_path):
    lake.put(MANIFEST, b"no manifest")
    changed = json.loads(lake.s3.get_object(Bucket=lake.name, Key=MANIFEST, VersionId=_oldest(lake))["Body"].read())
    changed["run_id"] = "another"
    (tmp_path / MANIFEST).parent.mkdir(parents=True)
    (tmp_path / MANIFEST).write_text(json.dumps(changed))
    with pytest.raises(NotRestorable, match="differ"):
        lake.restore(MANIFEST, bucket=replace(lake.bucket, copies=[copy_in_folder(tmp_path)]))


def _oldest(lake: Lake) -> str:
    return str(lake.s3.list_object_versions(Bucket=lake.name, Prefix=MANIFEST)["Versions"][-1]["VersionId"])


@pytest.mark.s3
def test_a_file_of_the_archive_is_restored_by_its_own_record(lake):
    archive = ArchiveStore(lake.bronze._store, LAYOUT)
    file = ArchivedFile(
        release="2024", file="SAPCE.zip", address="https://apps.bea.gov/x/SAPCE.zip", sha256=sha256_of(b"PK figures"),
        bytes=10, fetched_at=datetime(2026, 2, 23, tzinfo=UTC), last_modified=None, released_on=None,
    )  # fmt: skip
    key = "staging/bronze/bea/archive/2024/SAPCE.zip"
    lake.put(key, b"PK figures")
    lake.put(f"{key}.record.json", encode_record(file))
    lake.put(key, b"PK damage")
    assert lake.restore(key) == 0
    assert archive.body(file) == b"PK figures"
    lake.put(f"{key}.record.json", b"no record")
    assert lake.restore(f"{key}.record.json") == 0
    assert archive.files() == [file]


@pytest.mark.s3
def test_of_several_objects_those_that_can_be_are_restored_and_the_others_are_named(lake):
    damaged(lake)
    stranger = f"{FOLDER}/{FIRST}/A/3.json.gz"
    lake.put(stranger, b"of nobody")
    with pytest.raises(NotRestorable, match="does not name it") as lost:
        lake.restore(stranger, OBJECT)
    assert lost.value.key == stranger
    assert lake.body(OBJECT) == answers()["A/1.json.gz"]
    assert lake.body(stranger) == b"of nobody"


@pytest.mark.s3
def test_what_somebody_writes_meanwhile_is_never_written_over(lake):
    for damage in (damaged, deleted):
        damage(lake)
        finding = lake.bucket.look(OBJECT)
        lake.put(OBJECT, b"somebody else was here")
        with pytest.raises(ChangedMeanwhile):
            lake.bucket.restore(finding, reason="r", by=ALICE, now=utc_now)
        assert lake.body(OBJECT) == b"somebody else was here"


class Killed(BaseException):
    """The program is gone."""


@pytest.mark.s3
@pytest.mark.parametrize("dies_at", [1, 2, 3])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_at_any_write_the_same_command_ends_right_and_both_records_are_there(lake, dies_at, moment):
    damaged(lake)
    writes = 0

    def dies(**_: object) -> None:
        nonlocal writes
        writes += 1
        if writes == dies_at:
            raise Killed

    event = "before-call.s3.PutObject" if moment == "before" else "after-call.s3.PutObject"
    lake.s3.meta.events.register(event, dies)
    with pytest.raises(Killed):
        lake.restore(OBJECT)
    lake.s3.meta.events.unregister(event, dies)
    assert lake.restore(OBJECT) == 0
    assert lake.bronze.verify(FIRST) == []
    assert lake.restore(OBJECT) == 0
    names = set(lake.records())
    assert {name for name in names if not name.endswith(".done.json") and done_of(name) not in names} == set()
    assert any(name.endswith(".done.json") for name in names)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("staging/silver/bea/pce_state/_latest.json", "not an object of Bronze"),
        ("staging/bronze/bea", "not an object of Bronze"),
        (f"{FOLDER}/_pin.json", "may be written again"),
        (f"{FOLDER}/_staging/2026-02-23/x", "may be written again"),
    ],
)
def test_only_what_is_written_once_in_bronze_can_be_restored(key, said):
    with pytest.raises(UsageError, match=said):
        BronzeObject.of(key)


def test_what_may_be_written_again_in_bronze_is_named_alike_by_layout_and_store():
    assert {name for name in REWRITTEN_IN_BRONZE if "/" not in name} == set(REWRITTEN)


def test_the_remedy_names_the_program_on_aws_alone():
    said = how_to_restore("prod", "s3://lake", ["prod/bronze/bea/a/2026-01-01/x", "prod/bronze/bea/a/2026-01-01/b"])
    assert said.endswith("--env prod prod/bronze/bea/a/2026-01-01/b prod/bronze/bea/a/2026-01-01/x")
    assert "restore_object" not in how_to_restore("local", "s3://lake", ["local/bronze/bea/a/2026-01-01/x"])
    assert "backup" in how_to_restore("local", "/lake", ["local/bronze/bea/a/2026-01-01/x"])


# ------------------------------------------------------------------------------------ who may


def rendered(environment: str = "staging") -> Rendered:
    return Rendered(environment, RestoreAdministrators=ALICE)


def as_role(call: Call, role: str = ROLE) -> Call:
    return Call(call.action, call.resource, {**call.context, "aws:PrincipalArn": role})


@pytest.mark.s3
def test_the_role_may_do_all_that_restoring_asks_of_s3_in_our_bucket_and_in_a_brought_one(lake):
    calls: list[Call] = []
    recorded(lake.s3, calls)
    for damage in (damaged, deleted):
        damage_by = lake.server.session().client("s3", endpoint_url=lake.server.endpoint_url)
        damage(replace(lake, s3=damage_by))
        lake.restore(OBJECT)
    lake.restore(MANIFEST)
    assert {call.action for call in calls} == {
        "s3:ListBucketVersions", "s3:ListBucket", "s3:GetObject", "s3:GetObjectVersion", "s3:PutObject",
    }  # fmt: skip
    for template in (rendered(), Rendered("staging", RestoreAdministrators=ALICE, BucketName="brought")):
        for call in calls:
            there = call.resource.replace(lake.name, template.outputs["BucketName"])
            asked = as_role(Call(call.action, there, call.context))
            policy = of_resource(template, asked) if "DataBucket" in template.resources else []
            assert allowed(asked, identity(template, "RestoreRole"), policy), asked


def over(template: Rendered, key: str = OBJECT, **context: str) -> Call:
    return Call("s3:PutObject", f"arn:aws:s3:::{template.outputs['BucketName']}/{key}", context)


OVERWRITE = {"s3:if-match": '"e-tag"'}


def test_writing_over_an_object_of_bronze_is_allowed_to_this_role_alone():
    template = rendered()
    call = over(template, **OVERWRITE)
    assert allowed(as_role(call), identity(template, "RestoreRole"), of_resource(template, call))
    assert not allowed(call, EVERYTHING, of_resource(template, call)), "not to an administrator"
    assert not allowed(as_role(call, ALICE), EVERYTHING, of_resource(template, call)), "nor to one who is named"
    for role in template.of_type("AWS::IAM::Role"):
        arn = f"arn:aws:iam::{ACCOUNT}:role/{template.physical(role)}"
        is_it = role == "RestoreRole"
        assert allowed(as_role(call, arn), EVERYTHING, of_resource(template, call)) is is_it
    nobody = Rendered("staging")
    assert not allowed(as_role(over(nobody, **OVERWRITE)), EVERYTHING, of_resource(nobody, over(nobody)))


def test_the_exemption_is_the_only_one_in_the_buckets_policy():
    with_role, without = (
        {each["Sid"]: each for each in template.properties("DataBucketPolicy")["PolicyDocument"]["Statement"]}
        for template in (rendered(), Rendered("staging"))
    )
    differing = {sid for sid in with_role if with_role[sid] != without[sid]}
    assert differing == {"WrittenOnce"}
    exempt = with_role["WrittenOnce"]["Condition"].pop("ArnNotEquals")
    assert exempt == {"aws:PrincipalArn": ROLE}
    assert with_role == without


@pytest.mark.parametrize(
    ("action", "key", "context"),
    [
        ("s3:PutObject", OBJECT, {}),
        ("s3:PutObject", "staging/silver/bea/x", OVERWRITE),
        ("s3:PutObject", "staging/decisions/bea/pce_state/x.json", OVERWRITE),
        ("s3:PutObject", "prod/bronze/bea/pce_state/2026-02-23/x", OVERWRITE),
        ("s3:DeleteObject", OBJECT, {}),
        ("s3:DeleteObjectVersion", OBJECT, {}),
        ("s3:GetObject", "staging/gold/bea/x", {}),
        ("s3:GetObject", OBJECT, {"aws:SecureTransport": "false"}),
        ("s3:PutObjectRetention", OBJECT, {}),
        ("s3:BypassGovernanceRetention", OBJECT, {}),
    ],
)
def test_the_role_may_do_nothing_else(action, key, context):
    template = rendered()
    call = as_role(Call(action, f"arn:aws:s3:::{template.outputs['BucketName']}/{key}", context))
    assert not allowed(call, identity(template, "RestoreRole"), of_resource(template, call))


@pytest.mark.parametrize(
    ("who", "mfa", "may_assume"),
    [(ALICE, "true", True), (ALICE, "false", False), (ALICE, None, False), (f"{ALICE}-2", "true", False)],
)
def test_named_administrators_alone_assume_it_and_only_with_a_code(who, mfa, may_assume):
    (trust,) = rendered().properties("RestoreRole")["AssumeRolePolicyDocument"]["Statement"]
    context = {} if mfa is None else {"aws:MultiFactorAuthPresent": mfa}
    is_named = who in trust["Principal"]["AWS"]
    assert (is_named and allowed(Call("sts:AssumeRole", "*", context), [{**trust, "Resource": "*"}])) is may_assume


def test_without_named_administrators_there_is_no_such_role():
    assert "RestoreRole" not in Rendered("prod").resources
    assert "RestoreRoleArn" not in Rendered("prod").outputs


# ------------------------------------------------------------------------------ the program


@pytest.fixture
def aws() -> Iterator[Account]:
    with account() as empty:
        empty.client("iam").create_user(UserName="alice")
        empty.run(*FIRST_APPLY, "--yes", "--restore-administrators", OF_MOTO)
        assert "NOTE: alice has no MFA device, and cannot restore Bronze without." in empty.said
        yield empty


def with_lake(aws: Account) -> Lake:
    """The stack's bucket with one damaged object, and a user with an MFA device."""
    s3, name = aws.client("s3"), aws.formation.stack.resources["DataBucket"]
    for key, body in answers().items():
        s3.put_object(Bucket=name, Key=f"{FOLDER}/{FIRST}/{key}", Body=body)
    s3.put_object(Bucket=name, Key=MANIFEST, Body=encode_record(manifest_of(FIRST, answers())))
    s3.put_object(Bucket=name, Key=OBJECT, Body=b"something else")
    found: Any = None
    return Lake(s3, name, found, found)


@pytest.fixture
def as_alice(aws: Account) -> Callable[[], _WatchedCloud]:
    """The cloud as alice sees it; moto otherwise takes everybody for a user of its own."""

    def identify(service: str, client: Any) -> None:
        if service == "cloudformation":
            aws.formation.attach(client)
        if service == "sts":
            client.meta.events.register(
                "after-call.sts.GetCallerIdentity", lambda parsed, **_: parsed.update({"Arn": ALICE})
            )

    return lambda: _WatchedCloud(identify)


def options(*arguments: str) -> Options:
    return read_options(["--env", "staging", "--region", "us-east-1", *arguments], {}, Path("no.env"))


def test_the_program_assumes_the_role_with_a_code_and_restores(aws, as_alice):
    lake = with_lake(aws)
    serial = f"arn:aws:iam::{ACCOUNT}:mfa/alice"
    lake.answers = ["123456", "a slip", lake.name]
    assumed = []
    cloud = as_alice()
    cloud.client("sts").meta.events.register(
        "provide-client-params.sts.AssumeRole", lambda params, **_: assumed.append(params)
    )
    assert run(options(OBJECT, "--mfa-device", serial), cloud, lake.console) == 0
    assert lake.body(OBJECT) == answers()["A/1.json.gz"]
    (asked,) = assumed
    assert (asked["RoleArn"], asked["SerialNumber"], asked["TokenCode"]) == (ROLE, serial, "123456")
    assert asked["RoleSessionName"] == "alice", "what CloudTrail shows"
    assert "123456" not in "\n".join([*lake.said, *map(bytes.decode, lake.records().values())])


def test_a_user_without_a_device_and_one_who_is_none_are_refused(aws, as_alice):
    lake = with_lake(aws)
    with pytest.raises(UsageRefused, match="no MFA devices"):
        run(options(OBJECT), as_alice(), lake.console)
    with pytest.raises(UsageRefused, match="is not an IAM user"):
        run(options(OBJECT), _WatchedCloud(lambda _, client: _as_session(aws, client)), lake.console)
    assert lake.records() == {}


def _as_session(aws: Account, client: Any) -> None:
    name = client.meta.service_model.service_name
    if name == "cloudformation":
        aws.formation.attach(client)
    if name == "sts":
        somebody = f"arn:aws:sts::{ACCOUNT}:assumed-role/AWSReservedSSO_Admin/alice"
        client.meta.events.register(
            "after-call.sts.GetCallerIdentity", lambda parsed, **_: parsed.update({"Arn": somebody})
        )


def test_where_nobody_may_restore_yet_the_command_that_names_somebody_is_said(as_alice, aws):
    aws.run("--yes", "--restore-administrators", "")
    with pytest.raises(UsageRefused, match="Nobody may restore") as refused:
        run(options(OBJECT), as_alice(), Console(say=lambda _: None))
    assert refused.value.remedy.endswith(f"--env staging --restore-administrators {ALICE}")


def test_an_administrator_who_is_not_there_is_refused_before_anything_is_made():
    with account() as aws:
        with pytest.raises(UsageRefused, match="no user alice"):
            aws.run(*FIRST_APPLY, "--yes", "--restore-administrators", OF_MOTO)
        assert aws.formation.stacks == []
        assert aws.run(*FIRST_APPLY, "--plan", "--restore-administrators", ALICE) == 0
        assert any("of another account" in line for line in aws.said)


@pytest.mark.parametrize(
    ("left_out", "said"),
    [((), ""), (("iceberg", "athena"), "nothing be written again below staging/iceberg/, staging/athena/")],
)
def test_a_brought_bucket_with_the_policy_of_an_older_version_is_told_of(left_out, said):
    """Ours is copied by hand: what has come since is named before a run is refused."""
    with account() as aws:
        s3 = aws.client("s3")
        s3.create_bucket(Bucket="brought")
        policy = Rendered("staging").properties("DataBucketPolicy")["PolicyDocument"]
        own = Rendered("staging").outputs["BucketName"]
        text = json.dumps(policy).replace(own, "brought")
        for prefix in left_out:
            for environment in ("staging", "prod"):
                text = text.replace(f'"arn:aws:s3:::brought/{environment}/{prefix}/*", ', "")
                text = text.replace(f', "arn:aws:s3:::brought/{environment}/{prefix}/*"', "")
        s3.put_bucket_policy(Bucket="brought", Policy=text)
        assert aws.run(*FIRST_APPLY, "--plan", "--bucket", "brought") == 0
        told = [line for line in aws.said if "that of an older version" in line]
        assert (said in "".join(told)) if said else told == []


def test_a_key_of_another_environment_and_a_copy_that_is_no_place_are_refused(as_alice, tmp_path):
    for arguments, said in (
        (("prod/bronze/bea/pce_state/2026-02-23/x",), "is not of staging"),
        ((OBJECT, "--copy", "https://x/y"), "no place of a copy"),
        ((OBJECT, "--copy", str(tmp_path / "nothing")), "not a folder"),
    ):
        with pytest.raises(UsageRefused, match=said):
            run(options(*arguments), as_alice(), Console())


def test_times_in_names_of_records_sort_as_they_were_taken():
    place = BronzeObject.of(OBJECT)
    begun = datetime(2026, 2, 23, 12, 0, 0, 5, tzinfo=UTC)
    names = [place.record_of(begun + timedelta(microseconds=each)) for each in (0, 1, 10, 1_000_000)]
    assert names == sorted(names)
    assert all(name.startswith(f"{RESTORED}/2026") for name in names)
