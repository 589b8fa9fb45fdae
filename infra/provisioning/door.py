"""The door of a database with runner reach: open it for one address and one run, close it, sweep what was left open.

It closes itself: before an address is let in, EventBridge Scheduler is told when to take its rule away (closing.py).
A rule says in its tags which run opened it and when, so that the sweep knows what is left over from killed runs.
"""

import argparse
import os
import re
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from ipaddress import AddressValueError, IPv4Address
from typing import Any

from botocore.exceptions import ClientError

from infra.provisioning.closing import PORT, Closing
from infra.provisioning.cloud import REFUSALS, Client, Cloud, error_code, refusal, session
from infra.provisioning.errors import ProvisioningError, UsageRefused
from infra.provisioning.options import known_variables, session_arguments

_WHO_AM_I = "https://checkip.amazonaws.com"
_LONGEST_MINUTES = 24 * 60
_RUN, _OPENED = "pce:run", "pce:opened-at"


@dataclass(frozen=True)
class Door:
    """The security group of one database."""

    ec2: Client
    group: str
    closing: Closing | None = None
    """What closes it where nobody does; None where the environment has nothing that could."""

    def open(self, address: IPv4Address, run: str, now: datetime, closes_at: datetime | None = None) -> str:
        """Let the address in; the id of the rule. Done again for the same address, it is the rule that exists.

        The time at which it closes itself is set first, so that whoever is killed meanwhile leaves no open door behind.
        Raises `DoorStaysOpen` where that cannot be, and opens nothing then.
        """
        if self.closing is not None and closes_at is not None:
            self.closing.plan(self.group, address, closes_at)
        for rule in self._rules():
            if rule.get("CidrIpv4") == f"{address}/32":
                return str(rule["SecurityGroupRuleId"])
        tags = [{"Key": _RUN, "Value": run}, {"Key": _OPENED, "Value": now.isoformat(timespec="seconds")}]
        answer = self.ec2.authorize_security_group_ingress(
            GroupId=self.group,
            IpPermissions=[
                {
                    "IpProtocol": "tcp",
                    "FromPort": PORT,
                    "ToPort": PORT,
                    "IpRanges": [{"CidrIp": f"{address}/32", "Description": described(run)}],
                }
            ],
            TagSpecifications=[{"ResourceType": "security-group-rule", "Tags": tags}],
        )
        return str(answer["SecurityGroupRules"][0]["SecurityGroupRuleId"])

    def close(self, run: str) -> list[str]:
        """Take away what this run opened; the addresses. Finding nothing there is not an error."""
        return self._revoke([rule for rule in self._rules() if _tags(rule).get(_RUN) == run])

    def sweep(self, older_than: timedelta, now: datetime) -> list[str]:
        """Take away every address let in longer ago, or at an unknown time; the addresses.

        One that will close itself is left to that, unless nothing at all shall stay open.
        """
        old = [rule for rule in self._rules() if _opened_at(rule) <= now - older_than]
        return self._revoke([rule for rule in old if not older_than or not self._closes_itself(rule, now)])

    def _closes_itself(self, rule: Mapping[str, Any], now: datetime) -> bool:
        """Whether a rule is planned to be taken away later than now."""
        at = self.closing.planned_at(rule["CidrIpv4"]) if self.closing is not None and "CidrIpv4" in rule else None
        return at is not None and at > now

    def _rules(self) -> list[Mapping[str, Any]]:
        """What is open to addresses; other security groups (tasks) are none of its business."""
        pages = self.ec2.get_paginator("describe_security_group_rules").paginate(
            Filters=[{"Name": "group-id", "Values": [self.group]}]
        )
        return [
            rule
            for page in pages
            for rule in page["SecurityGroupRules"]
            if not rule["IsEgress"] and ("CidrIpv4" in rule or "CidrIpv6" in rule)
        ]

    def _revoke(self, rules: Sequence[Mapping[str, Any]]) -> list[str]:
        gone = []
        for rule in rules:
            try:
                self.ec2.revoke_security_group_ingress(
                    GroupId=self.group, SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]]
                )
            except ClientError as error:
                if error_code(error) != "InvalidSecurityGroupRuleId.NotFound":
                    raise
            gone.append(str(rule.get("CidrIpv4") or rule.get("CidrIpv6")))
            if self.closing is not None and "CidrIpv4" in rule:
                self.closing.cancel(rule["CidrIpv4"])
        return gone


def described(run: str) -> str:
    """What a rule says of itself. Raises `UsageRefused` for a name that EC2 would refuse in it."""
    if not re.fullmatch(r"[a-zA-Z0-9 ._:/()#,@\[\]+=;{}!$*-]{1,200}", run):
        raise UsageRefused(
            f"{run[:60]!r} cannot name a run: EC2 takes up to 200 letters, digits and ._-:/()#,@[]+=;{{}}!$* here.",
            remedy="Name it otherwise with --run.",
        )
    return f"run {run}"


def own_address(url: str = _WHO_AM_I) -> IPv4Address:
    """The address this machine has on the internet, as somebody out there sees it. Raises `ProvisioningError`."""
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:  # noqa: S310 (a fixed https address, or the test's own)
            return IPv4Address(answer.read(64).decode("ascii").strip())
    except (OSError, HTTPException, AddressValueError, UnicodeDecodeError) as error:
        raise ProvisioningError(
            f"The address of this machine could not be found out ({type(error).__name__}).",
            remedy="Name it with --address.",
        ) from None


def main() -> int:
    """Run with the command line of this process; 0 done, 1 failed, 2 refused."""
    try:
        for line in run(sys.argv[1:], known_variables(os.environ)):
            sys.stdout.write(f"{line}\n")
    except ProvisioningError as error:
        sys.stderr.write(f"{error}\n{error.remedy}\n")
        return error.exit_code
    except REFUSALS as error:
        sys.stderr.write(f"AWS refused: {refusal(error)}\n")
        sys.stderr.write("Check the role's permissions and the group's id, and run again.\n")
        return 1
    return 0


def run(arguments: Sequence[str], variables: Mapping[str, str]) -> list[str]:
    """One call; what was done, in words. Raises `UsageRefused` for an address nobody may open."""
    given = _parser(variables).parse_args(arguments)
    if not given.group:
        raise UsageRefused("No security group.", remedy="Add --group, or set PCE_DATABASE_SECURITY_GROUP.")
    cloud = Cloud(session(session_arguments({**variables, "AWS_REGION": given.region or ""})))
    closing = Closing(cloud.client("scheduler"), given.schedule_role) if given.schedule_role else None
    door = Door(cloud.client("ec2"), given.group, closing)
    now = datetime.now(UTC)
    if given.verb == "open":
        address = IPv4Address(given.address) if given.address else own_address(given.ask)
        if not address.is_global:
            raise UsageRefused(
                f"{address} is not an address of the internet.", remedy="Name the public one with --address."
            )
        closes_at = now + timedelta(minutes=given.minutes)
        rule = door.open(address, given.run, now, closes_at)
        return [
            f"{given.group} lets in {address} on port {PORT}: {rule}",
            f"It closes itself at {closes_at:%Y-%m-%d %H:%M} UTC."
            if closing is not None
            else "It stays open until somebody closes it: there is no --schedule-role (PCE_SCHEDULE_ROLE_ARN). "
            "infra/provision_aws.py prints it, after an apply.",
        ]
    gone = door.close(given.run) if given.verb == "close" else door.sweep(timedelta(minutes=given.older_than), now)
    return [f"{given.group} no longer lets in {address}" for address in gone] or [f"{given.group}: nothing was open."]


def _parser(variables: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="database_door.py", description="Open and close the database for a run.")
    parser.add_argument("verb", choices=["open", "close", "sweep"])
    parser.add_argument("--group", default=variables.get("PCE_DATABASE_SECURITY_GROUP"), help="security group")
    parser.add_argument("--region", default=variables.get("AWS_REGION"))
    parser.add_argument("--run", default=variables.get("GITHUB_RUN_ID", "by-hand"), help="which run this is")
    parser.add_argument("--address", help="IPv4 address to let in; default: the one this machine is seen with")
    parser.add_argument("--ask", default=variables.get("PCE_OWN_ADDRESS_URL", _WHO_AM_I), help="who tells that address")
    parser.add_argument(
        "--minutes", type=_minutes, default=60.0, metavar="MINUTES", help="when it closes itself, from now; default: 60"
    )
    parser.add_argument(
        "--schedule-role",
        default=variables.get("PCE_SCHEDULE_ROLE_ARN"),
        metavar="ARN",
        help="the role that closes it at that time",
    )
    parser.add_argument("--older-than", type=float, default=180.0, metavar="MINUTES", help="what sweep takes away")
    return parser


def _minutes(text: str) -> float:
    """How many minutes a door stays open. Raises `ValueError` for less than one, or for more than the longest."""
    minutes = float(text)
    if not 1 <= minutes <= _LONGEST_MINUTES:
        raise ValueError(text)
    return minutes


def _tags(rule: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in rule.get("Tags", ())}


def _opened_at(rule: Mapping[str, Any]) -> datetime:
    try:
        return datetime.fromisoformat(_tags(rule)[_OPENED])
    except (KeyError, ValueError):
        return datetime.min.replace(tzinfo=UTC)
