"""The program that restores damaged objects of Bronze: who asks, what is damaged, is it meant, do it, say so.

The bucket's policy is never lifted. The program assumes a role that named administrators alone may assume, with a code
of their MFA device, and that alone may write over an object of Bronze. Exit codes: 0 done, 1 failed, 2 refused.
"""

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from botocore.exceptions import ClientError

from infra.provisioning.cloud import REFUSALS, Client, Cloud, error_code, refusal, session
from infra.provisioning.console import Console
from infra.provisioning.errors import NoEnvironment, ProvisioningError, UsageRefused
from infra.provisioning.options import known_variables, session_arguments
from infra.provisioning.outputs import outputs_of
from infra.provisioning.restoration import (
    Bucket,
    Copy,
    Finding,
    NotRestorable,
    copy_in_bucket,
    copy_in_folder,
    utc_now,
)
from infra.provisioning.stack import Stack
from pce_pipeline.bronze.restoring import BronzeObject
from pce_pipeline.errors import PceError, UsageError

_SECONDS_OF_A_SESSION = 3600
_LONGEST_NAME_OF_A_SESSION = 64


@dataclass(frozen=True, kw_only=True)
class Options:
    """One call of the program."""

    environment: str
    """staging or prod."""
    keys: Sequence[str]
    """The objects."""
    copies: Sequence[str] = ()
    """Addresses of second copies."""
    reason: str | None = None
    """Why; asked for where it is not given."""
    confirm: str | None = None
    """The bucket's name, typed, where nobody can be asked."""
    mfa_device: str | None = None
    """The MFA device whose code is asked for; the user's only one where it is not given."""
    session: Mapping[str, str] = field(default_factory=dict)
    """Arguments for boto3.Session."""

    def __repr__(self) -> str:
        return f"Options({self.environment}, {list(self.keys)})"


AssumeRole = Callable[[str], Client]
"""S3 with the credentials of a role, by the role's ARN."""


def main() -> int:
    """Run with the command line and environment of this process."""
    try:
        options = read_options(sys.argv[1:], os.environ, Path(".env"))
        return run(options, Cloud(session(options.session)), Console())
    except ProvisioningError as error:
        sys.stderr.write(f"{error}\n{error.remedy}\n")
        return error.exit_code
    except PceError as error:
        sys.stderr.write(f"{error.message}\n{error.remedy}\n")
        return UsageRefused.exit_code if isinstance(error, UsageError) else ProvisioningError.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("Stopped. Run the same command again: it goes on from what is there.\n")
        return ProvisioningError.exit_code
    except REFUSALS as error:
        sys.stderr.write(f"AWS refused: {refusal(error)}\nNothing is lost: correct it and run the same again.\n")
        return ProvisioningError.exit_code


def read_options(arguments: Sequence[str], variables: Mapping[str, str], dotenv: Path) -> Options:
    """Raises `UsageRefused` without a region; exits like argparse does."""
    parser = argparse.ArgumentParser(
        prog="restore_object.py", description="Restore damaged objects of Bronze, which nobody else may write over."
    )
    parser.add_argument("keys", nargs="+", metavar="KEY", help="as `pce verify` names it: staging/bronze/bea/...")
    parser.add_argument("--env", required=True, choices=["staging", "prod"])
    parser.add_argument("--region", help="default: AWS_REGION")
    parser.add_argument(
        "--copy", action="append", default=[], metavar="URI", help="a second copy: s3://bucket[/prefix] or a folder"
    )
    parser.add_argument("--reason", help="why, for those who find it later; asked for where it is not given")
    parser.add_argument("--confirm", metavar="BUCKET", help="the bucket's name, typed, where nobody can be asked")
    parser.add_argument("--mfa-device", metavar="ARN", help="default: your only one")
    given = parser.parse_args(arguments)
    known = known_variables(variables, dotenv)
    region = given.region or known.get("AWS_REGION") or known.get("AWS_DEFAULT_REGION")
    if not region:
        raise UsageRefused("No region is set.", remedy="Add --region us-east-1, or set AWS_REGION in .env.")
    return Options(
        environment=given.env,
        keys=list(dict.fromkeys(given.keys)),
        copies=given.copy,
        reason=given.reason,
        confirm=given.confirm,
        mfa_device=given.mfa_device,
        session=session_arguments({**known, "AWS_REGION": region}),
    )


def run(options: Options, cloud: Cloud, console: Console, assume: AssumeRole | None = None) -> int:
    """Restore what is damaged; 0 where all objects are intact then.

    Raises `ProvisioningError`, `PceError` and botocore's own errors. Of several objects those that can be restored are.
    """
    for key in options.keys:
        if BronzeObject.of(key).layout.env != options.environment:
            raise UsageRefused(f"{key} is not of {options.environment}.", remedy="Name its environment with --env.")
    copies = [_copy_at(address, cloud) for address in options.copies]
    outputs = _outputs(options, cloud, console)
    name, by = outputs["BucketName"], str(cloud.client("sts").get_caller_identity()["Arn"])
    role = _role(options.environment, outputs, by)
    s3 = assume(role) if assume is not None else _with_role(options, cloud, console, role, by)
    return restore(options, Bucket(s3, name, copies), console, by=by)


def restore(options: Options, bucket: Bucket, console: Console, *, by: str) -> int:
    """Look, ask, write. Raises `NotRestorable` for the first object that cannot be restored, after all others were."""
    damaged: list[Finding] = []
    lost: list[NotRestorable] = []
    for key in options.keys:
        try:
            finding = bucket.look(key)
        except NotRestorable as problem:
            lost.append(problem)
            continue
        for line in finding.said():
            console.say(line)
        if finding.source is not None:
            damaged.append(finding)
        for record in bucket.finish(finding, now=utc_now) if finding.source is None else ():
            console.say(f"  It was restored by a run that was killed: {record} says so now.")
    if damaged:
        reason = _reason(options, console)
        _confirm(options, console, bucket.name, damaged)
        for finding in damaged:
            version = bucket.restore(finding, reason=reason, by=by, now=utc_now)
            console.say(f"{finding.object.key} is restored: version {version}.")
        records = sorted({finding.object.layout.restored(finding.object.dataset) for finding in damaged})
        console.say(f"What was done, why and by whom is recorded below {', '.join(records)}/.")
        console.say("Next: pce verify")
    for other in lost[1:]:
        console.say(f"{other} {other.remedy}")
    if lost:
        raise lost[0]
    return 0


def _outputs(options: Options, cloud: Cloud, console: Console) -> dict[str, str]:
    stack = Stack(cloud, f"pce-{options.environment}", console)
    found = stack.existing()
    if found is None:
        raise NoEnvironment(stack.name)
    return outputs_of(found)


def _role(environment: str, outputs: Mapping[str, str], by: str) -> str:
    """The role that restores. Raises `UsageRefused` where nobody may assume it, or somebody of this kind cannot."""
    if ":user/" not in by:
        raise UsageRefused(
            f"{by} is not an IAM user, and the role that restores is assumed by one with a code of an MFA device.",
            remedy="Sign in as one of the users that --restore-administrators names (AWS_PROFILE, or keys).",
        )
    if "RestoreRoleArn" not in outputs:
        raise UsageRefused(
            f"Nobody may restore objects of {environment} yet.",
            remedy=f"Name who may: python infra/provision_aws.py --env {environment} --restore-administrators {by}",
        )
    return outputs["RestoreRoleArn"]


def _with_role(options: Options, cloud: Cloud, console: Console, role: str, by: str) -> Client:
    """S3 with the role's credentials, which a code of the MFA device gives for an hour."""
    device = options.mfa_device or _own_device(cloud, by)
    code = console.ask(f"Code of {device}: ").strip()
    try:
        given = cloud.client("sts").assume_role(
            RoleArn=role,
            RoleSessionName=by.rpartition("/")[2][:_LONGEST_NAME_OF_A_SESSION],
            SerialNumber=device,
            TokenCode=code,
            DurationSeconds=_SECONDS_OF_A_SESSION,
        )["Credentials"]
    except REFUSALS as error:
        raise UsageRefused(
            f"AWS does not let {by} assume {role}: {refusal(error)}.",
            remedy="Is the code new and of this device, and are you among --restore-administrators of the last apply?",
        ) from None
    own = session(
        {
            "aws_access_key_id": given["AccessKeyId"],
            "aws_secret_access_key": given["SecretAccessKey"],
            "aws_session_token": given["SessionToken"],
            "region_name": cloud.region,
        }
    )
    return Cloud(own).client("s3")


def _own_device(cloud: Cloud, by: str) -> str:
    try:
        found = cloud.client("iam").list_mfa_devices(UserName=by.rpartition("/")[2])["MFADevices"]
    except ClientError as error:
        raise UsageRefused(
            f"The MFA devices of {by} cannot be listed ({error_code(error)}).", remedy="Name yours with --mfa-device."
        ) from None
    if len(found) != 1:
        raise UsageRefused(
            f"{by} has {len(found) or 'no'} MFA devices.",
            remedy="Name one with --mfa-device." if found else "Register one: IAM, Users, Security credentials.",
        )
    return str(found[0]["SerialNumber"])


def _copy_at(address: str, cloud: Cloud) -> Copy:
    """A second copy, read with the caller's own credentials. Raises `UsageRefused` for what is no place of one."""
    scheme, has_scheme, rest = address.partition("://")
    if not has_scheme:
        folder = Path(address)
        if not folder.is_dir():
            raise UsageRefused(f"{address} is not a folder.", remedy="Name the folder that holds `<env>/bronze/`.")
        return copy_in_folder(folder)
    bucket, _, prefix = rest.partition("/")
    if scheme != "s3" or not bucket:
        raise UsageRefused(f"{address} is no place of a copy.", remedy="Write s3://bucket/prefix, or a folder.")
    return copy_in_bucket(cloud.client("s3"), bucket, prefix.strip("/"))


def _reason(options: Options, console: Console) -> str:
    reason = options.reason if options.reason is not None else console.ask("Why? ")
    if not reason.strip():
        raise UsageRefused("It needs a reason.", remedy="Add --reason with a sentence for those who find it later.")
    return reason.strip()


def _confirm(options: Options, console: Console, bucket: str, damaged: Sequence[Finding]) -> None:
    typed = options.confirm
    if typed is None:
        count = "an object" if len(damaged) == 1 else f"{len(damaged)} objects"
        typed = console.ask(f"This writes {count} of Bronze again. Type the bucket's name to go on: ").strip()
    if typed != bucket:
        raise UsageRefused("What was typed is not the bucket's name.", remedy="Nothing was written.")
