"""A change set of CloudFormation in words: what is created, changed, replaced, left behind, and what that costs.

Pure: from the descriptions that CloudFormation gives to lines for people.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from infra.provisioning.costs import Cost, cost_of, standing_cost

Kind = Literal["create", "take over", "change", "may replace", "replace", "leave behind", "delete"]

_HOLD_DATA = {"AWS::RDS::DBInstance", "AWS::S3::Bucket"}
_ORDER: tuple[Kind, ...] = ("delete", "leave behind", "replace", "may replace", "change", "take over", "create")
_NOUNS = {
    "AWS::S3::Bucket": "bucket",
    "AWS::S3::BucketPolicy": "bucket policy",
    "AWS::RDS::DBInstance": "database",
    "AWS::RDS::DBSubnetGroup": "subnet group",
    "AWS::RDS::DBParameterGroup": "database parameters",
    "AWS::IAM::Role": "role",
    "AWS::IAM::ManagedPolicy": "permissions",
    "AWS::IAM::OIDCProvider": "GitHub's OIDC provider",
    "AWS::EC2::VPC": "network",
    "AWS::EC2::SecurityGroup": "security group",
    "AWS::Logs::LogGroup": "log group",
    "AWS::SNS::Topic": "alert topic",
    "AWS::SNS::Subscription": "e-mail subscription",
    "AWS::Budgets::Budget": "budget alarm",
    "AWS::SecretsManager::Secret": "secret",
    "AWS::Logs::MetricFilter": "metric of log lines",
    "AWS::CloudWatch::Alarm": "alarm",
    "AWS::Scheduler::ScheduleGroup": "group of schedules",
    "AWS::Scheduler::Schedule": "schedule",
    "AWS::ECS::TaskDefinition": "task definition",
    "AWS::ECS::Service": "service",
    "AWS::Glue::Database": "catalogue of tables",
    "AWS::Athena::WorkGroup": "Athena workgroup",
}


@dataclass(frozen=True)
class Change:
    """One resource of a change set."""

    kind: Kind
    name: str
    resource_type: str
    properties: tuple[str, ...] = ()

    @property
    def noun(self) -> str:
        words = self.resource_type.rpartition("::")[2]
        return _NOUNS.get(self.resource_type, words)

    @property
    def endangers_data(self) -> bool:
        return self.resource_type in _HOLD_DATA and self.kind in ("replace", "may replace", "leave behind", "delete")


@dataclass(frozen=True)
class Plan:
    """What a change set would do; `public_database` is whether the database gets a public address."""

    changes: Sequence[Change]
    public_database: bool = False
    notes: Sequence[str] = field(default_factory=tuple)

    @property
    def dangers(self) -> list[Change]:
        return [change for change in self.changes if change.endangers_data]

    def lines(self) -> list[str]:
        """The plan for people."""
        if not self.changes:
            return ["Nothing changes.", *self.notes]
        said = []
        for kind in _ORDER:
            for change in (each for each in self.changes if each.kind == kind):
                cost = cost_of(change.resource_type) if kind in ("create", "take over") else None
                price = f"; {_price(cost)}" if cost else ""
                said.append(f"  {kind:<12}  {change.noun} {change.name}{price}")
                said += [f"{'':16}{text}" for text in change.properties]
        counts = [f"{sum(each.kind == kind for each in self.changes)} to {kind}" for kind in _ORDER]
        said.append("In short: " + ", ".join(text for text in counts if not text.startswith("0 ")) + ".")
        new = standing_cost(
            [each.resource_type for each in self.changes if each.kind == "create"], public_database=self.public_database
        )
        if new:
            said.append(f"New costs: about ${new:.0f} a month, used or not, plus use (list prices of us-east-1).")
        said += [f"WARNING: {change.name} holds data. {_consequence(change)}" for change in self.dangers]
        return [*said, *self.notes]


_CONSEQUENCE = {
    "AWS::RDS::DBInstance": (
        "The database would be dropped, with a last snapshot; a new one starts empty and is filled again from the lake."
    ),
    "AWS::S3::Bucket": "The bucket is left behind with everything in it, and the environment starts on an empty lake.",
}

_CONSEQUENCE_OF = {
    "CopyBucket": (
        "The copy is left behind with everything in it, locked as it was; the next gets what is written from then on."
    ),
    "LogBucket": "The access logs of before are left behind.",
}


def _consequence(change: Change) -> str:
    return _CONSEQUENCE_OF.get(change.name) or _CONSEQUENCE[change.resource_type]


def _price(cost: Cost) -> str:
    return f"${cost.monthly:.2f} a month, {cost.words}" if cost.monthly else cost.words


def read_plan(change_set: Sequence[Mapping[str, Any]], *, public_database: bool, notes: Sequence[str] = ()) -> Plan:
    """A plan from the `Changes` of DescribeChangeSet, all pages."""
    changes = [_change(each["ResourceChange"]) for each in change_set if each.get("Type", "Resource") == "Resource"]
    return Plan(changes, public_database=public_database, notes=notes)


def _change(described: Mapping[str, Any]) -> Change:
    return Change(
        kind=_kind(described),
        name=described["LogicalResourceId"],
        resource_type=described["ResourceType"],
        properties=tuple(_properties(described.get("Details", ()))),
    )


def _kind(described: Mapping[str, Any]) -> Kind:
    keeps = described.get("PolicyAction", "Delete") in ("Retain", "Snapshot")
    match described["Action"], described.get("Replacement", "False"):
        case "Add", _:
            return "create"
        case "Import", _:
            return "take over"
        case "Remove", _:
            return "leave behind" if keeps else "delete"
        case _, "True":
            return "replace"
        case ("Dynamic", _) | (_, "Conditional"):
            return "may replace"
        case _:
            return "change"


def _properties(details: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line per changed property, with its values where CloudFormation gives them."""
    said: dict[str, str] = {}
    for detail in details:
        target = detail.get("Target", {})
        name = target.get("Path") or target.get("Name") or target.get("Attribute", "")
        text = name.removeprefix("/Properties/")
        if "BeforeValue" in target or "AfterValue" in target:
            text += f": {target.get('BeforeValue', 'nothing')} -> {target.get('AfterValue', 'nothing')}"
        if target.get("RequiresRecreation") in ("Always", "Conditionally"):
            text += " (makes it a new one)" if target["RequiresRecreation"] == "Always" else " (may make it a new one)"
        said.setdefault(name, text)
    return list(said.values())
