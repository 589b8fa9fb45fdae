"""How the door of a database closes itself: a one-time schedule of EventBridge for each address that is let in.

The schedule calls EC2 by itself at its time, with no program of ours in between, and deletes itself. There is one for
each address, named after it: opening for the same address again moves its time, and closing takes it away.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Address

from botocore.exceptions import ClientError

from infra.provisioning.cloud import Client, error_code, refusal
from infra.provisioning.errors import ProvisioningError

PORT = 5432
"""The port that the door leads to."""

_REVOKE = "arn:aws:scheduler:::aws-sdk:ec2:revokeSecurityGroupIngress"
_ROLE_SUFFIX = "-schedule"
_AT = "at(%Y-%m-%dT%H:%M:%S)"
_TRIES = 10
_PATIENCE_SECONDS = 900


class DoorStaysOpen(ProvisioningError):
    """What would close the door could not be made, for `reason`, so it was not opened."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The door was not opened, because nothing would close it by itself: {reason}.",
            remedy="Run infra/provision_aws.py again: the environment's roles may be older than this program. "
            "With --schedule-role '' it is opened all the same, until somebody closes it.",
        )
        self.reason = reason


@dataclass(frozen=True)
class Closing:
    """The schedules of one environment's door."""

    scheduler: Client
    """A client of EventBridge Scheduler."""
    role: str
    """The ARN of the role `pce-<env>-schedule`; its schedules lie in the group `pce-<env>`."""

    @property
    def group(self) -> str:
        """The group of schedules that the role trusts."""
        return self.role.rpartition("/")[2].removesuffix(_ROLE_SUFFIX)

    def plan(self, security_group: str, address: IPv4Address, at: datetime) -> None:
        """Let the rule of this address be taken away at `at` (UTC), whether or not it exists yet.

        Raises `DoorStaysOpen`.
        """
        asked = {
            "Name": _name(str(address)),
            "GroupName": self.group,
            "Description": f"Takes away the rule that lets in {address}",
            "ScheduleExpression": at.strftime(_AT),
            "ScheduleExpressionTimezone": "UTC",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "ActionAfterCompletion": "DELETE",
            "Target": {
                "Arn": _REVOKE,
                "RoleArn": self.role,
                "Input": json.dumps(closing_call(security_group, f"{address}/32")),
                # soon or not at all: a later run may have let in the same address again
                "RetryPolicy": {"MaximumRetryAttempts": _TRIES, "MaximumEventAgeInSeconds": _PATIENCE_SECONDS},
            },
        }
        try:
            try:
                self.scheduler.create_schedule(**asked)
            except ClientError as error:
                if error_code(error) != "ConflictException":
                    raise
                self.scheduler.update_schedule(**asked)
        except ClientError as error:
            raise DoorStaysOpen(refusal(error)) from None

    def planned_at(self, cidr: str) -> datetime | None:
        """When (UTC) the rule of an address will be taken away; None where nothing is planned."""
        try:
            found = self.scheduler.get_schedule(Name=_name(cidr.partition("/")[0]), GroupName=self.group)
        except ClientError as error:
            if error_code(error) != "ResourceNotFoundException":
                raise
            return None
        return datetime.strptime(str(found["ScheduleExpression"]), _AT).replace(tzinfo=UTC)

    def cancel(self, cidr: str) -> None:
        """Remove the schedule of an address, which may be gone already."""
        try:
            self.scheduler.delete_schedule(Name=_name(cidr.partition("/")[0]), GroupName=self.group)
        except ClientError as error:
            if error_code(error) != "ResourceNotFoundException":
                raise


def closing_call(security_group: str, cidr: str) -> dict[str, object]:
    """What EC2 is asked by the schedule: to take away the rule with these properties, whatever its id."""
    rule = {"IpProtocol": "tcp", "FromPort": PORT, "ToPort": PORT, "IpRanges": [{"CidrIp": cidr}]}
    return {"GroupId": security_group, "IpPermissions": [rule]}


def _name(address: str) -> str:
    return f"door-{address}"
