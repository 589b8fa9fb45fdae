"""What must hold before a plan is worth making: parameters belong together, and what is reused is fit for it."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from infra.provisioning.cloud import Client, Cloud, error_code
from infra.provisioning.errors import UsageRefused
from pce_pipeline.lake.layout import PREFIXES

_GITHUB = "oidc-provider/token.actions.githubusercontent.com"
_NEEDED = {"GitHubRepository": "--repository", "AlertEmail": "--alert-email"}
_SUBNETS_OF_A_DATABASE = 2


def check_parameters(parameters: Mapping[str, str], *, creating: bool) -> None:
    """Raises `UsageRefused` for what is missing or does not go together."""
    missing = [flag for name, flag in _NEEDED.items() if creating and not parameters.get(name)]
    if missing:
        raise UsageRefused(
            f"The first run needs {' and '.join(missing)}.", remedy="Add it, or set its variable in .env (see --help)."
        )
    if parameters.get("VpcId"):
        subnets = [each for each in parameters.get("DatabaseSubnetIds", "").split(",") if each]
        if len(subnets) < _SUBNETS_OF_A_DATABASE:
            raise UsageRefused(
                "An existing VPC needs two or more subnets for the database.",
                remedy="Add --database-subnets subnet-a,subnet-b in different zones.",
            )
        if parameters.get("DatabaseReach") == "private" and not parameters.get("TaskSubnetIds"):
            raise UsageRefused(
                "An existing VPC with private reach needs public subnets for the tasks.",
                remedy="Add --task-subnets subnet-c,subnet-d.",
            )


def check_route_tables(cloud: Cloud, tables: Sequence[str]) -> None:
    """Raises `UsageRefused` for a route table that leads to S3 by an endpoint already: it cannot have two."""
    pages = (
        cloud.client("ec2")
        .get_paginator("describe_vpc_endpoints")
        .paginate(Filters=[{"Name": "service-name", "Values": [f"com.amazonaws.{cloud.region}.s3"]}])
    )
    for page in pages:
        for endpoint in page["VpcEndpoints"]:
            if taken := sorted(set(tables) & set(endpoint.get("RouteTableIds", ()))):
                raise UsageRefused(
                    f"{', '.join(taken)} already lead to S3 by {endpoint['VpcEndpointId']}.",
                    remedy="Leave them out of --route-tables (or give none: --route-tables '').",
                )


def shortcomings_of_administrators(cloud: Cloud, arns: Sequence[str]) -> list[str]:
    """What those who are to restore Bronze lack. Raises `UsageRefused` for a user that is not there.

    IAM refuses a role whose trust names one, which would roll back all that was made before it.
    """
    iam, account, lacking = cloud.client("iam"), cloud.account(), []
    for arn in arns:
        name = arn.rpartition("/")[2]
        if arn.split(":")[4] != account:
            lacking.append(f"{arn} is of another account: see that there is such a user, with an MFA device")
            continue
        try:
            iam.get_user(UserName=name)
        except ClientError as error:
            if error_code(error) != "NoSuchEntity":
                raise
            raise UsageRefused(
                f"There is no user {name} in this account, who is to restore Bronze.",
                remedy="Name IAM users with --restore-administrators arn:aws:iam::<account>:user/<name>, by comma.",
            ) from None
        if not iam.list_mfa_devices(UserName=name)["MFADevices"]:
            lacking.append(f"{name} has no MFA device, and cannot restore Bronze without")
    return lacking


def existing_oidc_provider(cloud: Cloud) -> str | None:
    """The account's OIDC provider of GitHub Actions, of which there can be only one. Raises `UsageRefused` if unfit."""
    iam = cloud.client("iam")
    for provider in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]:
        arn = str(provider["Arn"])
        if arn.endswith(_GITHUB):
            described = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
            if "sts.amazonaws.com" not in described.get("ClientIDList", ()):
                raise UsageRefused(
                    f"{arn} exists but does not accept the audience sts.amazonaws.com.",
                    remedy="aws iam add-client-id-to-open-id-connect-provider --client-id sts.amazonaws.com "
                    f"--open-id-connect-provider-arn {arn}",
                )
            return arn
    return None


def check_copy(cloud: Cloud, bucket: str, *, replicated: bool) -> list[str]:
    """What an existing bucket lacks as the place of the second copy. Raises `UsageRefused` if it cannot be used."""
    s3 = cloud.client("s3")
    try:
        s3.head_bucket(Bucket=bucket)
        versioning = s3.get_bucket_versioning(Bucket=bucket).get("Status")
        lock = s3.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"]
    except ClientError as error:
        if error_code(error) != "ObjectLockConfigurationNotFoundError":
            raise UsageRefused(
                f"The bucket {bucket} cannot hold the second copy ({error_code(error)}).",
                remedy="Name one of this account, or leave --copy-bucket out and one is created.",
            ) from None
        lock = {}
    if replicated and versioning != "Enabled":
        raise UsageRefused(
            f"The bucket {bucket} cannot hold the second copy: S3 replicates to versioned buckets only.",
            remedy="Switch versioning on, or leave --copy-bucket out and one is created.",
        )
    if "DefaultRetention" not in lock.get("Rule", {}):
        return ["no Object Lock with a default retention: whoever may delete there can delete the copy"]
    return []


def shortcomings_of_bucket(cloud: Cloud, bucket: str, environment: str) -> list[str]:
    """What an existing bucket lacks of what one of our own would have for this environment.

    Raises `UsageRefused` if it cannot be used.
    """
    s3 = cloud.client("s3")
    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError as error:
        raise UsageRefused(
            f"The bucket {bucket} cannot be used ({error_code(error)}).",
            remedy="Name one of this account, or leave --bucket out and one is created.",
        ) from None
    lacking = []
    if s3.get_bucket_versioning(Bucket=bucket).get("Status") != "Enabled":
        lacking.append("versioning is off: what is overwritten is lost")
    try:
        block = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    except ClientError as error:
        if error_code(error) != "NoSuchPublicAccessBlockConfiguration":
            raise
        block = {}
    if not block or not all(block.values()):
        lacking.append("public access is not blocked")
    policy = _policy_of(s3, bucket)
    denials = json.dumps([each for each in policy["Statement"] if each.get("Effect") == "Deny"])
    for needle, text in (
        ("aws:SecureTransport", "connections without TLS are not refused"),
        ("s3:if-none-match", "others than the pipeline may overwrite Bronze and decisions"),
        ("s3:DeleteObject", "others than the pipeline may delete Bronze and decisions"),
    ):
        if needle.lower() not in denials.lower():
            lacking.append(text)
    if closed := _closed_prefixes(policy["Statement"], environment):
        lacking.append(f"its policy is that of an older version, and lets nothing be written again below {closed}")
    return lacking


def _policy_of(s3: Client, bucket: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
    except ClientError as error:
        if error_code(error) != "NoSuchBucketPolicy":
            raise
        return {"Statement": []}
    return found


def _closed_prefixes(statements: Sequence[Mapping[str, Any]], environment: str) -> str:
    """The prefixes that the pipeline writes again and our statements, copied from an older version, do not name."""
    named = [
        each["NotResource"]
        for each in statements
        if each.get("Effect") == "Deny" and "NotResource" in each and "s3:PutObject" in str(each.get("Action"))
    ]
    again = [f"{environment}/{prefix.name}/" for prefix in PREFIXES if prefix.is_rewritten]
    open_to_all = [[arn.partition(":::")[2] for arn in ([arns] if isinstance(arns, str) else arns)] for arns in named]
    closed = [
        place for place in again if any(not any(key.endswith(f"/{place}*") for key in keys) for keys in open_to_all)
    ]
    return ", ".join(closed)
