"""What is left to do by hand after an apply, from what is there: each step with the command that does it.

Pure but for `look`, which asks AWS. A step that is done is not said again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from botocore.exceptions import ClientError

from infra.provisioning import heartbeat
from infra.provisioning.cloud import Cloud, error_code
from infra.provisioning.preflight import shortcomings_of_bucket


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Where an environment stands on its way from an apply to a first run."""

    environment: str
    """staging or prod."""
    is_private: bool
    """Whether the database is reached by tasks only."""
    mail_is_confirmed: bool
    """Whether an address has agreed to get alerts."""
    has_image: bool
    """With private reach, whether there is an image for tasks to run."""
    has_key: bool
    """With private reach, whether tasks get BEA's key."""
    master_is_readable: bool
    """Whether the pipeline may still read the master password, which making tables and users needs."""
    heartbeat_is_heard: bool
    """Whether a run has succeeded, so that the alarm of a missing heartbeat is switched on."""
    not_copied: int = 0
    """How many objects of Bronze and decisions the second copy lacks, although S3 replicates what is written now."""
    lake: str = ""
    """The lake's bucket."""
    copy: str = ""
    """The bucket of the second copy."""
    bucket_lacks: Sequence[str] = ()
    """What a bucket that somebody brought lacks of what one of ours has."""


def look(cloud: Cloud, environment: str, outputs: Mapping[str, str], parameters: Mapping[str, str]) -> Standing:
    """Ask AWS how far an environment is."""
    is_private = outputs.get("DatabaseReach") == "private"
    bucket = parameters.get("BucketName")
    return Standing(
        environment=environment,
        is_private=is_private,
        mail_is_confirmed=_is_confirmed(cloud, outputs["AlertTopicArn"], parameters["AlertEmail"]),
        has_image=is_private and _has_image(cloud, outputs["ImageRepositoryUri"]),
        has_key=parameters.get("BeaKeyStored") == "yes",
        master_is_readable=parameters.get("MasterSecretReadable") == "yes",
        heartbeat_is_heard=parameters.get(heartbeat.PARAMETER) == "yes",
        not_copied=_not_copied(cloud, environment, outputs) if outputs["CopiedBy"] == "replication" else 0,
        lake=outputs["BucketName"],
        copy=outputs["CopyBucketName"],
        bucket_lacks=shortcomings_of_bucket(cloud, bucket, environment) if bucket else (),
    )


def steps(at: Standing, repository: str) -> list[str]:
    """What to do next, in order; none where all is done. `repository` is owner/name."""
    where, apply = f"--repo {repository}", f"python infra/provision_aws.py --env {at.environment}"
    said = []
    if not at.mail_is_confirmed:
        said.append("Confirm the e-mail that SNS has sent to the alert address: until then no alert arrives.")
    if at.bucket_lacks:
        said.append(
            f"Give your bucket what it lacks: {'; '.join(at.bucket_lacks)}. "
            "Its policy: the statements of DataBucketPolicy in infra/templates/environment.yaml."
        )
    if at.not_copied:
        said.append(
            f"S3 copies what is written from now on; {at.not_copied:,} objects of before are not in the second copy. "
            f"Bring them, with your own credentials: "
            f"PCE_ENV={at.environment} PCE_LAKE_URI=s3://{at.lake} pce bronze copy s3://{at.copy}"
        )
    if at.is_private and not at.has_key:
        said.append(
            "Tasks have no key of BEA and read its keyless files. Say so to the workflow: "
            f"gh variable set PCE_SOURCE {where} --env {at.environment} --body bulk\n"
            f"     Or set BEA_API_KEY in .env, run this again, and take PCE_SOURCE away: "
            f"gh variable delete PCE_SOURCE {where} --env {at.environment}"
        )
    if at.is_private and not at.has_image:
        said.append(
            f"Let an image be made for tasks: gh workflow run image.yml {where} -f environment={at.environment}"
        )
    if at.master_is_readable:
        said.append(f"Make the database's tables and users, once, as its master: {_migration(at)}")
        said.append(f"Then take the right to the master password away: {apply} --master-secret-readable no")
    if not at.heartbeat_is_heard:
        said.append(f"Once a run has succeeded, switch the alarm of a missing heartbeat on: {apply}")
    return [f"  {number}. {text}" for number, text in enumerate(said, start=1)]


def took(seconds: float) -> str:
    """How long it took, for people."""
    minutes, rest = divmod(round(seconds), 60)
    return f"This took {minutes} min {rest} s." if minutes else f"This took {rest} s."


def _migration(at: Standing) -> str:
    if at.is_private:
        return (
            f"PCE_ECS_TASK_DEFINITION=pce-{at.environment}-migration PCE_DATABASE_LOGIN=secret "
            "python infra/run_task.py pce db migrate"
        )
    return (
        "python infra/database_door.py open; PCE_DATABASE_LOGIN=secret pce db migrate; "
        "python infra/database_door.py close (docs/setup.md says what they need)"
    )


def _is_confirmed(cloud: Cloud, topic: str, address: str) -> bool:
    """A subscription that waits for its confirmation has no address of its own yet."""
    try:
        pages = cloud.client("sns").get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
        return any(
            each["Endpoint"] == address and str(each["SubscriptionArn"]).startswith("arn:")
            for page in pages
            for each in page["Subscriptions"]
        )
    except ClientError:  # whoever may not look is told to look
        return False


def _not_copied(cloud: Cloud, environment: str, outputs: Mapping[str, str]) -> int:
    """How many keys the lake has below Bronze and decisions that the copy has not."""
    try:
        lake, copied = (_keys(cloud, outputs[name], environment) for name in ("BucketName", "CopyBucketName"))
    except ClientError:  # whoever may not look is not told
        return 0
    return len(lake - copied)


def _keys(cloud: Cloud, bucket: str, environment: str) -> set[str]:
    pages = cloud.client("s3").get_paginator("list_objects_v2")
    return {
        each["Key"]
        for name in ("bronze", "decisions")
        for page in pages.paginate(Bucket=bucket, Prefix=f"{environment}/{name}/")
        for each in page.get("Contents", ())
    }


def _has_image(cloud: Cloud, repository: str) -> bool:
    try:
        cloud.client("ecr").describe_images(
            repositoryName=repository.rpartition("/")[2], imageIds=[{"imageTag": "current"}]
        )
    except ClientError as error:
        if error_code(error) not in ("ImageNotFoundException", "RepositoryNotFoundException"):
            raise
        return False
    return True
