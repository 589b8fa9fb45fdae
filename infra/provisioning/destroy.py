"""Removing an environment. Data is dropped only where it was asked for and the environment's name was typed.

Every step may be done again: a killed removal goes on from where it stopped. The snapshot that RDS takes of a deleted
database, its automated backups and the account's OIDC provider stay; the last lines say so.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from infra.provisioning import task_secrets
from infra.provisioning.cloud import Client, Cloud, error_code
from infra.provisioning.console import Console
from infra.provisioning.costs import COPY_OF_A_GIGABYTE
from infra.provisioning.errors import ProvisioningError, TookTooLong, UsageRefused
from infra.provisioning.handing_over import clear_up
from infra.provisioning.options import Options
from infra.provisioning.stack import Stack

_BUCKETS = ("DataBucket", "LogBucket")
_DATABASE = "Database"
_BATCH = 1000
_PATIENCE_SECONDS = 600.0
_POLL_SECONDS = 5.0
_ATTEMPTS = 10


def destroy(cloud: Cloud, options: Options, console: Console) -> None:
    """Raises `UsageRefused` for data that nobody agreed to drop."""
    stack = Stack(cloud, options.stack, console)
    found = stack.describe()
    if found is not None and found["StackStatus"].endswith("_IN_PROGRESS") and stack.existing() is not None:
        console.say(f"{stack.name} is busy ({found['StackStatus']}): following it first.")
        stack.follow(found["StackId"])
        found = stack.describe()
    if found is None:
        console.say(f"{stack.name} does not exist: nothing to remove.")
        return
    held = stack.resources()
    data = [f"{name} {held[name]}" for name in (*_BUCKETS, _DATABASE) if name in held]
    console.say(f"To be removed: {stack.name} with {len(held)} resources.")
    if data and not options.delete_data:
        raise UsageRefused(
            f"{stack.name} holds data: {', '.join(data)}.",
            remedy="Add --delete-data if all of it may go. To only save money, stop the database instead.",
        )
    _confirm(options, console, data)
    if found.get("EnableTerminationProtection"):
        stack.protect(protected=False)
    if _DATABASE in held:
        _unprotect(cloud.client("rds"), held[_DATABASE], console)
    for name in _BUCKETS:
        if name in held:
            _remove_bucket(cloud.client("s3"), held[name], console)
    stack.delete(found["StackId"])
    clear_up(cloud, stack.name)
    for name in task_secrets.drop_channels(cloud, options.environment):
        console.say(f"  {name}  removed from Parameter Store")
    console.say(f"{stack.name} is removed.")
    for line in [*_copy_stays(cloud, options.environment, found, held), *_what_stays(found, held)]:
        console.say(line)


def _confirm(options: Options, console: Console, data: Sequence[str]) -> None:
    if not data and options.yes:
        return
    typed = options.confirm
    if typed is None:
        consequence = f"This deletes {', '.join(data)}. " if data else ""
        typed = console.ask(f"{consequence}Type the environment's name to go on: ").strip()
    if typed != options.environment:
        raise UsageRefused("The name that was typed is not that of the environment.", remedy="Nothing was removed.")


def _unprotect(rds: Client, instance: str, console: Console) -> None:
    """Switch deletion protection off, and wait until it is."""
    waited = 0.0
    while True:
        try:
            described = rds.describe_db_instances(DBInstanceIdentifier=instance)["DBInstances"][0]
        except ClientError as error:
            if error_code(error) == "DBInstanceNotFound":
                return
            raise
        if not described["DeletionProtection"]:
            return
        if not waited:
            rds.modify_db_instance(DBInstanceIdentifier=instance, DeletionProtection=False, ApplyImmediately=True)
        if waited > _PATIENCE_SECONDS:
            raise TookTooLong(f"Switching off the deletion protection of {instance}", _PATIENCE_SECONDS / 60)
        console.sleep(_POLL_SECONDS)
        waited += _POLL_SECONDS


def _remove_bucket(s3: Client, bucket: str, console: Console) -> None:
    """Lift the policy that forbids deleting, delete every version, then the bucket."""
    try:
        s3.delete_bucket_policy(Bucket=bucket)
        gone = 0
        for _ in range(_ATTEMPTS):
            gone += _emptied(s3, bucket)
            try:
                s3.delete_bucket(Bucket=bucket)
            except ClientError as error:
                # access logs arrive late
                if error_code(error) != "BucketNotEmpty":
                    raise
                console.sleep(_POLL_SECONDS)
            else:
                console.say(f"  {bucket}  removed with {gone} object versions")
                return
    except ClientError as error:
        if error_code(error) == "NoSuchBucket":
            return
        raise
    raise ProvisioningError(
        f"{bucket} does not become empty: something still writes to it.", remedy="Stop that and run the same again."
    )


def _emptied(s3: Client, bucket: str) -> int:
    gone = 0
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        found = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
        for start in range(0, len(found), _BATCH):
            batch = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in found[start : start + _BATCH]]
            answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": batch, "Quiet": True})
            if answer.get("Errors"):
                first = answer["Errors"][0]
                raise ProvisioningError(
                    f"{first['Key']} of {bucket} cannot be deleted ({first['Code']}).",
                    remedy="Use credentials that may delete object versions and run the same again.",
                )
            gone += len(batch)
    return gone


def _copy_stays(cloud: Cloud, environment: str, found: Mapping[str, Any], held: Mapping[str, str]) -> list[str]:
    """Where the second copy of Bronze stands, which no removal touches, and what it costs."""
    bucket = held.get("CopyBucket") or _parameter(found, "CopyBucketName")
    if not bucket:
        return []
    try:
        pages = cloud.client("s3").get_paginator("list_object_versions").paginate(Bucket=bucket)
        sizes = [int(each["Size"]) for page in pages for each in page.get("Versions", ())]
    except ClientError as error:
        return [f"The second copy of Bronze stays at s3://{bucket} and could not be looked at ({error_code(error)})."]
    size = sum(sizes)
    monthly = max(size / 1e9 * COPY_OF_A_GIGABYTE, 0.01)
    return [
        (
            f"The second copy of Bronze stays at s3://{bucket}: {len(sizes):,} object versions, {size / 1e6:,.1f} MB, "
            f"at most {monthly:.2f} dollars a month. Nothing here deletes it, and S3 refuses to while they are locked."
        ),
        f"It brings Bronze back into any lake: PCE_ENV={environment} pce bronze restore s3://{bucket}",
    ]


def _parameter(found: Mapping[str, Any], name: str) -> str:
    given = {each["ParameterKey"]: str(each["ParameterValue"]) for each in found.get("Parameters", ())}
    return given.get(name, "")


def _what_stays(found: Mapping[str, Any], held: Mapping[str, str]) -> list[str]:
    said = []
    if _DATABASE in held:
        said.append(
            f"The last snapshot of {held[_DATABASE]} stays, and costs about 0.10 dollars a GB and month: "
            f"aws rds describe-db-snapshots --db-instance-identifier {held[_DATABASE]}"
        )
    if "GitHubOidcProvider" in held:
        said.append(f"GitHub's OIDC provider stays: another environment may use it ({held['GitHubOidcProvider']}).")
    if reused := _parameter(found, "BucketName"):
        said.append(f"The bucket {reused} is not of this environment's making and stays with everything in it.")
    return said
